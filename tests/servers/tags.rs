//! Annotated tags, above all those that alone lead to their commit: servers give what they list, and they list the tag.

use std::fs;
use std::path::Path;

use modstore_testbed::{Change, Fault, Ran, Repo, TestHome};

use crate::world::{World, is_settled, only};

/// A commit that nothing leads to but an annotated tag of this name, made or moved.
pub(crate) fn released(repo: &Repo, tag: &str, content: &str) -> String {
    repo.branch("release", "main");
    let commit = repo.commit("release", &[Change::write("VERSION", content)]);
    repo.annotated_tag(tag, &commit);
    repo.delete_ref("refs/heads/release");
    commit
}

fn filled(world: &World) -> Repo {
    let repo = world.repo("m");
    repo.write(&[("README", "first\n"), ("part/kept", "kept\n")]);
    repo
}

/// Moves the tag `v1`, updates, and asserts that the module follows, by differences.
#[track_caller]
fn follows(home: &TestHome, repo: &Repo, content: &str) {
    let commit = released(repo, "v1", content);
    let ran = home.run(&["update", "--json"]).ok();
    let updated = only(&ran, "updated");
    assert_eq!(
        (&updated["to"]["revision"], &updated["files_changed"]),
        (&commit.clone().into(), &1.into())
    );
    assert_eq!(ran.json()["cost"]["files_linked"], 2, "{ran:?}");
    assert_eq!(home.tree("m"), repo.tree(&commit), "{ran:?}");
    is_settled(home);
}

#[test]
fn a_commit_that_only_an_annotated_tag_leads_to_is_fetched_at_every_server() {
    let world = World::new();
    let repo = filled(&world);
    for source in world.sources(&repo) {
        let home = world.home();
        let commit = released(&repo, "v1", &source);
        home.run(&["add", &format!("{source}@v1"), "--name", "m"]).ok();
        assert_eq!(home.tree("m"), repo.tree(&commit), "{source}");
        is_settled(&home);
        follows(&home, &repo, &format!("{source} again"));
    }
}

#[test]
fn a_tag_of_a_tag_is_its_commit_at_every_server() {
    let world = World::new();
    let repo = filled(&world);
    for source in world.sources(&repo) {
        let home = world.home();
        let commit = released(&repo, "v1", &source);
        repo.annotated_tag("again", "v1");
        repo.annotated_tag("and-again", "again");
        repo.delete_ref("refs/tags/v1");
        home.run(&["add", &format!("{source}@and-again"), "--name", "m"]).ok();
        assert_eq!(home.tree("m"), repo.tree(&commit), "{source}");
        is_settled(&home);
    }
}

#[test]
fn a_server_that_knows_only_version_0_gives_the_commit_of_a_tag_and_so_does_a_mirror_of_it() {
    for lacks in [None, Some("shallow")] {
        let world = World::new();
        let repo = filled(&world);
        world.http.fault("m", Fault::ForceProtocolV0);
        if let Some(what) = lacks {
            world.http.fault("m", Fault::WithoutCapability(what));
        }
        let (home, commit) = (world.home(), released(&repo, "v1", "1"));
        home.run(&["add", &format!("git+{}@v1", world.http.url("m"))]).ok();
        assert_eq!(home.tree("m"), repo.tree(&commit), "{lacks:?}");
        follows(&home, &repo, "2");
    }
}

/// A home that declares and locks what `home` has, with nothing in its store.
fn locked_as(world: &World, home: &TestHome) -> TestHome {
    let other = world.home();
    fs::create_dir_all(other.path()).expect("a temporary directory takes a directory");
    for file in ["modules.toml", "modules.lock"] {
        fs::copy(home.path().join(file), other.path().join(file)).expect("the file is there");
    }
    other
}

#[test]
fn a_locked_commit_that_only_a_tag_leads_to_is_fetched_at_every_server() {
    let world = World::new();
    let repo = filled(&world);
    for source in world.sources(&repo) {
        let (home, commit) = (world.home(), released(&repo, "v1", &source));
        home.run(&["add", &format!("{source}@v1"), "--name", "m"]).ok();
        let other = locked_as(&world, &home);
        other.run(&["update", "--locked"]).ok();
        assert_eq!(other.tree("m"), repo.tree(&commit), "{source}");
    }
}

#[test]
fn a_server_that_gives_only_what_it_lists_is_asked_by_the_tag_for_a_locked_commit() {
    for lacks in [None, Some("shallow")] {
        let world = World::new();
        let repo = filled(&world);
        let (home, commit) = (world.home(), released(&repo, "v1", "1"));
        if let Some(what) = lacks {
            world.http.fault("m", Fault::WithoutCapability(what));
        }
        world.http.fault("m", Fault::RefuseWant(commit.clone()));
        home.run(&["add", &format!("git+{}@v1", world.http.url("m"))]).ok();
        let other = locked_as(&world, &home);
        other.run(&["update", "--locked"]).ok();
        assert_eq!(other.tree("m"), repo.tree(&commit), "{lacks:?}");
        repo.delete_ref("refs/tags/v1");
        let refused = locked_as(&world, &home).run(&["update", "--locked"]).fails(1);
        assert!(refused.stderr.contains("does not give that commit"), "{refused:?}");
        assert!(refused.stderr.contains("permanent"), "{refused:?}");
    }
}

#[test]
fn an_entry_of_a_tag_is_repaired_from_every_server() {
    let world = World::new();
    let repo = filled(&world);
    for source in world.sources(&repo) {
        let (home, commit) = (world.home(), released(&repo, "v1", &source));
        home.run(&["add", &format!("{source}@v1"), "--name", "m"]).ok();
        spoil(&home.target("m").join("VERSION"));
        home.run(&["verify", "--repair"]);
        home.run(&["verify"]).ok();
        assert_eq!(home.tree("m"), repo.tree(&commit), "{source}");
    }
}

fn spoil(file: &Path) {
    use std::os::unix::fs::PermissionsExt as _;
    let file = file.canonicalize().expect("the module has the file");
    fs::set_permissions(&file, fs::Permissions::from_mode(0o644)).expect("the file is ours");
    fs::write(&file, "rot").expect("the file is ours");
}

#[test]
fn a_tag_of_no_commit_is_refused_for_good_and_by_what_it_is() {
    let world = World::new();
    let repo = filled(&world);
    repo.annotated_tag("of-a-tree", "main^{tree}");
    repo.annotated_tag("of-a-file", "main:README");
    repo.tag("tree", &repo.rev("main:part").expect("the directory is there"));
    repo.tag("file", &repo.rev("main:part/kept").expect("the file is there"));
    for source in world.sources(&repo) {
        for (tag, words) in [
            ("of-a-tree", "is the tag of a tree, and not of a commit"),
            ("of-a-file", "is the tag of a blob, and not of a commit"),
            ("tree", "is not a commit"),
            ("file", "is not a commit"),
        ] {
            let home = world.home();
            let ran: Ran = home.run(&["add", &format!("{source}@{tag}"), "--name", "m"]).fails(1);
            assert!(ran.stderr.contains(words), "{source} {tag}: {ran:?}");
            assert!(ran.stderr.contains("permanent"), "{source} {tag}: {ran:?}");
        }
    }
}
