//! Failure is a state: the current version and the last attempt are two things.
//!
//! Real servers that fail on purpose; what counts is also how often they were asked. Builds are in `tests/builds.rs`.

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "helpers panic, and that is how a test fails"
)]

use std::{path::Path, sync::LazyLock, time::Duration};

use modstore_core::disk::Lock;
use modstore_testbed::{Change, Fault, HttpServer, Mount, Random, RefusedPort, Repo, TestHome};
use serde_json::Value;

static SCHEMA: LazyLock<Value> = LazyLock::new(|| {
    serde_json::from_str(include_str!("../docs/json.schema.json")).expect("the schema is JSON")
});

/// A home, a server, and a repository `tool` that is declared as a module of that name.
struct World {
    home: TestHome,
    server: HttpServer,
    tool: Repo,
}

impl World {
    fn new() -> Self {
        let home = TestHome::in_memory(env!("CARGO_BIN_EXE_modstore"));
        let root = home.scratch();
        let tool = Repo::create(&root, "tool");
        tool.write(&[("a.txt", "1\n")]);
        let server = HttpServer::start(&root);
        let world = Self { home, server, tool };
        world.declare(&["tool"]);
        world
    }

    /// As [`new`](Self::new), with the module current.
    fn shown() -> Self {
        let world = Self::new();
        world.home.run(&["update"]).ok();
        world.server.forget();
        world
    }

    fn repo(&self, name: &str) -> Repo {
        let repo = Repo::create(&self.home.scratch(), name);
        repo.write(&[("a.txt", name)]);
        repo
    }

    fn source(&self, name: &str) -> String {
        format!("git+{}", self.server.url(name))
    }

    fn declare(&self, names: &[&str]) {
        let sources: Vec<String> = names.iter().map(|name| self.source(name)).collect();
        let modules: Vec<(&str, &str)> =
            names.iter().zip(&sources).map(|(name, source)| (*name, source.as_str())).collect();
        self.home.declare(&modules);
    }

    /// Runs a command that ends with this code, and gives what it says, held against the schema.
    #[track_caller]
    fn json(&self, arguments: &[&str], exit: i32) -> Value {
        json(&self.home, arguments, exit)
    }

    /// How many requests there were since the last time.
    fn asked(&self) -> usize {
        let asked = self.server.stats().requests.len();
        self.server.forget();
        asked
    }
}

#[track_caller]
fn json(home: &TestHome, arguments: &[&str], exit: i32) -> Value {
    let value = home.run(&[&["--json"], arguments].concat()).fails(exit).json();
    let validator = jsonschema::validator_for(&SCHEMA).unwrap();
    let errors: Vec<String> =
        validator.iter_errors(&value).map(|e| format!("{}: {e}", e.instance_path())).collect();
    assert!(errors.is_empty(), "{value:#}\n{errors:#?}");
    value
}

fn names(list: &Value) -> Vec<&str> {
    list.as_array().unwrap().iter().map(|one| one["module"].as_str().unwrap()).collect()
}

/// How long between two stamps, in seconds.
fn seconds(from: &Value, to: &Value) -> f64 {
    let read = |stamp: &Value| -> f64 {
        let text = stamp.as_str().unwrap();
        let part = |at: std::ops::Range<usize>| text[at].parse::<f64>().unwrap();
        // Within one day, which is all that is compared here, but for its end.
        part(11..13) * 3600.0 + part(14..16) * 60.0 + part(17..23)
    };
    (read(to) - read(from)).rem_euclid(86_400.0)
}

/// What no repository may say of a submodule.
const REFUSED: &str = "[submodule \"sub\"]\n\tpath = sub\n\turl = --upload-pack=x\n";

