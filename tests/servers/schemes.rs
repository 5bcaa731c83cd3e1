//! The same life of a module at every kind of server.

use modstore_testbed::{Change, Repo};

use crate::world::{World, is_settled, only};

/// A repository with a file of each kind.
fn filled(world: &World, name: &str) -> Repo {
    let repo = world.repo(name);
    repo.commit(
        "main",
        &[
            Change::write("README", "first\n"),
            Change::write("part/inner/code", "pass\n"),
            Change::write("part/kept", "kept\n"),
            Change::exec("bin/run", "#!/bin/sh\n"),
            Change::symlink("link", "part/kept"),
        ],
    );
    repo
}

#[test]
fn a_module_is_added_updated_and_left_alone_at_every_server() {
    let world = World::new();
    let repo = filled(&world, "m");
    let sources = world.sources(&repo);
    let homes: Vec<_> = sources.iter().map(|_| world.home()).collect();
    for (source, home) in sources.iter().zip(&homes) {
        let ran = home.run(&["add", source, "--json"]).ok();
        assert_eq!(ran.json()["added"], serde_json::json!(["m"]), "{ran:?}");
        assert_eq!(home.tree("m"), repo.tree("main"), "{ran:?}");
        is_settled(home);
    }
    let first = repo.rev("main").unwrap();
    let second = repo.write(&[("part/inner/code", "print()\n")]);
    for home in &homes {
        let ran = home.run(&["update", "--json"]).ok();
        let updated = only(&ran, "updated");
        assert_eq!(
            (&updated["from"]["revision"], &updated["to"]["revision"]),
            (&first.clone().into(), &second.clone().into())
        );
        assert_eq!(
            (&updated["files_changed"], &updated["to"]["reference"]),
            (&1.into(), &"refs/heads/main".into()),
            "{ran:?}"
        );
        assert_eq!(
            ran.json()["cost"]["files_linked"],
            3,
            "files that have not changed are not written again: {ran:?}"
        );
        assert_eq!(home.tree("m"), repo.tree("main"), "{ran:?}");
        assert_eq!(home.leftovers(), Vec::<std::path::PathBuf>::new(), "{ran:?}");
        is_settled(home);
    }
}

#[test]
fn every_way_to_name_a_commit_is_understood_at_every_server() {
    let world = World::new();
    let repo = filled(&world, "m");
    let hidden = repo.rev("main").unwrap();
    let old = repo.write(&[("README", "second\n")]);
    repo.tag("light", &old);
    let released = crate::tags::released(&repo, "annotated", "released\n");
    let tip = repo.write(&[("README", "third\n")]);
    let side = repo.commit("side/branch", &[Change::write("side", "only here\n")]);
    let (head, old_tag, tag_tag) =
        (Some("refs/heads/main"), Some("refs/tags/light"), Some("refs/tags/annotated"));
    let wishes: [(&str, &str, Option<&str>); 9] = [
        ("", &tip, head),
        ("@main", &tip, head),
        ("@refs/heads/main", &tip, head),
        ("@side/branch", &side, Some("refs/heads/side/branch")),
        ("@light", &old, old_tag),
        ("@refs/tags/light", &old, old_tag),
        ("@annotated", &released, tag_tag),
        (&format!("@{tip}"), &tip, None),
        (&format!("@{hidden}"), &hidden, None),
    ];
    for source in world.sources(&repo) {
        let home = world.home();
        let names: Vec<String> = (0..wishes.len()).map(|number| format!("m{number}")).collect();
        let sources: Vec<String> = wishes.iter().map(|(at, ..)| format!("{source}{at}")).collect();
        let declared: Vec<_> =
            names.iter().map(String::as_str).zip(sources.iter().map(String::as_str)).collect();
        home.declare(&declared);
        let ran = home.run(&["update", "--json"]).ok();
        let report = ran.json();
        for ((name, declared), (_, commit, reference)) in names.iter().zip(&sources).zip(&wishes) {
            let updated = report["updated"]
                .as_array()
                .unwrap()
                .iter()
                .find(|updated| updated["module"] == **name);
            let updated = updated.unwrap_or_else(|| panic!("{declared}: {ran:?}"));
            assert_eq!(updated["to"]["revision"], **commit, "{declared}: {ran:?}");
            if let Some(reference) = reference {
                assert_eq!(updated["to"]["reference"], *reference, "{declared}: {ran:?}");
            }
            assert_eq!(home.tree(name), repo.tree(commit), "{declared}");
        }
        is_settled(&home);
    }
}

#[test]
fn a_subdirectory_is_a_module_of_its_own_at_every_server() {
    let world = World::new();
    let repo = filled(&world, "m");
    for source in world.sources(&repo) {
        let home = world.home();
        home.run(&["add", &format!("{source}#subdirectory=part")]).ok();
        let whole = repo.tree("main");
        let part: std::collections::BTreeMap<_, _> = whole
            .iter()
            .filter_map(|(path, item)| Some((path.strip_prefix("part/")?.to_owned(), item.clone())))
            .collect();
        assert_eq!(home.tree("part"), part, "{source}");
        is_settled(&home);
    }
}

#[test]
fn a_branch_that_is_pushed_over_and_one_that_moves_back_are_followed() {
    let world = World::new();
    let repo = filled(&world, "m");
    let first = repo.rev("main").unwrap();
    for source in world.sources(&repo) {
        let home = world.home();
        repo.branch("main", &first);
        home.run(&["add", &source]).ok();
        repo.write(&[("README", "another\n")]);
        home.run(&["update"]).ok();
        assert_eq!(home.tree("m"), repo.tree("main"), "{source}");
        // History rewritten, and then taken back.
        repo.raw_tree_commit(&[("100644", b"alone", &repo.blob(b"alone\n"))]);
        home.run(&["update"]).ok();
        assert_eq!(home.tree("m"), repo.tree("main"), "{source}");
        repo.branch("main", &first);
        home.run(&["update"]).ok();
        assert_eq!(home.tree("m"), repo.tree("main"), "{source}");
    }
}

#[test]
fn the_scp_form_is_the_same_repository_as_its_url() {
    let world = World::new();
    let Some(ssh) = world.ssh() else { return };
    let repo = filled(&world, "m");
    let home = world.home();
    home.run(&["add", &ssh.scp_url("m")]).ok();
    assert_eq!(home.tree("m"), repo.tree("main"));
    is_settled(&home);
}
