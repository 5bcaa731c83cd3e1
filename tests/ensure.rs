//! `ensure` and `activate`: what a host needs at its start, in one call.

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "helpers panic, and that is how a test fails"
)]

use std::{
    collections::BTreeSet,
    fs,
    io::Write as _,
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
    process::{Child, Stdio},
};

use modstore_testbed::{HttpServer, Repo, TestHome, until};
use rustix::process::Signal;
use serde_json::{Value, json};

struct World {
    home: TestHome,
    server: HttpServer,
    repos: Vec<Repo>,
}

impl World {
    /// As many repositories behind a server, named `r0`, `r1`, …, and a store that is not there yet.
    fn new(repositories: usize) -> Self {
        let home = TestHome::in_memory(env!("CARGO_BIN_EXE_modstore"));
        let root = home.scratch();
        let repos = (0..repositories).map(|number| {
            let repo = Repo::create(&root, &format!("r{number}"));
            repo.write(&[("v", "1"), ("part/b.yaml", "b: 1\n"), ("other/a", "1")]);
            repo
        });
        let repos = repos.collect();
        let server = HttpServer::start(&root);
        Self { home, server, repos }
    }

    fn source(&self, number: usize) -> String {
        format!("git+{}@main", self.server.url(&format!("r{number}")))
    }

    /// Starts a command with this on its standard input.
    fn start(&self, arguments: &[&str], input: &str) -> Child {
        let mut command = self.home.command(&[&["--json"], arguments].concat());
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        // A command that does not read it has ended, which its answer says.
        let _ = child.stdin.take().unwrap().write_all(input.as_bytes());
        child
    }

    #[track_caller]
    fn run(&self, arguments: &[&str], input: &str) -> Value {
        answer(self.start(arguments, input))
    }

    #[track_caller]
    fn ensure(&self, modules: &Value) -> Value {
        self.run(&["ensure"], &json!({ "modules": modules }).to_string())
    }

    fn modules_toml(&self) -> String {
        fs::read_to_string(self.home.path().join("modules.toml")).unwrap_or_default()
    }
}

#[track_caller]
fn answer(child: Child) -> Value {
    let output = child.wait_with_output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    let told: Value = serde_json::from_str(&text).unwrap_or_else(|error| {
        panic!("{error}: {text}{}", String::from_utf8_lossy(&output.stderr))
    });
    let schema = serde_json::from_str(include_str!("../docs/json.schema.json")).unwrap();
    let validator = jsonschema::validator_for(&schema).unwrap();
    let wrong: Vec<String> = validator.iter_errors(&told).map(|it| it.to_string()).collect();
    assert!(wrong.is_empty(), "{told:#}\n{wrong:#?}");
    told
}

fn codes(told: &Value) -> Vec<Option<&str>> {
    told["modules"].as_array().unwrap().iter().map(|module| module["code"].as_str()).collect()
}

fn names(told: &Value) -> Vec<&str> {
    let modules = told["modules"].as_array().unwrap().iter();
    modules.map(|module| module["name"].as_str().unwrap_or_default()).collect()
}

#[test]
fn what_is_not_there_is_declared_and_fetched_and_the_next_call_finds_it_alone() {
    let world = World::new(2);
    let modules = json!([
        { "source": world.source(0) },
        { "source": world.source(1), "name": "second", "file": "other/a" },
        { "source": format!("{}#subdirectory=part/b.yaml", world.source(1)), "name": null },
    ]);
    let told = world.ensure(&modules);
    assert_eq!((&told["ok"], names(&told)), (&json!(true), vec!["r0", "second", "b.yaml"]));
    let [first, second, file] = &told["modules"].as_array().unwrap()[..] else { panic!() };
    assert_eq!(first["source"], world.source(0));
    assert_eq!(first["revision"], world.repos[0].rev("main").unwrap());
    assert_eq!((&first["reference"], &first["was"]), (&json!("refs/heads/main"), &Value::Null));
    assert_eq!(first["target"], world.home.target("r0").to_str().unwrap());
    assert_eq!((&first["generation"], &told["generation"]), (&json!(1), &json!(1)));
    let directory = Path::new(first["directory"].as_str().unwrap());
    assert_eq!(fs::read(directory.join("v")).unwrap(), b"1");
    assert_eq!(directory, world.home.target("r0").canonicalize().unwrap());
    assert!(second["file"].as_str().unwrap().ends_with("/other/a"), "{second}");
    assert_eq!(fs::read(file["file"].as_str().unwrap()).unwrap(), b"b: 1\n");
    assert!(file["directory"].as_str().unwrap().ends_with("/part"), "{file}");
    // A host that was killed before it noted this asks again, and is told the same.
    world.repos[0].write(&[("v", "2")]);
    world.server.forget();
    let again = world.ensure(&modules);
    for (then, now) in
        told["modules"].as_array().unwrap().iter().zip(again["modules"].as_array().unwrap())
    {
        for same in ["name", "target", "directory", "file", "revision", "generation", "origin"] {
            assert_eq!(then[same], now[same], "{same}");
        }
        assert_eq!(now["was"], now["revision"], "it was there");
    }
    assert_eq!((&again["update"], &again["generation"]), (&Value::Null, &json!(1)));
    assert!(world.server.stats().requests.is_empty(), "and no server was asked");
}

