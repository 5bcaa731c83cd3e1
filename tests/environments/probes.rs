//! What is imported of a module before it becomes current, where `modules.toml` says so; and a `bind` that has nothing to do.

use std::{fs, os::unix::fs::PermissionsExt as _};

use modstore_testbed::{Backend, Project, Python};

use super::world::{World, names, values};

fn project(code: &str) -> Project {
    Project::new("mod-a", Backend::Flit).with_code(code)
}

/// Writes `probe` into the only module's declaration, in place of what was written before.
fn declare(world: &World, probe: &str) {
    let path = world.home.path().join("modules.toml");
    let text = fs::read_to_string(&path).unwrap();
    let lines = text.lines().filter(|line| !line.starts_with("probe"));
    let text: String = lines.map(|line| format!("{line}\n")).collect();
    fs::write(&path, format!("{text}{probe}\n")).unwrap();
}

#[test]
fn what_is_declared_is_imported_in_place_of_what_the_distribution_promises() {
    let (Some(world), Some(python)) = (World::new(), Python::any()) else { return };
    world.publish(&project("VALUE = 1"));
    let venv = world.bound(&python, "venv");
    let doctor = || world.home.run(&["doctor", "--import", "--python", &venv.python_text()]);
    // A part that nothing promises, and that cannot be imported.
    let with_part = |value: u32| {
        let mut files = project(&format!("VALUE = {value}")).files();
        files.push(("mod_a/part.py".into(), "import not_there_at_all\n".into()));
        world.publish_files("mod-a", &files);
    };
    with_part(2);
    declare(&world, "probe = ['import mod_a', 'import mod_a.part']");
    let failed = world.update_fails();
    assert_eq!(failed["failed"][0]["exception"]["importing"], "mod_a.part", "{failed}");
    assert_eq!(values(&venv, &["mod_a"]), "1");
    declare(&world, "");
    with_part(3);
    world.update();
    assert_eq!(values(&venv, &["mod_a"]), "3");
    doctor().ok();
    declare(&world, "probe = ['import mod_a.part']");
    assert!(doctor().fails(1).stdout.contains("not_there_at_all"));
    // Nothing is imported at all.
    declare(&world, "probe = false");
    world.publish(&project("raise SystemExit('it was imported')"));
    world.update();
    doctor().ok();
    assert!(venv.run("import mod_a").stderr.contains("it was imported"));
    world.bind(&venv);
    declare(&world, "");
    assert!(doctor().fails(1).stdout.contains("it was imported"));
}

#[test]
fn a_probe_that_is_none_is_refused_by_its_field_and_place() {
    let Some(world) = World::new() else { return };
    world.publish(&project("VALUE = 1"));
    declare(&world, "probe = 'import mod_a'");
    let ran = world.home.run(&["update"]);
    assert!(
        ran.status != 0 && ran.stderr.contains("expected `probe` to be false, or a list"),
        "{ran:?}"
    );
}

/// Neither an interpreter nor an installer is started.
#[test]
fn a_bind_with_nothing_to_do_starts_nothing_and_says_the_same() {
    let (Some(world), Some(python)) = (World::new(), Python::any()) else { return };
    world.publish(&project("VALUE = 1"));
    world.publish(&Project::new("mod-b", Backend::UvBuild));
    world.publish_files("bundle", &[("bundle.md".into(), "# a bundle\n".into())]);
    let venv = world.bound(&python, "venv");
    let interpreter = venv.prefix().join("bin/python");
    let real = fs::read_link(&interpreter).unwrap();
    let started = world.home.scratch().join("started");
    let watch = || {
        fs::remove_file(&interpreter).unwrap();
        let text = format!(
            "#!/bin/sh\necho \"$*\" >>'{}'\nexec '{}' \"$@\"\n",
            started.display(),
            real.display()
        );
        fs::write(&interpreter, text).unwrap();
        fs::set_permissions(&interpreter, fs::Permissions::from_mode(0o755)).unwrap();
    };
    watch();
    world.calls.take();
    let again = world.bind(&venv);
    assert_eq!(
        (names(&again["bound"]), names(&again["skipped"])),
        (vec!["mod-a", "mod-b"], vec!["bundle"])
    );
    assert!(again["installed"].as_array().unwrap().is_empty());
    assert_eq!(world.calls.take(), [] as [&str; 0]);
    assert!(!started.exists(), "{}", fs::read_to_string(&started).unwrap_or_default());
    // What could not be imported is tried again, each time.
    fs::remove_file(&interpreter).unwrap();
    std::os::unix::fs::symlink(&real, &interpreter).unwrap();
    world.publish(&project("import not_there_at_all"));
    declare(&world, "");
    world.home.run(&["--json", "unbind", "--python", &venv.python_text()]).ok();
    world.update();
    for _ in 0..2 {
        let ran = world.home.run(&["--json", "bind", "--python", &venv.python_text()]).fails(1);
        assert_eq!(names(&ran.json()["failed"]), ["mod-a"]);
    }
    venv.uv_pip("uninstall", &["-q", "mod-b"]).ok();
    world.home.run(&["bind", "--python", &venv.python_text()]).fails(1);
    assert!(venv.pth_files().contains_key("_modstore_mod_b.pth"), "it is put back");
}

#[test]
fn a_script_beside_a_package_is_run_neither_by_bind_nor_by_update() {
    let (Some(world), Some(python)) = (World::new(), Python::any()) else { return };
    let mark = world.home.scratch().join("ran");
    let publish = |value: u32| {
        let project =
            Project::new("mod-a", Backend::Hatchling).with_code(&format!("VALUE = {value}"));
        let mut files = project.files();
        files.push((
            "src/drop_database.py".into(),
            format!("open({:?}, 'w')\n", mark.display().to_string()),
        ));
        files.push(("src/tests/__init__.py".into(), "import not_there_at_all\n".into()));
        world.publish_files("mod-a", &files);
    };
    publish(1);
    let venv = world.bound(&python, "venv");
    assert_eq!(values(&venv, &["mod_a"]), "1");
    publish(2);
    world.update();
    assert_eq!(values(&venv, &["mod_a"]), "2");
    assert!(!mark.exists(), "the script was run");
}

/// A count of what is over, and of how many, for a person who waits.
#[test]
fn bind_says_how_many_backends_it_asks_and_how_many_modules_it_has_imported() {
    let (Some(world), Some(python)) = (World::new(), Python::any()) else { return };
    for name in ["mod-a", "mod-b", "mod-c"] {
        // What is declared needs no backend.
        let mut files = Project::new(name, Backend::HatchlingFlat).files();
        let package = name.replace('-', "_");
        for (_, text) in files.iter_mut().filter(|(path, _)| path == "pyproject.toml") {
            let version = text.lines().find(|line| line.starts_with("version = ")).unwrap();
            let computed = text.replace(version, "dynamic = [\"version\"]");
            *text = format!("{computed}\n[tool.hatch.version]\npath = \"{package}/__init__.py\"\n");
        }
        world.publish_files(name, &files);
    }
    world.update();
    let venv = world.venv(&python, "venv");
    let ran = world.home.run(&["--verbose", "bind", "--python", &venv.python_text()]).ok();
    for said in
        ["(1 of 3)", "(3 of 3)", "importing 3 modules", "imported 1 of 3", "imported 3 of 3"]
    {
        assert!(ran.stderr.contains(said), "{said:?} is missing in\n{}", ran.stderr);
    }
}
