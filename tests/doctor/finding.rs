//! Where environments are found, and what the doctor leaves as it was.

use std::fs;

use modstore_testbed::Venv;

use crate::world::{World, codes, import, module, text};

#[test]
fn tools_of_uv_are_found_without_being_named() {
    let Some(world) = World::new() else { return };
    let tools = world.home.user_home().join(".local/share/uv/tools");
    let host = world.home.scratch().join("host");
    let project = modstore_testbed::Project::new("my-host", modstore_testbed::Backend::Hatchling);
    project.write_to(&host);
    let venv = Venv::at(&world.home, &world.tools, tools.join("my-host"));
    let python = text(&world.python.executable).to_owned();
    venv.uv_with(&["tool", "install", "-q", "--python", &python, text(&host)]).ok();
    let module = module("provider-openai");
    world.stranded(&venv, &module);
    let (ran, told) = world.json(&["doctor"]);
    ran.fails(1);
    let environment = &told["environments"][0];
    assert_eq!(environment["environment"], text(&tools.join("my-host")));
    assert_eq!(
        (environment["tool"].as_str(), environment["editables"].as_u64()),
        (Some("my-host"), Some(1))
    );
    let (ran, told) = world.json(&["doctor", "--fix"]);
    ran.ok();
    assert_eq!(told["fixed"][0]["code"], "D01");
    assert_eq!(import(&venv, &module.package()), "1.0");
}

#[test]
fn with_nothing_to_look_at_it_is_a_question_of_usage() {
    let Some(world) = World::new() else { return };
    world.home.run(&["doctor"]).fails(2).says("no environment was found").says("--python");
    world.home.run(&["doctor", "--python", "/no/such"]).fails(2).says("there is no Python at");
    assert!(!world.home.path().exists());
}

#[test]
fn looking_changes_nothing_at_all() {
    let Some(world) = World::new() else { return };
    let venv = world.venv("venv");
    let module = module("provider-openai");
    let (_, new) = world.stranded(&venv, &module);
    let seen = || [venv.prefix(), &new].map(modstore_testbed::listing);
    let before = seen();
    for more in [&["--quick"][..], &[]] {
        let (ran, told) = world.doctor(&venv, more);
        ran.fails(1);
        assert_eq!(codes(&told), ["D01"]);
    }
    assert_eq!(seen(), before);
    assert!(!world.home.path().exists());
}

#[test]
fn while_another_process_works_on_the_environment_nothing_is_fixed_by_hand() {
    let Some(world) = World::new() else { return };
    let venv = world.venv("venv");
    let module = module("provider-openai");
    world.stranded(&venv, &module);
    let lock = venv.prefix().join(".lock");
    if !lock.exists() {
        fs::write(&lock, "").unwrap();
    }
    let held = modstore_core::disk::Lock::try_take_existing(&lock).unwrap().unwrap();
    let (ran, told) = world.doctor_without_uv(&venv, &["--fix", "--lock-timeout", "0"]);
    ran.fails(3);
    assert_eq!(told["failed_fixes"][0]["busy"], true, "{told:#}");
    drop(held);
    world.doctor_without_uv(&venv, &["--fix"]).0.ok();
    assert_eq!(import(&venv, &module.package()), "1.0");
}
