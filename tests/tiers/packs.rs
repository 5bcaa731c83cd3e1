//! What is published: git's own packs, which git itself accepts.

use std::{
    path::Path,
    process::{Command, Stdio},
};

use modstore_testbed::{Change, Repo, TestHome};

use crate::world::{World, object_of, objects, run};

/// What `git index-pack --strict` says of a pack of one commit without its history.
pub(crate) fn index_pack(pack: &Path, commit: &str) -> bool {
    let place = tempfile::tempdir().unwrap();
    let git = |args: &[&str], stdin: Stdio| {
        let mut command = Command::new("git");
        command.args(["--git-dir"]).arg(place.path()).args(args).stdin(stdin);
        command.stdout(Stdio::null()).status().unwrap().success()
    };
    assert!(git(&["init", "--quiet", "--bare"], Stdio::null()));
    std::fs::write(place.path().join("shallow"), format!("{commit}\n")).unwrap();
    let pack = Stdio::from(std::fs::File::open(pack).unwrap());
    git(&["index-pack", "--strict", "--stdin"], pack)
        && git(&["fsck", "--full", "--strict", commit], Stdio::null())
}

/// Publishes the module of this repository, and gives its object.
fn publish(world: &World, repo: &Repo) -> (TestHome, std::path::PathBuf) {
    let home = TestHome::in_memory(env!("CARGO_BIN_EXE_modstore"));
    let source = format!("{}#submodules=false", world.source(repo));
    home.declare(&[("odd", &source)]);
    run(&home, &["update", "--publish", "--tier", &world.tier_url()]);
    (home, object_of(&world.tier(), &repo.rev("main").unwrap()))
}

#[test]
fn git_itself_accepts_every_object_of_a_tier() {
    let world = World::new(3);
    world.repos[0].commit(
        "main",
        &[
            Change::exec("run", "#!/bin/sh\n"),
            Change::symlink("link", "deep/er/file"),
            Change::write("a\nline", "odd name"),
            Change::write("empty", ""),
            Change::write("large", "0123456789abcdef".repeat(200_000)),
            Change::gitlink("sub", "0123456789012345678901234567890123456789"),
        ],
    );
    let source = format!("{}#submodules=false", world.source(&world.repos[0]));
    let home = world.home();
    let text = std::fs::read_to_string(home.path().join("modules.toml")).unwrap();
    home.write_modules(&text.replace(&world.source(&world.repos[0]), &source));
    run(&home, &["update", "--publish", "--tier", &world.tier_url()]);
    for repo in &world.repos {
        let commit = repo.rev("main").unwrap();
        assert!(index_pack(&world.object(repo), &commit), "{}", repo.name());
    }
    let reader = world.clone_of(&home);
    let answer = run(&reader, &["update", "--locked", "--tier", &world.tier_url()]);
    assert_eq!(answer["tier"]["hits"], 3, "{answer}");
    for repo in &world.repos {
        assert_eq!(reader.tree(repo.name()), home.tree(repo.name()));
    }
}

#[test]
fn two_stores_publish_the_same_bytes_for_one_commit() {
    let world = World::new(1);
    let (_, object) = publish(&world, &world.repos[0]);
    let bytes = std::fs::read(&object).unwrap();
    std::fs::remove_file(&object).unwrap();
    publish(&world, &world.repos[0]);
    assert_eq!(std::fs::read(&object).unwrap(), bytes);
    // A header, a commit, three trees and two blobs: what is twice in the tree is once in the pack.
    assert_eq!(&bytes[..12], b"PACK\0\0\0\x02\0\0\0\x06");
}

#[test]
fn an_entry_that_came_by_a_thin_pack_is_published_whole() {
    let world = World::new(1);
    let repo = &world.repos[0];
    let home = world.home();
    run(&home, &["update", "--tier", "off"]);
    repo.write(&[("main.py", "changed\n")]);
    run(&home, &["update", "--publish", "--tier", &world.tier_url()]);
    assert_eq!(objects(&world.tier()).len(), 1);
    assert!(index_pack(&world.object(repo), &repo.rev("main").unwrap()));
}

#[test]
fn modes_of_old_gits_are_published_as_they_are() {
    let world = World::new(1);
    let repo = &world.repos[0];
    let blob = repo.blob(b"text\n");
    repo.raw_tree_commit(&[("100664", b"old", &blob)]);
    let (home, object) = publish(&world, repo);
    assert!(object.exists());
    let reader = world.clone_of(&home);
    let answer = run(&reader, &["update", "--locked", "--tier", &world.tier_url()]);
    assert_eq!(answer["tier"]["hits"], 1, "{answer}");
    assert_eq!(reader.tree("odd"), home.tree("odd"));
}

