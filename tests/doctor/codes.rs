//! One test for each code that `reports` and `by_hand` do not have.

use std::{
    fs,
    os::unix::fs::symlink,
    path::{Path, PathBuf},
    process::Command,
};

use modstore_testbed::{Backend, Project, Repo, Venv, git};
use serde_json::json;

use crate::world::{MODULES, World, codes, import, install, module, only, text, with_code};

/// A clone of a repository with a project in it, in the cache.
fn clone(world: &World, repo: &Repo, directory: &str) -> PathBuf {
    let to = world.cache().join(directory);
    fs::create_dir_all(world.cache()).unwrap();
    let mut command = git();
    command.args(["clone", "-q", "--depth", "1", &repo.url_file()]).arg(&to);
    assert!(command.status().unwrap().success());
    to
}

/// A repository with a project, and a clone of it that an environment leads to.
fn cloned<'w>(world: &'w World, name: &str) -> (Venv<'w>, Repo, PathBuf) {
    let venv = world.venv("venv");
    let repo = Repo::create(&world.home.scratch(), name);
    let files = Project::new(name, Backend::Hatchling).files();
    let files: Vec<(&str, &str)> = files.iter().map(|(a, b)| (a.as_str(), b.as_str())).collect();
    repo.write(&files);
    let directory = clone(world, &repo, &format!("{name}-00000000000000aa"));
    install(&venv, &[&directory]);
    (venv, repo, directory)
}

#[track_caller]
fn what<'v>(value: &'v serde_json::Value, code: &str) -> &'v str {
    only(value, code)["message"].as_str().unwrap()
}

#[test]
fn d02_what_tools_show_is_gone_and_python_follows_another_place() {
    let Some(world) = World::new() else { return };
    let venv = world.venv("venv");
    let project = module("provider-openai");
    let here = world.cached(&project, MODULES[0].1, "https://h.example/r");
    install(&venv, &[&here]);
    let url = venv.site().join("amplifier_module_provider_openai-1.0.dist-info/direct_url.json");
    let good = fs::read_to_string(&url).unwrap();
    fs::write(&url, good.replace(text(&here), "/gone")).unwrap();
    let (ran, told) = world.doctor(&venv, &[]);
    ran.ok();
    assert!(what(&told, "D02").contains("tools show /gone, and Python follows"), "{told:#}");
    world.doctor_without_uv(&venv, &["--fix"]).0.ok();
    assert!(fs::read_to_string(&url).unwrap().contains(text(&here)));
    assert_eq!(codes(&world.doctor(&venv, &[]).1), Vec::<&str>::new());

    // Both are there, and nothing says which is meant.
    let other = world.home.scratch().join("other");
    project.write_to(&other);
    fs::write(&url, good.replace(text(&here), text(&other))).unwrap();
    let before = fs::read(&url).unwrap();
    let (_, told) = world.doctor(&venv, &["--fix"]);
    assert!(
        only(&told, "D02")["not_fixed_because"]
            .as_str()
            .unwrap()
            .contains("which of them is meant")
    );
    assert_eq!(fs::read(&url).unwrap(), before);
}

#[test]
fn d02_a_link_that_was_installed_leads_elsewhere_now() {
    let Some(world) = World::new() else { return };
    let venv = world.venv("venv");
    let project = module("provider-openai");
    let place = world.home.scratch();
    for version in ["1.0", "2.0"] {
        project.with_version(version).write_to(&place.join(format!("v{version}")));
    }
    let link = place.join("link");
    symlink("v1.0", &link).unwrap();
    install(&venv, &[&link]);
    assert_eq!(codes(&world.doctor(&venv, &[]).1), Vec::<&str>::new(), "a link is no fault");
    fs::remove_file(&link).unwrap();
    symlink("v2.0", &link).unwrap();
    let (_, told) = world.doctor(&venv, &["--fix"]);
    assert_eq!(told["fixed"][0]["code"], "D02", "{told:#}");
    assert_eq!(import(&venv, &project.package()), "2.0");
}

