//! Kinds of environments that people have, each as Python itself sees it: what is healthy there is silent, and what stops
//! Python is named.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use modstore_testbed::{Backend, Project, Running, Venv};
use serde_json::Value;

use crate::{
    oracle::obey,
    world::{World, codes, install, only, text, with_code},
};

/// Writes a project and what is in it, and says where.
fn project(world: &World, name: &str, settings: &str, files: &[(&str, &str)]) -> PathBuf {
    let directory = world.home.scratch().join(format!("project-{name}"));
    let head = format!("[project]\nname = \"{name}\"\nversion = \"1.0\"\ndescription = \"d\"\n");
    let all = [("pyproject.toml", format!("{head}{settings}"))];
    let given = files.iter().map(|(path, content)| (*path, (*content).to_owned()));
    for (path, content) in all.into_iter().chain(given) {
        let path = directory.join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, content).unwrap();
    }
    directory
}

const HATCHLING: &str =
    "[build-system]\nrequires = [\"hatchling\"]\nbuild-backend = \"hatchling.build\"\n";
const SETUPTOOLS: &str =
    "[build-system]\nrequires = [\"setuptools\"]\nbuild-backend = \"setuptools.build_meta\"\n";

/// hatchling, which puts `src` on the import path.
fn hatchling(package: &str) -> String {
    format!("[tool.hatch.build.targets.wheel]\npackages = [\"src/{package}\"]\n\n{HATCHLING}")
}

#[track_caller]
fn assert_healthy(world: &World, venv: &Venv<'_>) {
    for more in [&[][..], &["--quick"], &["--import"], &["--fix"]] {
        let (ran, told) = world.doctor(venv, more);
        assert_eq!(codes(&told), Vec::<&str>::new(), "{more:?} {told:#}");
        assert_eq!(told["fixed"], serde_json::json!([]), "{more:?}");
        ran.ok();
    }
}

#[test]
fn scripts_and_tests_beside_a_package_are_promised_by_no_distribution_and_never_run() {
    let Some(world) = World::new() else { return };
    let venv = world.venv("venv");
    let mark = world.home.scratch().join("ran");
    let script = format!("open({:?}, 'w')\n", text(&mark));
    let mut projects = Vec::new();
    for name in ["first", "second"] {
        let package = format!("src/{name}/__init__.py");
        let files = [
            (package.as_str(), ""),
            ("src/drop_database.py", script.as_str()),
            // Others bring them too, and Python has both itself.
            ("src/tests/__init__.py", ""),
            ("src/conftest.py", ""),
            ("src/test/__init__.py", ""),
            ("src/types.py", ""),
        ];
        projects.push(project(&world, name, &hatchling(name), &files));
    }
    for name in ["third", "fourth"] {
        let settings =
            format!("[tool.setuptools]\npackages = [\"{name}\", \"tests\"]\n{SETUPTOOLS}");
        let package = format!("{name}/__init__.py");
        let files = [(package.as_str(), ""), ("tests/__init__.py", "")];
        projects.push(project(&world, name, &settings, &files));
    }
    let projects: Vec<&Path> = projects.iter().map(PathBuf::as_path).collect();
    install(&venv, &projects);
    venv.says("import first, second, third, fourth");
    assert_healthy(&world, &venv);
    assert!(!mark.exists(), "a script was run");
}

#[test]
fn what_hides_a_part_of_a_namespace_is_named_and_its_command_fixes_it() {
    let Some(world) = World::new() else { return };
    let venv = world.venv("venv");
    let tool =
        project(&world, "acme-tool", &hatchling("acme"), &[("src/acme/tool/__init__.py", "")]);
    install(&venv, &[&tool]);
    assert_healthy(&world, &venv);
    let left = venv.site().join("acme");
    fs::create_dir(&left).unwrap();
    fs::write(left.join("__init__.py"), "").unwrap();
    assert_ne!(venv.run("import acme.tool").status, 0);
    let (_, told) = world.doctor(&venv, &[]);
    assert!(only(&told, "D20")["message"].as_str().unwrap().contains(text(&left)), "{told:#}");
    obey(&world, only(&told, "D20")["fix"].as_str().unwrap());
    assert_healthy(&world, &venv);
    // The same by another editable install, which is named.
    let whole = project(&world, "aaa-acme", &hatchling("acme"), &[("src/acme/__init__.py", "")]);
    install(&venv, &[&whole]);
    assert_ne!(venv.run("import acme.tool").status, 0);
    let (_, told) = world.doctor(&venv, &[]);
    let why = only(&told, "D20")["not_fixed_because"].as_str().unwrap();
    assert!(why.contains("aaa-acme"), "{told:#}");
}

