//! Fixing without an installer: every backend, what is left alone, and a fix that was cut off.

use std::{
    fs,
    path::{Path, PathBuf},
};

use modstore_testbed::{Backend, Mount, Project, Venv, has_strace};
use serde_json::Value;

use crate::world::{MODULES, World, assert_recorded, codes, import, install, module, only, text};

#[test]
fn whatever_backend_has_installed_it_the_files_are_rewritten_and_all_tools_agree_with_them() {
    let Some(world) = World::new() else { return };
    let venv = world.venv("venv");
    venv.uv_pip("install", &["-q", "editables"]).ok();
    let mut packages = Vec::new();
    for (number, backend) in Backend::PURE.into_iter().enumerate() {
        let project = Project::new(&format!("mod-{number}"), backend);
        let (_, new) = world.stranded(&venv, &project);
        packages.push((project, new, backend));
    }
    let (ran, told) = world.doctor_without_uv(&venv, &["--fix"]);
    ran.ok();
    assert_eq!(codes(&told), Vec::<&str>::new(), "{told:#}");
    let mended = told["fixed"].as_array().unwrap();
    assert!(mended.len() == packages.len() && mended.iter().all(|it| it["how"] == "hand"));
    let shown = venv.uv_pip("freeze", &[""; 0]).ok().stdout;
    for (project, new, backend) in &packages {
        assert_eq!(import(&venv, &project.package()), "1.0", "{backend:?}");
        assert_recorded(&venv, &project.name);
        assert!(shown.contains(text(new)), "{backend:?} {shown}");
    }
    let leftovers: Vec<_> = fs::read_dir(venv.site()).unwrap().flatten().collect();
    let names = leftovers.iter().map(|it| it.file_name().into_string().unwrap());
    assert_eq!(names.filter(|name| name.contains("modstore")).count(), 0);
    assert_eq!(codes(&world.doctor_without_uv(&venv, &[]).1), Vec::<&str>::new());
    venv.uv_pip("check", &[""; 0]).ok();
    let names: Vec<&str> = packages.iter().map(|(project, ..)| project.name.as_str()).collect();
    venv.uv_pip("uninstall", &names).ok();
    assert!(!venv.pth_files().keys().any(|name| name.contains("mod_")), "all of it was recorded");
}

#[test]
fn an_installation_by_pip_is_fixed_by_pip_or_by_hand() {
    let Some(world) = World::new() else { return };
    let venv = Venv::with_pip(&world.home, &world.tools, &world.python, "venv");
    for (name, backend) in [("mod-a", Backend::SetuptoolsFlat), ("mod-b", Backend::Hatchling)] {
        let project = Project::new(name, backend);
        let old = world.cached(&project, MODULES[0].1, "https://h.example/r");
        venv.pip(&["install", "-q", "--no-deps", "-e", text(&old)]).ok();
        assert_eq!(import(&venv, &project.package()), "1.0", "and leaves byte code of the finder");
        fs::rename(&old, old.with_file_name(format!("{name}-{}", MODULES[0].2))).unwrap();
    }
    // pip has no network here that a stranger's would have; a variable names the directory of the backends.
    let prefix = text(venv.prefix()).to_owned();
    let mut command = world.home.command(&["--json", "doctor", "--fix", "--python", &prefix]);
    command.env("PATH", world.home.scratch());
    let ran = modstore_testbed::Running::start(command).wait().ok();
    let told = ran.json();
    assert!(told["fixed"].as_array().unwrap().iter().all(|it| it["how"] == "pip"), "{told:#}");
    for name in ["mod-a", "mod-b"] {
        assert_eq!(import(&venv, &name.replace('-', "_")), "1.0");
        let at = |hash: &str| world.cache().join(format!("{name}-{hash}"));
        fs::rename(at(MODULES[0].2), at(MODULES[0].1)).unwrap();
    }
    let mut command =
        world.home.command(&["--json", "--offline", "doctor", "--fix", "--python", &prefix]);
    command.env("PATH", world.home.scratch()).env_remove("PIP_FIND_LINKS");
    let ran = modstore_testbed::Running::start(command).wait().ok();
    let told = ran.json();
    assert!(told["fixed"].as_array().unwrap().iter().all(|it| it["how"] == "hand"), "{told:#}");
    assert!(!told["failed_fixes"][0]["causes"].as_array().unwrap().is_empty(), "why pip could not");
    for name in ["mod-a", "mod-b"] {
        assert_eq!(import(&venv, &name.replace('-', "_")), "1.0");
        assert_recorded(&venv, name);
    }
}

