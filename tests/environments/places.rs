//! Odd places: homes with spaces and letters of any kind, long ones, links to them, and homes that were moved.

use std::fs;

use modstore_testbed::{Backend, Project, Python, TestHome, Venv};

use super::world::{World, names, values};

/// A world whose store is at this name below a scratch directory.
fn world_at(name: &str) -> Option<World> {
    let home = TestHome::new(env!("CARGO_BIN_EXE_modstore"));
    let store = home.scratch().join(name);
    World::at(home.with_store_at(store))
}

fn publish(world: &World, value: u32) {
    for (name, backend) in [("mod-a", Backend::Flit), ("mod-b", Backend::UvBuild)] {
        let project = Project::new(name, backend).with_version(&format!("{value}.0"));
        world.publish(&project.with_code(&format!("VALUE = {value}")));
    }
}

/// T35.
#[test]
fn a_home_may_have_any_name_that_installers_can_write_down() {
    let Some(python) = Python::all().pop() else { return };
    let long = format!("{}/deep", "long".repeat(40));
    for name in ["with spaces", "été 漢字", "per%20cent", &long, "quo'te\"s", "$HOME;[x]{y}"] {
        let Some(mut world) = world_at(name) else { return };
        world.home.env("LC_ALL", "C.UTF-8");
        publish(&world, 1);
        let venv = world.bound(&python, "venv");
        assert_eq!(values(&venv, &["mod_a", "mod_b"]), "1 1", "{name}");
        publish(&world, 2);
        world.update();
        assert_eq!(values(&venv, &["mod_a", "mod_b"]), "2 2", "{name}");
        assert!(world.follows(), "{name}");
    }
}

/// T35, where there is no pip that could be asked otherwise.
#[test]
fn pip_takes_homes_with_odd_names_as_well() {
    let Some(python) = Python::all().pop() else { return };
    let Some(mut world) = world_at("été with%20spaces") else { return };
    super::installers::take_uv_away(&mut world);
    world.home.env("LC_ALL", "C.UTF-8");
    publish(&world, 1);
    world.update();
    let venv = Venv::with_pip(&world.home, &world.tools, &python, "venv");
    world.bind(&venv);
    assert_eq!(values(&venv, &["mod_a", "mod_b"]), "1 1");
}

/// T35.
#[test]
fn a_home_whose_name_installers_cannot_write_down_is_refused_with_the_reason() {
    let Some(python) = Python::any() else { return };
    for (name, why) in [("a#b", "#"), ("a\nb", "line")] {
        let Some(world) = world_at(name) else { return };
        publish(&world, 1);
        world.update();
        let venv = world.venv(&python, "venv");
        world.home.run(&["bind", "--python", &venv.python_text()]).fails(2).says(why);
        assert!(venv.pth_files().keys().all(|name| !name.contains("modstore")));
    }
}

/// T35: until Python 3.12, a `.pth` file is read in the encoding of the locale.
#[test]
fn a_home_that_some_locale_cannot_read_is_warned_of() {
    let Some(python) = Python::any() else { return };
    let Some(mut world) = world_at("été") else { return };
    world.home.env("LC_ALL", "C.UTF-8");
    publish(&world, 1);
    world.update();
    let venv = world.venv(&python, "venv");
    let bound = world.bind(&venv);
    let warned = bound["warnings"].to_string().contains("LC_ALL=C");
    assert_eq!(warned, python.version < (3, 13), "{bound}");
}

/// T36.
#[test]
fn a_home_that_is_reached_by_a_link_is_written_down_as_what_it_is() {
    let Some(python) = Python::any() else { return };
    let home = TestHome::new(env!("CARGO_BIN_EXE_modstore"));
    let (real, link) = (home.scratch().join("real"), home.scratch().join("link"));
    fs::create_dir_all(&real).unwrap();
    std::os::unix::fs::symlink(&real, &link).unwrap();
    let Some(mut world) = World::at(home.with_store_at(&link)) else { return };
    publish(&world, 1);
    let venv = world.bound(&python, "venv");
    let prefix = venv.prefix().to_owned();
    let text: String = venv.pth_files().into_values().collect();
    assert!(text.contains(real.canonicalize().unwrap().to_str().unwrap()), "{text}");
    assert!(!text.contains(link.to_str().unwrap()), "{text}");
    // By the one name or the other, it is one home.
    world.home.env("MODSTORE_HOME", &real);
    world.calls.take();
    assert!(world.follows());
    world.update();
    assert_eq!(world.calls.take(), [] as [&str; 0]);
    fs::remove_file(&link).unwrap();
    let venv = Venv::at(&world.home, &world.tools, prefix);
    assert_eq!(values(&venv, &["mod_a", "mod_b"]), "1 1");
}

/// T36.
#[test]
fn a_home_that_was_moved_is_followed_again_after_one_call() {
    let (Some(mut world), Some(python)) = (World::new(), Python::any()) else { return };
    publish(&world, 1);
    let prefix = world.bound(&python, "venv").prefix().to_owned();
    let moved = world.home.scratch().join("moved");
    fs::rename(world.home.path(), &moved).unwrap();
    world.home.env("MODSTORE_HOME", &moved);
    assert!(!world.follows());
    world.calls.take();
    let healed = world.update();
    assert_eq!(names(&healed["environments"][0]["reinstalled"]), ["mod-a", "mod-b"], "{healed}");
    assert_eq!(world.calls.take().len(), 1);
    let venv = Venv::at(&world.home, &world.tools, prefix);
    assert_eq!(values(&venv, &["mod_a", "mod_b"]), "1 1");
    assert!(venv.pth_files().into_values().collect::<String>().contains("/moved/live/"));
}

#[test]
fn an_environment_may_be_given_by_its_interpreter_its_directory_or_a_link_to_either() {
    let (Some(world), Some(python)) = (World::new(), Python::any()) else { return };
    publish(&world, 1);
    world.update();
    let venv = world.venv(&python, "a venv");
    let link = world.home.scratch().join("link");
    std::os::unix::fs::symlink(venv.prefix(), &link).unwrap();
    for given in
        [venv.prefix().to_path_buf(), venv.python(), venv.prefix().join("bin/python3"), link]
    {
        world.home.run(&["bind", "--python", given.to_str().unwrap()]).ok();
        let status = world.home.run(&["--json", "status"]).ok().json();
        assert_eq!(
            status["environments"].as_array().unwrap().len(),
            1,
            "{}: {status}",
            given.display()
        );
    }
    assert_eq!(values(&venv, &["mod_a", "mod_b"]), "1 1");
    world.home.run(&["unbind", "--python", venv.prefix().to_str().unwrap()]).ok();
}
