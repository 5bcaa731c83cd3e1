//! What will fail again is left alone, until something that it depends on changes: T3, T4; and what a failure means.

use modstore_testbed::{HttpServer, Repo, until};
use rustix::process::Signal;

use super::world::{World, names};

#[test]
fn t3_a_syntax_error_is_built_once_and_again_after_an_edit_or_with_another_toolchain() {
    let world = World::new();
    world.edit("tool", "syntax error");
    let (starts, told) = world.scan(1);
    assert_eq!((starts, &told["failed"][0]["class"]), (1, &"deterministic".into()));
    assert_eq!(told["failed"][0]["attempt"]["next"], serde_json::Value::Null);
    for command in [["scan"], ["update"], ["scan"]] {
        let told = world.json(&command, 1);
        assert_eq!(
            (world.starts(), &told["deferred"][0]["why"]),
            (0, &"unchanged".into()),
            "{command:?}"
        );
    }
    world.flag("version", Some("2\n"));
    assert_eq!(world.scan(1).0, 1, "another toolchain");
    assert_eq!(world.scan(1).0, 0);
    world.edit("tool", "another syntax error");
    assert_eq!(world.scan(1).0, 1, "an edit");
    world.json(&["update", "--retry"], 1);
    assert_eq!(world.starts(), 1, "a person");
    world.edit("tool", "one");
    assert_eq!(world.scan(0).0, 1);
}

#[test]
fn t4_what_did_not_pass_is_tried_again_by_another_validator_and_not_before() {
    let validate = |word: &str| format!("validate = [\"grep\", \"-q\", \"{word}\", \"run.sh\"]");
    let world = World::with(&["tool"], &validate("never"));
    let (starts, told) = world.scan(1);
    assert_eq!((starts, &told["failed"][0]["stage"]), (1, &"validate".into()));
    let (starts, told) = world.scan(1);
    assert_eq!((starts, &told["deferred"][0]["why"]), (0, &"unchanged".into()));
    assert_eq!(world.says("tool"), None);
    let toml = world.home.path().join("modules.toml");
    let text = std::fs::read_to_string(&toml).unwrap();
    std::fs::write(&toml, text.replace(&validate("never"), &validate("one"))).unwrap();
    assert_eq!(world.scan(0).0, 1);
    assert_eq!(world.says("tool").as_deref(), Some("one"));
}

#[test]
fn the_source_of_a_pinned_build_is_fetched_again_only_when_it_would_be_built_otherwise() {
    let world = World::new();
    let served = world.home.scratch().join("served");
    std::fs::create_dir(&served).unwrap();
    let repo = Repo::create(&served, "repo");
    repo.write(&[("main.txt", "syntax error\n")]);
    let server = HttpServer::start(&served);
    world.declare_tool(&format!("git+{}", server.url("repo")));
    let scan = |exit| {
        server.forget();
        let (starts, told) = world.scan(exit);
        (starts, server.stats().requests.len(), told["deferred"][0]["why"].clone())
    };
    let (pinned, nothing) = (serde_json::json!("unchanged"), serde_json::Value::Null);
    assert_eq!(scan(1), (1, 2, nothing.clone()), "listed, fetched, built");
    assert_eq!(scan(1), (0, 1, pinned.clone()), "listed");
    world.flag("version", Some("2\n"));
    assert_eq!(scan(1), (1, 2, nothing.clone()), "another toolchain");
    assert_eq!(scan(1), (0, 1, pinned.clone()));
    let toml = world.home.path().join("modules.toml");
    let text = std::fs::read_to_string(&toml).unwrap();
    std::fs::write(&toml, format!("{text}inputs = [\"main.txt\", \"new\"]\n")).unwrap();
    assert_eq!(scan(1), (0, 2, pinned.clone()), "other globs, which name the same files");
    std::fs::write(&toml, text).unwrap();
    assert_eq!(scan(1), (0, 1, pinned));
    repo.write(&[("main.txt", "one\n")]);
    assert_eq!(scan(0), (1, 2, nothing.clone()), "another commit");
    assert_eq!(scan(0), (0, 1, nothing));
}

#[test]
fn a_build_says_with_its_exit_code_whether_it_is_worth_trying_again() {
    let world = World::new();
    world.flag("code", Some("75"));
    assert_eq!(world.scan(1).1["failed"][0]["class"], "transient");
    assert_eq!(world.scan_when_due(1).0, 1);
    assert_eq!(world.attempt()["count"], 2);
    world.flag("code", Some("65"));
    assert_eq!(world.scan_when_due(1).1["failed"][0]["class"], "deterministic");
    assert_eq!(world.scan_when_due(1).0, 0);
}

