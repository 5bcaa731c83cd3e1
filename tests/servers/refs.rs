//! What may stand behind `@`, and the kinds of repositories that are refused by what they are. git is the oracle.

use std::process::Command;

use modstore_testbed::{Change, Fault, Ran, RecordedRequest, Repo, Running, git, listing};
use serde_json::Value;

use crate::world::{World, is_settled, only};

/// Three commits of `main`, oldest first.
fn grown(world: &World) -> (Repo, [String; 3]) {
    let repo = world.repo("m");
    let commits = ["one\n", "two\n", "three\n"]
        .map(|text| repo.write(&[("README", text), ("part/kept", "kept\n")]));
    (repo, commits)
}

#[test]
fn a_short_id_of_a_listed_commit_is_that_commit_at_every_server_and_stays_it() {
    let world = World::new();
    let (repo, [_, _, tip]) = grown(&world);
    for source in world.sources(&repo) {
        let home = world.home();
        repo.branch("main", &tip);
        home.run(&["add", &format!("{source}@{}", tip.get(..7).unwrap()), "--name", "m"]).ok();
        assert_eq!(home.tree("m"), repo.tree(&tip), "{source}");
        repo.write(&[("README", "moved on\n")]);
        is_settled(&home);
        home.run(&["outdated"]).ok();
        assert_eq!(home.tree("m"), repo.tree(&tip), "{source}");
    }
}

#[test]
fn a_short_id_that_no_name_leads_to_is_refused_with_the_way_to_the_whole_one() {
    let world = World::new();
    let (repo, [old, ..]) = grown(&world);
    for source in world.sources(&repo) {
        let short = old.get(..9).unwrap();
        let ran = world.home().run(&["add", &format!("{source}@{short}"), "--name", "m"]).fails(1);
        for words in ["all 40 digits", &format!("git rev-parse {short}"), "permanent"] {
            assert!(ran.stderr.contains(words), "{source} {words}: {ran:?}");
        }
    }
}

#[test]
fn every_name_that_git_fetches_by_is_understood_at_every_server() {
    let world = World::new();
    let (repo, [first, second, tip]) = grown(&world);
    repo.git(&["update-ref", "refs/pull/7/head", &first]);
    repo.tag("v1", &second);
    for source in world.sources(&repo) {
        let home = world.home();
        for (number, (name, commit)) in [
            ("refs/pull/7/head", &first),
            ("pull/7/head", &first),
            ("heads/main", &tip),
            ("tags/v1", &second),
        ]
        .into_iter()
        .enumerate()
        {
            let module = format!("m{number}");
            home.run(&["add", &format!("{source}@{name}"), "--name", &module]).ok();
            assert_eq!(home.tree(&module), repo.tree(commit), "{source}@{name}");
        }
        is_settled(&home);
    }
}

#[test]
fn a_commit_that_is_refused_alone_comes_with_its_branch() {
    for kind in [Fault::ForceProtocolV0, Fault::WithoutCapability("agent")] {
        let world = World::new();
        let (repo, [old, ..]) = grown(&world);
        world.http.fault("m", Fault::RefuseWant(old.clone()));
        world.http.fault("m", kind.clone());
        let home = world.home();
        home.run(&["add", &format!("git+{}@{old}", world.http.url("m"))]).ok();
        assert_eq!(home.tree("m"), repo.tree(&old));
        is_settled(&home);
        let missing = "1".repeat(40);
        world.http.forget();
        let home = world.home();
        world.http.fault("m", Fault::RefuseWant(missing.clone()));
        let source = format!("git+{}@{missing}", world.http.url("m"));
        let ran = home.run(&["add", &source, "--name", "x"]).fails(1);
        let words = format!("no branch or tag reaches {missing}");
        assert!(ran.stderr.contains(&words) && ran.stderr.contains("permanent"), "{ran:?}");
        // What it costs is said before it is paid, and is one history.
        let said = ran.stderr.matches("fetching all branches and tags with their history").count();
        assert_eq!(said, 1, "{ran:?}");
        let body = |it: &RecordedRequest| String::from_utf8_lossy(&it.body_start).into_owned();
        let requests = world.http.stats().requests;
        let is_history = |body: &String| body.contains("want ") && !body.contains("deepen ");
        let histories = requests.iter().map(body).filter(is_history).count();
        assert_eq!(histories, 1, "{kind:?}");
    }
}