#[test]
fn each_cause_of_a_failure_has_a_code_of_its_own() {
    let world = World::new();
    let commit = world.tool.rev("HEAD").unwrap();
    let changes = [Change::write(".gitmodules", REFUSED), Change::gitlink("sub", &commit)];
    world.repo("parent").commit("main", &changes);
    world.repo("locked");
    world.server.fault("locked", Fault::Status(401));
    world.repo("busy");
    world.server.fault("busy", Fault::Status(503));
    let closed = RefusedPort::reserve();
    let tool = world.source("tool");
    let causes = [
        ("no-such-repository", world.source("none")),
        ("no-such-reference", format!("{tool}@none")),
        ("no-such-directory", format!("{tool}#subdirectory=none")),
        ("submodule", world.source("parent")),
        ("authentication", world.source("locked")),
        ("rate-limited", world.source("busy")),
        ("connection", format!("git+{}", closed.url("http", "tool"))),
        ("no-such-directory", world.home.scratch().join("none").display().to_string()),
    ];
    let names: Vec<String> = (0..causes.len()).map(|number| format!("m{number}")).collect();
    let declared = names.iter().zip(&causes).map(|(name, (_, source))| (&**name, &**source));
    world.home.declare(&declared.collect::<Vec<_>>());
    let told = world.json(&["update"], 1);
    let failed = told["failed"].as_array().unwrap();
    let codes: Vec<&str> = failed.iter().map(|each| each["code"].as_str().unwrap()).collect();
    assert_eq!(codes, causes.map(|(code, _)| code), "{told:#}");
    let told = world.json(&["--offline", "update", "m0"], 1);
    assert_eq!(told["failed"][0]["code"], "offline");
}

#[test]
fn a_failure_is_reported_with_its_root_its_count_and_the_current_version_and_is_forgotten_when_it_works()
 {
    let world = World::shown();
    let before = world.home.tree("tool");
    world.tool.write(&[("a.txt", "2\n")]);
    world.server.fault("tool", Fault::Status(503));
    let first = world.json(&["update"], 1);
    let second = world.json(&["update"], 1);
    let attempt = &second["failed"][0]["attempt"];
    assert_eq!(first["failed"][0]["attempt"]["count"], 1);
    assert_eq!((&attempt["count"], &attempt["class"]), (&2.into(), &"transient".into()));
    assert_eq!(attempt["first"], first["failed"][0]["attempt"]["first"]);
    assert_ne!(attempt["last"], attempt["first"]);
    assert!((9.9..10.1).contains(&seconds(&attempt["last"], &attempt["next"])), "{attempt}");
    let status = world.json(&["status"], 0);
    let failing = &status["failing"][0];
    assert_eq!(
        (&failing["module"], &failing["attempt"]["stage"]),
        (&"tool".into(), &"resolve".into())
    );
    assert_eq!(failing["attempt"]["causes"][0], "the server answered with HTTP status 503");
    assert!(failing["current"]["revision"].is_string() && failing["current_since"].is_string());
    assert_eq!(&world.json(&["list"], 0)["modules"][0]["attempt"], attempt);
    assert_eq!(&world.json(&["show", "tool"], 0)["attempt"], attempt);
    let told = world.home.run(&["status"]).ok().stdout;
    assert!(told.contains("HTTP status 503 (resolve, transient)"), "{told}");
    assert!(told.contains("tried 2 times") && told.contains("it stays at"), "{told}");
    assert!(world.home.run(&["show", "tool"]).ok().stdout.contains("HTTP status 503"));
    assert_eq!(world.home.tree("tool"), before, "a failure does not change what is current");
    assert_eq!(world.json(&["history"], 0)["generations"].as_array().unwrap().len(), 1);

    world.server.clear();
    world.json(&["update"], 0);
    assert_eq!(world.json(&["status"], 0)["failing"], Value::Array(vec![]));
    let events = world.json(&["events"], 0);
    let events: Vec<&str> =
        events["events"].as_array().unwrap().iter().map(|e| e["event"].as_str().unwrap()).collect();
    assert_eq!(events, ["generation", "failed", "failed", "generation", "recovered"]);
}