#[test]
fn where_all_is_there_nothing_is_locked_or_written() {
    let world = World::new(1);
    let modules = json!([{ "source": world.source(0) }]);
    world.ensure(&modules);
    let trace = world.home.scratch().join("trace");
    let strace = [
        "-f",
        "-o",
        trace.to_str().unwrap(),
        "-e",
        "trace=flock,openat,rename,unlink,mkdir,connect",
    ];
    let mut command = world.home.command_of(Path::new("strace"), &strace);
    command.arg(env!("CARGO_BIN_EXE_modstore")).arg("ensure");
    command.stdin(Stdio::piped()).stdout(Stdio::null());
    let mut child = command.spawn().unwrap();
    let input = json!({ "modules": modules }).to_string();
    child.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
    assert!(child.wait().unwrap().success());
    let calls = fs::read_to_string(trace).unwrap();
    for forbidden in
        ["flock(", "O_WRONLY", "O_RDWR", "O_CREAT", "rename(", "unlink(", "mkdir(", "connect("]
    {
        let call = calls.lines().find(|line| line.contains(forbidden) && !line.contains("/dev/"));
        assert_eq!(call, None, "{forbidden}");
    }
}

#[test]
fn spellings_of_one_source_are_one_module() {
    let world = World::new(1);
    let spelled = world.source(0);
    let other = spelled.replace("/r0.git", "/r0/").replace("127.0.0.1", "me:secret@127.0.0.1");
    let told = world.ensure(&json!([
        { "source": spelled }, { "source": other, "name": "another" }, { "source": spelled, "name": "third" },
    ]));
    assert_eq!(names(&told), ["r0", "r0", "r0"], "{told:#}");
    assert_eq!(world.modules_toml().matches("[modules.").count(), 1);
    assert!(!told.to_string().contains("secret"));
    assert_eq!(world.home.grep_bytes("secret"), [""; 0].map(PathBuf::from));
    // What was added by a person in another spelling is found too.
    let told = world.ensure(&json!([{ "source": spelled.replace("http:", "HTTP:"), "name": "x" }]));
    assert_eq!((names(&told), &told["update"]), (vec!["r0"], &Value::Null));
}

#[test]
fn what_fails_is_reported_and_does_not_stay_declared_and_the_rest_is_there() {
    let world = World::new(2);
    let gone = world.source(7);
    let told = world.ensure(&json!([
        { "source": gone },
        { "source": world.source(0) },
        { "source": "npm:left-pad" },
        { "source": world.source(0).replace("@main", "@nope"), "name": "nope" },
        { "source": format!("{}#subdirectory=nowhere", world.source(1)) },
        { "source": world.source(1), "file": "no/such.yaml" },
        { "source": world.source(1), "name": "r0" },
    ]));
    let expected = [
        Some("no-such-repository"),
        None,
        Some("source"),
        Some("no-such-reference"),
        Some("no-such-directory"),
        Some("no-such-file"),
        None,
    ];
    assert_eq!(codes(&told), expected, "{told:#}");
    assert_eq!((&told["ok"], &told["error"]["exit"]), (&json!(false), &json!(1)));
    let declared = world.modules_toml();
    assert_eq!(declared.matches("[modules.").count(), 2, "{declared}");
    assert!(declared.contains("[modules.r0]") && declared.contains("[modules.r1]"), "{declared}");
    let taken =
        world.ensure(&json!([{ "source": world.source(1).replace("@main", ""), "name": "R0" }]));
    assert_eq!(codes(&taken), [Some("name-taken")], "{taken:#}");
    // Sources that end alike get names of their own.
    let head = world.ensure(&json!([{ "source": world.source(1).replace("@main", "") }]));
    assert!(names(&head)[0].starts_with("r1-"), "{head:#}");
}

