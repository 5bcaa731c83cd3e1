//! An environment has one owner: copies of a store, two stores on one environment, moves, and directories that are away.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use modstore_testbed::{Backend, Project, Python, Venv};
use serde_json::Value;

use super::world::{World, names, values};

fn publish(world: &World, value: u32) {
    for name in ["mod-a", "mod-b"] {
        let project = Project::new(name, Backend::UvBuild).with_version(&format!("{value}.0"));
        world.publish(&project.with_code(&format!("VALUE = {value}")));
    }
}

/// A copy of the store, as `cp -a` makes it.
fn copied(world: &World, name: &str) -> PathBuf {
    let copy = world.home.scratch().join(name);
    let mut cp = Command::new("cp");
    assert!(cp.arg("-a").args([world.home.path(), &copy]).status().unwrap().success());
    copy
}

/// Runs a command on another home.
fn on(world: &World, home: &Path, args: &[&str]) -> modstore_testbed::Ran {
    world.home.run(&[&["--json", "--home", home.to_str().unwrap()], args].concat())
}

fn other_store(world: &World, home: &Path) -> Value {
    on(world, home, &["status"]).ok().json()["environments"][0]["other_store"].clone()
}

/// What all `.pth` files of the environment say.
fn lines(venv: &Venv<'_>) -> String {
    venv.pth_files().into_values().collect()
}

fn mark(venv: &Venv<'_>) -> PathBuf {
    venv.site().join("_modstore_owner.json")
}

#[test]
fn a_copy_of_a_store_takes_no_environment_over_and_says_whose_it_is() {
    let (Some(world), Some(python)) = (World::new(), Python::any()) else { return };
    publish(&world, 1);
    let venv = world.bound(&python, "venv");
    let home = world.home.path().canonicalize().unwrap();
    for marked in [true, false] {
        if !marked {
            // As an earlier version left it.
            fs::remove_file(mark(&venv)).unwrap();
        }
        let copy = copied(&world, if marked { "copy" } else { "another" });
        let (before, python) = (lines(&venv), venv.python_text());
        publish(&world, if marked { 2 } else { 3 });
        world.calls.take();
        on(&world, &copy, &["update"]).ok();
        on(&world, &copy, &["rollback"]).ok();
        assert_eq!(world.calls.installs(), [] as [&str; 0]);
        assert_eq!(other_store(&world, &copy), home.to_str().unwrap());
        assert!(world.follows());
        let refused = on(&world, &copy, &["bind", "--python", &python]).fails(2);
        refused.says(home.to_str().unwrap()).says(copy.to_str().unwrap()).says("--take-over");
        on(&world, &copy, &["unbind", "--python", &python, "mod-a"]).fails(2);
        let told = on(&world, &copy, &["doctor", "--python", &python, "--fix"]).ok().json();
        assert_eq!(told["findings"][0]["code"], "D24", "{told:#}");
        assert_eq!(told["findings"].as_array().unwrap().len(), 1, "{told:#}");
        let undone = on(&world, &copy, &["reset", "--purge"]).ok().json();
        assert_eq!(undone["unbound"], Value::Array(Vec::new()), "{undone}");
        assert_eq!(lines(&venv), before);
        assert_eq!(marked, mark(&venv).exists());
        assert_eq!(values(&venv, &["mod_a", "mod_b"]), if marked { "1 1" } else { "2 2" });
        // The original goes on.
        world.update();
        assert_eq!(values(&venv, &["mod_a", "mod_b"]), if marked { "2 2" } else { "3 3" });
    }
}

#[test]
fn a_copy_that_forgets_an_environment_uninstalls_nothing_there() {
    let (Some(world), Some(python)) = (World::new(), Python::any()) else { return };
    publish(&world, 1);
    let venv = world.bound(&python, "venv");
    let (copy, before) = (copied(&world, "copy"), lines(&venv));
    let undone = on(&world, &copy, &["unbind", "--python", &venv.python_text()]).ok().json();
    assert_eq!(undone["environment"], venv.prefix().to_str().unwrap());
    assert_eq!((lines(&venv), mark(&venv).exists()), (before, true));
    assert_eq!(
        on(&world, &copy, &["status"]).ok().json()["environments"],
        Value::Array(Vec::new())
    );
    assert!(world.follows());
}

#[test]
fn what_takes_over_is_the_owner_and_the_one_before_leaves_it_alone() {
    let (Some(world), Some(python)) = (World::new(), Python::any()) else { return };
    publish(&world, 1);
    let venv = world.bound(&python, "venv");
    let (copy, python) = (copied(&world, "copy"), venv.python_text());
    on(&world, &copy, &["remove", "mod-b"]).ok();
    let bound = on(&world, &copy, &["bind", "--take-over", "--python", &python]).ok().json();
    let home = world.home.path().canonicalize().unwrap();
    let warned = bound["warnings"].to_string();
    assert!(warned.contains(home.to_str().unwrap()) && warned.contains("mod-b"), "{bound:#}");
    let follows = |text: &str| {
        let lines = lines(&venv);
        (lines.contains(&format!("{text}/live/mod-a/")), lines.contains("/live/mod-b/"))
    };
    assert_eq!(follows(copy.to_str().unwrap()), (true, true), "what it does not have stays");
    assert_eq!(other_store(&world, world.home.path()), copy.to_str().unwrap());
    assert_eq!(other_store(&world, &copy), Value::Null);
    publish(&world, 2);
    world.calls.take();
    world.update();
    assert_eq!(world.calls.installs(), [] as [&str; 0]);
    // The one before uninstalls what is still its own.
    let undone = world.home.run(&["--json", "unbind", "--python", &python]).ok().json();
    assert_eq!(names(&undone["removed"]), ["mod-a", "mod-b"]);
    assert_eq!(follows(copy.to_str().unwrap()), (true, false));
    on(&world, &copy, &["update"]).ok();
    assert_eq!(values(&venv, &["mod_a"]), "2");
    // Back again, which needs no word once the other one has let go.
    world.home.run(&["bind", "--python", &python]).fails(2);
    on(&world, &copy, &["unbind", "--python", &python]).ok();
    assert!(!mark(&venv).exists());
    world.bind(&venv);
    assert_eq!(values(&venv, &["mod_a", "mod_b"]), "2 2");
}

