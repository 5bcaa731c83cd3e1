//! Which modules an environment has: all, also those that come later, or some; until they are no longer declared, unbound,
//! or the environment is gone.

use std::{fs, path::PathBuf};

use modstore_testbed::{Backend, Project, Python};

use super::world::{World, names, values};

fn project(name: &str, value: u32) -> Project {
    Project::new(name, Backend::Flit).with_code(&format!("VALUE = {value}"))
}

fn absent(venv: &modstore_testbed::Venv<'_>, package: &str) -> bool {
    venv.run(&format!("import {package}")).stderr.contains(&format!("No module named '{package}'"))
}

#[test]
fn a_module_that_comes_later_is_installed_by_the_update_that_brings_it() {
    let (Some(world), Some(python)) = (World::new(), Python::any()) else { return };
    world.publish(&project("mod-a", 1));
    let venv = world.bound(&python, "venv");
    world.publish(&project("mod-b", 1).needing(&["six"]));
    let updated = world.update();
    assert_eq!(names(&updated["environments"][0]["installed"]), ["mod-b"], "{updated}");
    assert_eq!(values(&venv, &["mod_a", "mod_b"]), "1 1");
    venv.says("import six");
}

#[test]
fn only_the_modules_that_are_named_are_bound_and_more_can_be_named_later() {
    let (Some(world), Some(python)) = (World::new(), Python::any()) else { return };
    ["mod-a", "mod-b", "mod-c"].iter().for_each(|name| world.publish(&project(name, 1)));
    world.update();
    let venv = world.venv(&python, "venv");
    let bind = |name| {
        let ran = world.home.run(&["--json", "bind", "--python", &venv.python_text(), name]);
        ran.ok().json()["bound"].clone()
    };
    assert_eq!(names(&bind("mod-a")), ["mod-a"]);
    assert!(absent(&venv, "mod_b"));
    assert_eq!(names(&bind("mod-c")), ["mod-a", "mod-c"]);
    world.publish(&project("mod-d", 1));
    world.publish(&project("mod-b", 2));
    world.update();
    assert!(absent(&venv, "mod_b") && absent(&venv, "mod_d"));
    world.home.run(&["bind", "--python", &venv.python_text(), "mod-e"]).fails(2).says("mod-e");
}

/// T34: what an environment may still have is not taken away.
#[test]
fn a_module_that_is_no_longer_declared_is_uninstalled_and_its_stand_in_stays_for_others() {
    let (Some(world), Some(python)) = (World::new(), Python::any()) else { return };
    ["mod-a", "mod-b"].iter().for_each(|name| world.publish(&project(name, 1)));
    let venv = world.bound(&python, "venv");
    world.calls.take();
    world.home.run(&["remove", "mod-b"]).ok();
    assert_eq!(world.calls.take().len(), 1);
    assert!(absent(&venv, "mod_b") && world.follows());
    assert!(!venv.prefix().join("bin/run-mod-b").exists());
    world.sweep();
    world.sweep();
    assert!(world.live("mod-b").join("pyproject.toml").is_file());
    assert_eq!(values(&venv, &["mod_a"]), "1");
    // A rollback brings it back.
    world.home.run(&["rollback"]).fails(2);
    world
        .home
        .run(&["add", &format!("git+file://{}", world.home.scratch().join("mod-b.git").display())])
        .ok();
    assert_eq!(values(&venv, &["mod_a", "mod_b"]), "1 1");
}

#[test]
fn a_linked_directory_is_followed_live_and_left_again() {
    let (Some(world), Some(python)) = (World::new(), Python::any()) else { return };
    world.publish(&project("mod-a", 1));
    let venv = world.bound(&python, "venv");
    let own: PathBuf = world.home.scratch().join("my fork");
    let mine = Project::new("mod-a", Backend::Hatchling);
    mine.with_code("VALUE = 'mine'").write_to(&own);
    world.home.run(&["link", "mod-a", own.to_str().unwrap()]).ok();
    assert_eq!(values(&venv, &["mod_a"]), "mine");
    let before = super::world::files_below(&own);
    mine.with_code("VALUE = 'alive'").write_to(&own);
    assert_eq!(values(&venv, &["mod_a"]), "alive");
    // Its metadata follows with the next update.
    mine.with_version("7.0").write_to(&own);
    let updated = world.update();
    assert_eq!(names(&updated["environments"][0]["installed"]), ["mod-a"], "{updated}");
    assert_eq!(super::world::version(&venv, "mod-a"), "7.0");
    let sources = |files: &[PathBuf]| -> Vec<PathBuf> {
        files
            .iter()
            .filter(|path| path.extension().is_none_or(|end| end != "pyc"))
            .cloned()
            .collect()
    };
    assert_eq!(sources(&super::world::files_below(&own)), sources(&before));
    world.home.run(&["unlink", "mod-a"]).ok();
    assert_eq!(values(&venv, &["mod_a"]), "1");
    assert!(own.join("pyproject.toml").is_file() && world.follows());
}