#[test]
fn d03_a_bound_module_that_was_uninstalled_or_replaced_comes_back() {
    let Some(world) = World::new() else { return };
    let venv = world.venv("venv");
    let repo = Repo::create(&world.home.scratch(), "mod-a");
    let project = Project::new("mod-a", Backend::Hatchling);
    let files = project.files();
    let files: Vec<(&str, &str)> = files.iter().map(|(a, b)| (a.as_str(), b.as_str())).collect();
    repo.write(&files);
    world.home.run(&["add", &format!("git+{}", repo.url_file())]).ok();
    world.home.run(&["bind", "--python", &venv.python_text()]).ok();
    assert_eq!(codes(&world.doctor(&venv, &[]).1), Vec::<&str>::new());

    venv.uv_pip("uninstall", &["mod-a"]).ok();
    let (ran, told) = world.doctor(&venv, &[]);
    ran.fails(1);
    assert_eq!(only(&told, "D03")["module"], "mod-a");
    world.doctor(&venv, &["--fix"]).0.ok();
    assert_eq!(import(&venv, "mod_a"), "1.0");

    // The target is installed, whose entry the next update leaves behind.
    install(&venv, &[&world.home.target("mod-a")]);
    let (_, told) = world.doctor(&venv, &["--fix"]);
    assert!(told["fixed"].as_array().unwrap().iter().any(|it| it["code"] == "D03"), "{told:#}");
    assert!(venv.pth_files().keys().any(|name| name.starts_with("_modstore_")));
    assert_eq!(codes(&world.doctor(&venv, &[]).1), Vec::<&str>::new());

    // A directory that is gone is in the store.
    let elsewhere = world.home.scratch().join("elsewhere");
    project.write_to(&elsewhere);
    let other = world.venv("other");
    install(&other, &[&elsewhere]);
    fs::remove_dir_all(&elsewhere).unwrap();
    let (ran, told) = world.doctor_without_uv(&other, &["--fix"]);
    ran.ok();
    assert!(told["fixed"][0]["candidate"]["why"].as_str().unwrap().contains("its module mod-a"));
    assert_eq!(import(&other, "mod_a"), "1.0");
    fs::remove_file(world.home.path().join("current")).unwrap();
    assert!(import(&other, "mod_a").contains("ModuleNotFoundError"), "it leads through the switch");
}

#[test]
fn d03_a_module_is_installed_from_elsewhere_than_its_host_is_set_to() {
    let Some(mut world) = World::new() else { return };
    let home = world.home.scratch().join("host");
    world.home.env("AMPLIFIER_HOME", &home);
    let world = world;
    let venv = world.venv("venv");
    let project = module("provider-openai");
    let old = home.join("cache").join(format!("{}-{}", project.name, MODULES[0].2));
    let new = old.with_file_name(format!("{}-{}", project.name, MODULES[0].1));
    project.write_to(&old);
    project.with_version("2.0").write_to(&new);
    install(&venv, &[&old]);
    let settings = format!(
        "sources:\n  modules:\n    {0}: git+https://github.com/microsoft/{0}@main\n",
        project.name
    );
    fs::write(home.join("settings.yaml"), settings).unwrap();
    let (ran, told) = world.doctor(&venv, &[]);
    ran.ok();
    assert!(what(&told, "D03").starts_with("the settings of its host name"), "{told:#}");
    world.doctor(&venv, &["--fix"]).0.ok();
    assert_eq!(import(&venv, &project.package()), "2.0");
}

#[test]
fn d03_a_registration_that_cannot_be_read_is_the_stores_damage() {
    let Some(world) = World::new() else { return };
    let venv = world.venv("venv");
    let repo = Repo::create(&world.home.scratch(), "m");
    repo.write(&[("a", "1")]);
    world.home.run(&["add", &format!("git+{}", repo.url_file())]).ok();
    world.home.run(&["bind", "--python", &venv.python_text()]).ok();
    let environments = world.home.path().join("environments");
    let file = fs::read_dir(&environments).unwrap().next().unwrap().unwrap().path();
    fs::write(&file, "torn").unwrap();
    let (ran, told) = world.doctor(&venv, &[]);
    ran.fails(4).says("move that file away");
    assert!(told["store_error"].as_str().unwrap().contains("not a registration"), "{told:#}");
}

