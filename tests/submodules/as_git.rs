//! A module has the files that git clones.

use modstore_testbed::{Change, Repo};

use crate::world::{World, commit_parts, gitmodules};

#[test]
fn submodules_come_at_their_recorded_commits_with_relative_and_absolute_urls() {
    let world = World::new();
    let (x, first) = world.part("x");
    x.write(&[("name", "newer than what is recorded")]);
    let (_, y) = world.part("deep/y");
    let (parent, _) = world.part("parent");
    let absolute = world.http.url("deep/y");
    commit_parts(&parent, &[("vendor/x", "../x.git", &first), ("y", &absolute, &y)]);
    world.add("parent").ok();
    world.is_as_git("parent", &world.http.url("parent"));
    assert!(world.home.target("parent").join("vendor/x/name").is_file());
    world.home.run(&["verify"]).ok();
}

#[test]
fn submodules_of_submodules_come_with_urls_relative_to_their_own() {
    let world = World::new();
    let (inner, commit) = world.part("group/inner");
    inner.write(&[("run.sh", "#!/bin/sh\n")]);
    let (middle, _) = world.part("group/middle");
    let middle_commit = commit_parts(&middle, &[("in/inner", "../inner", &commit)]);
    let (parent, _) = world.part("parent");
    commit_parts(&parent, &[("a/middle", "./../group/middle.git", &middle_commit)]);
    world.add("parent").ok();
    world.is_as_git("parent", &world.http.url("parent"));
    assert!(world.home.target("parent").join("a/middle/in/inner/name").is_file());
    let verified = world.home.run(&["verify", "--json"]).ok();
    assert_eq!(verified.json()["ok"], true, "{verified:?}");
}

#[test]
fn of_two_entries_for_one_path_the_last_one_counts() {
    let world = World::new();
    let (_, x) = world.part("x");
    let (parent, _) = world.part("parent");
    let [good, dead] =
        ["x.git", "none.git"].map(|to| gitmodules(&[("x", &format!("../{to}"), "")]));
    let dead = dead.replacen("\"x\"", "\"before\"", 1);
    let text = format!("{dead}{good}");
    parent.commit("main", &[Change::write(".gitmodules", &text), Change::gitlink("x", &x)]);
    world.add("parent").ok();
    world.is_as_git("parent", &world.http.url("parent"));
    assert!(world.home.target("parent").join("x/name").is_file());
}

#[test]
fn what_git_leaves_out_is_left_out() {
    let world = World::new();
    let (_, x) = world.part("x");
    let (parent, _) = world.part("parent");
    let changes =
        |text: &str| vec![Change::write(".gitmodules", text), Change::gitlink("vendor/x", &x)];
    let url = world.http.url("parent");
    for (why, text) in [
        ("no entry", String::new()),
        ("an entry of another path", gitmodules(&[("vendor/y", "../x.git", "")])),
        ("a path with a slash at its end", gitmodules(&[("vendor/x/", "../x.git", "")])),
        ("no update", gitmodules(&[("vendor/x", "../x.git", "")]) + "\tupdate = none\n"),
    ] {
        parent.commit("main", &changes(&text));
        let name = why.replace(' ', "-");
        let ran = world.home.run(&["add", &world.source("parent"), "--name", &name, "--json"]).ok();
        world.is_as_git(&name, &url);
        assert!(!world.home.target(&name).join("vendor/x/name").exists(), "{why}: {ran:?}");
    }
    parent.commit("main", &[Change::delete(".gitmodules")]);
    world.home.run(&["add", &world.source("parent"), "--name", "no-file"]).ok();
    world.is_as_git("no-file", &url);
}

#[test]
fn keys_that_change_nothing_for_git_change_nothing() {
    let world = World::new();
    let (_, x) = world.part("x");
    let (parent, _) = world.part("parent");
    let text = gitmodules(&[("x", "../x.git", "")])
        + "\tactive = false\n\tignore = all\n\tshallow = false\n\tbranch = none\n\tupdate = rebase\n\
           \tfetchRecurseSubmodules = false\n[include]\n\tpath = /etc/passwd\n";
    parent.commit("main", &[Change::write(".gitmodules", text), Change::gitlink("x", &x)]);
    world.add("parent").ok();
    world.is_as_git("parent", &world.http.url("parent"));
    assert!(world.home.target("parent").join("x/name").is_file());
}

#[test]
fn the_hosts_configuration_rewrites_and_forbids_as_for_git() {
    let world = World::new();
    let (_, x) = world.part("x");
    let (parent, _) = world.part("parent");
    commit_parts(&parent, &[("x", "https://far.invalid/x.git", &x)]);
    let base = world.http.url("x").replace("x.git", "");
    let rewriting = format!("[url \"{base}\"]\n\tinsteadOf = https://far.invalid/\n");
    world.home.git_config(&format!("{rewriting}[protocol \"http\"]\n\tallow = user\n"));
    assert!(world.git_clone(&world.http.url("parent")).is_err());
    assert_eq!(crate::world::failed(&world.add("parent").fails(1))["code"], "submodule");

    world.home.git_config(&rewriting);
    world.add("parent").ok();
    world.is_as_git("parent", &world.http.url("parent"));
}