#[test]
fn a_module_that_is_there_stays_at_its_version_also_when_others_are_fetched() {
    let world = World::new(2);
    world.ensure(&json!([{ "source": world.source(0) }]));
    let first = world.repos[0].rev("main").unwrap();
    world.repos[0].write(&[("v", "2")]);
    let told = world.ensure(&json!([{ "source": world.source(0) }, { "source": world.source(1) }]));
    assert_eq!(
        (&told["modules"][0]["revision"], &told["modules"][0]["was"]),
        (&json!(first), &json!(first))
    );
    assert_eq!((&told["modules"][1]["was"], &told["generation"]), (&Value::Null, &json!(2)));
    // A module whose directory is gone is fetched again.
    let directory = told["modules"][1]["directory"].as_str().unwrap();
    fs::set_permissions(directory, fs::Permissions::from_mode(0o755)).unwrap();
    fs::rename(directory, world.home.scratch().join("gone")).unwrap();
    let told = world.ensure(&json!([{ "source": world.source(1) }]));
    assert_eq!((&told["ok"], Path::new(directory).is_dir()), (&json!(true), true), "{told:#}");
}

#[test]
fn a_rolled_back_or_linked_module_is_what_a_person_has_made_of_it() {
    let world = World::new(2);
    world.ensure(&json!([{ "source": world.source(0) }]));
    world.ensure(&json!([{ "source": world.source(1) }]));
    world.home.run(&["rollback"]).ok();
    let told = world.ensure(&json!([{ "source": world.source(0) }, { "source": world.source(1) }]));
    assert_eq!(codes(&told), [None, Some("held")], "{told:#}");
    world.home.run(&["update", "r1"]).ok();
    let mine = world.home.scratch();
    world.home.run(&["link", "r1", mine.to_str().unwrap()]).ok();
    let told = world.ensure(&json!([{ "source": world.source(1) }]));
    assert_eq!((&told["modules"][0]["directory"], &told["update"]), (&json!(mine), &Value::Null));
}

#[test]
fn input_that_is_no_list_is_refused_with_the_place_and_what_was_expected() {
    let world = World::new(0);
    let long = format!("{{\"modules\":[{}", " ".repeat(9 << 20));
    let many = json!({ "modules": vec![json!({ "source": "/x" }); 10_001] }).to_string();
    let deep = "[".repeat(100_000);
    let table = [
        ("", "standard input is empty"),
        ("{\"modules\": [\n  x ]}", "line 2 column 3"),
        ("{\"modules\": []} {}", "it goes on after its end"),
        ("[]", "expected `the list` to be an object, and it is a list"),
        ("{}", "`modules` is not there"),
        ("{\"modules\": {}}", "expected `modules` to be a list, and it is an object"),
        ("{\"modules\": [3]}", "expected `modules[0]` to be an object, and it is a number"),
        ("{\"modules\": [{\"source\":\"/x\"},{}]}", "`modules[1].source` is not there"),
        ("{\"modules\": [{\"source\":true}]}", "expected `modules[0].source` to be a string"),
        ("{\"modules\": [{\"sauce\":\"/x\"}]}", "unknown key `sauce`"),
        (
            "{\"modules\": [{\"source\":\"/x\",\"name\":\"a/b\"}]}",
            "`modules[0].name`: a module name has only",
        ),
        ("{\"modules\": [{\"source\":\"/x\",\"file\":\"../b\"}]}", "`modules[0].file`"),
        (&*long, "more than 8388608 bytes"),
        (&*many, "10000 is the most"),
        (&*deep, "recursion limit"),
    ];
    for command in ["ensure", "activate"] {
        for (input, says) in &table {
            let told = world.run(&[command], input);
            let start: String = input.chars().take(60).collect();
            assert_eq!(told["error"]["exit"], 2, "{start}: {told}");
            let message = told["error"]["message"].as_str().unwrap();
            assert!(message.contains(says), "{start}: {message}");
            assert!(told["error"]["hint"].as_str().unwrap().contains("{\"modules\":[{\"source\""));
        }
    }
    assert!(!world.home.path().exists(), "and no store is made of it");
    let told = world.ensure(&json!([]));
    assert_eq!((&told["ok"], &told["modules"]), (&json!(true), &json!([])));
}