#[test]
fn a_commit_that_git_s_own_server_does_not_have_costs_no_history() {
    let world = World::new();
    let (repo, _) = grown(&world);
    let large = "x".repeat(100_000);
    repo.write(&[("large", &large)]);
    let missing = "1".repeat(40);
    for source in world.sources(&repo) {
        let home = world.home();
        let add = ["add", &format!("{source}@{missing}"), "--name", "m", "--json"];
        let ran = home.run(&add).fails(1);
        let failed = only(&ran, "failed");
        assert_eq!(
            (&failed["code"], &failed["class"]),
            (&"no-such-commit".into(), &"permanent".into())
        );
        assert!(
            failed["causes"].to_string().contains(&format!("has no commit {missing}")),
            "{ran:?}"
        );
        let received = ran.json()["update"]["cost"]["received_bytes"].as_u64().unwrap();
        assert!(received < 10_000, "{source}: {received}");
        let mirrors = home.path().join("mirrors");
        let kept = std::fs::read_dir(mirrors).unwrap().flatten().map(|each| each.file_name());
        let kept: Vec<_> = kept.filter(|name| name != "host.git").collect();
        assert!(kept.is_empty(), "{source}: {kept:?}");
    }
}

#[test]
fn of_a_branch_and_a_tag_of_one_name_the_branch_comes_as_by_git_clone_and_both_are_named() {
    let world = World::new();
    let (repo, [first, second, _]) = grown(&world);
    repo.branch("both", &second);
    repo.annotated_tag("both", &first);
    repo.branch("same", &second);
    repo.annotated_tag("same", &second);
    for source in world.sources(&repo) {
        let home = world.home();
        let clone = home.scratch().join("both");
        let url = source.trim_start_matches("git+");
        let args = ["clone", "-q", "--branch", "both", url, clone.to_str().unwrap()];
        Running::start(home.command_of("git".as_ref(), &args)).wait().ok();
        std::fs::remove_dir_all(clone.join(".git")).unwrap();
        let ran = home.run(&["add", &format!("{source}@both"), "--name", "m", "--json"]).ok();
        assert_eq!(home.tree("m"), listing(&clone), "{source}");
        assert_eq!(home.tree("m"), repo.tree(&second), "{source}");
        let warnings = ran.json()["update"]["warnings"].to_string();
        for words in [&*first, &second, "refs/heads/both", "refs/tags/both"] {
            assert!(warnings.contains(words), "{source} {words}: {ran:?}");
        }
        home.run(&["add", &format!("{source}@refs/tags/both"), "--name", "tag"]).ok();
        assert_eq!(home.tree("tag"), repo.tree(&first), "{source}");
        let ran = home.run(&["add", &format!("{source}@same"), "--name", "same", "--json"]).ok();
        assert!(!ran.json()["update"]["warnings"].to_string().contains("is a branch"), "{ran:?}");
        is_settled(&home);
    }
}

#[test]
fn a_commit_at_which_another_server_than_git_s_own_breaks_off_comes_with_its_branch() {
    let world = World::new();
    let (repo, [old, ..]) = grown(&world);
    world.http.fault("m", Fault::BreakOffAtWant(old.clone()));
    let source = format!("git+{}@{old}", world.http.url("m"));
    let ran = world.home().run(&["add", &source]).fails(1);
    assert!(
        ran.stderr.contains("transient"),
        "git says why it refuses, so this is the network: {ran:?}"
    );
    world.http.fault("m", Fault::WithoutCapability("agent"));
    let home = world.home();
    home.run(&["add", &source]).ok();
    assert_eq!(home.tree("m"), repo.tree(&old));
    is_settled(&home);
}