#[test]
fn a_scan_asks_no_server_before_it_is_due_and_an_update_asks_at_once() {
    let mut world = World::new();
    world.server.fault("tool", Fault::Status(503));
    world.json(&["scan"], 1);
    assert_eq!(world.asked(), 1);
    let scan = world.json(&["scan"], 1);
    assert_eq!((&scan["deferred"][0]["why"], world.asked()), (&"not-due".into(), 0));
    assert_eq!(scan["deferred"][0]["until"], scan["deferred"][0]["attempt"]["next"]);
    let same = world.json(&["update", "--scan"], 1);
    assert_eq!((names(&same["deferred"]), world.asked()), (vec!["tool"], 0));
    world.json(&["update"], 1);
    assert_eq!(world.asked(), 1);

    // The time is counted from the last failure with what is the wait by then.
    world.home.env("MODSTORE_RETRY_AFTER", "0.05");
    world.json(&["update"], 1);
    world.server.clear();
    let due = || world.home.run(&["scan"]).status == 0;
    let tried = (0..200).any(|_| {
        std::thread::sleep(Duration::from_millis(20));
        due()
    });
    assert!(tried, "a scan tries again by itself");
    assert_eq!(world.home.tree("tool").len(), 1);
}

#[test]
fn a_server_that_asks_for_an_hour_gets_it() {
    let world = World::new();
    world.server.fault("tool", Fault::StatusWithHeader(503, "Retry-After", "3600"));
    let attempt = world.json(&["scan"], 1)["failed"][0]["attempt"].clone();
    assert!((3599.0..3601.0).contains(&seconds(&attempt["last"], &attempt["next"])), "{attempt}");
}

#[test]
fn a_server_that_asks_to_wait_gets_its_time_although_it_answers_for_other_modules() {
    let world = World::new();
    world.repo("other");
    world.declare(&["other", "tool"]);
    for (status, header, value) in [
        (429, "Retry-After", "900"),
        (503, "Retry-After", "900"),
        (403, "Retry-After", "900"),
        (403, "Retry-After", "Fri, 31 Dec 2100 23:59:59 GMT"),
    ] {
        world.server.clear();
        world.server.fault("tool", Fault::StatusWithHeader(status, header, value));
        let failed = world.json(&["update"], 1)["failed"][0].clone();
        assert_eq!(
            (&failed["class"], &failed["code"]),
            (&"transient".into(), &"rate-limited".into()),
            "{failed}"
        );
        assert!(failed.to_string().contains("asks to wait"), "{failed}");
        world.server.forget();
        let scan = world.json(&["scan"], 1);
        assert_eq!(names(&scan["deferred"]), ["tool"], "{status} {value}: {scan}");
        let asked = world.server.stats().requests;
        assert!(asked.iter().all(|request| !request.target.contains("tool")), "{asked:?}");
        assert!(!asked.is_empty(), "the host has answered for another module");
    }
    world.server.clear();
    world.json(&["update"], 0);
}

#[test]
fn what_will_not_change_by_itself_is_asked_for_again_only_when_its_source_changes_or_a_person_asks()
{
    let world = World::new();
    world.declare(&["gone"]);
    let scan = world.json(&["scan"], 1);
    assert_eq!(scan["failed"][0]["class"], "permanent", "{scan}");
    assert_eq!(scan["failed"][0]["attempt"]["next"], Value::Null);
    assert!(world.asked() > 0);
    let again = world.json(&["scan"], 1);
    assert_eq!((&again["deferred"][0]["why"], world.asked()), (&"unchanged".into(), 0));
    world.json(&["update"], 1);
    assert!(world.asked() > 0, "a person asks");
    world.json(&["update", "--retry"], 1);
    assert!(world.asked() > 0, "a person asks");
    let source = world.source("tool");
    world.home.declare(&[("gone", &source)]);
    world.json(&["scan"], 0);
}

#[test]
fn a_commit_that_is_refused_is_not_fetched_again_and_the_next_one_is() {
    let world = World::new();
    let linked = world.tool.rev("HEAD").unwrap();
    let changes = [Change::write(".gitmodules", REFUSED), Change::gitlink("sub", &linked)];
    world.tool.commit("main", &changes);
    let first = world.json(&["scan"], 1);
    assert_eq!(
        (&first["failed"][0]["stage"], &first["failed"][0]["class"]),
        (&"place".into(), &"permanent".into())
    );
    assert!(first["failed"][0]["attempt"]["revision"].is_string());
    let posts = |world: &World| {
        let requests = world.server.stats().requests;
        world.server.forget();
        requests
            .iter()
            .filter(|request| request.method == "POST" && request.target.contains("upload-pack"))
            .count()
    };
    assert!(posts(&world) > 0);
    let second = world.json(&["scan"], 1);
    assert_eq!(second["deferred"][0]["why"], "unchanged");
    let listed = posts(&world);
    world.tool.commit("main", &[Change::delete("sub"), Change::delete(".gitmodules")]);
    world.json(&["scan"], 0);
    assert!(posts(&world) > listed, "the second scan only listed");
}