#[test]
fn another_store_on_the_same_environment_is_refused_until_it_takes_over() {
    let (Some(world), Some(python)) = (World::new(), Python::any()) else { return };
    publish(&world, 1);
    let venv = world.bound(&python, "venv");
    let second = world.home.scratch().join("second");
    fs::create_dir(&second).unwrap();
    fs::copy(world.home.path().join("modules.toml"), second.join("modules.toml")).unwrap();
    on(&world, &second, &["update"]).ok();
    let python = venv.python_text();
    on(&world, &second, &["bind", "--python", &python]).fails(2).says("--take-over");
    assert!(world.follows());
    on(&world, &second, &["bind", "--take-over", "--python", &python]).ok();
    assert!(lines(&venv).contains("/second/live/mod-a/"));
    world.home.run(&["bind", "--python", &python]).fails(2).says("/second");
    // When the owner is gone, with another identity, only a person takes its environment.
    fs::rename(&second, world.home.scratch().join("unmounted")).unwrap();
    publish(&world, 2);
    world.calls.take();
    world.update();
    assert_eq!(world.calls.installs(), [] as [&str; 0]);
    let bound = world.bind(&venv);
    assert!(bound["warnings"].to_string().contains("/second"), "{bound:#}");
    assert_eq!(values(&venv, &["mod_a", "mod_b"]), "2 2");
}

#[test]
fn a_home_that_was_moved_is_the_owner_still() {
    let (Some(mut world), Some(python)) = (World::new(), Python::any()) else { return };
    publish(&world, 1);
    let prefix = world.bound(&python, "venv").prefix().to_owned();
    let moved = world.home.scratch().join("moved");
    fs::rename(world.home.path(), &moved).unwrap();
    world.home.env("MODSTORE_HOME", &moved);
    world.update();
    let venv = Venv::at(&world.home, &world.tools, prefix);
    assert_eq!(values(&venv, &["mod_a", "mod_b"]), "1 1");
    assert!(fs::read_to_string(mark(&venv)).unwrap().contains("/moved\""));
    assert!(world.follows());
    // Moved again, and given up at once.
    let again = world.home.scratch().join("moved again");
    fs::rename(&moved, &again).unwrap();
    let undone = on(&world, &again, &["reset", "--purge"]).ok().json();
    assert_eq!(undone["unbound"][0], venv.prefix().to_str().unwrap());
    assert!(!lines(&venv).contains("mod-a") && !mark(&venv).exists(), "{}", lines(&venv));
}

#[test]
fn a_copy_of_an_environment_follows_no_store_until_it_is_bound() {
    let (Some(world), Some(python)) = (World::new(), Python::any()) else { return };
    publish(&world, 1);
    let venv = world.bound(&python, "venv");
    let copy = copied(&world, "copy");
    let prefix = world.home.scratch().join("venv copy");
    let mut cp = Command::new("cp");
    assert!(cp.arg("-a").args([venv.prefix(), &prefix]).status().unwrap().success());
    let second = Venv::at(&world.home, &world.tools, prefix);
    on(&world, &copy, &["bind", "--python", &second.python_text()]).ok();
    assert!(lines(&second).contains("/copy/live/mod-a/"));
    assert!(world.follows() && !lines(&venv).contains("/copy/"));
}

#[test]
fn a_linked_directory_that_is_away_for_a_while_keeps_its_binding() {
    let (Some(world), Some(python)) = (World::new(), Python::any()) else { return };
    publish(&world, 1);
    world.update();
    let directory = world.home.scratch().join("work tree");
    Project::new("mod-a", Backend::UvBuild).with_code("VALUE = 7").write_to(&directory);
    world.home.run(&["link", "mod-a", directory.to_str().unwrap()]).ok();
    let venv = world.venv(&python, "venv");
    world.bind(&venv);
    assert_eq!(values(&venv, &["mod_a", "mod_b"]), "7 1");
    let away = world.home.scratch().join("away");
    fs::rename(&directory, &away).unwrap();
    let stand_in = || fs::read_to_string(venv.site().join("_modstore_mod_a.pth"));
    let before = stand_in().unwrap();
    for value in 2..4 {
        publish(&world, value);
        world.home.run(&["update", "mod-b"]).ok().says("which is not there; it stays bound");
        assert_eq!(stand_in().unwrap(), before);
        assert_eq!(values(&venv, &["mod_b"]), value.to_string());
    }
    world.home.run(&["bind", "--python", &venv.python_text()]);
    assert_eq!(stand_in().unwrap(), before);
    fs::rename(&away, &directory).unwrap();
    assert_eq!(values(&venv, &["mod_a", "mod_b"]), "7 3");
    assert!(world.follows());
}