#[test]
fn when_several_builds_find_no_network_the_others_are_deferred_and_come_first_the_next_time() {
    let modules: Vec<String> = (0..12).map(|at| format!("m{at:02}")).collect();
    let modules: Vec<&str> = modules.iter().map(String::as_str).collect();
    let world = World::with(&modules, "");
    world.flag("offline", Some(""));
    let told = world.json(&["scan", "--jobs", "1"], 1);
    assert_eq!(
        (world.starts(), names(&told["failed"]).len(), names(&told["deferred"]).len()),
        (3, 3, 9)
    );
    assert_eq!(told["deferred"][0]["why"], "network-unavailable");
    let first: Vec<String> = names(&told["failed"]).into_iter().map(str::to_owned).collect();
    let told = world.json(&["scan", "--jobs", "1"], 1);
    assert!(
        names(&told["failed"]).iter().all(|name| !first.iter().any(|old| old == name)),
        "{told}"
    );
    world.flag("offline", None);
    let told = world.json(&["scan"], 0);
    assert_eq!(names(&told["updated"]).len(), 12, "one that works calls the others");
}

#[test]
fn a_build_that_takes_too_long_is_ended_with_all_that_it_started() {
    let world = World::with(&["tool"], "timeout = \"300ms\"");
    world.flag("slow", Some("300"));
    let (_, told) = world.scan(1);
    let failed = &told["failed"][0];
    assert_eq!((&failed["class"], &failed["stage"]), (&"transient".into(), &"build".into()));
    assert!(failed["causes"][0].as_str().unwrap().contains("took longer than"), "{failed}");
    assert_eq!(sleeping(&world), 0, "a sleep outlived its build");
}

#[test]
fn a_build_whose_modstore_is_killed_is_ended_with_it() {
    let world = World::new();
    world.flag("slow", Some("300"));
    let running = world.home.spawn(&["scan"]);
    let soon = std::time::Duration::from_secs(5);
    until(soon, "the build runs", || sleeping(&world) == 1);
    running.signal(Signal::KILL);
    until(soon, "the build is ended", || sleeping(&world) == 0);
}

/// How many builders of this world are in their sleep.
fn sleeping(world: &World) -> usize {
    let book = world.book("").display().to_string();
    let is_ours = |process: &std::path::Path| {
        let read = |name| std::fs::read(process.join(name)).unwrap_or_default();
        let environment = String::from_utf8_lossy(&read("environ")).into_owned();
        read("cmdline") == b"sleep\x00300\0" && environment.contains(book.trim_end_matches('/'))
    };
    let processes = std::fs::read_dir("/proc").unwrap().flatten();
    processes.filter(|process| is_ours(&process.path())).count()
}

#[test]
fn the_output_of_a_build_is_printed_while_it_runs_and_its_end_when_it_fails() {
    let world = World::new();
    let ran = world.home.run(&["--progress", "json", "scan"]).ok();
    assert!(ran.stderr.contains("\"step\":\"building\""), "{ran:?}");
    assert!(ran.stderr.contains("looking at tool"), "{ran:?}");
    world.edit("tool", "syntax error");
    let ran = world.home.run(&["scan"]).fails(1);
    ran.says("Expected ';' at main.txt:1:2").says("it stays at");
}

#[test]
fn a_tool_that_is_missing_is_reported_and_works_as_soon_as_it_is_there() {
    let world = World::new();
    let (builder, away) = (world.book("builder"), world.book("away"));
    std::fs::rename(&builder, &away).unwrap();
    let (_, told) = world.scan(1);
    assert_eq!(told["failed"][0]["stage"], "build", "{told}");
    std::fs::rename(&away, &builder).unwrap();
    world.json(&["update", "--retry"], 0);
    assert_eq!(world.says("tool").as_deref(), Some("one"));
}

#[test]
fn a_secret_that_a_build_is_given_is_not_printed_when_it_fails() {
    let mut world = World::with(&["tool"], "");
    let toml = world.home.path().join("modules.toml");
    let text = std::fs::read_to_string(&toml).unwrap();
    let text = text.replace("\"READS\"]", "\"READS\", \"NPM_TOKEN\"]");
    let command = text.lines().find(|line| line.starts_with("command")).unwrap().to_owned();
    let says = "command = [\"sh\", \"-c\", \"echo bad token $NPM_TOKEN >&2; exit 65\"]";
    std::fs::write(&toml, text.replace(&command, says)).unwrap();
    world.home.env("NPM_TOKEN", "s3cr3t-value");
    let ran = world.home.run(&["scan"]).fails(1);
    assert!(!ran.stderr.contains("s3cr3t") && ran.stderr.contains("bad token ***"), "{ran:?}");
    assert!(world.home.grep_bytes("s3cr3t-value").is_empty());
}