#[test]
fn d04_a_recorded_file_that_is_missing_is_reported_and_comes_back() {
    let Some(world) = World::new() else { return };
    let venv = world.venv("venv");
    let project = module("provider-openai");
    let here = world.cached(&project, MODULES[0].1, "https://h.example/r");
    install(&venv, &[&here]);
    let pth = venv.site().join("_editable_impl_amplifier_module_provider_openai.pth");
    let program = venv.prefix().join(format!("bin/run-{}", project.name));
    fs::remove_file(&program).unwrap();
    let (ran, told) = world.doctor(&venv, &[]);
    ran.ok();
    assert!(what(&told, "D04").contains("was installed, and is missing"), "{told:#}");
    fs::remove_file(&pth).unwrap();
    let (ran, told) = world.doctor(&venv, &["--import"]);
    ran.fails(1);
    let found = only(&told, "D04");
    assert!(found["message"].as_str().unwrap().contains("nothing else leads to its code"));
    assert_eq!(found["exception"]["type"], "ModuleNotFoundError");
    world.doctor(&venv, &["--fix"]).0.ok();
    assert!(pth.is_file() && program.is_file());
    assert_eq!(import(&venv, &project.package()), "1.0");

    let info = venv.site().join("amplifier_module_provider_openai-1.0.dist-info");
    fs::remove_file(info.join("RECORD")).unwrap();
    assert!(what(&world.doctor(&venv, &["--quick"]).1, "D04").contains("no RECORD"));
    let torn = venv.site().join("torn-1.0.dist-info");
    fs::create_dir(&torn).unwrap();
    let told = world.doctor(&venv, &["--quick"]).1;
    let found = with_code(&told, "D04");
    assert!(found.iter().any(|it| it["path"] == text(&torn)), "{told:#}");
}

#[test]
fn d04_a_pth_that_is_hidden_is_passed_over_by_newer_pythons() {
    let Some(world) = World::new() else { return };
    let venv = world.venv("venv");
    let project = module("provider-openai");
    let here = world.cached(&project, MODULES[0].1, "https://h.example/r");
    install(&venv, &[&here]);
    let name = "_editable_impl_amplifier_module_provider_openai.pth";
    let record = venv.site().join("amplifier_module_provider_openai-1.0.dist-info/RECORD");
    let hidden = format!(".{name}");
    fs::rename(venv.site().join(name), venv.site().join(&hidden)).unwrap();
    let text = fs::read_to_string(&record).unwrap();
    fs::write(&record, text.replace(name, &hidden)).unwrap();
    let settings = venv.prefix().join("pyvenv.cfg");
    let before = fs::read_to_string(&settings).unwrap();
    for (version, is_hidden) in [("3.12.2", true), ("3.13.0", true), ("3.12.1", false)] {
        let lines = before.lines().map(|line| match line.starts_with("version") {
            true => format!("version_info = {version}\n"),
            false => format!("{line}\n"),
        });
        fs::write(&settings, lines.collect::<String>()).unwrap();
        let told = world.doctor(&venv, &["--quick"]).1;
        assert_eq!(codes(&told), if is_hidden { vec!["D04"] } else { vec![] }, "{told:#}");
    }
}

#[test]
fn d06_a_checkout_is_at_another_commit_than_is_pinned_or_written_down() {
    let Some(world) = World::new() else { return };
    let (venv, repo, directory) = cloned(&world, "mod-a");
    assert_eq!(codes(&world.doctor(&venv, &[]).1), Vec::<&str>::new());
    let meta = directory.join(".amplifier_cache_meta.json");
    let url = repo.url_file();
    let other = "1234567890123456789012345678901234567890";
    for (reference, commit, cause) in
        [(other, None, "pinned to 1234567"), ("main", Some(other), "says 1234567")]
    {
        fs::write(&meta, json!({"git_url": url, "ref": reference, "commit": commit}).to_string())
            .unwrap();
        let (ran, told) = world.doctor(&venv, &["--fix"]);
        ran.ok();
        assert!(what(&told, "D06").contains(cause), "{told:#}");
    }
    let head = repo.rev("main").unwrap();
    fs::write(&meta, json!({"git_url": url, "ref": head, "commit": head}).to_string()).unwrap();
    assert_eq!(codes(&world.doctor(&venv, &[]).1), Vec::<&str>::new());
}

