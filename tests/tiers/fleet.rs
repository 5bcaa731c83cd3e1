//! One publishes, many read: with a lock, git is not asked at all.

use modstore_testbed::TestHome;

use crate::world::{World, counts, objects, run, sources};

const MODULES: usize = 6;

#[test]
fn readers_with_a_lock_get_everything_from_the_tier_and_never_connect_to_git() {
    let world = World::new(MODULES);
    let publisher = world.publisher();
    world.git.forget();
    let readers: Vec<TestHome> = (0..8).map(|_| world.clone_of(&publisher)).collect();
    let args = ["update", "--locked", "--tier", &world.tier_url(), "--json"];
    let running: Vec<_> = readers.iter().map(|reader| reader.spawn(&args)).collect();
    for (reader, running) in readers.iter().zip(running) {
        let answer = running.wait().ok().json();
        assert_eq!(counts(&answer), [MODULES as u64, 0, 0, 0], "{answer}");
        assert_eq!(sources(&answer), vec!["tier"; MODULES]);
        world.assert_all_as_git(reader);
        let lock = |home: &TestHome| std::fs::read(home.path().join("modules.lock")).unwrap();
        assert_eq!(lock(reader), lock(&publisher), "the digests are the same");
    }
    // The publisher's trees came from git before; no reader has asked it.
    world.git.forget();
    std::fs::rename(world.tier(), world.root.path().join("gone")).unwrap();
    let again = run(&readers[0], &["update", "--locked", "--tier", &world.tier_url()]);
    assert_eq!(counts(&again), [0; 4], "nothing is read again");
    assert_eq!(world.git.stats().connections, 0);
}

#[test]
fn no_reader_of_a_lock_connects_to_git() {
    let world = World::new(2);
    let publisher = world.publisher();
    world.git.forget();
    let reader = world.clone_of(&publisher);
    run(&reader, &["update", "--locked", "--tier", &world.tier_url(), "--tier", "only"]);
    world.assert_all_as_git(&reader);
    assert_eq!(world.git.stats().connections, 0);
}

#[test]
fn one_module_that_changed_is_one_object_and_unchanged_files_are_linked() {
    let world = World::new(3);
    let publisher = world.publisher();
    let reader = world.clone_of(&publisher);
    run(&reader, &["update", "--locked", "--tier", &world.tier_url()]);
    world.repos[1].write(&[("main.py", "value = 'new'\n")]);
    let answer = run(&publisher, &["update", "--publish", "--tier", &world.tier_url()]);
    assert_eq!(answer["tier"]["published"], 1, "{answer}");
    world.git.forget();
    std::fs::copy(publisher.path().join("modules.lock"), reader.path().join("modules.lock"))
        .unwrap();
    let answer = run(&reader, &["update", "--locked", "--tier", &world.tier_url()]);
    assert_eq!(counts(&answer), [1, 0, 0, 0], "{answer}");
    assert_eq!(answer["cost"]["files_linked"], 2, "{answer}");
    assert_eq!(answer["cost"]["files_written"], 1, "{answer}");
    assert_eq!(world.git.stats().connections, 0);
    world.assert_all_as_git(&reader);
}

#[test]
fn what_is_gone_from_a_tier_costs_a_fetch_and_nothing_else() {
    let world = World::new(MODULES);
    let publisher = world.publisher();
    for repo in world.repos.iter().step_by(2) {
        std::fs::remove_file(world.object(repo)).unwrap();
    }
    let reader = world.clone_of(&publisher);
    let ran = reader.run(&["update", "--locked", "--tier", &world.tier_url()]).ok();
    assert!(ran.stdout.contains("3 from tier, 3 from git, 0 refused\n"), "{ran:?}");
    assert!(!ran.stderr.contains("tier"), "a miss is silent: {ran:?}");
    world.assert_all_as_git(&reader);
    // Who may write gives back what is missing.
    let answer = run(&publisher, &["push", "--tier", &world.tier_url()]);
    assert_eq!(answer["published"].as_array().unwrap().len(), 3, "{answer}");
    assert_eq!(answer["already_there"].as_array().unwrap().len(), 3, "{answer}");
    assert_eq!(objects(&world.tier()).len(), MODULES);
}

#[test]
fn the_state_and_the_settings_name_the_tiers_without_their_secrets() {
    let world = World::new(1);
    let home = world.home();
    let text =
        format!("[[tier]]\nurl = \"{}\"\nmode = \"write\"\nfallback = false\n", world.tier_url());
    std::fs::write(home.path().join("config.toml"), text).unwrap();
    let status = run(&home, &["status"]);
    assert_eq!(status["tiers"][0]["url"], world.tier_url());
    assert_eq!(status["tiers"][0]["writes"], true);
    assert_eq!(status["tiers"][0]["fallback"], false);
    let none = run(&home, &["status", "--tier", "off"]);
    assert_eq!(none["tiers"].as_array().unwrap().len(), 0);
    let secret = run(&home, &["status", "--tier", "https://me:hidden@tier.example/x"]);
    assert_eq!(secret["tiers"][0]["url"], "https://tier.example/x");
}

#[test]
fn commands_that_fetch_nothing_do_not_read_which_tiers_there_are() {
    let world = World::new(1);
    let home = world.home();
    std::fs::write(home.path().join("config.toml"), "[[tier]]\nfalback = true\n").unwrap();
    home.run(&["update"]).fails(2);
    for command in ["list", "history", "events"] {
        home.run(&[command]).ok();
    }
    // It shows them.
    home.run(&["status"]).fails(2);
}

#[test]
fn an_unknown_key_and_a_wrong_address_are_named() {
    let world = World::new(1);
    let home = world.home();
    let config = home.path().join("config.toml");
    std::fs::write(&config, "[[tier]]\nurl = \"/a\"\nfalback = true\n").unwrap();
    let ran = home.run(&["update"]).fails(2);
    assert!(
        ran.stderr.contains("line 3, column 1: unknown key `falback`, did you mean `fallback`?"),
        "{ran:?}"
    );
    std::fs::remove_file(&config).unwrap();
    let ran = home.run(&["update", "--tier", "relative"]).fails(2);
    assert!(ran.stderr.contains("`relative` is no tier"), "{ran:?}");
    let ran = home.run(&["update", "--tier", "ftp://host/x"]).fails(2);
    assert!(ran.stderr.contains("no tiers of ftp:// in this build"), "{ran:?}");
    let ran = home.run(&["update", "--tier", "only"]).fails(2);
    assert!(ran.stderr.contains("no shared tier is configured"), "{ran:?}");
}
