//! What an update asks for when submodules change, and what is shared.

use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};
use std::thread;
use std::time::{Duration, Instant};

use modstore_testbed::{Change, Fault};

use crate::world::{Part, World, commit_parts};

#[test]
fn an_unchanged_submodule_is_linked_and_a_changed_one_fetched_against_the_earlier() {
    let world = World::new();
    let (x, x_commit) = world.part("x");
    let (_, y_commit) = world.part("y");
    let large: String = (0..20_000).map(|number| format!("{number}\n")).collect();
    let (parent, _) = world.part("parent");
    let x_large = x.write(&[("large", &large)]);
    commit_parts(&parent, &[("x", "../x.git", &x_commit), ("y", "../y.git", &y_commit)]);
    commit_parts(&parent, &[("x", "../x.git", &x_large), ("y", "../y.git", &y_commit)]);
    world.add("parent").ok();
    let inode = |path: &str| {
        let found = fs::metadata(world.home.target("parent").join(path));
        found.expect("the file is there").ino()
    };
    let (y_before, large_before) = (inode("y/name"), inode("x/large"));

    let x_second = x.write(&[("name", "second")]);
    commit_parts(&parent, &[("x", "../x.git", &x_second), ("y", "../y.git", &y_commit)]);
    world.http.forget();
    world.home.run(&["update", "--json"]).ok();
    world.is_settled_as_git();
    assert_eq!((inode("y/name"), inode("x/large")), (y_before, large_before), "they are linked");
}

impl World {
    /// The requests of the last update, then what git clones.
    fn is_settled_as_git(&self) {
        let asked = self.asked();
        let fetched = |name: &str| {
            asked.iter().find(|(repo, _)| repo.contains(name)).map_or(0, |(_, (_, sent))| *sent)
        };
        assert_eq!((fetched("x"), fetched("y")), (1, 0), "{asked:?}");
        self.is_as_git("parent", &self.http.url("parent"));
        self.home.run(&["verify"]).ok();
    }
}

