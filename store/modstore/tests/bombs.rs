//! Packs that are small to send and large to use: each ends by itself, with bounded memory, time and disk.
//!
//! Each bomb is received by a process of its own, which this one watches: `cargo nextest run -p modstore --test bombs`
//! tries a part of them, and with `MODSTORE_TEST_ALL_BOMBS=1` and `--no-capture` all of them are tried and the table is
//! printed: bomb → peak MiB, processor seconds, MiB on disk, outcome.
//!
//! Limits: Linux, where the kernel tells the peak of a process.

#![cfg(target_os = "linux")]
#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::print_stdout,
    reason = "helpers panic, and that is how a test fails; the table is printed"
)]

#[path = "bombs/packs.rs"]
mod packs;
#[path = "bombs/watched.rs"]
mod watched;

use std::error::Error;

use modstore::{Cancel, Options, Silent, Store, UpdateRequest};
use modstore_testbed::{HttpServer, ServedPack, modules_toml};
use packs::{Bomb, bombs, good};
use watched::{HOME_OF_CHILD, Watched, watch};

/// The most that a process may hold, in MiB; 256 of them are the budget.
const MEMORY: u64 = 300;
/// The most that a home may take on disk, in MiB.
const DISK: u64 = 1024;

/// Does nothing on its own; run by the tests below as another process.
#[test]
fn a_child_updates_its_home() {
    let Some(home) = std::env::var_os(HOME_OF_CHILD) else { return };
    let store = Store::open(home.as_ref(), Options::default()).unwrap();
    let report = store.update(&UpdateRequest::default(), &Silent, &Cancel::new()).unwrap();
    for updated in &report.updated {
        println!("RESULT {}: current", updated.module);
    }
    for failed in &report.failed {
        let first: Option<&dyn Error> = Some(failed.error.as_ref());
        let causes = std::iter::successors(first, |error| (*error).source());
        let causes: Vec<String> = causes.map(ToString::to_string).collect();
        println!("RESULT {}: {:?}: {}", failed.module, failed.class, causes.join(": "));
    }
}

fn received(bombs: &[&Bomb]) -> Watched {
    let served = bombs.iter().map(|bomb| ServedPack {
        name: bomb.name.to_owned(),
        commit: bomb.commit.to_string(),
        shallow: bomb.shallow,
        start: bomb.pack.start.clone(),
        endless: bomb.pack.endless.clone(),
    });
    let server = HttpServer::start_with_packs(served.collect());
    let home = tempfile::tempdir().unwrap();
    let declared = bombs.iter().map(|bomb| (bomb.name, format!("git+{}", server.url(bomb.name))));
    let declared = modules_toml(declared);
    std::fs::write(home.path().join("modules.toml"), declared).unwrap();
    let watched = watch(home.path());
    let left: Vec<_> = std::fs::read_dir(home.path().join("staging")).unwrap().collect();
    assert!(left.is_empty(), "something is left in staging: {left:?}");
    watched
}

fn assert_calm(what: &str, watched: &Watched) {
    println!(
        "{what:<28} {:>4} MiB {:>6.1} s {:>5} MiB  {}",
        watched.peak, watched.cpu, watched.disk, watched.said
    );
    assert!(watched.peak < MEMORY, "{what}: {watched:?}");
    assert!(watched.disk < DISK, "{what}: {watched:?}");
}

#[test]
fn each_bomb_ends_with_bounded_memory_and_disk_and_as_it_should() {
    let all = std::env::var_os("MODSTORE_TEST_ALL_BOMBS").is_some();
    for bomb in bombs().into_iter().filter(|bomb| all || bomb.quick) {
        let watched = received(&[&bomb]);
        assert_calm(bomb.name, &watched);
        assert!(watched.said.contains(bomb.says), "{}: {watched:?}", bomb.name);
    }
}

#[test]
fn bombs_that_come_at_once_share_one_budget_and_leave_the_good_module_alone() {
    let bombs = bombs();
    let chosen = ["wide-tree", "wide-tree-history", "many-large-trees", "tiny-objects", "tags"];
    let mut together: Vec<&Bomb> =
        bombs.iter().filter(|bomb| chosen.contains(&bomb.name)).collect();
    assert_eq!(together.len(), chosen.len());
    let good = good("good");
    together.push(&good);
    let watched = received(&together);
    assert_calm("at once", &watched);
    assert!(watched.said.contains("good: current"), "{watched:?}");
}

#[test]
fn what_nothing_needs_costs_no_more_for_being_much() {
    let cost = |count| {
        let bomb = packs::unwanted("unwanted", count);
        let watched = received(&[&bomb]);
        assert!(watched.said.contains("current"), "{watched:?}");
        watched.cpu
    };
    let (few, many) = (cost(8).max(0.5), cost(256));
    assert!(many < 5.0 * few, "{many} s of processor time, and {few} s for few");
}