#[test]
fn a_tree_that_cannot_be_made_again_is_not_published_and_that_is_said() {
    let world = World::new(1);
    let repo = &world.repos[0];
    let (blob, empty) = (repo.blob(b"text\n"), repo.raw_tree(&[]));
    repo.raw_tree_commit(&[("40000", b"empty", &empty), ("100644", b"file", &blob)]);
    let home = world.home();
    let ran = home.run(&["update", "--publish", "--tier", &world.tier_url()]).ok();
    assert!(ran.stderr.contains("`module0` was not published: the trees of commit"), "{ran:?}");
    assert!(objects(&world.tier()).is_empty());
}

#[test]
fn an_entry_from_before_is_published_after_its_next_fetch() {
    let world = World::new(1);
    let home = world.home();
    run(&home, &["update", "--tier", "off"]);
    let manifests = home.path().join("manifests");
    for name in std::fs::read_dir(&manifests).unwrap() {
        let path = name.unwrap().path();
        if path.extension().is_some_and(|it| it == "commits") {
            std::fs::remove_file(path).unwrap();
        }
    }
    home.run(&["verify"]).ok();
    let ran = home.run(&["push", "--tier", &world.tier_url()]).fails(1);
    assert!(
        ran.stderr.contains("was not kept; it is kept when the commit is next fetched"),
        "{ran:?}"
    );
    world.repos[0].write(&[("main.py", "changed\n")]);
    run(&home, &["update", "--publish", "--tier", &world.tier_url()]);
    assert_eq!(objects(&world.tier()).len(), 1);
}

#[test]
fn two_commits_with_one_tree_are_both_published() {
    let world = World::new(1);
    let repo = &world.repos[0];
    let first = repo.rev("main").unwrap();
    let tree = repo.git(&["rev-parse", "main^{tree}"]);
    let second = repo.git(&["commit-tree", "-p", &first, "-m", "the same files", &tree]);
    repo.branch("other", &second);
    let home = TestHome::in_memory(env!("CARGO_BIN_EXE_modstore"));
    let source = world.source(repo);
    home.declare(&[("one", &source), ("two", &format!("{source}@other"))]);
    run(&home, &["update", "--tier", "off"]);
    let answer = run(&home, &["push", "--tier", &world.tier_url()]);
    assert_eq!(answer["published"].as_array().unwrap().len(), 2, "{answer}");
    for commit in [first, second] {
        assert!(index_pack(&object_of(&world.tier(), &commit), &commit));
    }
}

#[test]
fn damaged_commit_objects_are_found_and_set_aside_and_a_sweep_forgets_those_of_its_entries() {
    let world = World::new(1);
    let home = world.home();
    run(&home, &["update"]);
    let kept = || {
        let names = std::fs::read_dir(home.path().join("manifests")).unwrap();
        let names = names.map(|name| name.unwrap().path());
        names.filter(|path| path.extension().is_some_and(|it| it == "commits")).collect::<Vec<_>>()
    };
    assert_eq!(kept().len(), 1);
    std::fs::remove_file(&kept()[0]).and(std::fs::write(kept_path(&home), "commit 9\0")).unwrap();
    let ran = home.run(&["verify"]);
    assert!(ran.stdout.contains("the commit objects of the entry cannot be used"), "{ran:?}");
    home.run(&["verify", "--repair"]).ok();
    assert_eq!(kept().len(), 0);
    home.run(&["verify"]).ok();
    world.repos[0].write(&[("main.py", "changed\n")]);
    run(&home, &["update"]);
    assert_eq!(kept().len(), 1);
    world.repos[0].write(&[("main.py", "changed again\n")]);
    run(&home, &["update"]);
    home.run(&["gc", "--keep", "1", "--older-than", "0s"]).ok();
    assert_eq!(kept().len(), 1, "of the entry that is left");
}

/// Where the commit objects of the only entry lie.
fn kept_path(home: &TestHome) -> std::path::PathBuf {
    let mut entries = std::fs::read_dir(home.path().join("entries")).unwrap();
    let entry = entries.next().unwrap().unwrap().file_name();
    home.path().join("manifests").join(format!("{}.commits", entry.display()))
}