#[test]
fn packages_whose_own_code_shares_their_name_are_healthy_together() {
    let Some(world) = World::new() else { return };
    let venv = world.venv("venv");
    let sharing = "__path__ = __import__('pkgutil').extend_path(__path__, __name__)\n";
    let finder = format!("[tool.setuptools]\npackages = [\"acme\", \"acme.b\"]\n{SETUPTOOLS}");
    let by_path = project(
        &world,
        "acme-a",
        &hatchling("acme"),
        &[("src/acme/__init__.py", sharing), ("src/acme/a/__init__.py", "")],
    );
    let by_finder = project(
        &world,
        "acme-b",
        &finder,
        &[("acme/__init__.py", sharing), ("acme/b/__init__.py", "")],
    );
    install(&venv, &[&by_path, &by_finder]);
    let copied = venv.site().join("acme");
    fs::create_dir(&copied).unwrap();
    fs::write(copied.join("__init__.py"), sharing).unwrap();
    venv.says("import acme.a, acme.b");
    assert_healthy(&world, &venv);
}

#[test]
fn distributions_in_eggs_and_archives_on_the_import_path_are_installed() {
    let Some(world) = World::new() else { return };
    let venv = world.venv("venv");
    let egg = venv.site().join("In_Egg-1.6-py3.egg");
    fs::create_dir_all(egg.join("EGG-INFO")).unwrap();
    let metadata = "Metadata-Version: 2.1\nName: In-Egg\nVersion: 1.6\n";
    fs::write(egg.join("EGG-INFO/PKG-INFO"), metadata).unwrap();
    let lines = format!("./{}\n", egg.file_name().unwrap().to_str().unwrap());
    fs::write(venv.site().join("easy-install.pth"), lines).unwrap();
    let archive = world.home.scratch().join("packed.zip");
    let code = format!(
        "import zipfile\nwith zipfile.ZipFile({:?}, 'w') as z:\n z.writestr('packed.py', '')\n z.writestr('packed-2.0.dist-info/METADATA', 'Metadata-Version: 2.1\\nName: packed\\nVersion: 2.0\\n')",
        text(&archive)
    );
    venv.says(&code);
    fs::write(venv.site().join("archives.pth"), text(&archive)).unwrap();
    // By its metadata alone: as some builds of systems install.
    let info = venv.site().join("bare.egg-info");
    fs::create_dir(&info).unwrap();
    fs::write(info.join("PKG-INFO"), "Metadata-Version: 2.1\nName: bare\nVersion: 3.0\n").unwrap();
    let needing = "dependencies = [\"in-egg>=1.5\", \"packed>=2\", \"bare>=2\"]\n";
    let settings = format!("{needing}{}", hatchling("mine"));
    let mine = project(&world, "mine", &settings, &[("src/mine/__init__.py", "")]);
    install(&venv, &[&mine]);
    venv.says(
        "import importlib.metadata as m; [m.version(n) for n in ('in-egg', 'packed', 'bare')]",
    );
    assert_healthy(&world, &venv);
    fs::write(info.join("PKG-INFO"), "Metadata-Version: 2.1\nName: bare\nVersion: 1.0\n").unwrap();
    let (_, told) = world.doctor(&venv, &[]);
    assert!(
        only(&told, "D09")["message"].as_str().unwrap().contains("1.0 is installed"),
        "{told:#}"
    );
}

#[test]
fn the_file_that_ends_every_start_of_python_is_named_whatever_it_does() {
    let Some(world) = World::new() else { return };
    for (number, (name, code)) in [
        ("zz.pth", "import sys; sys.exit(3)\n"),
        ("zz.pth", "import os; os._exit(0)\n"),
        ("sitecustomize.py", "raise SystemExit(7)\n"),
    ]
    .into_iter()
    .enumerate()
    {
        let venv = world.venv(&format!("venv{number}"));
        let site = venv.site();
        fs::write(site.join("aa.pth"), "import os; x = 1\n").unwrap();
        fs::write(site.join(name), code).unwrap();
        let has_own = "import sitecustomize; print(sitecustomize.__file__)";
        if name == "sitecustomize.py" && venv.run(has_own).status == 0 {
            // Debian's Python has one, which comes first.
            return;
        }
        let (ran, told) = world.doctor(&venv, &[]);
        ran.fails(1);
        assert_eq!(only(&told, "D21")["path"], text(&site.join(name)), "{told:#}");
        obey(&world, only(&told, "D21")["fix"].as_str().unwrap());
        assert_healthy(&world, &venv);
    }
    // Python goes on where the module only fails.
    let venv = world.venv("failing");
    fs::write(venv.site().join("sitecustomize.py"), "import gone_module\n").unwrap();
    let (ran, told) = world.doctor(&venv, &[]);
    ran.ok();
    assert!(only(&told, "D21")["message"].as_str().unwrap().contains("gone_module"), "{told:#}");
}

