//! `submodules = true | false | ["path"]`: what is declared is what is fetched, locked and told.

use std::fs;

use modstore_testbed::Ran;

use crate::world::{World, commit_parts, failed, files};

/// A repository with submodules at `a`, `vendor/b` and, in that, `c`.
fn nested() -> World {
    let world = World::new();
    let (_, a) = world.part("a");
    let (_, c) = world.part("c");
    let (b, _) = world.part("b");
    let b_commit = commit_parts(&b, &[("c", "../c.git", &c)]);
    let (parent, _) = world.part("parent");
    commit_parts(&parent, &[("a", "../a.git", &a), ("vendor/b", "../b.git", &b_commit)]);
    world
}

fn has(world: &World) -> [bool; 3] {
    let there = files(&world.home.target("parent"));
    ["a/name", "vendor/b/name", "vendor/b/c/name"].map(|path| there.contains_key(path))
}

fn listed(world: &World) -> serde_json::Value {
    world.home.run(&["list", "--json"]).ok().json()["modules"][0].clone()
}

#[test]
fn only_what_is_declared_is_fetched_and_a_change_of_it_is_fetched_by_the_next_update() {
    let world = nested();
    let source = world.source("parent");
    world.home.run(&["add", &source, "--no-submodules"]).ok();
    assert_eq!(has(&world), [false; 3]);
    assert_eq!(world.asked().len(), 1, "no submodule is asked for: {:?}", world.asked());
    let toml = fs::read_to_string(world.home.path().join("modules.toml")).unwrap();
    assert!(toml.contains("\nsubmodules = false\n"), "{toml}");
    assert_eq!(
        (&listed(&world)["submodules"], &listed(&world)["current"]["submodules"]),
        (&false.into(), &false.into())
    );

    let declare = |submodules: &str| {
        let text = format!("[modules.parent]\nsource = \"{source}\"\n{submodules}\n");
        world.home.write_modules(&text);
        world.home.run(&["update", "--json"])
    };
    let changed = |ran: &Ran| ran.json()["updated"].as_array().unwrap().len();
    for (submodules, there) in [
        ("submodules = [\"a\"]", [true, false, false]),
        ("submodules = [\"vendor\"]", [false, true, true]),
        ("submodules = [\"vendor/b/c\"]", [false, true, true]),
        ("", [true, true, true]),
        ("submodules = false", [false, false, false]),
    ] {
        let updated = declare(submodules).ok();
        assert_eq!(changed(&updated), 1, "{submodules}: {updated:?}");
        assert_eq!(has(&world), there, "{submodules}");
        assert_eq!(updated.json()["warnings"], serde_json::json!([]), "{updated:?}");
        assert_eq!(changed(&declare(submodules).ok()), 0, "{submodules}");
        let lock = fs::read_to_string(world.home.path().join("modules.lock")).unwrap();
        world.home.run(&["update", "--locked"]).ok();
        assert_eq!(lock.contains("submodules="), !submodules.is_empty(), "{lock}");
    }
    world.home.run(&["rollback"]).ok();
    assert_eq!(has(&world), [true; 3]);
    world.home.run(&["verify"]).ok();
}

#[test]
fn the_lock_fits_only_what_is_declared() {
    let world = nested();
    world.add("parent").ok();
    let text =
        format!("[modules.parent]\nsource = \"{}\"\nsubmodules = false\n", world.source("parent"));
    world.home.write_modules(&text);
    let ran = world.home.run(&["update", "--locked", "--json"]).fails(1);
    assert_eq!(failed(&ran)["code"], "lock");
    assert_eq!(has(&world), [true; 3]);
}

#[test]
fn a_path_that_names_no_submodule_is_an_error_that_says_what_there_is() {
    let world = nested();
    let ran = world
        .home
        .run(&["add", &world.source("parent"), "--submodule", "vendr", "--json"])
        .fails(1);
    let failed = failed(&ran);
    assert_eq!(failed["code"], "no-such-directory", "{failed:#}");
    assert!(
        failed["message"].as_str().unwrap().contains("no submodule at or below `vendr`"),
        "{failed:#}"
    );
}

#[test]
fn a_path_is_missing_also_where_the_store_has_the_module_without_any_submodule() {
    let world = World::new();
    world.part("plain");
    let source = world.source("plain");
    world.home.run(&["add", &source]).ok();
    let text = format!("[modules.plain]\nsource = \"{source}\"\nsubmodules = [\"deep\"]\n");
    world.home.write_modules(&text);
    let ran = world.home.run(&["update", "--json"]).fails(1);
    assert_eq!(failed(&ran)["code"], "no-such-directory", "{ran:?}");
    assert!(world.home.target("plain").join("name").is_file());
}

#[test]
fn options_are_for_repositories_and_one_of_them_at_a_time() {
    let world = nested();
    let source = world.source("parent");
    world.home.run(&["add", &source, "--no-submodules", "--submodule", "a"]).fails(2);
    let directory = world.home.scratch().display().to_string();
    world.home.run(&["add", &directory, "--no-submodules"]).fails(2).says("no git repository");
}

#[test]
fn a_module_without_submodules_is_not_fetched_again_when_the_option_changes() {
    let world = World::new();
    let (_, _) = world.part("plain");
    let source = world.source("plain");
    world.home.run(&["add", &source]).ok();
    world.http.forget();
    world
        .home
        .write_modules(&format!("[modules.plain]\nsource = \"{source}\"\nsubmodules = false\n"));
    world.home.run(&["update"]).ok();
    assert!(world.asked().values().all(|(_, sent)| *sent == 0), "{:?}", world.asked());
    assert_eq!(listed(&world)["current"]["submodules"], false);
}