#[test]
fn d07_a_checkout_whose_fetch_was_cut_off_is_reported() {
    let Some(world) = World::new() else { return };
    let (venv, repo, _) = cloned(&world, "mod-a");
    let half = clone(&world, &repo, "half-00000000000000bb");
    let packs = half.join(".git/objects/pack");
    for child in fs::read_dir(&packs).unwrap().flatten() {
        fs::remove_file(child.path()).unwrap();
    }
    fs::write(packs.join("tmp_pack_x"), "").unwrap();
    for child in fs::read_dir(half.join(".git/objects")).unwrap().flatten() {
        if child.file_name().len() == 2 {
            fs::remove_dir_all(child.path()).unwrap();
        }
    }
    let unborn = world.cache().join("unborn-00000000000000cc");
    fs::create_dir(&unborn).unwrap();
    assert!(git().args(["init", "-q"]).arg(&unborn).status().unwrap().success());
    fs::create_dir(world.cache().join("empty-00000000000000dd")).unwrap();
    for quick in [true, false] {
        let (ran, told) = world.doctor(&venv, if quick { &["--quick"] } else { &[] });
        ran.ok();
        let found = with_code(&told, "D07");
        let told: Vec<&str> = found.iter().map(|it| it["message"].as_str().unwrap()).collect();
        let expected = [
            "nothing is in it",
            "a fetch was cut off: its objects are in tmp_pack_x",
            "its HEAD leads to no commit",
        ];
        assert_eq!(told, expected);
    }
}

#[test]
fn d08_an_edit_in_a_checkout_is_reported_and_never_lost() {
    let Some(world) = World::new() else { return };
    let (venv, _repo, directory) = cloned(&world, "mod-a");
    let (init, pyproject) =
        (directory.join("src/mod_a/__init__.py"), directory.join("pyproject.toml"));
    // Touched is not edited, and what builds and Python leave is not either.
    let before = fs::read_to_string(&init).unwrap();
    fs::write(&init, &before).unwrap();
    assert_eq!(import(&venv, "mod_a"), "1.0");
    fs::create_dir_all(directory.join("src/mod_a.egg-info")).unwrap();
    assert_eq!(codes(&world.doctor(&venv, &[]).1), Vec::<&str>::new());
    fs::write(&init, before.clone() + "# mine\n").unwrap();
    fs::write(directory.join("src/mod_a/new.py"), "").unwrap();
    let index = fs::read(directory.join(".git/index")).unwrap();
    let (ran, told) = world.doctor(&venv, &["--fix"]);
    ran.ok();
    assert!(
        what(&told, "D08").starts_with("src/mod_a/__init__.py and 1 more were edited"),
        "{told:#}"
    );
    assert_eq!(fs::read_to_string(&init).unwrap(), before + "# mine\n");
    assert_eq!(fs::read(directory.join(".git/index")).unwrap(), index, "nothing was written there");
    fs::remove_file(pyproject).unwrap();
    assert!(what(&world.doctor(&venv, &["--quick"]).1, "D08").contains("and 2 more"));
}

#[test]
fn d09_a_requirement_that_an_update_has_brought_is_added() {
    let Some(world) = World::new() else { return };
    let venv = world.venv("venv");
    let project = module("provider-openai");
    let here = world.cached(&project, MODULES[0].1, "https://h.example/r");
    install(&venv, &[&here]);
    let needing = project.needing(&["six>=1.17", "pathlib ; python_version < '3'", "odd >>> 1"]);
    needing.with_code("import six").write_to(&here);
    let (ran, told) = world.doctor(&venv, &["--import"]);
    ran.fails(1);
    let found = only(&told, "D09");
    assert_eq!(found["message"], "it needs six>=1.17, which is not installed");
    assert_eq!(found["exception"]["message"], "No module named 'six'");
    assert!(found["fix"].as_str().unwrap().ends_with("'six>=1.17'"), "{found:#}");
    assert!(told["unparsed"][0]["why"].as_str().unwrap().contains("odd >>> 1"), "{told:#}");
    venv.uv_pip("install", &["-q", "six==1.16.0"]).ok();
    let (ran, told) = world.doctor(&venv, &[]);
    ran.ok();
    assert_eq!(what(&told, "D09"), "it needs six>=1.17, and 1.16.0 is installed");
    let (ran, told) = world.doctor(&venv, &["--fix"]);
    ran.ok();
    assert_eq!((codes(&told), &told["fixed"][0]["code"]), (vec![], &json!("D09")), "{told:#}");
    assert_eq!(venv.says("import six; print(six.__version__)"), "1.17.0");
}