#[test]
fn submodules_of_one_module_are_fetched_side_by_side_as_far_as_there_are_lanes() {
    for (jobs, together) in [("1", 1), ("4", 4)] {
        let world = World::new();
        let names: Vec<String> = (0..8).map(|number| format!("x{number}")).collect();
        let (parent, _) = world.part("parent");
        let parts: Vec<_> = names
            .iter()
            .map(|name| (name.clone(), format!("../{name}.git"), world.part(name).1))
            .collect();
        let parts: Vec<Part<'_>> =
            parts.iter().map(|(name, url, commit)| (&**name, &**url, &**commit)).collect();
        commit_parts(&parent, &parts);
        // Each request waits for as many others as there may be, and for a moment whether there is one more.
        let (open, most) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
        for name in &names {
            let (open, most) = (Arc::clone(&open), Arc::clone(&most));
            world.http.fault(
                name,
                Fault::on_request(move || {
                    most.fetch_max(open.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
                    let begun = Instant::now();
                    while most.load(Ordering::SeqCst) < together
                        && begun.elapsed() < Duration::from_secs(10)
                    {
                        thread::sleep(Duration::from_millis(5));
                    }
                    thread::sleep(Duration::from_millis(20));
                    open.fetch_sub(1, Ordering::SeqCst);
                }),
            );
        }
        let url = world.source("parent");
        world.home.declare(&[("parent", &url)]);
        world.home.run(&["update", "--jobs", jobs]).ok();
        assert_eq!(most.load(Ordering::SeqCst), together, "--jobs {jobs}");
        world.http.clear();
        world.is_as_git("parent", &world.http.url("parent"));
    }
}

#[test]
fn of_submodules_that_fail_side_by_side_the_first_one_is_named() {
    let world = World::new();
    let (parent, _) = world.part("parent");
    let (_, good) = world.part("good");
    let none = "1".repeat(40);
    for name in ["b", "c"] {
        world.part(name);
    }
    commit_parts(
        &parent,
        &[("a", "../good.git", &good), ("b", "../b.git", &none), ("c", "../c.git", &none)],
    );
    for _ in 0..3 {
        let ran = world.home.run(&["add", &world.source("parent")]).fails(1);
        assert!(
            ran.stderr.contains("submodule `b`") || ran.stderr.contains("submodule b"),
            "{ran:?}"
        );
        assert!(!world.home.target("parent").exists());
        world.home.run(&["remove", "parent"]);
    }
}

#[test]
fn a_change_of_the_parent_alone_asks_no_submodule_for_anything() {
    let world = World::new();
    let (_, x) = world.part("x");
    let (parent, _) = world.part("parent");
    commit_parts(&parent, &[("x", "../x.git", &x)]);
    world.add("parent").ok();
    parent.write(&[("name", "changed")]);
    world.http.forget();
    world.home.run(&["update"]).ok();
    let asked = world.asked();
    assert_eq!(asked.len(), 1, "only the parent is asked: {asked:?}");
    world.is_as_git("parent", &world.http.url("parent"));

    world.http.forget();
    let settled = world.home.run(&["update", "--json"]).ok();
    assert_eq!(settled.json()["committed"], false);
    world.home.run(&["outdated", "--json"]).ok();
    let asked = world.asked();
    assert_eq!(asked.values().copied().collect::<Vec<_>>(), [(2, 0)], "{asked:?}");
}

#[test]
fn a_submodule_that_moves_is_removed_or_comes_from_elsewhere_follows() {
    let world = World::new();
    let (_, x) = world.part("x");
    let (parent, _) = world.part("parent");
    let url = world.http.url("parent");
    commit_parts(&parent, &[("x", "../x.git", &x)]);
    world.add("parent").ok();

    parent.commit("main", &[Change::delete("x")]);
    commit_parts(&parent, &[("moved/x", "../x.git", &x)]);
    world.http.forget();
    world.home.run(&["update"]).ok();
    world.is_as_git("parent", &url);
    assert!(!world.home.target("parent").join("x").exists());

    fs::rename(world.root().join("x.git"), world.root().join("elsewhere.git")).unwrap();
    commit_parts(&parent, &[("moved/x", "../elsewhere.git", &x)]);
    world.home.run(&["update"]).ok();
    world.is_as_git("parent", &url);

    parent.commit("main", &[Change::delete("moved"), Change::delete(".gitmodules")]);
    world.home.run(&["update"]).ok();
    world.is_as_git("parent", &url);
    world.home.run(&["rollback"]).ok();
    assert!(world.home.target("parent").join("moved/x/name").is_file());
    world.home.run(&["verify"]).ok();
}

#[test]
fn what_several_modules_have_in_common_is_asked_for_once() {
    let world = World::new();
    let (_, x) = world.part("x");
    for name in ["one", "two", "three"] {
        let (parent, _) = world.part(name);
        commit_parts(&parent, &[("x", "../x.git", &x), ("again", "../x.git", &x)]);
    }
    let sources = ["one", "two", "three"].map(|name| world.source(name));
    world.home.declare(&[("one", &sources[0]), ("two", &sources[1]), ("three", &sources[2])]);
    world.home.run(&["update"]).ok();
    let asked = world.asked();
    let (_, (_, sent)) = asked.iter().find(|(repo, _)| repo.contains('x')).unwrap();
    assert_eq!(*sent, 1, "{asked:?}");
    for name in ["one", "two", "three"] {
        world.is_as_git(name, &world.http.url(name));
    }
}

#[test]
fn a_module_of_the_store_is_a_submodule_without_a_fetch() {
    let world = World::new();
    let (_, x) = world.part("x");
    let (parent, _) = world.part("parent");
    commit_parts(&parent, &[("x", "../x.git", &x)]);
    world.add("x").ok();
    world.http.forget();
    world.add("parent").ok();
    let asked = world.asked();
    assert_eq!(asked.len(), 1, "{asked:?}");
    world.is_as_git("parent", &world.http.url("parent"));
}

#[test]
fn an_entry_with_submodules_is_repaired_from_where_it_came() {
    let world = World::new();
    let (_, x) = world.part("x");
    let (parent, _) = world.part("parent");
    commit_parts(&parent, &[("x", "../x.git", &x)]);
    world.add("parent").ok();
    let damaged = fs::canonicalize(world.home.target("parent")).unwrap().join("x/name");
    fs::set_permissions(&damaged, std::os::unix::fs::PermissionsExt::from_mode(0o644)).unwrap();
    fs::write(&damaged, "damaged").unwrap();
    world.home.run(&["verify"]).fails(4);
    world.home.run(&["verify", "--repair"]).ok();
    world.home.run(&["verify"]).ok();
    world.is_as_git("parent", &world.http.url("parent"));
}

#[test]
fn a_server_that_gives_no_commit_alone_is_asked_through_a_mirror() {
    let world = World::new();
    let (x, first) = world.part("x");
    x.config("uploadpack.allowAnySHA1InWant", "false");
    x.write(&[("name", "second")]);
    let (parent, _) = world.part("parent");
    commit_parts(&parent, &[("x", "../x.git", &first)]);
    world.add("parent").ok();
    assert_eq!(fs::read_to_string(world.home.target("parent").join("x/name")).unwrap(), "x");
    world.home.run(&["verify"]).ok();
}