#[test]
fn a_tag_that_was_moved_is_reported_before_and_after_it_is_followed() {
    let world = World::new();
    let (repo, [first, second, _]) = grown(&world);
    let home = world.home();
    let source = format!("git+{}", world.http.url("m"));
    repo.annotated_tag("v1", &first);
    home.declare(&[("tag", &format!("{source}@v1")), ("branch", &source)]);
    home.run(&["update"]).ok();
    repo.annotated_tag("v1", &second);
    repo.write(&[("README", "moved on\n")]);
    let moved = |ran: &Ran, list: &str| -> Vec<(Value, Value)> {
        let all = ran.json()[list].as_array().expect("a list").clone();
        all.iter().map(|it| (it["module"].clone(), it["moved_tag"].clone())).collect()
    };
    let expected = [("branch".into(), Value::Null), ("tag".into(), "v1".into())];
    assert_eq!(moved(&home.run(&["outdated", "--json"]).ok(), "modules"), expected);
    let printed = home.run(&["outdated"]).ok();
    assert_eq!(printed.stdout.matches("the tag was moved").count(), 1, "{printed:?}");
    let ran = home.run(&["update", "--json"]).ok();
    assert_eq!(moved(&ran, "updated"), expected);
    let warning = only(&ran, "warnings");
    assert_eq!(warning["module"], "tag", "{ran:?}");
    let (from, to) = (first.get(..8).unwrap(), second.get(..8).unwrap());
    assert_eq!(warning["message"], format!("the tag v1 was moved from {from} to {to}"));
    is_settled(&home);
}

#[test]
fn a_sha256_repository_is_refused_by_the_name_of_its_format_at_every_server() {
    let world = World::new();
    let beside = world.repo("m");
    let path = beside.path().with_file_name("s.git");
    let run = |command: &mut Command| {
        let output = command.output().expect("git can be run");
        assert!(output.status.success(), "{command:?}: {output:?}");
        String::from_utf8(output.stdout).expect("git prints ids").trim().to_owned()
    };
    run(git().args(["init", "-q", "--bare", "--object-format=sha256"]).arg(&path));
    let at = |args: &[&str]| run(git().arg("-C").arg(&path).args(args));
    let tree = at(&["hash-object", "-w", "-t", "tree", "/dev/null"]);
    let commit = at(&["commit-tree", "-m", "x", &tree]);
    at(&["update-ref", "refs/heads/main", &commit]);
    let sources =
        world.sources(&beside).into_iter().map(|source| source.replace("/m.git", "/s.git"));
    for source in sources {
        for source in [source.clone(), format!("{source}@{commit}"), format!("{source}@main")] {
            let ran = world.home().run(&["add", &source, "--name", "s", "--json"]).fails(1);
            let failed = only(&ran, "failed");
            assert_eq!(
                (&failed["code"], &failed["class"]),
                (&"object-format".into(), &"permanent".into()),
                "{ran:?}"
            );
            assert!(failed.to_string().contains("SHA-256"), "{ran:?}");
        }
    }
}

#[test]
fn two_schemes_of_one_repository_are_two_addresses_and_each_module_is_asked_for_by_its_own() {
    let world = World::new();
    let (repo, _) = grown(&world);
    let http = format!("git+{}", world.http.url("m"));
    // Nothing at that port speaks git's own protocol.
    let closed = http.replace("git+http://", "git+git://");
    for names in [["aa", "bb"], ["bb", "aa"]] {
        let mut home = world.home();
        home.env("MODSTORE_IDLE_TIMEOUT", "3");
        home.declare(&[(names[0], &closed), (names[1], &http)]);
        let ran = home.run(&["update", "--json"]).fails(1);
        assert_eq!(only(&ran, "failed")["module"], names[0], "{ran:?}");
        assert_eq!(home.tree(names[1]), repo.tree("main"), "{ran:?}");
    }
}

#[test]
fn a_repository_with_odd_characters_in_its_path_is_found_as_git_finds_it() {
    let world = World::new();
    let repo = world.repo("My Project/Ü+ 100%25");
    repo.commit("main", &[Change::write("a", "1\n")]);
    let sources = world.sources(&repo).into_iter().filter(|source| !source.contains("http:"));
    for (number, source) in sources.enumerate() {
        // As it is written in the path, and as a URL has it.
        let escaped = source.replace('%', "%25").replace(' ', "%20").replace('Ü', "%C3%9C");
        let raw = source.replace('%', "%25");
        for (which, source) in [escaped, raw].iter().enumerate() {
            let oracle = git()
                .args(["ls-remote", "--quiet"])
                .arg(source.trim_start_matches("git+"))
                .env_remove("GIT_SSH_COMMAND")
                .output();
            let git_finds =
                oracle.is_ok_and(|output| output.status.success()) || source.contains("ssh:");
            let home = world.home();
            let name = format!("m{number}{which}");
            let ran = home.run(&["add", source, "--name", &name]);
            assert_eq!(ran.status == 0, git_finds, "{source}: {ran:?}");
        }
    }
}
