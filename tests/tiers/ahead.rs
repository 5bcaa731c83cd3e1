//! What an update fetches is published while it still fetches other modules: nothing of a module that may still fail, nothing
//! unproven, and nothing waits for it but the end.

use std::{
    path::Path,
    time::{Duration, Instant},
};

use modstore_testbed::{Fault, TestHome};
use rustix::process::Signal;

use crate::{
    packs::index_pack,
    world::{World, counts, objects, run},
};

const LIMIT: Duration = Duration::from_secs(60);

#[track_caller]
fn until(what: &str, mut is_so: impl FnMut() -> bool) {
    let begun = Instant::now();
    while !is_so() {
        assert!(begun.elapsed() < LIMIT, "never: {what}");
        std::thread::sleep(Duration::from_millis(5));
    }
}

fn is_current(home: &Path) -> bool {
    home.join("current").symlink_metadata().is_ok()
}

#[test]
fn a_pack_is_published_while_another_module_is_still_fetched_and_a_killed_update_leaves_it_whole() {
    let world = World::new(4);
    let slow = &world.repos[3];
    world.git.fault(slow.name(), Fault::HangMidPack { after: 40 });
    let home = world.home();
    let running = home.spawn(&["update", "--publish", "--tier", &world.tier_url(), "--json"]);
    let early = &world.repos[..3];
    until("three are published", || early.iter().all(|repo| world.object(repo).exists()));
    assert!(!is_current(home.path()), "one is missing, and nothing is current yet");
    running.signal(Signal::KILL);
    running.wait();
    assert_eq!(objects(&world.tier()).len(), 3);
    for repo in early {
        assert!(index_pack(&world.object(repo), &repo.rev("main").unwrap()));
    }
    world.git.clear();
    let answer = run(&home, &["update", "--publish", "--tier", &world.tier_url()]);
    assert_eq!((counts(&answer), &answer["tier"]["published"]), ([3, 1, 0, 0], &1.into()));
    world.assert_all_as_git(&home);
}

#[test]
fn a_module_whose_fetch_fails_is_not_published_and_the_others_are() {
    let world = World::new(3);
    for fault in [Fault::FlipByteInPack { at: 60 }, Fault::CloseMidPack { after: 100 }] {
        world.git.clear();
        world.git.fault(world.repos[1].name(), fault);
        let home = world.home();
        let args = ["update", "--publish", "--tier", &world.tier_url(), "--json"];
        let answer = home.run(&args).fails(1).json();
        assert_eq!(answer["failed"][0]["module"], "module1", "{answer}");
        assert_eq!(answer["tier"]["published"], 2, "{answer}");
        assert!(!world.object(&world.repos[1]).exists());
        std::fs::remove_dir_all(world.tier().join("v1")).unwrap();
    }
}

#[test]
fn a_module_whose_build_fails_is_not_published() {
    let world = World::new(2);
    let mut home = world.home();
    home.env("MODSTORE_ALLOW_BUILDS", "1");
    let [built, plain] = [0, 1].map(|number| world.source(&world.repos[number]));
    home.write_modules(&format!(
        "[modules.module0]\nsource = \"{built}\"\n[modules.module0.build]\ncommand = [\"false\"]\n\
         [modules.module1]\nsource = \"{plain}\"\n"
    ));
    let args = ["update", "--publish", "--tier", &world.tier_url(), "--json"];
    let answer = home.run(&args).fails(1).json();
    assert_eq!(answer["failed"][0]["module"], "module0", "{answer}");
    assert!(!world.object(&world.repos[0]).exists());
    assert!(world.object(&world.repos[1]).exists());
}

#[test]
fn where_all_or_nothing_is_wanted_nothing_of_an_update_that_fails_is_published() {
    let world = World::new(3);
    world.git.fault(world.repos[2].name(), Fault::Status(500));
    let home = world.home();
    let tier = world.tier_url();
    let args = ["update", "--all-or-nothing", "--publish", "--tier", &tier, "--json"];
    let answer = home.run(&args).fails(1).json();
    assert_eq!(answer["tier"]["published"], 0, "{answer}");
    assert!(objects(&world.tier()).is_empty());
}

#[test]
fn what_a_server_adds_to_a_commit_is_not_given_to_others() {
    let world = World::new(1);
    let repo = &world.repos[0];
    // git gives the tag with the commit that is asked for by it.
    repo.annotated_tag("v1", "main");
    let home: TestHome = world.home();
    home.declare(&[("module0", &format!("{}@v1", world.source(repo)))]);
    run(&home, &["update", "--publish", "--tier", &world.tier_url()]);
    let pack = std::fs::read(world.object(repo)).unwrap();
    // A header, a commit, three trees and two blobs.
    assert_eq!(&pack[..12], b"PACK\0\0\0\x02\0\0\0\x06");
    assert!(index_pack(&world.object(repo), &repo.rev("main").unwrap()));
}