#[test]
fn local_repositories_are_submodules_only_where_gits_configuration_allows_it() {
    let world = World::new();
    let (x, commit) = world.part("x");
    let (parent, _) = world.part("parent");
    for (number, url) in
        [x.url_file(), x.path().display().to_string(), "../x.git".into()].iter().enumerate()
    {
        commit_parts(&parent, &[("x", url, &commit)]);
        let source = format!("git+{}", parent.url_file());
        let name = format!("m{number}");
        world.home.git_config("");
        let refused = world.home.run(&["add", &source, "--name", &name, "--json"]).fails(1);
        let failed = crate::world::failed(&refused);
        assert_eq!((&failed["code"], &failed["class"]), (&"submodule".into(), &"permanent".into()));
        assert!(world.git_clone(&parent.url_file()).is_err());
        world.home.git_config("[protocol \"file\"]\n\tallow = always\n");
        world.home.run(&["add", &source, "--name", &name]).ok();
        world.is_as_git(&name, &parent.url_file());
    }
}

#[test]
fn a_subdirectory_may_be_a_submodule_or_in_one() {
    let world = World::new();
    let (_, x) = world.part("x");
    let (parent, _) = world.part("parent");
    commit_parts(&parent, &[("vendor/x", "../x.git", &x)]);
    for (name, part) in [("whole", "vendor/x"), ("inside", "vendor/x/deep"), ("above", "vendor")] {
        let source = format!("{}#subdirectory={part}", world.source("parent"));
        world.home.run(&["add", &source, "--name", name]).ok();
    }
    assert!(world.home.target("whole").join("name").is_file());
    assert!(world.home.target("inside").join("lines").is_file());
    assert!(world.home.target("above").join("x/name").is_file());
}

#[test]
fn a_link_of_the_repository_may_lead_into_its_submodule() {
    let world = World::new();
    let (_, x) = world.part("x");
    let (parent, _) = world.part("parent");
    commit_parts(&parent, &[("vendor/x", "../x.git", &x)]);
    parent.commit("main", &[Change::symlink("lines", "vendor/x/deep/lines")]);
    world.add("parent").ok();
    world.is_as_git("parent", &world.http.url("parent"));
    assert!(world.home.target("parent").join("lines").is_file());
}

#[test]
fn a_link_of_a_submodule_may_lead_into_the_tree_that_it_is_in() {
    let world = World::new();
    let x = Repo::create(world.root(), "x");
    x.config("uploadpack.allowAnySHA1InWant", "true");
    let commit = x.commit("main", &[Change::symlink("deep/out", "../../../name")]);
    let (parent, _) = world.part("parent");
    commit_parts(&parent, &[("vendor/x", "../x.git", &commit)]);
    world.add("parent").ok();
    world.is_as_git("parent", &world.http.url("parent"));
    assert!(world.home.target("parent").join("vendor/x/deep/out").is_file());
    // By itself, and one directory further up, it would leave its tree.
    assert_eq!(crate::world::failed(&world.add("x").fails(1))["code"], "refused-tree");
    let (other, _) = world.part("other");
    commit_parts(&other, &[("x", "../x.git", &commit)]);
    assert_eq!(crate::world::failed(&world.add("other").fails(1))["code"], "refused-tree");
}

#[test]
fn the_hosts_own_word_on_a_submodule_goes_before_the_repositorys() {
    let world = World::new();
    let (_, x) = world.part("x");
    let (parent, _) = world.part("parent");
    commit_parts(
        &parent,
        &[("gone", "../gone.git", &x), ("off", "../x.git", &x), ("none", "../x.git", &x)],
    );
    let url = world.http.url("x");
    world.home.git_config(&format!(
        "[submodule \"gone\"]\n\turl = {url}\n[submodule \"off\"]\n\tactive = false\n\
         [submodule \"none\"]\n\tupdate = none\n"
    ));
    world.add("parent").ok();
    world.is_as_git("parent", &world.http.url("parent"));
    let there = |path: &str| world.home.target("parent").join(path).exists();
    assert_eq!([there("gone/name"), there("off/name"), there("none/name")], [true, false, false]);
}

#[test]
fn a_repository_may_be_a_submodule_of_itself() {
    let world = World::new();
    let (parent, first) = world.part("parent");
    commit_parts(&parent, &[("old", "../parent.git", &first)]);
    world.add("parent").ok();
    world.is_as_git("parent", &world.http.url("parent"));
}

#[test]
fn a_submodule_without_a_file_and_one_with_all_kinds_of_files_are_as_git_has_them() {
    let world = World::new();
    let empty = Repo::create(world.root(), "empty");
    empty.config("uploadpack.allowAnySHA1InWant", "true");
    let none = empty.raw_tree_commit(&[]);
    let kinds = Repo::create(world.root(), "kinds");
    kinds.config("uploadpack.allowAnySHA1InWant", "true");
    let all = kinds.commit(
        "main",
        &[
            Change::exec("run", "#!/bin/sh\n"),
            Change::symlink("link", "a/b/file"),
            Change::write("a/b/file", "x"),
            Change::write("a b/ü", ""),
        ],
    );
    let (parent, _) = world.part("parent");
    commit_parts(&parent, &[("e", "../empty.git", &none), ("k", "../kinds.git", &all)]);
    world.add("parent").ok();
    world.is_as_git("parent", &world.http.url("parent"));
}
