//! What the commits say that lie between two versions of a module. `git log` is the oracle.

use std::{collections::BTreeSet, fs};

use modstore_testbed::{Change, Fault, Random, Repo, TestHome};
use serde_json::Value;

use crate::world::World;

/// What `git log` lists, the newest first.
fn by_git(repo: &Repo, range: &str) -> Vec<String> {
    repo.git(&["log", "--format=%H %s", range]).lines().map(str::to_owned).collect()
}

/// The log of the one module that a command tells of, and whether it says that this is all.
#[track_caller]
fn logged(home: &TestHome, args: &[&str]) -> (Vec<String>, bool) {
    let ran = home.run(&[args, &["--log", "--json"]].concat()).ok();
    let answer = ran.json();
    let (of, commits, complete) = match &*answer["command"].to_string() {
        "\"update\"" => (&answer["updated"][0], "/commits", "/commits_complete"),
        _ => (&answer["modules"][0], "/log/commits", "/log/complete"),
    };
    let at = |path| of.pointer(path).unwrap_or_else(|| panic!("{path}: {answer}"));
    let text = |it: &Value| it.as_str().unwrap().to_owned();
    let line = |it: &Value| format!("{} {}", text(&it["revision"]), text(&it["subject"]));
    let commits = at(commits).as_array().unwrap().iter().map(line).collect();
    (commits, at(complete).as_bool().unwrap())
}

/// Commits on `main`: two lines of descent that meet, the second of which began before `main` did.
fn merged(repo: &Repo) {
    let (base, old) = (repo.rev("main~1").unwrap(), repo.rev("main").unwrap());
    repo.commit("aside", &[Change::write("v", "aside")]);
    let tree = repo.git(&["rev-parse", "aside^{tree}"]);
    let commit = |parents: &[&str], message: &str| {
        let parents = parents.iter().flat_map(|parent| ["-p", parent]);
        let args: Vec<&str> =
            ["commit-tree"].into_iter().chain(parents).chain(["-m", message, &tree]).collect();
        repo.git(&args)
    };
    let (left, right) = (commit(&[&old], "left"), commit(&[&base], "right"));
    let merge = commit(&[&left, &right], "both");
    repo.branch("main", &merge);
}

/// A repository, and a home whose module is three commits behind it.
fn three_behind(world: &World) -> (Repo, TestHome) {
    let (repo, home) = (world.repo("m"), world.home());
    repo.write(&[("v", "1")]);
    home.run(&["add", &format!("git+{}", world.http.url("m"))]).ok();
    (0..3).for_each(|version| drop(repo.write(&[("v", &format!("{version}"))])));
    (repo, home)
}

#[test]
fn a_log_is_that_of_git_before_and_after_an_update_at_every_server_with_and_without_filters() {
    let world = World::new();
    let repo = world.repo("m");
    let first = repo.write(&[("v", "first")]);
    for filters in ["false", "true"] {
        repo.config("uploadpack.allowFilter", filters);
        for source in world.sources(&repo) {
            let home = world.home();
            repo.branch("main", &first);
            home.run(&["add", &source, "--name", "m"]).ok();
            for version in 0..6 {
                repo.write(&[("v", &format!("{version}")), (&format!("f{version}"), "x")]);
            }
            let expected = (by_git(&repo, &format!("{first}..main")), true);
            assert_eq!(expected.0.len(), 6);
            let context = format!("{source}, filters: {filters}");
            assert_eq!(logged(&home, &["outdated"]), expected, "{context}");
            assert_eq!(logged(&home, &["update"]), expected, "{context}");
            assert_eq!(logged(&home, &["diff"]), expected, "{context}");
            let text = home.run(&["diff", "--log"]).ok().stdout;
            let lines: Vec<String> =
                expected.0.iter().map(|it| format!("  - {}", &it[41..])).collect();
            assert!(text.contains(&lines.join("\n")), "{context}: {text}");
            assert_eq!(home.leftovers(), Vec::<std::path::PathBuf>::new(), "{context}");
        }
    }
}

#[test]
fn a_log_has_twenty_commits_at_most_and_says_whether_there_are_more() {
    let world = World::new();
    let repo = world.repo("m");
    let first = repo.write(&[("v", "first")]);
    for filters in ["false", "true"] {
        repo.config("uploadpack.allowFilter", filters);
        for (number, is_all) in [(19, true), (20, true), (21, false), (60, false)] {
            let home = world.home();
            repo.branch("main", &first);
            home.run(&["add", &format!("git+{}", world.http.url("m"))]).ok();
            (0..number).for_each(|version| drop(repo.write(&[("v", &format!("{version}"))])));
            let mut expected = by_git(&repo, &format!("{first}..main"));
            expected.truncate(20);
            assert_eq!(logged(&home, &["update"]), (expected, is_all), "{number}, {filters}");
            let text = home.run(&["diff", "--log"]).ok().stdout;
            assert_eq!(text.contains("\n  - … and earlier ones\n"), !is_all, "{text}");
        }
    }
}