#[test]
fn d09_a_project_that_has_changed_since_it_was_installed_is_installed_again() {
    let Some(world) = World::new() else { return };
    let venv = world.venv("venv");
    let project = module("provider-openai");
    let here = world.cached(&project, MODULES[0].1, "https://h.example/r");
    install(&venv, &[&here]);
    project.with_version("2.0").write_to(&here);
    let (ran, told) = world.doctor(&venv, &[]);
    ran.ok();
    assert_eq!(what(&told, "D09"), "its project is at version 2.0, and 1.0 is installed");
    let (ran, told) = world.doctor_without_uv(&venv, &["--fix"]);
    ran.ok().says("needs an installer");
    only(&told, "D09");
    world.doctor(&venv, &["--fix"]).0.ok();
    let version = format!("import importlib.metadata as m; print(m.version({:?}))", project.name);
    assert_eq!(venv.says(&version), "2.0");
    let pyproject = fs::read_to_string(here.join("pyproject.toml")).unwrap();
    let more = pyproject.replace(
        "[project.entry-points.\"host.modules\"]\n",
        "[project.entry-points.\"host.modules\"]\nnew = \"x:y\"\n",
    );
    fs::write(here.join("pyproject.toml"), more).unwrap();
    let told = world.doctor(&venv, &["--quick"]).1;
    assert!(what(&told, "D09").contains("the entry point new of host.modules"), "{told:#}");
}

#[test]
fn d10_a_pth_that_leads_into_another_homes_cache_is_led_back() {
    let Some(mut world) = World::new() else { return };
    let home = world.home.scratch().join("host");
    world.home.env("AMPLIFIER_HOME", &home);
    let world = world;
    let venv = world.venv("venv");
    let project = module("provider-openai");
    let ours = home.join("cache").join(format!("{}-{}", project.name, MODULES[0].1));
    project.write_to(&ours);
    let theirs = world.cached(&project, MODULES[0].1, "https://h.example/r");
    install(&venv, &[&theirs]);
    let (ran, told) = world.doctor(&venv, &[]);
    ran.ok();
    assert!(what(&told, "D10").contains("the cache of another home than"), "{told:#}");
    world.doctor(&venv, &["--fix"]).0.ok();
    assert!(venv.pth_files().values().any(|pth| pth.contains(text(&ours))));
}

#[test]
fn d11_a_distribution_that_has_to_be_compiled_is_used_from_a_cache_without_that() {
    let Some(world) = World::new() else { return };
    let venv = world.venv("venv");
    let project = Project::new("amplifier-core", Backend::Hatchling)
        .with_code("import amplifier_core._engine");
    let here = world.cached(&project, "00000000000000aa", "https://h.example/r");
    install(&venv, &[&here]);
    let pyproject = fs::read_to_string(here.join("pyproject.toml")).unwrap();
    let maturin = pyproject.replace("hatchling.build", "maturin");
    fs::write(here.join("pyproject.toml"), maturin).unwrap();
    let (ran, told) = world.doctor(&venv, &["--import"]);
    ran.fails(1);
    let found = only(&told, "D11");
    assert_eq!(found["exception"]["message"], "No module named 'amplifier_core._engine'");
    assert!(
        found["fix"]
            .as_str()
            .unwrap()
            .ends_with("--reinstall-package amplifier-core amplifier-core")
    );
    fs::write(here.join("src/amplifier_core/_engine.so"), "").unwrap();
    let told = world.doctor(&venv, &["--quick"]).1;
    assert!(what(&told, "D11").contains("within a cache"), "{told:#}");
    assert_eq!(only(&told, "D11")["severity"], "warning");
}