#[test]
fn a_host_that_answers_for_one_module_is_asked_at_once_for_those_that_wait() {
    let world = World::new();
    world.repo("other");
    world.declare(&["other", "tool"]);
    world.server.fault("tool", Fault::Status(503));
    let scan = world.json(&["scan"], 1);
    assert_eq!((names(&scan["failed"]), names(&scan["updated"])), (vec!["tool"], vec!["other"]));
    world.server.clear();
    let scan = world.json(&["scan"], 0);
    assert_eq!(names(&scan["updated"]), ["tool"], "five seconds have not passed");
}

#[test]
fn the_modules_of_a_host_that_is_down_are_deferred_and_those_of_others_are_not() {
    let world = World::new();
    let dead = RefusedPort::reserve();
    let sources: Vec<(String, String)> = (0..10)
        .map(|at| (format!("m{at}"), format!("git+{}", dead.url("http", &format!("r{at}")))))
        .chain([("tool".to_owned(), world.source("tool"))])
        .collect();
    let modules: Vec<(&str, &str)> =
        sources.iter().map(|(name, source)| (name.as_str(), source.as_str())).collect();
    world.home.declare(&modules);
    let scan = world.json(&["scan", "--jobs", "1"], 1);
    assert_eq!(names(&scan["failed"]).len(), 3, "{scan:#}");
    assert_eq!(names(&scan["deferred"]).len(), 7);
    assert_eq!(scan["deferred"][0]["why"], "host-unavailable");
    assert_eq!(scan["deferred"][0]["host"], format!("127.0.0.1:{}", dead.port()));
    assert_eq!(names(&scan["updated"]), ["tool"], "one that is down hides no other");
    let said = world.home.run(&["scan", "--jobs", "1"]).fails(1);
    said.says("the next try is in").says("failed several times");
}

#[test]
fn remembering_a_failure_waits_for_no_writer() {
    let world = World::shown();
    world.server.fault("tool", Fault::Status(503));
    let lock = Lock::try_take(&world.home.path().join("locks/store"), "the test").unwrap().unwrap();
    world.json(&["update"], 1);
    drop(lock);
    assert_eq!(world.json(&["status"], 0)["failing"], Value::Array(vec![]));
    world.json(&["update"], 1);
    assert_eq!(names(&world.json(&["status"], 0)["failing"]), ["tool"]);
    assert!(world.home.leftovers().is_empty());
}

#[test]
fn a_module_that_was_not_really_tried_or_is_not_declared_is_not_remembered() {
    let world = World::new();
    let offline = world.json(&["--offline", "update"], 1);
    assert_eq!(offline["failed"][0]["attempt"], Value::Null);
    assert_eq!(world.json(&["status"], 0)["failing"], Value::Array(vec![]));
    world.home.run(&["add", &world.source("gone")]).fails(1);
    assert_eq!(world.json(&["status"], 0)["failing"], Value::Array(vec![]), "it was taken back");
    world.declare(&["gone", "tool"]);
    world.json(&["update"], 1);
    assert_eq!(names(&world.json(&["status"], 0)["failing"]), ["gone"]);
    world.declare(&["tool"]);
    world.json(&["update"], 0);
    assert_eq!(world.json(&["status"], 0)["failing"], Value::Array(vec![]));
}