#[test]
fn unbinding_takes_out_what_was_named_or_all_and_nothing_else() {
    let (Some(world), Some(python)) = (World::new(), Python::any()) else { return };
    let names_of_all = ["mod-a", "mod-b", "mod-c"];
    names_of_all.iter().for_each(|name| world.publish(&project(name, 1).needing(&["six"])));
    let venv = world.bound(&python, "venv");
    let python_text = venv.python_text();
    let unbind = |more: &[&str]| {
        let args: Vec<&str> = ["--json", "unbind", "--python", &python_text]
            .into_iter()
            .chain(more.iter().copied())
            .collect();
        world.home.run(&args)
    };
    assert_eq!(names(&unbind(&["mod-b"]).ok().json()["removed"]), ["mod-b"]);
    assert_eq!(values(&venv, &["mod_a", "mod_c"]), "1 1");
    assert!(absent(&venv, "mod_b"));
    names_of_all.iter().for_each(|name| world.publish(&project(name, 2).with_version("2.0")));
    world.update();
    assert_eq!(values(&venv, &["mod_a", "mod_c"]), "2 2");
    assert!(absent(&venv, "mod_b"), "it was unbound, and stays so");
    unbind(&["mod-x"]).fails(2);
    assert_eq!(names(&unbind(&[]).ok().json()["removed"]), ["mod-a", "mod-c"]);
    assert!(absent(&venv, "mod_a") && absent(&venv, "mod_c"));
    venv.says("import six");
    let left: Vec<String> =
        venv.pth_files().into_keys().filter(|name| name.contains("modstore")).collect();
    assert!(left.is_empty(), "{left:?}");
    unbind(&[]).fails(2).says("is not bound");
    assert_eq!(fs::read_dir(world.home.path().join("environments")).unwrap().count(), 0);
}

/// T32, as far as updates go.
#[test]
fn an_environment_that_is_gone_or_broken_blocks_no_update_and_can_be_unbound() {
    let Some(world) = World::new() else { return };
    let Some(python) = Python::any() else { return };
    world.publish(&project("mod-a", 1));
    let (good, gone, broken) = (
        world.bound(&python, "good"),
        world.bound(&python, "gone"),
        world.bound(&python, "broken"),
    );
    fs::remove_dir_all(gone.prefix()).unwrap();
    for name in ["python", "python3"] {
        let link = broken.prefix().join("bin").join(name);
        drop(fs::remove_file(&link));
        std::os::unix::fs::symlink("/no/such/python", &link).unwrap();
    }
    world.publish(&project("mod-a", 2));
    let ran = world.home.run(&["--json", "update"]).ok();
    assert_eq!(values(&good, &["mod_a"]), "2");
    assert!(ran.stderr.contains(broken.prefix().to_str().unwrap()), "it is reported\n{ran:?}");
    world.home.run(&["unbind", "--python", gone.prefix().to_str().unwrap()]).ok();
    let status = world.home.run(&["--json", "status"]).ok().json();
    assert_eq!(status["environments"].as_array().unwrap().len(), 2, "{status}");
}

#[test]
fn what_cannot_be_bound_is_refused_before_anything_is_changed() {
    let (Some(world), Some(python)) = (World::new(), Python::any()) else { return };
    let venv = world.venv(&python, "venv");
    let bind = |python: &str, names: &[&str]| {
        let args: Vec<&str> =
            ["bind", "--python", python].into_iter().chain(names.iter().copied()).collect();
        world.home.run(&args)
    };
    bind(&venv.python_text(), &[]).fails(2).says("shows nothing yet");
    world.publish(&project("mod-a", 1));
    world.update();
    bind("/no/python", &[]).fails(2).says("/no/python");
    bind(&venv.python_text(), &["mod-b"]).fails(2).says("did you mean `mod-a`");
    let empty = world.home.scratch().join("empty");
    fs::create_dir_all(&empty).unwrap();
    bind(empty.to_str().unwrap(), &[]).fails(2).says("expected an interpreter");
    assert!(fs::read_dir(world.home.path().join("environments")).map_or(0, Iterator::count) == 0);
    assert_eq!(world.calls.take(), [] as [&str; 0]);
}
