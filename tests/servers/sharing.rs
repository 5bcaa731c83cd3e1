//! Modules of one repository, and many modules at once.

use std::collections::BTreeMap;
use std::fs;

use modstore_testbed::{Change, Fault, Repo};

use crate::world::{World, is_settled};

/// How often each repository was listed, and how often a pack of it was sent.
fn asked(world: &World) -> BTreeMap<String, (usize, usize)> {
    let mut asked: BTreeMap<String, (usize, usize)> = BTreeMap::new();
    for seen in world.http.stats().requests {
        let (listed, fetched) = asked.entry(seen.repo).or_default();
        let wants = seen.body_start.windows(5).any(|bytes| bytes == b"want ");
        *(if wants { fetched } else { listed }) += 1;
    }
    asked
}

fn entries(home: &modstore_testbed::TestHome) -> usize {
    fs::read_dir(home.path().join("entries")).expect("there are entries").count()
}

#[test]
fn two_spellings_of_a_repository_are_one_listing_one_fetch_and_one_entry() {
    let world = World::new();
    let repo = world.repo("owner/shared");
    repo.commit("main", &[Change::write("a/code", "a\n"), Change::write("b/code", "b\n")]);
    let home = world.home();
    let url = world.http.url("owner/shared");
    let without_git = url.replace(".git", "");
    let shouted = url.replace("http://", "HTTP://");
    home.declare(&[
        ("whole", &format!("git+{url}")),
        ("again", &format!("git+{url}/@main")),
        ("a", &format!("git+{without_git}@refs/heads/main#subdirectory=a")),
        ("b", &format!("git+{shouted}@{}#subdirectory=b", repo.rev("main").unwrap())),
    ]);
    let ran = home.run(&["update", "--json"]).ok();
    assert_eq!(ran.json()["updated"].as_array().unwrap().len(), 4, "{ran:?}");
    let asked = asked(&world);
    // A commit id needs no listing, and the listing leads to the same commit.
    assert_eq!(asked.values().copied().collect::<Vec<_>>(), [(1, 1)], "{asked:?} {ran:?}");
    assert_eq!(entries(&home), 1, "{ran:?}");
    assert_eq!(home.tree("whole"), repo.tree("main"));
    assert_eq!(home.tree("again"), repo.tree("main"));
    assert!(home.target("a").join("code").is_file() && home.target("b").join("code").is_file());
    is_settled(&home);
}

#[test]
fn equal_trees_of_different_repositories_are_one_entry() {
    let world = World::new();
    for name in ["one", "two"] {
        world.repo(name).write(&[("same", "same\n")]);
    }
    let home = world.home();
    let sources = ["one", "two"].map(|name| format!("git+{}", world.http.url(name)));
    home.declare(&[("one", &sources[0]), ("two", &sources[1])]);
    home.run(&["update"]).ok();
    assert_eq!(entries(&home), 1);
    is_settled(&home);
}

#[test]
fn a_hundred_modules_are_fetched_side_by_side_and_switched_at_once() {
    let world = World::new();
    let repos: Vec<Repo> = (0..100).map(|number| world.repo(&format!("m{number:02}"))).collect();
    for repo in &repos {
        repo.write(&[("name", repo.name()), ("same", "same\n")]);
    }
    let home = world.home();
    let text = |repo: &Repo| {
        format!("[modules.{}]\nsource = \"git+{}\"\n", repo.name(), world.http.url(repo.name()))
    };
    home.write_modules(&repos.iter().map(text).collect::<String>());
    let ran = home.run(&["update", "--json", "--jobs", "8"]).ok();
    assert_eq!(
        (&ran.json()["generation"], ran.json()["updated"].as_array().unwrap().len()),
        (&1.into(), 100)
    );
    for repo in &repos {
        assert_eq!(fs::read_to_string(home.target(repo.name()).join("name")).unwrap(), repo.name());
    }
    assert!(asked(&world).values().all(|asked| *asked == (1, 1)), "{:?}", asked(&world));
    let connections = world.http.stats().connections;
    assert!((2..=16).contains(&connections), "{connections} connections");

    world.http.forget();
    is_settled(&home);
    assert!(asked(&world).values().all(|asked| *asked == (1, 0)), "{:?}", asked(&world));
    assert_eq!(asked(&world).len(), 100);

    // One changes, one fails: one generation more, and 98 are as they were.
    repos[7].write(&[("name", "changed")]);
    world.http.fault("m08", Fault::Status(500));
    let ran = home.run(&["update", "--json"]).fails(1);
    let report = ran.json();
    assert_eq!(report["generation"], 2);
    assert_eq!(report["unchanged"].as_array().unwrap().len(), 98);
    assert_eq!(
        (&report["updated"][0]["module"], &report["failed"][0]["module"]),
        (&"m07".into(), &"m08".into())
    );
    assert!(world.http.stats().faults_fired > 0);
}

#[test]
fn all_or_nothing_switches_nothing_and_allow_partial_forgives() {
    let world = World::new();
    let repos = ["good", "bad"].map(|name| world.repo(name));
    repos.iter().for_each(|repo| drop(repo.write(&[("a", repo.name())])));
    let home = world.home();
    let sources = ["good", "bad"].map(|name| format!("git+{}", world.http.url(name)));
    home.declare(&[("good", &sources[0]), ("bad", &sources[1])]);
    home.run(&["update"]).ok();
    let before = home.tree("good");
    repos.iter().for_each(|repo| drop(repo.write(&[("a", "new")])));
    world.http.fault("bad", Fault::Status(500));
    let ran = home.run(&["update", "--all-or-nothing", "--json"]).fails(1);
    assert_eq!(
        (&ran.json()["committed"], &ran.json()["generation"]),
        (&false.into(), &1.into()),
        "{ran:?}"
    );
    assert_eq!(home.tree("good"), before);
    assert_eq!(home.leftovers(), Vec::<std::path::PathBuf>::new());
    let ran = home.run(&["update", "--allow-partial", "--json"]).ok();
    assert_eq!(
        (&ran.json()["committed"], &ran.json()["ok"]),
        (&true.into(), &true.into()),
        "{ran:?}"
    );
    assert_eq!(home.tree("good"), repos[0].tree("main"));
    assert!(world.http.stats().faults_fired > 0);
}

/// A tree says nothing of its submodules' commits, so two commits can be one entry. Going back between
/// them leaves the entry with the other's git ids.
#[test]
fn a_commit_whose_tree_is_here_under_other_submodules_is_fetched_whole() {
    let world = World::new();
    let repo = world.repo("with-submodule");
    let (first, second) = ("1".repeat(40), "2".repeat(40));
    let commit = |code: &str, submodule: &str| {
        repo.commit(
            "main",
            &[Change::write("part/code", code), Change::gitlink("ext/sub", submodule)],
        )
    };
    let home = world.home();
    let source = format!("git+{}#subdirectory=part", world.http.url("with-submodule"));
    home.declare(&[("part", &source)]);
    commit("one\n", &first);
    home.run(&["update"]).ok();
    commit("one\n", &second);
    home.run(&["update"]).ok();
    assert_eq!(entries(&home), 1, "the two commits are one tree");
    home.run(&["rollback"]).ok();

    let head = commit("two\n", &first);
    let updated = home.run(&["update", "part", "--json"]).ok().json()["updated"][0].clone();
    assert_eq!(updated["to"]["revision"], head.as_str());
    assert_eq!(fs::read_to_string(home.target("part").join("code")).unwrap(), "two\n");
    is_settled(&home);
}
