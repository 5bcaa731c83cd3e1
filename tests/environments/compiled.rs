//! Modules that are compiled: their files are kept beside the entry for each Python, and move with the switch.

use std::process::Command;

use modstore_testbed::{Backend, Project, Python, skip_loudly};

use super::world::World;

fn has_compiler() -> bool {
    let there = Command::new("cc").arg("--version").output().is_ok_and(|ran| ran.status.success());
    if !there {
        skip_loudly("there is no C compiler");
    }
    there
}

/// A project with an extension module whose `answer()` is this.
fn publish(world: &World, project: &Project, value: u32) {
    let mut files = project.with_code(&format!("VALUE = {value}")).files();
    for (_, text) in &mut files {
        *text = text.replace("PyLong_FromLong(42)", &format!("PyLong_FromLong({value})"));
    }
    world.publish_files(&project.name, &files);
}

fn answers(venv: &modstore_testbed::Venv<'_>, package: &str) -> String {
    venv.says(&format!(
        "import {package}, {package}._core as c; print({package}.VALUE, c.answer())"
    ))
}

/// T01 and hazard 23: never the binary of one version with the Python of another.
#[test]
fn what_scikit_build_core_compiles_switches_with_the_code_and_back_for_each_python() {
    let Some(world) = World::new() else { return };
    if !has_compiler() {
        return;
    }
    let project = Project::new("mod-c", Backend::ScikitBuildCore);
    publish(&world, &project, 1);
    world.update();
    let pythons: Vec<Python> = Python::all().into_iter().take(2).collect();
    let venvs: Vec<_> = pythons
        .iter()
        .enumerate()
        .map(|(number, python)| world.venv(python, &format!("venv-{number}")))
        .collect();
    for venv in &venvs {
        world.bind(venv);
        assert_eq!(answers(venv, "mod_c"), "1 1");
        assert_eq!(world.leads_into_entries(venv), [] as [std::path::PathBuf; 0]);
        let here = super::world::files_below(&venv.site());
        assert!(here.iter().all(|path| path.extension().is_none_or(|end| end != "so")), "{here:?}");
    }
    publish(&world, &project, 2);
    world.update();
    for venv in &venvs {
        assert_eq!(answers(venv, "mod_c"), "2 2");
    }
    // What was compiled for the one before is there still: nothing is built on the way back.
    world.calls.take();
    world.home.run(&["rollback"]).ok();
    assert_eq!(world.calls.take(), [] as [&str; 0]);
    for venv in &venvs {
        assert_eq!(answers(venv, "mod_c"), "1 1");
    }
    world.sweep();
    for venv in &venvs {
        assert_eq!(answers(venv, "mod_c"), "1 1");
    }
    world.home.run(&["verify"]).ok();
}

/// T01 for maturin, which compiles into the project's own tree.
#[test]
fn what_maturin_compiles_switches_with_the_code_and_back() {
    let (Some(mut world), Some(python)) = (World::new(), Python::any()) else { return };
    if !has_compiler() {
        return;
    }
    // Where the machine's own Rust is, whose home is not that of the test.
    let home = std::path::PathBuf::from(std::env::var_os("HOME").unwrap_or_default());
    for (name, place) in [("RUSTUP_HOME", ".rustup"), ("CARGO_HOME", ".cargo")] {
        let place = std::env::var_os(name).map_or_else(|| home.join(place), Into::into);
        world.home.env(name, place);
    }
    let project = Project::new("mod-rust", Backend::Maturin);
    let publish = |value: &str| {
        let mut files = project.with_code(&format!("VALUE = {value}")).files();
        for (_, text) in &mut files {
            *text = text.replace(", 42)", &format!(", {value})"));
        }
        world.publish_files("mod-rust", &files);
    };
    publish("1");
    world.update();
    let venv = world.venv(&python, "venv");
    world.bind(&venv);
    let seen = || venv.says("import mod_rust._core; print(mod_rust.VALUE, mod_rust._core.ANSWER)");
    assert_eq!(seen(), "1 1");
    assert_eq!(world.leads_into_entries(&venv), [] as [std::path::PathBuf; 0]);
    publish("2");
    world.update();
    assert_eq!(seen(), "2 2");
    world.home.run(&["rollback"]).ok();
    assert_eq!(seen(), "1 1");
    world.sweep();
    assert_eq!(seen(), "1 1");
    let codes = world.home.run(&["--json", "verify"]).ok().json()["findings"].to_string();
    assert!(!codes.contains("damage"), "{codes}");
}
