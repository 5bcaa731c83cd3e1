//! A submodule that cannot be fetched fails its module, by name, and the module keeps what it has.

use modstore_testbed::{Change, Fault};

use crate::world::{World, commit_parts, failed, files};

#[test]
fn a_failing_submodule_is_named_with_its_url_and_the_cause_and_the_module_keeps_what_it_has() {
    let world = World::new();
    let (x, first) = world.part("x");
    let (parent, _) = world.part("parent");
    commit_parts(&parent, &[("vendor/x", "../x.git", &first)]);
    world.add("parent").ok();
    let before = files(&world.home.target("parent"));

    let second = x.write(&[("name", "second")]);
    commit_parts(&parent, &[("vendor/x", "../x.git", &second)]);
    for (fault, code, class) in [
        (Fault::Status(500), "server", "transient"),
        (Fault::Status(404), "no-such-repository", "permanent"),
        (Fault::CloseMidPack { after: 100 }, "connection", "transient"),
    ] {
        world.http.fault("x", fault);
        let ran = world.home.run(&["update", "--retry", "--json"]).fails(1);
        let failed = failed(&ran);
        assert_eq!(
            (failed["code"].as_str(), failed["class"].as_str()),
            (Some(code), Some(class)),
            "{failed:#}"
        );
        let error = failed["message"].as_str().unwrap();
        assert!(error.contains("submodule `vendor/x`") && error.contains("/x.git"), "{failed:#}");
        assert!(!failed["causes"].as_array().unwrap().is_empty(), "{failed:#}");
        assert_eq!(files(&world.home.target("parent")), before);
        assert_eq!(world.home.leftovers(), Vec::<std::path::PathBuf>::new());
        world.http.clear();
    }
    world.home.run(&["update", "--retry"]).ok();
    world.is_as_git("parent", &world.http.url("parent"));
}

#[test]
fn a_commit_that_its_server_does_not_have_fails_as_for_git() {
    let world = World::new();
    world.part("x");
    let (parent, _) = world.part("parent");
    commit_parts(&parent, &[("x", "../x.git", &"1".repeat(40))]);
    assert!(world.git_clone(&world.http.url("parent")).is_err());
    let failed = failed(&world.add("parent").fails(1));
    assert_eq!(failed["code"], "no-such-commit", "{failed:#}");
    // It will not be there the next time: a scan does not ask until the parent's commit is another.
    assert_eq!(failed["class"], "permanent");
}

#[test]
fn one_failing_submodule_does_not_keep_another_module_from_its_own() {
    let world = World::new();
    let (_, x) = world.part("x");
    let (_, y) = world.part("y");
    let (good, _) = world.part("good");
    let (bad, _) = world.part("bad");
    commit_parts(&good, &[("x", "../x.git", &x)]);
    commit_parts(&bad, &[("x", "../x.git", &x), ("y", "../y.git", &y)]);
    world.http.fault("y", Fault::Status(500));
    let sources = [world.source("good"), world.source("bad")];
    world.home.declare(&[("good", &sources[0]), ("bad", &sources[1])]);
    world.home.run(&["update"]).fails(1);
    world.is_as_git("good", &world.http.url("good"));
    assert!(!world.home.target("bad").exists());
}

#[test]
fn a_private_submodule_uses_the_login_that_git_would_use() {
    let world = World::new();
    let (_, x) = world.part("x");
    world.http.fault("x", Fault::BasicAuth { user: "me", password: "s3cr3t" });
    let (parent, _) = world.part("parent");
    commit_parts(&parent, &[("x", "../x.git", &x)]);
    let failed = failed(&world.add("parent").fails(1));
    assert_eq!(failed["code"], "authentication", "{failed:#}");

    let helper = "!f() { test $1 = get && echo username=me && echo password=s3cr3t; }; f";
    world.home.git_config(&format!("[credential]\n\thelper = \"{helper}\"\n"));
    world.add("parent").ok();
    world.is_as_git("parent", &world.http.url("parent"));
    assert_eq!(world.home.grep_bytes("s3cr3t"), [world.home.user_home().join(".gitconfig")]);
}

#[test]
fn a_login_in_the_parents_address_goes_along_with_a_relative_url_and_is_never_printed() {
    let world = World::new();
    let (_, x) = world.part("x");
    for name in ["x", "parent"] {
        world.http.fault(name, Fault::BasicAuth { user: "me", password: "s3cr3t" });
    }
    let (parent, _) = world.part("parent");
    commit_parts(&parent, &[("x", "../x.git", &x)]);
    let url = world.http.url_with_secret("parent", "me", "s3cr3t");
    world.home.run(&["add", &format!("git+{url}")]).ok();
    world.is_as_git("parent", &url);
    parent.commit("main", &[Change::gitlink("x", &"1".repeat(40))]);
    let ran = world.home.run(&["add", &format!("git+{url}"), "--name", "other", "--json"]).fails(1);
    assert!(!ran.stdout.contains("s3cr3t") && !ran.stderr.contains("s3cr3t"), "{ran:?}");
    assert!(world.home.grep_bytes("s3cr3t").is_empty());
}

#[test]
fn progress_tells_of_each_submodule() {
    let world = World::new();
    let (_, x) = world.part("x");
    let (parent, _) = world.part("parent");
    commit_parts(&parent, &[("vendor/x", "../x.git", &x)]);
    let ran = world.home.run(&["--progress", "json", "add", &world.source("parent")]).ok();
    let told = ran.stderr.lines().any(|line| {
        line.contains("\"step\":\"submodule\"") && line.contains("\"path\":\"vendor/x\"")
    });
    assert!(told, "{ran:?}");
}
