//! Which installer is used: uv, an older uv, the environment's own pip, or none.

use std::{fs, os::unix::fs::symlink};

use modstore_testbed::{Backend, Project, Python, Venv};

use super::world::{World, names, values, version};

/// Makes the machine one that has no uv: nothing of that name in PATH, and none named.
pub(crate) fn take_uv_away(world: &mut World) {
    let without = world.home.scratch().join("no-uv");
    fs::create_dir_all(&without).unwrap();
    for program in ["git", "sh", "cc", "gcc", "ld", "as", "ssh", "env", "python3", "cmake", "ninja"]
    {
        let path = std::env::var_os("PATH").unwrap();
        let found = std::env::split_paths(&path).map(|at| at.join(program)).find(|at| at.is_file());
        if let Some(found) = found {
            symlink(found, without.join(program)).unwrap();
        }
    }
    world.home.env("PATH", &without).without_env("UV");
}

fn publish(world: &World, number: u32) {
    let project = Project::new("mod-a", Backend::Flit).with_version(&format!("{number}.0"));
    let needed = if number > 1 { vec!["six==1.16.0", "iniconfig"] } else { vec!["six"] };
    world.publish(&project.with_code(&format!("import six\nVALUE = {number}")).needing(&needed));
}

/// T38: pip alone does all of it: metadata, dependencies, stand-ins, and the way back.
#[test]
fn an_environment_with_pip_and_no_uv_is_looked_after_as_well() {
    let (Some(mut world), Some(python)) = (World::new(), Python::any()) else { return };
    take_uv_away(&mut world);
    publish(&world, 1);
    world.update();
    let venv = Venv::with_pip(&world.home, &world.tools, &python, "venv");
    let bound = world.bind(&venv);
    assert_eq!(bound["installer"], "pip");
    publish(&world, 2);
    world.update();
    assert_eq!((values(&venv, &["mod_a"]), version(&venv, "mod-a")), ("2".into(), "2.0".into()));
    assert_eq!(version(&venv, "six"), "1.16.0");
    venv.says("import iniconfig");
    venv.pip(&["check"]).ok();
    venv.pip(&["uninstall", "-q", "-y", "mod-a"]).ok();
    assert!(!world.follows());
    assert_eq!(names(&world.update()["environments"][0]["reinstalled"]), ["mod-a"]);
    world.home.run(&["--offline", "rollback"]).ok();
    assert_eq!((values(&venv, &["mod_a"]), version(&venv, "mod-a")), ("1".into(), "1.0".into()));
    world.home.run(&["unbind", "--python", &venv.python_text()]).ok();
    assert!(venv.run("import mod_a").stderr.contains("No module named 'mod_a'"));
}

/// T38: with neither, it is said what is missing, and nothing is changed.
#[test]
fn an_environment_without_any_installer_is_refused_by_saying_so() {
    let (Some(mut world), Some(python)) = (World::new(), Python::any()) else { return };
    publish(&world, 1);
    world.update();
    let prefix = world.venv(&python, "venv").prefix().to_owned();
    take_uv_away(&mut world);
    let venv = Venv::at(&world.home, &world.tools, prefix);
    let ran = world.home.run(&["bind", "--python", &venv.python_text()]).fails(1);
    assert!(ran.stderr.contains("neither uv nor a pip"), "{ran:?}");
    assert!(venv.pth_files().keys().all(|name| !name.contains("modstore")));
}

/// T38.
#[test]
fn an_older_uv_does_as_well() {
    let (Some(mut world), Some(python)) = (World::new(), Python::any()) else { return };
    let old = world.tools.uv().ancestors().nth(3).unwrap().join("uv-old/bin/uv");
    if !old.is_file() {
        modstore_testbed::skip_loudly(
            "there is no older uv in target/tools; tests/setup.sh fetches it",
        );
        return;
    }
    world.home.env("UV", &old);
    publish(&world, 1);
    let venv = world.bound(&python, "venv");
    publish(&world, 2);
    world.update();
    assert_eq!((values(&venv, &["mod_a"]), version(&venv, "mod-a")), ("2".into(), "2.0".into()));
    assert_eq!(version(&venv, "six"), "1.16.0");
    // Another one looks after it from now on, and has nothing to do.
    world.home.env("UV", world.tools.uv());
    assert!(world.follows());
    publish(&world, 1);
    world.update();
    let venv = Venv::at(&world.home, &world.tools, world.home.scratch().join("venv"));
    assert_eq!((values(&venv, &["mod_a"]), version(&venv, "mod-a")), ("1".into(), "1.0".into()));
}

/// What a person has set for his own work leads no installer elsewhere.
#[test]
fn variables_that_lead_installers_elsewhere_are_not_heeded() {
    let (Some(mut world), Some(python)) = (World::new(), Python::any()) else { return };
    let other = world.venv(&python, "other").prefix().to_owned();
    let strange = world.home.scratch().join("strange");
    fs::create_dir_all(&strange).unwrap();
    fs::write(strange.join("sitecustomize.py"), "raise SystemExit('strange')").unwrap();
    for (name, value) in [
        ("VIRTUAL_ENV", &other),
        ("UV_PYTHON", &other),
        ("UV_PROJECT_ENVIRONMENT", &other),
        ("PIP_TARGET", &strange),
        ("PIP_PREFIX", &strange),
        ("PYTHONPATH", &strange),
        ("PYTHONHOME", &strange),
    ] {
        world.home.env(name, value);
    }
    publish(&world, 1);
    world.update();
    let venv = world.home.scratch().join("venv");
    let make = [
        python.executable.to_str().unwrap(),
        "-I",
        "-m",
        "venv",
        "--without-pip",
        venv.to_str().unwrap(),
    ];
    world.run("env".as_ref(), &[["-u", "PYTHONHOME"].as_slice(), &make].concat()).ok();
    world.home.run(&["bind", "--python", venv.to_str().unwrap()]).ok();
    for name in ["VIRTUAL_ENV", "UV_PYTHON", "PYTHONPATH", "PYTHONHOME"] {
        world.home.without_env(name);
    }
    let venv = Venv::at(&world.home, &world.tools, venv);
    assert_eq!(values(&venv, &["mod_a"]), "1");
    let other = Venv::at(&world.home, &world.tools, other);
    assert!(other.run("import mod_a").status != 0);
    assert_eq!(fs::read_dir(&strange).unwrap().count(), 1);
}
