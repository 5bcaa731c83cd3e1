//! Ways back: `rollback`, `reset`, and `reset --purge`, in environments that follow.

use modstore_testbed::{Backend, Project, Python, Venv};

use super::world::{World, values, version};

fn publish(world: &World, number: u32, needed: &[&str]) {
    for name in ["mod-a", "mod-b"] {
        let project = Project::new(name, Backend::UvBuild).with_version(&format!("{number}.0"));
        world.publish(&project.with_code(&format!("VALUE = {number}")).needing(needed));
    }
}

fn seen(venv: &Venv<'_>) -> (String, String, String) {
    (values(venv, &["mod_a", "mod_b"]), version(venv, "mod-a"), version(venv, "mod-b"))
}

fn all(number: u32) -> (String, String, String) {
    (format!("{number} {number}"), format!("{number}.0"), format!("{number}.0"))
}

/// T12.
#[test]
fn a_rollback_brings_back_code_and_metadata_by_one_call_and_needs_no_index() {
    let (Some(world), Some(python)) = (World::new(), Python::any()) else { return };
    publish(&world, 1, &[]);
    let venv = world.bound(&python, "venv");
    publish(&world, 2, &["six"]);
    world.update();
    assert_eq!(seen(&venv), all(2));
    world.calls.take();
    let answer = world.home.run(&["--json", "--offline", "rollback"]).ok().json();
    let calls = world.calls.take();
    assert_eq!(calls.len(), 1, "{calls:#?}");
    assert_eq!(seen(&venv), all(1));
    assert_eq!(answer["generation"], world.generation());
    world.home.run(&["rollback"]).ok();
    assert_eq!(seen(&venv), all(2));
    assert!(world.follows());
}

/// A way back is not tried by import: nothing keeps a person from it.
#[test]
fn a_rollback_to_what_cannot_be_imported_is_done() {
    let (Some(world), Some(python)) = (World::new(), Python::any()) else { return };
    world
        .publish(&Project::new("mod-a", Backend::Flit).with_code("VALUE = 1\nimport broken_by_it"));
    let venv = world.venv(&python, "venv");
    world.update();
    let ran = world.home.run(&["--json", "bind", "--python", &venv.python_text()]).fails(1);
    let failed = ran.json()["failed"][0].clone();
    assert_eq!(failed["exception"]["name"], "broken_by_it", "{failed}");
    world.publish(&Project::new("mod-a", Backend::Flit).with_code("VALUE = 2"));
    world.update();
    assert_eq!(values(&venv, &["mod_a"]), "2");
    world.home.run(&["rollback"]).ok();
    assert!(venv.run("import mod_a").stderr.contains("broken_by_it"));
    world.home.run(&["rollback"]).ok();
    assert_eq!(values(&venv, &["mod_a"]), "2");
}

#[test]
fn what_was_bound_follows_a_reset_and_leads_nowhere_at_no_moment() {
    let (Some(world), Some(python)) = (World::new(), Python::any()) else { return };
    publish(&world, 1, &[]);
    let venv = world.bound(&python, "venv");
    let before = venv.pth_files();
    publish(&world, 2, &[]);
    let importing = super::torture::Importers::start(&world, &venv, &["mod_a", "mod_b"]);
    world.home.run(&["reset"]).ok();
    world.home.run(&["reset"]).ok();
    importing.assert_none_failed();
    assert_eq!(seen(&venv), all(2));
    assert!(before.keys().eq(venv.pth_files().keys()));
    assert!(world.follows());
}

#[test]
fn a_purge_leaves_nothing_of_the_store_in_any_environment() {
    let (Some(world), Some(python)) = (World::new(), Python::any()) else { return };
    publish(&world, 1, &["six"]);
    let venv = world.bound(&python, "venv");
    world.home.run(&["reset", "--purge"]).ok();
    assert!(
        venv.pth_files().keys().all(|name| !name.contains("modstore")),
        "{:?}",
        venv.pth_files()
    );
    assert!(venv.run("import mod_a").stderr.contains("No module named 'mod_a'"));
    venv.says("import six");
    let home = world.home.path().to_str().unwrap();
    let left = super::world::files_below(&venv.site());
    let left = left
        .iter()
        .filter(|path| std::fs::read_to_string(path).is_ok_and(|text| text.contains(home)));
    assert_eq!(left.count(), 0);
    // And all is as before with the next one.
    world.update();
    world.bind(&venv);
    assert_eq!(seen(&venv), all(1));
}
