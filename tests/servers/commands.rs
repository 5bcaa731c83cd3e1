//! What the commands around an update promise: `outdated`, `--offline`, `--locked`, `rollback`.

use serde_json::json;

use crate::world::{World, is_settled, only, untouched};

#[test]
fn outdated_lists_the_changes_of_the_next_update_and_writes_nothing() {
    let world = World::new();
    let repo = world.repo("m");
    let first = repo.write(&[("a", "1")]);
    let home = world.home();
    home.run(&["add", &format!("git+{}", world.http.url("m"))]).ok();
    let look = || {
        let before = untouched(&home);
        let ran = home.run(&["outdated", "--json"]).ok();
        assert_eq!(untouched(&home), before, "{ran:?}");
        (ran.json()["outdated"].clone(), only(&ran, "modules"))
    };
    let (outdated, module) = look();
    assert_eq!((&outdated, &module["change"]), (&json!(false), &json!("none")));
    let second = repo.write(&[("a", "2")]);
    world.http.forget();
    let (outdated, module) = look();
    assert_eq!((&outdated, &module["change"]), (&json!(true), &json!("updated")));
    assert_eq!(
        (&module["current"]["revision"], &module["revision"]),
        (&json!(first), &json!(second))
    );
    assert!(
        world.http.stats().requests.iter().all(|seen| seen.method == "GET"),
        "nothing is fetched"
    );
    home.declare(&[]);
    assert_eq!(look().1["change"], "removed");
}

#[test]
fn offline_asks_no_server_and_serves_the_store() {
    let world = World::new();
    let repo = world.repo("m");
    let first = repo.write(&[("a", "1")]);
    let home = world.home();
    let source = format!("git+{}", world.http.url("m"));
    home.run(&["add", &source]).ok();
    let before = home.tree("m");
    repo.write(&[("a", "2")]);
    world.http.forget();
    let ran = home.run(&["--offline", "update", "--json"]).fails(1);
    let failed = only(&ran, "failed");
    assert_eq!(
        (&failed["class"], &failed["stage"]),
        (&json!("transient"), &json!("resolve")),
        "{ran:?}"
    );
    assert_eq!(failed["hint"], "try again without --offline");
    assert_eq!(home.tree("m"), before);
    // What names its commit need not be asked for.
    home.declare(&[("m", &format!("{source}@{first}"))]);
    home.run(&["update"]).ok();
    world.http.forget();
    home.run(&["--offline", "update"]).ok();
    home.run(&["--offline", "list"]).ok();
    assert_eq!(world.http.stats().connections, 0);
}

#[test]
fn locked_takes_the_locks_revision_even_when_the_branch_has_moved() {
    let world = World::new();
    let repo = world.repo("m");
    let first = repo.write(&[("a", "1")]);
    for source in world.sources(&repo) {
        repo.branch("main", &first);
        let home = world.home();
        home.run(&["add", &source]).ok();
        let lock = std::fs::read_to_string(home.path().join("modules.lock")).unwrap();
        assert!(lock.contains(&first), "{lock}");
        repo.write(&[("a", "2")]);
        // Another machine, with the same declarations and the same lock.
        let other = world.home();
        other.declare(&[("m", &source)]);
        std::fs::write(other.path().join("modules.lock"), &lock).unwrap();
        let ran = other.run(&["update", "--locked", "--json"]).ok();
        assert_eq!(only(&ran, "updated")["to"]["revision"], first, "{ran:?}");
        assert_eq!(other.tree("m"), repo.tree(&first));
        assert_eq!(
            std::fs::read_to_string(other.path().join("modules.lock")).unwrap(),
            lock,
            "{source}"
        );
        let ran = other.run(&["update", "--locked", "--json"]).ok();
        assert_eq!(ran.json()["committed"], false, "{ran:?}");
        other.run(&["update"]).ok();
        assert_eq!(other.tree("m"), repo.tree("main"));
    }
}

#[test]
fn a_lock_whose_digest_is_another_is_an_error_and_nothing_becomes_current() {
    let world = World::new();
    let repo = world.repo("m");
    repo.write(&[("a", "1")]);
    let source = format!("git+{}", world.http.url("m"));
    let home = world.home();
    home.run(&["add", &source]).ok();
    let lock = std::fs::read_to_string(home.path().join("modules.lock")).unwrap();
    let served = home.run(&["show", "m", "--json"]).ok().json()["current"]["digest"]
        .as_str()
        .unwrap()
        .to_owned();
    assert!(lock.contains(&served), "{lock}");
    let wrong: String = served.chars().map(|c| if c == '0' { '1' } else { '0' }).collect();
    let other = world.home();
    other.declare(&[("m", &source)]);
    std::fs::write(other.path().join("modules.lock"), lock.replace(&served, &wrong)).unwrap();
    let ran = other.run(&["update", "--locked", "--json"]).fails(1);
    let failed = only(&ran, "failed");
    assert_eq!(
        (&failed["class"], &failed["current"]),
        (&json!("permanent"), &json!(null)),
        "{ran:?}"
    );
    let said = failed["message"].as_str().unwrap();
    assert!(said.contains(&served) && said.contains(&wrong), "{ran:?}");
    assert!(!other.path().join("current").exists(), "{ran:?}");
    assert_eq!(other.leftovers(), Vec::<std::path::PathBuf>::new());
}

#[test]
fn what_the_lock_does_not_have_is_not_fetched_with_locked() {
    let world = World::new();
    for name in ["one", "two"] {
        world.repo(name).write(&[("a", name)]);
    }
    let home = world.home();
    let [one, two] = ["one", "two"].map(|name| format!("git+{}", world.http.url(name)));
    home.run(&["add", &one]).ok();
    home.declare(&[("one", &one), ("two", &two)]);
    let ran = home.run(&["update", "--locked", "--json"]).fails(1);
    let failed = only(&ran, "failed");
    assert_eq!(
        (&failed["module"], &failed["message"]),
        (&json!("two"), &json!("modules.lock does not have it"))
    );
    assert!(!home.target("two").exists());
    home.declare(&[("one", &two)]);
    let ran = home.run(&["update", "--locked", "--json"]).fails(1);
    assert_eq!(
        only(&ran, "failed")["message"],
        "modules.lock has it from another source",
        "{ran:?}"
    );
}

#[test]
fn a_rollback_shows_what_was_and_an_update_by_name_moves_on() {
    let world = World::new();
    let repo = world.repo("m");
    for source in world.sources(&repo) {
        let home = world.home();
        let old = repo.write(&[("a", &source)]);
        home.run(&["add", &source]).ok();
        repo.write(&[("b", &source)]);
        home.run(&["update"]).ok();
        let ran = home.run(&["rollback", "--json"]).ok();
        let report = ran.json();
        assert_eq!(
            (&report["from"], &report["restores"], &report["generation"]),
            (&json!(2), &json!(1), &json!(3))
        );
        assert_eq!(home.tree("m"), repo.tree(&old), "{ran:?}");
        assert_eq!(report["held"], json!(["m"]));
        world.http.forget();
        home.run(&["scan"]).ok();
        assert_eq!(home.tree("m"), repo.tree(&old), "what was taken back is held");
        assert!(world.http.stats().requests.is_empty(), "and nobody is asked for it");
        home.run(&["update", "m"]).ok();
        assert_eq!(home.tree("m"), repo.tree("main"));
        assert!(
            world.http.stats().requests.iter().all(|seen| seen.method == "GET"),
            "it is in the store already"
        );
        is_settled(&home);
        home.run(&["rollback", "--to", "99"]).fails(2);
    }
}
