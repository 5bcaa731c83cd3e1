//! A tier that is ill costs one wait and one warning, and never a module that git has.

use std::os::unix::fs::PermissionsExt as _;

use modstore_testbed::ScriptedServer;

use crate::world::{World, counts, run, sources};

#[test]
fn a_tier_that_cannot_be_reached_is_asked_once_and_warned_of_once() {
    let world = World::new(5);
    let home = world.home();
    let gone = world.root.path().join("not/there");
    let ran =
        home.run(&["update", "--tier", &gone.display().to_string(), "-j", "1", "--json"]).ok();
    let answer = ran.json();
    assert_eq!(counts(&answer), [0, 0, 0, 1], "{answer}");
    assert_eq!(sources(&answer), vec!["git"; 5]);
    let warned = ran.stderr.matches("shared tier").count();
    assert_eq!(warned, 1, "{ran:?}");
    assert!(ran.stderr.contains("it is not asked again now"), "{ran:?}");
    world.assert_all_as_git(&home);
}

#[test]
fn three_errors_in_a_row_are_enough() {
    let world = World::new(6);
    world.publisher();
    for repo in &world.repos {
        // A directory in an object's place: it is there, and cannot be read.
        let object = world.object(repo);
        std::fs::remove_file(&object).and(std::fs::create_dir(&object)).unwrap();
    }
    let home = world.home();
    let ran = home.run(&["update", "--tier", &world.tier_url(), "-j", "1", "--json"]).ok();
    let answer = ran.json();
    assert_eq!(counts(&answer), [0, 0, 0, 3], "{answer}");
    assert_eq!(ran.stderr.matches("shared tier").count(), 1, "{ran:?}");
    world.assert_all_as_git(&home);
}

#[test]
fn where_git_is_not_to_be_asked_a_miss_is_transient_and_what_is_current_stays() {
    let world = World::new(2);
    let publisher = world.publisher();
    let reader = world.clone_of(&publisher);
    let only = ["update", "--locked", "--tier", &world.tier_url(), "--tier", "only", "--json"];
    reader.run(&only).ok();
    let before = reader.tree("module0");
    world.repos[0].write(&[("main.py", "newer\n")]);
    world.repos[1].write(&[("main.py", "newer\n")]);
    run(&publisher, &["update", "--publish", "--tier", &world.tier_url()]);
    std::fs::remove_file(world.object(&world.repos[0])).unwrap();
    std::fs::copy(publisher.path().join("modules.lock"), reader.path().join("modules.lock"))
        .unwrap();
    world.git.forget();
    let answer = reader.run(&only).fails(1).json();
    assert_eq!(answer["failed"][0]["module"], "module0");
    assert_eq!(answer["failed"][0]["class"], "transient", "{answer}");
    assert_eq!(answer["failed"][0]["code"], "not-in-tier", "{answer}");
    assert_eq!(sources(&answer), ["tier"]);
    assert_eq!(reader.tree("module0"), before);
    assert_eq!(reader.tree("module1"), world.repos[1].tree("main"));
    assert_eq!(world.git.stats().connections, 0);
}

#[test]
fn offline_a_directory_is_read_and_an_address_is_not() {
    let world = World::new(1);
    let publisher = world.publisher();
    let reader = world.clone_of(&publisher);
    run(&reader, &["update", "--locked", "--offline", "--tier", &world.tier_url()]);
    world.assert_all_as_git(&reader);
}

#[test]
fn a_tier_that_cannot_be_written_to_changes_nothing_of_an_update() {
    let world = World::new(4);
    let readonly = world.root.path().join("readonly");
    std::fs::write(&readonly, "a file in the place of the directory").unwrap();
    std::fs::set_permissions(&readonly, std::fs::Permissions::from_mode(0o400)).unwrap();
    let home = world.home();
    let url = readonly.display().to_string();
    let ran = home.run(&["update", "--publish", "--tier", &url, "--json"]).ok();
    assert_eq!(ran.json()["committed"], true);
    assert_eq!(ran.json()["tier"]["published"], 0, "{ran:?}");
    assert_eq!(ran.stderr.matches("shared tier").count(), 1, "{ran:?}");
    world.assert_all_as_git(&home);
    let ran = home.run(&["push", "--tier", &url]).fails(1);
    assert!(ran.stderr.contains("module0: not published: no tier took it"), "{ran:?}");
}

#[test]
fn an_id_of_a_sha_256_repository_is_refused_by_name_before_anything_is_asked() {
    let world = World::new(1);
    let publisher = world.publisher();
    let tier = ScriptedServer::start(|_, _| {});
    let url = format!("http://127.0.0.1:{}/tier", tier.port());
    let id = "ab".repeat(32);
    world.git.forget();
    let home = world.home();
    home.declare(&[("module0", &format!("{}@{id}", world.source(&world.repos[0])))]);
    for only in [&[][..], &["--tier", "only"]] {
        let args = [&["update", "--tier", &url, "--json"], only].concat();
        let answer = home.run(&args).fails(1).json();
        let failed = &answer["failed"][0];
        assert_eq!(
            (&failed["class"], &failed["code"]),
            (&"permanent".into(), &"object-format".into())
        );
        let said = failed.to_string();
        assert!(said.contains(&format!("{id} has 64 digits")), "{said}");
    }
    // Nor is one that a lock has.
    let reader = world.clone_of(&publisher);
    let lock = reader.path().join("modules.lock");
    let commit = world.repos[0].rev("main").unwrap();
    std::fs::write(&lock, std::fs::read_to_string(&lock).unwrap().replace(&commit, &id)).unwrap();
    let ran = reader.run(&["update", "--locked", "--tier", &url]).fails(2);
    assert!(ran.stderr.contains("40 hex digits"), "{ran:?}");
    assert_eq!((tier.heads().len(), world.git.stats().connections), (0, 0));
}