#[test]
fn d12_an_environment_whose_interpreter_is_gone_is_reported_and_its_paths_are_still_fixed() {
    let Some(world) = World::new() else { return };
    let venv = world.venv("venv");
    let project = module("provider-openai");
    world.stranded(&venv, &project);
    let python = venv.prefix().join("bin/python");
    let leads = fs::read_link(&python).unwrap();
    fs::remove_file(&python).unwrap();
    symlink("/gone/python3", &python).unwrap();
    let (ran, told) = world.doctor(&venv, &["--fix"]);
    ran.fails(1);
    let found = only(&told, "D12");
    assert_eq!(found["message"], "python is a link to /gone/python3, which does not exist");
    assert!(found["fix"].as_str().unwrap().starts_with("uv venv --allow-existing --python 3."));
    assert_eq!(
        (&told["fixed"][0]["code"], &told["fixed"][0]["how"]),
        (&json!("D01"), &json!("hand"))
    );
    fs::remove_file(&python).unwrap();
    symlink(leads, &python).unwrap();
    assert_eq!(import(&venv, &project.package()), "1.0");

    fs::remove_file(&python).unwrap();
    fs::write(&python, "#!/bin/sh\necho no such thing >&2; exit 3\n").unwrap();
    fs::set_permissions(&python, std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
    let (ran, told) = world.doctor(&venv, &[]);
    ran.fails(1);
    assert!(what(&told, "D12").contains("exit code 3: no such thing"), "{told:#}");
    world.doctor(&venv, &["--quick"]).0.ok();
}

#[test]
fn d12_installations_for_an_older_python_and_a_record_of_it_are_reported() {
    let Some(mut world) = World::new() else { return };
    let home = world.home.scratch().join("host");
    world.home.env("AMPLIFIER_HOME", &home);
    let world = world;
    let venv = world.venv("venv");
    let old = venv.prefix().join("lib/python3.9/site-packages/x-1.dist-info");
    fs::create_dir_all(&old).unwrap();
    fs::write(old.join("direct_url.json"), "{}").unwrap();
    fs::create_dir_all(home.join("cache")).unwrap();
    let state = json!({"version": 1, "python": venv.python(), "python_mtime": 1.5, "modules": {}});
    fs::write(home.join("cache/install-state.json"), state.to_string()).unwrap();
    let (ran, told) = world.doctor(&venv, &[]);
    ran.ok();
    let found = with_code(&told, "D12");
    let told: Vec<&str> = found.iter().map(|it| it["message"].as_str().unwrap()).collect();
    assert!(told[0].contains("does not see what was installed for python3.9"), "{told:?}");
    assert!(told[1].contains("was replaced since its host"), "{told:?}");
}

#[test]
fn d13_d14_d15_d17_d18_leftovers_of_hosts_are_reported_and_left() {
    let Some(mut world) = World::new() else { return };
    let home = world.home.scratch().join("host");
    world.home.env("AMPLIFIER_HOME", &home);
    let cache = home.join("cache");
    let project = module("provider-openai");
    let address = "https://me:s3cr3t-t0ken@github.com/microsoft/x";
    let here = cache.join(format!("{}-{}", project.name, MODULES[0].1));
    project.write_to(&here);
    let meta = json!({"git_url": address, "ref": "main"}).to_string();
    fs::write(here.join(".amplifier_cache_meta.json"), &meta).unwrap();
    assert!(git().args(["init", "-q"]).arg(&here).status().unwrap().success());
    assert!(
        git()
            .arg("-C")
            .arg(&here)
            .args(["remote", "add", "origin", address])
            .status()
            .unwrap()
            .success()
    );
    let lock = here.join(".git/index.lock");
    fs::write(&lock, "").unwrap();
    assert!(
        Command::new("touch").args(["-d", "2 hours ago"]).arg(&lock).status().unwrap().success()
    );
    fs::write(here.join(".git/gc.pid"), "999999999 host").unwrap();
    let skills = cache.join("skills").join(format!("x-{}", MODULES[0].2));
    fs::create_dir_all(&skills).unwrap();
    fs::write(skills.join(".amplifier_cache_meta.json"), &meta).unwrap();
    let legacy = cache.join("0123456789ab/main");
    fs::create_dir_all(&legacy).unwrap();
    fs::write(legacy.join(".amplifier_cache_metadata.json"), "{}").unwrap();
    let registry = json!({"version": 1, "bundles": {"gone": {"local_path": "/gone/x"}, "here": {"local_path": home}}});
    fs::write(home.join("registry.json"), registry.to_string()).unwrap();

    let (ran, told) = world.json(&["doctor", "--fix"]);
    let ran = ran.ok();
    assert_eq!(codes(&told), ["D07", "D13", "D14", "D15", "D17", "D18"], "{told:#}");
    assert!(what(&told, "D13").starts_with("gone should be in /gone/x"), "{told:#}");
    let orphans = with_code(&told, "D14");
    let orphans: Vec<&str> = orphans.iter().map(|it| it["path"].as_str().unwrap()).collect();
    assert_eq!(orphans, [text(&here), text(legacy.parent().unwrap())]);
    let secrets = with_code(&told, "D15");
    assert_eq!(secrets.len(), 2, "{told:#}");
    assert!(
        secrets[1]["fix"]
            .as_str()
            .unwrap()
            .ends_with("set-url origin https://me@github.com/microsoft/x")
    );
    assert!(!ran.stdout.contains("s3cr3t"), "a secret is not printed");
    assert!(!format!("{:?}", world.home.run(&["doctor"])).contains("s3cr3t"));
    let locks = with_code(&told, "D17");
    assert_eq!(locks.len(), 2, "{told:#}");
    assert!(locks[1]["message"].as_str().unwrap().contains("process 999999999 no longer exists"));
    assert!(what(&told, "D18").contains("is cached for skills too"), "{told:#}");
    assert!(lock.is_file() && legacy.is_dir() && here.is_dir());
}

#[test]
fn d15_d17_a_secret_in_an_environment_and_a_dead_lease_of_the_store_are_reported() {
    let Some(world) = World::new() else { return };
    let venv = world.venv("venv");
    let info = venv.site().join("x-1.0.dist-info");
    fs::create_dir(&info).unwrap();
    fs::write(info.join("METADATA"), "Name: x\nVersion: 1.0\n").unwrap();
    let url =
        json!({"url": "https://t0ken:x@h.example/r", "vcs_info": {"vcs": "git", "commit_id": "a"}});
    fs::write(info.join("direct_url.json"), url.to_string()).unwrap();
    let repo = Repo::create(&world.home.scratch(), "m");
    repo.write(&[("a", "1")]);
    world.home.run(&["add", &format!("git+{}", repo.url_file())]).ok();
    fs::write(world.home.path().join("leases/1-0123456789abcdef"), "").unwrap();
    let (ran, told) = world.doctor(&venv, &[]);
    let ran = ran.ok();
    assert_eq!(codes(&told), ["D15", "D17"], "{told:#}");
    assert_eq!(only(&told, "D17")["fix"], "modstore gc");
    assert!(!ran.stdout.contains("t0ken"));
}

#[test]
fn d19_the_real_exception_is_reported_when_all_paths_are_right() {
    let Some(world) = World::new() else { return };
    let venv = world.venv("venv");
    let project = module("provider-openai");
    let here = world.cached(&project, MODULES[0].1, "https://h.example/r");
    install(&venv, &[&here]);
    let code = "try:\n    import nothing_of_that_name\nexcept ImportError:\n    raise RuntimeError('no key is set')";
    project.with_code(code).write_to(&here);
    let (ran, told) = world.doctor(&venv, &["--import", "--fix"]);
    ran.fails(1);
    let found = only(&told, "D19");
    assert_eq!(found["exception"]["type"], "RuntimeError");
    assert!(found["exception"]["traceback"].as_str().unwrap().contains("nothing_of_that_name"));
    assert!(found["message"].as_str().unwrap().ends_with("fails: RuntimeError: no key is set"));
    let (ran, told) = world.doctor(&venv, &["--quick"]);
    ran.ok();
    assert_eq!(codes(&told), Vec::<&str>::new(), "--quick runs nothing");
    assert!(Path::new(text(&here)).is_dir());
}