#[test]
fn byte_code_without_its_source_is_code() {
    let Some(world) = World::new() else { return };
    let venv = world.venv("venv");
    venv.uv_pip("install", &["-q", "six"]).ok();
    let six = venv.site().join("six.py");
    venv.says(&format!("import py_compile; py_compile.compile({0:?}, {0:?} + 'c')", text(&six)));
    fs::remove_file(&six).unwrap();
    let settings = format!("dependencies = [\"six\"]\n{}", hatchling("mine"));
    let mine = project(&world, "mine", &settings, &[("src/mine/__init__.py", "import six\n")]);
    install(&venv, &[&mine]);
    venv.says("import six");
    assert_healthy(&world, &venv);
}

#[test]
fn programs_of_an_editable_in_a_moved_environment_start_again_by_the_printed_command() {
    let Some(world) = World::new() else { return };
    let venv = world.venv("old");
    let settings = format!("[project.scripts]\nmine-run = \"mine:main\"\n{}", hatchling("mine"));
    let files = [("src/mine/__init__.py", "def main(): print('ran')\n")];
    let mine = project(&world, "mine", &settings, &files);
    install(&venv, &[&mine]);
    let moved = venv.prefix().with_file_name("new");
    fs::rename(venv.prefix(), &moved).unwrap();
    let venv = Venv::at(&world.home, &world.tools, moved.clone());
    let (_, told) = world.doctor(&venv, &[]);
    obey(&world, only(&told, "D23")["fix"].as_str().unwrap());
    let ran = Command::new(moved.join("bin/mine-run")).output().unwrap();
    assert_eq!(ran.stdout, b"ran\n");
    assert_healthy(&world, &venv);
}

#[test]
fn an_installation_that_would_end_the_same_way_is_not_made_again() {
    let Some(world) = World::new() else { return };
    let venv = world.venv("venv");
    // `compat` puts the project on the import path, where nothing has the package's name.
    let settings = format!(
        "[tool.setuptools]\npackages = [\"mine\"]\npackage-dir = {{ mine = \"odd\" }}\n{SETUPTOOLS}"
    );
    let mine = project(&world, "mine", &settings, &[("odd/__init__.py", "")]);
    let compat = ["-q", "--no-deps", "-C", "editable_mode=compat", "-e", text(&mine)];
    venv.uv_pip("install", &compat).ok();
    assert_ne!(venv.run("import mine").status, 0);
    let before = installed_at(&venv);
    for _ in 0..2 {
        let (ran, told) = world.doctor(&venv, &["--fix"]);
        ran.fails(1);
        let why = only(&told, "D20")["not_fixed_because"].as_str().unwrap();
        assert!(why.contains("end the same way"), "{told:#}");
    }
    assert_eq!(installed_at(&venv), before, "an installer was run");
}

/// The files of the installation, and when each was written.
fn installed_at(venv: &Venv<'_>) -> Vec<(PathBuf, std::time::SystemTime)> {
    let children = fs::read_dir(venv.site().join("mine-1.0.dist-info")).unwrap().flatten();
    let mut found: Vec<_> =
        children.map(|it| (it.path(), it.metadata().unwrap().modified().unwrap())).collect();
    found.sort();
    found
}

/// A Python that is no virtual environment and looks into the user's directory.
fn run_doctor(world: &World, python: &Path, more: &[&str]) -> (i32, Value) {
    let arguments = [&["--json", "doctor", "--python", text(python)], more].concat();
    let ran = Running::start(world.home.command(&arguments)).wait();
    (ran.status, ran.json())
}