#[test]
fn both_sides_of_a_merge_are_in_a_log_and_it_is_all_where_the_server_can_show_that() {
    let world = World::new();
    let repo = world.repo("m");
    repo.write(&[("v", "base")]);
    let old = repo.write(&[("v", "old")]);
    for (filters, is_all) in [("false", false), ("true", true)] {
        repo.config("uploadpack.allowFilter", filters);
        let home = world.home();
        repo.branch("main", &old);
        home.run(&["add", &format!("git+{}", world.http.url("m"))]).ok();
        merged(&repo);
        let expected = by_git(&repo, &format!("{old}..main"));
        assert_eq!(expected.len(), 3);
        let (commits, complete) = logged(&home, &["outdated"]);
        let (seen, wanted): (BTreeSet<_>, BTreeSet<_>) =
            (commits.iter().collect(), expected.iter().collect());
        assert_eq!((seen, &commits[0], complete), (wanted, &expected[0], is_all), "{filters}");
    }
}

#[test]
fn a_log_costs_two_requests_and_no_files() {
    let world = World::new();
    let repo = world.repo("m");
    repo.write(&[("v", "first")]);
    let mut random = Random::of(7);
    let mut noise =
        || random.bytes(500_000).iter().map(|byte| format!("{byte:02x}")).collect::<String>();
    for (filters, is_cut) in [("true", false), ("false", true)] {
        repo.config("uploadpack.allowFilter", filters);
        let home = world.home();
        home.run(&["add", &format!("git+{}", world.http.url("m"))]).ok();
        (0..4).for_each(|_| drop(repo.write(&[("large", &noise())])));
        home.run(&["update"]).ok();
        let expected = (by_git(&repo, "main~4..main"), true);
        world.http.forget();
        // What comes later is not waited for.
        world.http.fault("m", Fault::TruncatedPackCleanEof { after: 4096 });
        assert_eq!(logged(&home, &["diff"]), expected);
        let stats = world.http.stats();
        assert_eq!((stats.requests.len(), stats.faults_fired > 0), (2, is_cut), "{stats:?}");
        world.http.clear();
        // Nothing of it is kept, so it is the same the next time; and an update asks for nothing of it.
        world.http.forget();
        home.run(&["update"]).ok();
        assert_eq!(world.http.stats().requests.len(), 1, "{:?}", world.http.stats());
    }
}

#[test]
fn what_goes_back_brings_no_commit() {
    let world = World::new();
    let (repo, home) = three_behind(&world);
    home.run(&["update"]).ok();
    home.run(&["rollback"]).ok();
    for filters in ["false", "true"] {
        repo.config("uploadpack.allowFilter", filters);
        assert_eq!(logged(&home, &["diff"]), (Vec::new(), true));
        let text = home.run(&["diff", "--log"]).ok().stdout;
        assert!(text.ends_with("\n  - none: it goes back to an earlier commit\n"), "{text}");
    }
}

#[test]
fn a_server_of_an_old_protocol_and_one_that_cannot_cut_history_give_a_log_too() {
    for fault in [Fault::ForceProtocolV0, Fault::WithoutCapability("shallow")] {
        let world = World::new();
        world.http.fault("m", fault.clone());
        let (repo, home) = three_behind(&world);
        let expected = (by_git(&repo, "main~3..main"), true);
        assert_eq!(logged(&home, &["outdated"]), expected, "{fault:?}");
        assert_eq!(logged(&home, &["update"]), expected, "{fault:?}");
        world.http.forget();
        assert_eq!(logged(&home, &["diff"]), expected, "{fault:?}");
        let asked = world.http.stats().requests.len();
        let has_mirror = fs::read_dir(home.path().join("mirrors")).unwrap().count() > 1;
        assert_eq!(asked == 0, has_mirror, "{fault:?}: a mirror has the range: {asked}");
    }
}

#[test]
fn a_log_that_cannot_be_had_is_a_warning_and_the_newest_commit_is_there() {
    let world = World::new();
    let (repo, home) = three_behind(&world);
    home.run(&["update"]).ok();
    let expected = by_git(&repo, "main~1..main");
    for fault in [Fault::Status(500), Fault::FlipByteInPack { at: 30 }, Fault::Status(404)] {
        world.http.fault_on_fetch("m", fault.clone());
        assert_eq!(logged(&home, &["diff"]), (expected.clone(), false), "{fault:?}");
        let ran = home.run(&["diff", "--log"]).ok();
        assert!(ran.stderr.contains("warning: m: its commits could not be listed: "), "{ran:?}");
        assert!(ran.stdout.contains("\n  - … and earlier ones\n"), "{ran:?}");
        world.http.clear();
    }
    let offline = home.run(&["diff", "--log", "--offline"]).ok();
    assert!(offline.stderr.contains("could not be listed"), "{offline:?}");
}

#[test]
fn a_log_is_of_two_commits_of_one_repository_and_else_there_is_none() {
    let world = World::new();
    let (repo, other) = (world.repo("m"), world.repo("other"));
    let home = world.home();
    repo.write(&[("v", "1")]);
    other.write(&[("v", "2")]);
    home.run(&["add", &format!("git+{}", world.http.url("m")), "--name", "m"]).ok();
    home.run(&["set", "m", "--source", &format!("git+{}", world.http.url("other"))]).ok();
    let answer = home.run(&["diff", "--log", "--json"]).ok().json();
    assert_eq!(answer["modules"][0]["log"], Value::Null, "{answer}");
    let answer = home.run(&["diff", "--json"]).ok().json();
    assert_eq!(answer["modules"][0]["log"], Value::Null, "{answer}");
    home.run(&["diff", "--log", "--stat"]).fails(2);
}