/// N hosts, each with a name of its own for the same source, at once; cold, and again warm.
fn hosts_at_once(hosts: usize) {
    let world = World::new(3);
    let source = world.source(0);
    let spellings = ["127.0.0.1", "me@127.0.0.1", "you@127.0.0.1"];
    let spellings = spellings.map(|host| source.replace("127.0.0.1", host));
    for turn in ["cold", "warm"] {
        let children: Vec<Child> = (0..hosts)
            .map(|host| {
                let modules = json!([
                    { "source": spellings[host % 3], "name": format!("host{host}") },
                    { "source": world.source(1 + host % 2) },
                    { "source": world.source(9) },
                ]);
                world.start(&["ensure"], &json!({ "modules": modules }).to_string())
            })
            .collect();
        let told: Vec<Value> = children.into_iter().map(answer).collect();
        let given: BTreeSet<&str> = told.iter().map(|told| names(told)[0]).collect();
        assert_eq!(given.len(), 1, "{turn}, {hosts}: {given:?}");
        for told in &told {
            assert_eq!(codes(told), [None, None, Some("no-such-repository")], "{turn}: {told:#}");
            let directory = told["modules"][0]["directory"].as_str().unwrap();
            assert_eq!(fs::read(Path::new(directory).join("v")).unwrap(), b"1", "{turn}");
        }
    }
    let declared = world.modules_toml();
    assert_eq!(declared.matches("[modules.").count(), 1 + hosts.min(2), "{declared}");
    world.home.run(&["verify"]).ok();
    assert_eq!(world.home.leftovers(), Vec::<PathBuf>::new());
}

#[test]
fn two_hosts_at_once_give_one_source_one_name() {
    hosts_at_once(2);
}

#[test]
fn four_hosts_at_once_give_one_source_one_name() {
    hosts_at_once(4);
}

#[test]
fn eight_hosts_at_once_give_one_source_one_name() {
    hosts_at_once(8);
}

#[test]
fn an_ensure_that_is_killed_anywhere_is_finished_by_the_next() {
    for after in [0, 3, 10, 20, 40, 80, 150] {
        let world = World::new(2);
        let modules = json!([{ "source": world.source(0) }, { "source": world.source(1) }]);
        let mut child = world.start(&["ensure"], &json!({ "modules": modules }).to_string());
        std::thread::sleep(std::time::Duration::from_millis(after));
        let _ = child.kill();
        let _ = child.wait();
        let told = world.ensure(&modules);
        assert_eq!(told["ok"], true, "after {after} ms: {told:#}");
        assert_eq!(world.modules_toml().matches("[modules.").count(), 2, "after {after} ms");
        world.home.run(&["verify"]).ok();
    }
}

#[test]
fn a_thousand_sources_are_declared_in_one_edit_and_found_again() {
    let world = World::new(1);
    let url = format!("git+{}", world.server.url("r0"));
    let modules: Vec<Value> = (0..1000)
        .map(|number| json!({ "source": format!("{url}@main#subdirectory=other/../other/a"), "name": format!("m{number}") }))
        .collect();
    let told = world.ensure(&json!(modules));
    assert_eq!(names(&told).iter().collect::<BTreeSet<_>>().len(), 1, "one source is one module");
    let parts: Vec<(String, String)> =
        (0..1000).map(|n| (format!("p/{n}/v"), n.to_string())).collect();
    let parts: Vec<(&str, &str)> = parts.iter().map(|(path, text)| (&**path, &**text)).collect();
    world.repos[0].write(&parts);
    let modules: Vec<Value> = (0..1000)
        .map(|number| json!({ "source": format!("{url}@main#subdirectory=p/{number}") }))
        .collect();
    let told = world.ensure(&json!(modules));
    assert_eq!(told["ok"], true, "{}", told["error"]);
    let again = world.ensure(&json!(modules));
    assert_eq!((&again["update"], names(&again)), (&Value::Null, names(&told)));
}