#[test]
fn what_is_in_the_users_own_directory_is_read_and_left_to_the_user() {
    let Some(world) = World::new() else { return };
    let venv = world.venv("any");
    let Some((base, site)) = world.user_site(&venv) else { return };
    assert!(site.starts_with(world.home.user_home()), "{}", site.display());
    let before = run_doctor(&world, &base, &[]).1;
    let module = Project::new("mod-user", Backend::Hatchling);
    let directory = world.home.scratch().join("mod-user");
    module.write_to(&directory);
    let target = ["-q", "--no-deps", "--target", text(&site), "-e", text(&directory)];
    venv.uv_pip("install", &target).ok();
    let ran = Running::start(world.home.command_of(&base, &["-c", "import mod_user"])).wait();
    ran.ok();
    let (_, told) = run_doctor(&world, &base, &[]);
    assert_eq!(with_code(&told, "D01").len(), with_code(&before, "D01").len(), "{told:#}");
    let editables = |told: &Value| told["environments"][0]["editables"].as_u64().unwrap();
    assert_eq!(editables(&told), editables(&before) + 1);
    fs::rename(&directory, directory.with_file_name("mod-user-moved")).unwrap();
    for more in [&[][..], &["--fix"]] {
        let (status, told) = run_doctor(&world, &base, more);
        assert_eq!(status, 1, "{told:#}");
        let found = with_code(&told, "D01");
        let found = found.iter().find(|it| it["distribution"] == "mod-user").unwrap();
        assert!(found["not_fixed_because"].as_str().unwrap().contains("your own"), "{told:#}");
        assert!(found["fix"].as_str().unwrap().contains("pip install --user"), "{told:#}");
    }
}

#[test]
fn an_address_that_a_backend_computes_is_taken_as_it_was_computed() {
    let Some(world) = World::new() else { return };
    let venv = world.venv("venv");
    let other = project(&world, "other", &hatchling("other"), &[("src/other/__init__.py", "")]);
    let needing = "dependencies = [\"other @ {root:uri}/../project-other\"]\n";
    let allowed = "[tool.hatch.metadata]\nallow-direct-references = true\n";
    let settings = format!("{needing}{allowed}{}", hatchling("mine"));
    let mine = project(&world, "mine", &settings, &[("src/mine/__init__.py", "import other\n")]);
    install(&venv, &[&other, &mine]);
    assert_healthy(&world, &venv);
    venv.uv_pip("uninstall", &["-q", "other"]).ok();
    let (_, told) = world.doctor(&venv, &[]);
    assert!(only(&told, "D09")["fix"].as_str().unwrap().contains("file:///"), "{told:#}");
    world.doctor(&venv, &["--fix"]).0.ok();
    venv.says("import mine");
    assert_healthy(&world, &venv);
}

#[test]
fn a_fix_keeps_what_another_distribution_needs_under_a_marker() {
    let Some(world) = World::new() else { return };
    let venv = world.venv("venv");
    venv.uv_pip("install", &["-q", "--no-deps", "six"]).ok();
    let version = venv.says("import six; print(six.__version__)");
    let host = format!(
        "dependencies = [\"six=={version} ; python_version >= '3'\"]\n{}",
        hatchling("host")
    );
    let host = project(&world, "host", &host, &[("src/host/__init__.py", "")]);
    let other = project(&world, "other", &hatchling("other"), &[("src/other/__init__.py", "")]);
    let needing = project(
        &world,
        "needing",
        &format!("dependencies = [\"six!={version}\"]\n{}", hatchling("needing")),
        &[("src/needing/__init__.py", "")],
    );
    // What is missing needs another version.
    let sources = format!("[tool.uv.sources]\nneeding = {{ path = {:?} }}\n", text(&needing));
    let settings = format!("dependencies = [\"needing\"]\n{sources}{}", hatchling("mine"));
    let mine = project(&world, "mine", &settings, &[("src/mine/__init__.py", "")]);
    install(&venv, &[&host, &other, &mine]);
    let (ran, told) = world.doctor(&venv, &["--fix"]);
    ran.fails(1);
    assert!(told["failed_fixes"].to_string().contains("six"), "{told:#}");
    assert_eq!(venv.says("import six; print(six.__version__)"), version);
    assert_ne!(venv.run("import needing").status, 0);
}

