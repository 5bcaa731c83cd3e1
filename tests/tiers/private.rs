//! What is private is neither asked for nor published.

use modstore_testbed::{Fault, TestHome};

use crate::world::{World, counts, objects, run, sources};

/// Configures the tier with these patterns.
fn configure(world: &World, home: &TestHome, patterns: &str) {
    let url = world.tier_url();
    let text = format!("[[tier]]\nurl = \"{url}\"\nmode = \"write\"\n{patterns}\n");
    std::fs::write(home.path().join("config.toml"), text).unwrap();
}

#[test]
fn an_origin_that_a_pattern_leaves_out_is_neither_read_nor_published() {
    let world = World::new(2);
    let host = format!("127.0.0.1:{}", world.git.port());
    for patterns in [format!("except = [\"{host}/module1\"]"), format!("only = [\"{host}/*0\"]")] {
        let publisher = world.home();
        configure(&world, &publisher, &patterns);
        let answer = run(&publisher, &["update"]);
        assert_eq!(answer["tier"]["published"], 1, "{answer}");
        assert!(world.object(&world.repos[0]).exists());
        assert!(!world.object(&world.repos[1]).exists());
        let answer = run(&publisher, &["push"]);
        assert_eq!(answer["not_published"][0]["module"], "module1", "{answer}");
        // Its object is there, and is not looked at.
        let open = world.home();
        run(&open, &["update", "--tier", "off"]);
        run(&open, &["push", "--tier", &world.tier_url()]);
        assert!(world.object(&world.repos[1]).exists());
        let reader = world.home();
        configure(&world, &reader, &patterns);
        let answer = run(&reader, &["update"]);
        assert_eq!(counts(&answer), [1, 0, 0, 0], "{answer}");
        assert_eq!(sources(&answer), ["git", "tier"]);
        std::fs::remove_dir_all(world.tier().join("v1")).unwrap();
    }
}

#[test]
fn what_is_fetched_with_a_login_is_published_only_where_a_pattern_names_it() {
    let world = World::new(1);
    let repo = &world.repos[0];
    let source = format!("git+{}", world.git.url_with_secret(repo.name(), "me", "hidden"));
    let home = TestHome::in_memory(env!("CARGO_BIN_EXE_modstore"));
    home.declare(&[("module0", &source)]);
    let ran = home.run(&["update", "--publish", "--tier", &world.tier_url()]).ok();
    assert!(ran.stderr.contains("fetched with a login"), "{ran:?}");
    assert!(objects(&world.tier()).is_empty());
    let answer = run(&home, &["push", "--tier", &world.tier_url()]);
    assert_eq!(answer["not_published"][0]["failed"], false, "{answer}");
    assert!(objects(&world.tier()).is_empty());
    configure(&world, &home, &format!("only = [\"127.0.0.1:{}/*\"]", world.git.port()));
    let ran = home.run(&["push", "--json"]).ok();
    assert_eq!(ran.json()["published"][0], "module0");
    assert!(!ran.stdout.contains("hidden") && !ran.stderr.contains("hidden"));
    assert_eq!(objects(&world.tier()).len(), 1);
}

#[test]
fn what_a_login_of_the_machine_opened_is_published_only_where_a_pattern_names_it() {
    let helper = "[credential]\n helper = \"!f() { echo username=me; echo password=pass; }; f\"\n";
    let header = "[http]\n extraHeader = Authorization: Basic bWU6cGFzcw==\n";
    for (what, config, netrc) in [
        ("a credential helper", helper, ""),
        ("a header of the configuration", header, ""),
        ("netrc", "", "machine 127.0.0.1 login me password pass\n"),
    ] {
        let world = World::new(2);
        let private = &world.repos[0];
        world.git.fault(private.name(), Fault::BasicAuth { user: "me", password: "pass" });
        let home = world.home();
        home.git_config(config);
        std::fs::write(home.user_home().join(".netrc"), netrc).unwrap();
        let ran = home.run(&["update", "--publish", "--tier", &world.tier_url()]).ok();
        assert!(
            ran.stderr.contains("`module0` was not published: it is fetched with"),
            "{what}: {ran:?}"
        );
        assert!(!world.object(private).exists(), "{what}");
        // It stays so for a later command, which asks no server.
        world.git.forget();
        let answer = run(&home, &["push", "--tier", &world.tier_url()]);
        assert_eq!(answer["not_published"][0]["module"], "module0", "{what}: {answer}");
        assert_eq!(world.git.stats().connections, 0);
        // And for another store of this user, which links what the first one fetched.
        let other = home.scratch().join("other");
        std::fs::create_dir(&other).unwrap();
        for name in ["modules.toml", "modules.lock"] {
            std::fs::copy(home.path().join(name), other.join(name)).unwrap();
        }
        let (tier, other) = (world.tier_url(), other.display().to_string());
        let args = ["--home", &other, "update", "--locked", "--publish", "--tier", &tier];
        let answer = run(&home, &args);
        assert_eq!(sources(&answer), ["store", "store"], "{what}");
        assert!(!world.object(private).exists(), "{what}");
        configure(&world, &home, &format!("only = [\"127.0.0.1:{}/*\"]", world.git.port()));
        run(&home, &["push"]);
        assert!(world.object(private).exists(), "{what}");
    }
}

#[test]
fn what_no_login_opened_is_published_though_there_is_one() {
    let world = World::new(1);
    let home = world.home();
    home.git_config(
        "[credential]\n helper = \"!f() { echo username=me; echo password=pass; }; f\"\n",
    );
    run(&home, &["update", "--publish", "--tier", &world.tier_url()]);
    assert!(world.object(&world.repos[0]).exists());
}

#[test]
fn a_linked_module_is_not_published_and_that_is_said() {
    let world = World::new(1);
    let home = world.home();
    run(&home, &["update"]);
    let linked = home.scratch().join("linked");
    std::fs::create_dir(&linked).unwrap();
    home.run(&["add", &linked.display().to_string()]).ok();
    let answer = run(&home, &["push", "--tier", &world.tier_url()]);
    assert_eq!(answer["not_published"][0]["module"], "linked", "{answer}");
    assert_eq!(answer["published"][0], "module0");
}

#[test]
fn a_projects_home_does_not_bring_a_tier() {
    let world = World::new(1);
    let home = TestHome::in_memory(env!("CARGO_BIN_EXE_modstore"));
    let project = home.scratch().join("project");
    std::fs::create_dir_all(project.join(".modstore")).unwrap();
    let config = format!("[[tier]]\nurl = \"{}\"\nmode = \"write\"\n", world.tier_url());
    std::fs::write(project.join(".modstore/config.toml"), config).unwrap();
    let mut home = home;
    home.without_env("MODSTORE_HOME").env("MODSTORE_PROJECT", &project);
    home.run(&["add", &world.source(&world.repos[0])]).ok();
    assert!(objects(&world.tier()).is_empty());
}