#[test]
fn activate_without_an_environment_is_ensure_with_the_directory_of_the_generation() {
    let world = World::new(1);
    let input = json!({ "modules": [{ "source": world.source(0) }] }).to_string();
    let told = world.run(&["activate"], &input);
    let directory = PathBuf::from(told["modules_directory"].as_str().unwrap());
    assert_eq!(directory, world.home.path().join("generations/1"));
    assert_eq!(fs::read(directory.join("r0/v")).unwrap(), b"1");
    assert_eq!((&told["bound"], &told["import_path"]), (&Value::Null, &json!([])));
    let nothing = World::new(0);
    let input = json!({ "modules": [{ "source": nothing.source(0) }] }).to_string();
    let told = nothing.run(&["activate", "--stay"], &input);
    assert_eq!(
        codes(&told),
        [Some("no-such-repository")],
        "why is told also where there is nothing to lease"
    );
    assert_eq!((&told["leased"], &told["modules_directory"]), (&json!(false), &Value::Null));
}

#[test]
fn a_host_that_stays_keeps_its_generation_until_its_standard_input_is_closed() {
    let world = World::new(1);
    let input = json!({ "modules": [{ "source": world.source(0) }] }).to_string();
    let mut command = world.home.command(&["--json", "activate", "--stay"]);
    command.stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut child = command.spawn().unwrap();
    let mut stdin = child.stdin.take().unwrap();
    stdin.write_all(input.as_bytes()).unwrap();
    let mut line = String::new();
    let mut stdout = std::io::BufReader::new(child.stdout.take().unwrap());
    std::io::BufRead::read_line(&mut stdout, &mut line).unwrap();
    let told: Value = serde_json::from_str(&line).unwrap();
    assert_eq!(told["leased"], true, "{told}");
    let kept = PathBuf::from(told["modules_directory"].as_str().unwrap());
    for version in ["2", "3", "4"] {
        world.repos[0].write(&[("v", version)]);
        world.home.run(&["update"]).ok();
    }
    let sweep = ["gc", "--keep", "1", "--older-than", "0s"];
    world.home.run(&sweep).ok();
    assert_eq!(fs::read(kept.join("r0/v")).unwrap(), b"1", "it is leased");
    drop(stdin);
    assert!(child.wait().unwrap().success());
    world.home.run(&sweep).ok();
    assert!(!kept.exists(), "and no longer");
}

#[test]
fn a_staying_host_that_is_ended_by_a_signal_leaves_no_lease() {
    let world = World::new(1);
    let input = json!({ "modules": [{ "source": world.source(0) }] }).to_string();
    let mut command = world.home.command(&["--json", "activate", "--stay"]);
    command.stdin(Stdio::piped()).stdout(Stdio::null());
    let mut child = command.spawn().unwrap();
    child.stdin.as_ref().unwrap().write_all(input.as_bytes()).unwrap();
    let leases = || world.run(&["status"], "")["leases"].as_array().unwrap().len();
    until(std::time::Duration::from_secs(30), "it has a lease", || leases() == 1);
    rustix::process::kill_process(rustix::process::Pid::from_child(&child), Signal::TERM).unwrap();
    child.wait().unwrap();
    assert_eq!(leases(), 0);
}

#[test]
fn progress_says_how_many_modules_are_done_of_how_many_in_whole_lines() {
    let world = World::new(3);
    let mut command = world.home.command(&["--progress", "json", "ensure"]);
    command.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    let modules: Vec<Value> = (0..3).map(|n| json!({ "source": world.source(n) })).collect();
    let input = json!({ "modules": modules }).to_string();
    child.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    let lines = String::from_utf8(output.stderr).unwrap();
    let events: Vec<Value> =
        lines.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let steps: Vec<(u64, u64)> = events
        .iter()
        .filter(|event| event["event"] == "module")
        .map(|event| (event["done"].as_u64().unwrap(), event["of"].as_u64().unwrap()))
        .collect();
    assert!(steps.windows(2).all(|pair| pair[0].0 <= pair[1].0), "{steps:?}");
    assert_eq!(steps.last(), Some(&(3, 3)), "{lines}");
}