#[test]
fn the_source_that_counts_here_is_taken_and_an_index_is_asked_for_nothing_else() {
    let Some(world) = World::new() else { return };
    let venv = world.venv("venv");
    project(&world, "other", &hatchling("other"), &[("src/other/__init__.py", "")]);
    for (number, (source, mended)) in [
        ("{ path = '../project-other' }", true),
        ("[{ path = '../project-other', marker = \"python_version >= '3'\" }, { path = '../gone', marker = \"python_version < '3'\" }]", true),
        ("{ path = '../gone' }", false),
        ("{ index = 'private' }", false),
    ]
    .into_iter()
    .enumerate()
    {
        let name = format!("mine{number}");
        let index = "[[tool.uv.index]]\nname = 'private'\nurl = 'https://index.invalid/simple'\nexplicit = true\n";
        let sources = format!("[tool.uv.sources]\nother = {source}\n{index}");
        let settings = format!("dependencies = [\"other\"]\n{sources}{}", hatchling(&name));
        let mine = project(&world, &name, &settings, &[(&format!("src/{name}/__init__.py"), "")]);
        install(&venv, &[&mine]);
        let (ran, told) = world.doctor(&venv, &["--fix"]);
        assert_eq!(ran.status, i32::from(!mended), "{source} {told:#}");
        if mended {
            venv.uv_pip("uninstall", &["-q", "other"]).ok();
        } else {
            assert!(only(&told, "D09")["fix"].is_null(), "{told:#}");
        }
        venv.uv_pip("uninstall", &["-q", &name]).ok();
    }
}

#[test]
fn what_is_wrong_in_the_python_below_an_environment_is_a_note_and_is_left_to_its_own_doctor() {
    let Some(world) = World::new() else { return };
    // A prefix without pyvenv.cfg, as conda and images have it.
    let below = copied_python(&world);
    let module = Project::new("mod-below", Backend::Hatchling);
    let directory = world.home.scratch().join("mod-below");
    module.write_to(&directory);
    let venv = world.home.scratch().join("above");
    let made = ["-m", "venv", "--without-pip", "--system-site-packages", text(&venv)];
    Running::start(world.home.command_of(&below, &made)).wait().ok();
    let venv = Venv::at(&world.home, &world.tools, venv);
    let site =
        venv.says("import sys; print([p for p in sys.path if p.endswith('site-packages')][-1])");
    let target = ["-q", "--no-deps", "--target", &site, "-e", text(&directory)];
    venv.uv_pip("install", &target).ok();
    venv.says("import mod_below");
    assert_healthy(&world, &venv);
    fs::rename(&directory, directory.with_file_name("mod-below-moved")).unwrap();
    for more in [&[][..], &["--fix"]] {
        let (ran, told) = world.doctor(&venv, more);
        ran.ok();
        let found = only(&told, "D01");
        assert_eq!(
            (&found["severity"], &found["distribution"]),
            (&"note".into(), &"mod-below".into())
        );
        assert!(found["fix"].as_str().unwrap().starts_with("modstore doctor --python"), "{told:#}");
    }
    // Debian's Python gives an environment above it a directory that it does not look into itself.
    let looks = format!("import sys; print({site:?} in sys.path)");
    let looks = Running::start(world.home.command_of(&below, &["-c", &looks])).wait().ok();
    let own = run_doctor(&world, &below, &[]).0;
    assert_eq!(own == 1, looks.stdout.trim() == "True", "its own doctor: {own}");
}

/// A whole Python in a directory of its own; its library is links.
fn copied_python(world: &World) -> PathBuf {
    let venv = world.venv("any");
    let base = PathBuf::from(venv.says("import sys; print(sys.base_prefix)"));
    let real = PathBuf::from(venv.says("import os, sys; print(os.path.realpath(sys.executable))"));
    let prefix = world.home.scratch().join("below");
    let version = format!("python3.{}", world.python.version.1);
    let lib = prefix.join("lib").join(&version);
    fs::create_dir_all(lib.join("site-packages")).unwrap();
    fs::create_dir_all(prefix.join("bin")).unwrap();
    fs::copy(real, prefix.join("bin/python3")).unwrap();
    for child in fs::read_dir(base.join("lib").join(&version)).unwrap().flatten() {
        if child.file_name() != "site-packages" && child.file_name() != "sitecustomize.py" {
            std::os::unix::fs::symlink(child.path(), lib.join(child.file_name())).unwrap();
        }
    }
    for child in fs::read_dir(base.join("lib")).unwrap().flatten() {
        if child.file_name().to_string_lossy().starts_with("libpython") {
            std::os::unix::fs::symlink(child.path(), prefix.join("lib").join(child.file_name()))
                .unwrap();
        }
    }
    prefix.join("bin/python3")
}