#[test]
fn an_installation_by_setup_py_develop_is_fixed_in_both_of_its_files() {
    let Some(world) = World::new() else { return };
    let venv = world.venv("venv");
    let project = Project::new("mod-egg", Backend::SetuptoolsFlat);
    let old = world.cached(&project, MODULES[0].1, "https://h.example/r");
    // As old releases of setuptools write them; no newer one can be made to.
    fs::create_dir(old.join("mod_egg.egg-info")).unwrap();
    fs::write(old.join("mod_egg.egg-info/PKG-INFO"), "Name: mod-egg\nVersion: 1.0\n").unwrap();
    let (link, lines) =
        (venv.site().join("mod-egg.egg-link"), venv.site().join("easy-install.pth"));
    fs::write(&link, format!("{}\n.", text(&old))).unwrap();
    fs::write(&lines, format!("/somebody/elses\n{}\n", text(&old))).unwrap();
    assert_eq!(import(&venv, "mod_egg"), "1.0");
    let new = old.with_file_name(format!("mod-egg-{}", MODULES[0].2));
    fs::rename(&old, &new).unwrap();
    let (ran, told) = world.doctor_without_uv(&venv, &[]);
    ran.fails(1);
    assert_eq!(only(&told, "D01")["distribution"], "mod-egg", "{told:#}");
    let (_, told) = world.doctor_without_uv(&venv, &["--fix"]);
    assert_eq!(told["fixed"][0]["how"], "hand", "{told:#}");
    assert_eq!(fs::read_to_string(link).unwrap(), format!("{}\n.", text(&new)));
    let expected = format!("/somebody/elses\n{}\n", text(&new));
    assert_eq!(fs::read_to_string(lines).unwrap(), expected);
    assert_eq!(import(&venv, "mod_egg"), "1.0");
}

#[test]
fn a_finder_that_a_start_file_sets_up_is_fixed_as_one_of_a_pth_is() {
    let Some(world) = World::new() else { return };
    let venv = world.venv("venv");
    let project = Project::new("mod-start", Backend::Hatchling);
    let (old, new) = world.stranded(&venv, &project);
    // The same distribution as an installer for Python 3.15 would have made it.
    let finder = |at: &Path| {
        format!(
            "from editables.redirector import RedirectingFinder as F\nF.install()\n\
             F.map_module('mod_start', '{}/src/mod_start/__init__.py')\n",
            text(at)
        )
    };
    let (site, name) = (venv.site(), "_editable_impl_mod_start");
    fs::remove_file(site.join(format!("{name}.pth"))).unwrap();
    fs::write(site.join(format!("{name}.py")), finder(&old)).unwrap();
    fs::write(site.join("mod_start.start"), format!("{name}:install\n")).unwrap();
    let record = site.join("mod_start-1.0.dist-info/RECORD");
    let written = fs::read_to_string(&record).unwrap();
    let pth = written.lines().find(|line| line.starts_with(name)).unwrap();
    let both = format!("{name}.py,,\nmod_start.start,,");
    fs::write(&record, written.replace(pth, &both)).unwrap();
    let (_, told) = world.doctor_without_uv(&venv, &["--quick", "--fix"]);
    assert_eq!(told["fixed"][0]["how"], "hand", "{told:#}");
    assert_eq!(fs::read_to_string(site.join(format!("{name}.py"))).unwrap(), finder(&new));
    assert_eq!(
        fs::read_to_string(site.join("mod_start.start")).unwrap(),
        format!("{name}:install\n")
    );
    assert_recorded(&venv, "mod-start");
}

/// Every file of a directory with its bytes.
fn snapshot(directory: &Path) -> Vec<(PathBuf, Vec<u8>)> {
    let mut files = Vec::new();
    for child in fs::read_dir(directory).unwrap().flatten() {
        let path = child.path();
        if path.ends_with("__pycache__") {
        } else if path.is_dir() {
            files.extend(snapshot(&path));
        } else {
            files.push((path.clone(), fs::read(path).unwrap()));
        }
    }
    files.sort();
    files
}

#[test]
fn a_pth_that_was_edited_into_something_else_is_left_alone_and_reported() {
    let Some(world) = World::new() else { return };
    let venv = world.venv("venv");
    let project = module("provider-openai");
    world.stranded(&venv, &project);
    let pth = venv.site().join("_editable_impl_amplifier_module_provider_openai.pth");
    let code = "import sys; sys.path.insert(0, '/somewhere/of/my/own')\n";
    fs::write(&pth, format!("{}\n{code}", fs::read_to_string(&pth).unwrap())).unwrap();
    let before = snapshot(&venv.site());
    for (ran, told) in [world.doctor(&venv, &["--fix"]), world.doctor_without_uv(&venv, &["--fix"])]
    {
        ran.fails(1);
        let found = told["findings"].as_array().unwrap();
        let unclear = found.iter().find(|it| it["code"] == "D04").unwrap();
        assert!(unclear["message"].as_str().unwrap().contains("is not understood: it runs"));
        assert_eq!(unclear["path"], text(&pth));
        assert_eq!(snapshot(&venv.site()), before, "byte for byte");
        assert_eq!(told["fixed"], serde_json::json!([]));
    }
}