#[test]
fn a_directory_that_was_away_is_current_as_soon_as_it_is_back() {
    let world = World::new();
    let own = world.home.scratch().join("own");
    world.home.declare(&[("own", own.to_str().unwrap())]);
    let scan = world.json(&["scan"], 1);
    assert_eq!(scan["failed"][0]["class"], "permanent");
    std::fs::create_dir(&own).unwrap();
    assert_eq!(names(&world.json(&["scan"], 0)["updated"]), ["own"]);
}

#[test]
fn a_failure_is_still_known_when_the_journal_was_compacted_or_rebuilt() {
    let world = World::shown();
    world.server.fault("tool", Fault::Status(503));
    world.json(&["update"], 1);
    let known = world.json(&["status"], 0)["failing"].clone();
    assert_eq!(names(&known), ["tool"]);
    let store = modstore::Store::open(world.home.path(), modstore::Options::default()).unwrap();
    store.compact(&modstore::Silent, &modstore::Cancel::new()).unwrap();
    assert_eq!(world.json(&["status"], 0)["failing"], known);
    damage(&world.home.path().join("journal"));
    world.server.clear();
    world.home.run(&["verify", "--repair"]).ok();
    world.json(&["scan"], 0);
}

/// Flips a bit of the journal's first frame.
fn damage(journal: &Path) {
    let mut bytes = std::fs::read(journal).unwrap();
    bytes[60] ^= 1;
    std::fs::write(journal, bytes).unwrap();
}

#[test]
fn a_follower_receives_each_generation_and_each_failure_as_it_happens() {
    let world = World::shown();
    let mut command = world.home.command(&["events", "--since", "1", "--follow"]);
    command.stdout(std::process::Stdio::piped()).stderr(std::process::Stdio::null());
    let mut child = command.spawn().unwrap();
    let mut lines = std::io::BufRead::lines(std::io::BufReader::new(child.stdout.take().unwrap()));
    let mut next = || -> Value { serde_json::from_str(&lines.next().unwrap().unwrap()).unwrap() };
    world.tool.write(&[("a.txt", "2\n")]);
    world.json(&["update"], 0);
    let shown = next();
    assert_eq!((&shown["event"], &shown["sequence"]), (&"generation".into(), &2.into()));
    assert_eq!(shown["changes"][0]["module"], "tool");
    world.server.fault("tool", Fault::Status(503));
    world.json(&["update"], 1);
    let failed = next();
    assert_eq!(
        (&failed["event"], &failed["attempt"]["class"]),
        (&"failed".into(), &"transient".into())
    );
    world.server.clear();
    world.json(&["update"], 0);
    assert_eq!(next()["event"], "recovered");
    child.kill().unwrap();
    child.wait().unwrap();
    world.home.run(&["--json", "events", "--follow"]).fails(2);
}

#[test]
fn a_full_disk_waits_its_time_whatever_its_host_answers_to_others() {
    let Some(mount) = Mount::tmpfs(8) else { return };
    let World { home, server, tool } = World::new();
    let home = home.with_store_at(mount.path().join("store"));
    let world = World { home, server, tool };
    world.repo("other");
    let changes: Vec<Change> = (0..8)
        .map(|seed| Change::write(format!("large{seed}"), Random::of(seed).bytes(1_200_000)))
        .collect();
    world.tool.commit("main", &changes);
    world.declare(&["other", "tool"]);
    let full = world.json(&["scan"], 1);
    assert_eq!(names(&full["failed"]), ["tool"], "{full}");
    let failed = &full["failed"][0];
    assert_eq!(
        (&failed["class"], &failed["stage"]),
        (&"transient".into(), &"place".into()),
        "{full}"
    );
    assert_eq!(
        names(&full["updated"]),
        ["other"],
        "a full disk holds back no other module: {full}"
    );
    let again = world.json(&["scan"], 1);
    assert_eq!(
        names(&again["deferred"]),
        ["tool"],
        "the host has answered, and there is no more room"
    );
    assert_eq!(again["deferred"][0]["attempt"]["count"], 1);
    // The same alone: it is remembered although the disk was full.
    world.declare(&["tool"]);
    assert_eq!(world.json(&["update"], 1)["failed"][0]["attempt"]["count"], 2);
    assert_eq!(names(&world.json(&["scan"], 1)["deferred"]), ["tool"]);
}