#[test]
fn a_pth_with_a_line_of_ones_own_keeps_it() {
    let Some(world) = World::new() else { return };
    let venv = world.venv("venv");
    let project = module("provider-openai");
    let (_, new) = world.stranded(&venv, &project);
    let pth = venv.site().join("_editable_impl_amplifier_module_provider_openai.pth");
    let own = world.home.scratch().join("own");
    project.write_to(&own);
    let before = fs::read_to_string(&pth).unwrap();
    fs::write(&pth, format!("# mine\r\n{before}\r\n\n{}/src\n", text(&own))).unwrap();
    // uv is there, and would write the file again without that line.
    let (ran, told) = world.doctor(&venv, &["--fix"]);
    ran.ok();
    assert_eq!(told["fixed"][0]["how"], "hand", "{told:#}");
    let expected = format!("# mine\r\n{}/src\r\n\n{}/src\n", text(&new), text(&own));
    assert_eq!(fs::read_to_string(&pth).unwrap(), expected);
    assert_eq!(codes(&told), Vec::<&str>::new(), "what is recorded, and works, is healthy");
}

#[test]
fn an_environment_that_cannot_be_written_to_is_reported_with_the_system_error() {
    let Some(world) = World::new() else { return };
    let Some(mount) = Mount::tmpfs(64) else { return };
    let place = mount.path().join("venv");
    let venv = Venv::create(&world.home, &world.tools, &world.python, text(&place));
    let project = module("provider-openai");
    world.stranded(&venv, &project);
    let before = snapshot(&venv.site());
    mount.read_only();
    let (ran, told) = world.doctor_without_uv(&venv, &["--fix"]);
    let ran = ran.fails(1).says("could not be rewritten");
    assert!(ran.stderr.contains("Read-only file system"), "{ran:?}");
    only(&told, "D01");
    let (ran, told) = world.doctor(&venv, &["--fix"]);
    ran.fails(1).says("uv could not install");
    only(&told, "D01");
    assert_eq!(snapshot(&venv.site()), before);
    mount.read_write();
    world.doctor_without_uv(&venv, &["--fix"]).0.ok();
    assert_eq!(import(&venv, &project.package()), "1.0");
}

#[test]
fn a_fix_that_is_killed_anywhere_is_finished_by_the_next() {
    let Some(world) = World::new() else { return };
    if !has_strace() {
        return;
    }
    let venv = world.venv("venv");
    let project = Project::new("mod-flat", Backend::SetuptoolsFlat);
    let here = world.cached(&project, MODULES[0].1, "https://h.example/r");
    let there = here.with_file_name(format!("mod-flat-{}", MODULES[0].2));
    install(&venv, &[&here]);
    let (mut at, mut killed) = (here.clone(), 0);
    let empty = world.home.scratch().join("empty");
    fs::create_dir_all(&empty).unwrap();
    for count in 1.. {
        let target = if at == there { here.clone() } else { there.clone() };
        fs::rename(&at, &target).unwrap();
        at = target;
        let inject = format!(
            "inject=rename,renameat,renameat2,fsync,unlink,unlinkat:signal=KILL:when={count}"
        );
        let prefix = text(venv.prefix());
        let mut command = world.home.command_of(
            Path::new("strace"),
            &[
                "-f",
                "-q",
                "-o",
                "/dev/null",
                "-e",
                "trace=rename,renameat,renameat2,fsync,unlink,unlinkat",
                "-e",
                &inject,
                env!("CARGO_BIN_EXE_modstore"),
                "doctor",
                "--quick",
                "--fix",
                "--python",
                prefix,
            ],
        );
        command.env("PATH", format!("{}:/usr/bin:/bin", text(&empty)));
        command.env("UV", "/no/uv");
        let ran = modstore_testbed::Running::start(command).wait();
        let (again, told) = world.doctor_without_uv(&venv, &["--fix"]);
        again.ok();
        assert_eq!(codes(&told), Vec::<&str>::new(), "killed at {count}: {told:#}");
        assert_eq!(import(&venv, "mod_flat"), "1.0", "killed at {count}");
        assert_recorded(&venv, "mod-flat");
        let shown: Value = serde_json::from_slice(
            &fs::read(venv.site().join("mod_flat-1.0.dist-info/direct_url.json")).unwrap(),
        )
        .unwrap();
        assert_eq!(shown["url"], format!("file://{}", text(&at)));
        if ran.status == 0 {
            break;
        }
        killed += 1;
        assert!(killed < 60, "{ran:?}");
    }
    assert!(killed >= 6, "it was killed {killed} times only");
    let left = fs::read_dir(venv.site()).unwrap().flatten();
    let left = left.filter(|it| it.file_name().to_string_lossy().contains("modstore"));
    assert_eq!(left.count(), 0, "spares are taken away by the next");
}
