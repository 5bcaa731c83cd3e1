//! A build that runs for each of several files: one output and one try for each, and what worked goes on working.

use std::{fs, os::unix::fs::PermissionsExt as _, path::PathBuf, time::Duration};

use modstore_testbed::{HttpServer, Repo, until};
use rustix::process::Signal;
use serde_json::{Value, json};

use super::world::World;

/// Notes which input it runs for, does as the flags in the book say, and makes `out/STEM.js`.
const BUILDER: &str = r#"#!/bin/sh
echo "$MODSTORE_INPUT" >> "$BOOK/starts"
[ "$1" = "$MODSTORE_INPUT" ] || exit 65
name=$(basename "$1")
if [ -e "$BOOK/offline" ]; then echo "error: could not resolve host registry.example" >&2; exit 1; fi
if [ -e "$BOOK/offline-$name" ]; then exit 75; fi
if [ -e "$BOOK/slow" ]; then sleep "$(cat "$BOOK/slow")"; fi
if grep -q 'syntax error' "$1"; then echo "error: Expected ';' at $1:1:2" >&2; exit 1; fi
to=${OUT:-out/$2.js}
mkdir -p "$(dirname "$to")"
cat lib.txt "$1" > "$to"
for path in $(sed -n 's/^import //p' "$1"); do cat "$path" >> "$to" || exit 65; done
printf '%s\n' "$1" models/b.ts lib.txt > deps
"#;

struct Each {
    world: World,
}

impl Each {
    /// A module with the inputs `a`, `b` and `c`, and a file that all of them share.
    fn new() -> Self {
        let world = World::with(&[], "");
        let builder = world.book("each");
        fs::write(&builder, BUILDER).unwrap();
        fs::set_permissions(&builder, fs::Permissions::from_mode(0o755)).unwrap();
        let each = Self { world };
        fs::create_dir_all(each.source().join("models")).unwrap();
        fs::write(each.source().join("lib.txt"), "lib\n").unwrap();
        for name in ["a", "b", "c"] {
            each.edit(name, "one");
        }
        each.declare(&each.source().display().to_string(), "");
        each
    }

    fn source(&self) -> PathBuf {
        self.world.source("tool")
    }

    fn input(&self, name: &str) -> PathBuf {
        self.source().join(format!("models/{name}.ts"))
    }

    fn edit(&self, name: &str, text: &str) {
        fs::write(self.input(name), format!("{name} {text}\n")).unwrap();
    }

    fn declare(&self, source: &str, more: &str) {
        let builder = self.world.book("each");
        self.world.home.write_modules(&format!(
            "[modules.tool]\nsource = \"{source}\"\n[modules.tool.build]\neach = \"models/*.ts\"\n\
             command = [\"{}\", \"{{input}}\", \"{{stem}}\"]\noutput = \"out\"\n\
             env = [\"BOOK\", \"OUT\"]\n{more}\n",
            builder.display()
        ));
    }

    /// A scan that ends with this code: for which inputs a builder was started, and its answer.
    #[track_caller]
    fn scan(&self, exit: i32) -> (String, Value) {
        self.run(&["scan"], exit)
    }

    #[track_caller]
    fn run(&self, arguments: &[&str], exit: i32) -> (String, Value) {
        let told = self.world.json(arguments, exit);
        (self.started(), told)
    }

    fn started(&self) -> String {
        let book = self.world.book("starts");
        let starts = fs::read_to_string(&book).unwrap_or_default();
        let _ = fs::remove_file(&book);
        let mut names: Vec<&str> = starts
            .lines()
            .map(|path| path.trim_start_matches("models/").trim_end_matches(".ts"))
            .collect();
        names.sort_unstable();
        names.join(" ")
    }

    /// What was made of an input, from the current entry.
    fn made(&self, name: &str) -> Option<String> {
        let target = self.world.home.target("tool");
        let text = fs::read_to_string(target.join(format!("models/{name}.js"))).ok()?;
        Some(text.trim().replace('\n', ", "))
    }

    #[track_caller]
    fn is(&self, a: Option<&str>, b: Option<&str>, c: Option<&str>) {
        let expected = [("a", a), ("b", b), ("c", c)]
            .map(|(name, text)| text.map(|text| format!("lib, {name} {text}")));
        assert_eq!(["a", "b", "c"].map(|name| self.made(name)), expected);
    }

    fn failing(&self) -> Value {
        self.world.json(&["status"], 0)["failing"].clone()
    }
}

#[test]
fn each_input_is_built_once_and_again_only_when_it_or_what_all_share_changes() {
    let each = Each::new();
    assert_eq!(each.scan(0).0, "a b c");
    each.is(Some("one"), Some("one"), Some("one"));
    let (started, told) = each.scan(0);
    assert_eq!((started.as_str(), &told["committed"]), ("", &json!(false)));
    each.edit("b", "two");
    assert_eq!(each.scan(0).0, "b");
    each.is(Some("one"), Some("two"), Some("one"));
    each.edit("b", "one");
    assert_eq!(each.scan(0).0, "", "an edit that is taken back");
    each.is(Some("one"), Some("one"), Some("one"));
    fs::remove_file(each.input("c")).unwrap();
    assert_eq!(each.scan(0).0, "");
    each.is(Some("one"), Some("one"), None);
    each.edit("c", "one");
    assert_eq!(each.scan(0).0, "", "a file that was away and came back");
    each.is(Some("one"), Some("one"), Some("one"));
    each.edit("d", "new");
    assert_eq!(each.scan(0).0, "d");
    assert_eq!(each.made("d").as_deref(), Some("lib, d new"));
    fs::write(each.source().join("lib.txt"), "other\n").unwrap();
    assert_eq!(each.scan(0).0, "a b c d");
    assert_eq!(each.run(&["reset"], 0).0, "a b c d");
    assert_eq!(each.world.home.run(&["verify"]).status, 0);
}

#[test]
fn an_input_that_fails_keeps_its_last_output_is_named_and_is_pinned_alone() {
    let each = Each::new();
    assert_eq!(each.scan(0).0, "a b c");
    each.edit("a", "two");
    each.edit("b", "syntax error");
    let (started, told) = each.scan(1);
    assert_eq!(started, "a b");
    each.is(Some("two"), Some("one"), Some("one"));
    let failed = &told["failed"];
    assert_eq!(failed.as_array().unwrap().len(), 1, "{told:#}");
    assert_eq!(
        [&failed[0]["module"], &failed[0]["input"], &failed[0]["class"], &failed[0]["code"]],
        ["tool", "models/b.ts", "deterministic", "build"],
    );
    assert!(failed[0]["causes"].to_string().contains("Expected ';' at models/b.ts"), "{failed:#}");
    assert_eq!(told["updated"][0]["module"], "tool");
    for command in [["scan"], ["update"]] {
        let (started, told) = each.run(&command, 1);
        let deferred = &told["deferred"][0];
        assert_eq!(
            (started.as_str(), &deferred["input"], &deferred["why"], &told["committed"]),
            ("", &json!("models/b.ts"), &json!("unchanged"), &json!(false)),
        );
    }
    let failing = each.failing();
    assert_eq!(
        (&failing[0]["input"], failing.as_array().unwrap().len()),
        (&json!("models/b.ts"), 1)
    );
    let told = each.world.home.run(&["scan"]);
    assert!(told.stderr.contains("tool, models/b.ts: failed earlier"), "{}", told.stderr);
    let outdated = each.world.json(&["outdated"], 0);
    assert_eq!(outdated["modules"][0]["change"], "deferred", "{outdated:#}");
    // Who wants all or nothing gets nothing, and what fails is remembered all the same.
    each.edit("c", "three");
    let (started, told) = each.run(&["update", "--all-or-nothing"], 1);
    assert_eq!((started.as_str(), &told["committed"]), ("c", &json!(false)));
    each.is(Some("two"), Some("one"), Some("one"));
    // The others go on, and it is tried by itself when it changes or a person asks for that.
    each.edit("c", "two");
    assert_eq!(each.scan(1).0, "c");
    assert_eq!(each.run(&["update", "--retry"], 1).0, "b");
    each.edit("b", "two");
    assert_eq!(each.scan(0).0, "b");
    each.is(Some("two"), Some("two"), Some("two"));
    assert_eq!(each.failing(), json!([]));
}

#[test]
fn offline_inputs_are_tried_again_each_by_itself_once_they_are_due() {
    let each = Each::new();
    each.world.flag("offline-b.ts", Some(""));
    let (started, told) = each.scan(1);
    assert_eq!((started.as_str(), &told["failed"][0]["class"]), ("a b c", &json!("transient")));
    each.is(Some("one"), None, Some("one"));
    let (mut more, mut exit) = (String::new(), 1);
    each.world.flag("offline-b.ts", None);
    for _ in 0..200 {
        std::thread::sleep(Duration::from_millis(20));
        exit = each.world.home.run(&["scan"]).status;
        more += &each.started();
        if exit == 0 {
            break;
        }
    }
    assert_eq!((exit, more.as_str()), (0, "b"));
    each.is(Some("one"), Some("one"), Some("one"));
    // Without a network nothing is lost, whatever is edited.
    each.world.flag("offline", Some(""));
    each.edit("a", "two");
    each.edit("c", "two");
    assert_eq!(each.scan(1).0, "a c");
    each.is(Some("one"), Some("one"), Some("one"));
    each.world.flag("offline", None);
    assert_eq!(each.run(&["update"], 0).0, "a c");
    each.is(Some("two"), Some("one"), Some("two"));
}

#[test]
fn a_module_fails_as_a_whole_only_when_nothing_was_ever_made_of_any_input() {
    let each = Each::new();
    for name in ["a", "b", "c"] {
        each.edit(name, "syntax error");
    }
    let (started, told) = each.scan(1);
    assert_eq!(started, "a b c");
    let inputs: Vec<&Value> =
        told["failed"].as_array().unwrap().iter().map(|failed| &failed["input"]).collect();
    let all = [json!(null), json!("models/a.ts"), json!("models/b.ts"), json!("models/c.ts")];
    assert!(all.iter().all(|input| inputs.contains(&input)) && inputs.len() == 4, "{told:#}");
    assert_eq!(each.scan(1).0, "");
    each.edit("b", "one");
    assert_eq!(each.scan(1).0, "b");
    each.is(None, Some("one"), None);
}

#[test]
fn what_cannot_be_put_together_or_matches_nothing_is_said_and_changes_nothing() {
    let mut each = Each::new();
    assert_eq!(each.scan(0).0, "a b c");
    each.world.home.env("OUT", "out/same.js");
    let (started, told) = each.scan(1);
    assert_eq!(started, "a b c");
    let message = told["failed"][0]["message"].to_string();
    assert!(message.contains("models/a.ts") && message.contains("same.js"), "{told:#}");
    each.is(Some("one"), Some("one"), Some("one"));
    assert_eq!(each.scan(1).0, "", "it would be the same again");
    each.world.home.env("OUT", "");
    for name in ["a", "b", "c"] {
        fs::remove_file(each.input(name)).unwrap();
    }
    let (_, told) = each.scan(1);
    let message = told["failed"][0]["message"].to_string();
    assert!(message.contains("no file in the module matches `models/*.ts`"), "{told:#}");
}

#[test]
fn an_input_sees_no_other_input_so_that_it_cannot_depend_on_one_unnoticed() {
    let each = Each::new();
    each.edit("a", "one\nimport models/b.ts");
    let (_, told) = each.scan(1);
    assert_eq!(told["failed"][0]["input"], "models/a.ts", "{told:#}");
    let causes = told["failed"][0]["causes"].to_string();
    assert!(causes.contains("models/b.ts"), "{causes}");
    // One that the globs leave out is a file of all of them.
    let toml = each.world.home.path().join("modules.toml");
    let text = fs::read_to_string(&toml).unwrap();
    let list = "each = [\"models/*.ts\", \"!models/b.ts\"]";
    fs::write(&toml, text.replace("each = \"models/*.ts\"", list)).unwrap();
    assert_eq!(each.scan(0).0, "a c");
    assert_eq!(each.made("a").unwrap(), "lib, a one, import models/b.ts, b one");
    each.edit("b", "two");
    assert_eq!(each.scan(0).0, "a c");
}

#[test]
fn a_depfile_that_names_another_input_leads_to_no_build_of_the_same_again() {
    let each = Each::new();
    each.declare(&each.source().display().to_string(), "depfile = \"deps\"\ninputs = []");
    assert_eq!(each.scan(0).0, "a b c");
    assert_eq!(each.scan(0).0, "");
    each.edit("b", "two");
    assert_eq!(each.scan(0).0, "b");
    fs::write(each.source().join("lib.txt"), "other\n").unwrap();
    assert_eq!(each.scan(0).0, "a b c", "it was read");
    assert_eq!(each.scan(0).0, "");
}

#[test]
fn what_was_made_is_used_after_a_new_commit_a_sweep_a_move_and_the_loss_of_the_journal() {
    let each = Each::new();
    let served = each.world.home.scratch().join("served");
    fs::create_dir(&served).unwrap();
    let repo = Repo::create(&served, "repo");
    let files = [("models/a.ts", "a one\n"), ("models/b.ts", "b one\n"), ("lib.txt", "lib\n")];
    repo.write(&files);
    let server = HttpServer::start(&served);
    each.declare(&format!("git+{}", server.url("repo")), "");
    assert_eq!(each.scan(0).0, "a b");
    repo.write(&[("models/b.ts", "syntax error\n"), ("README", "no input of a? it is one\n")]);
    assert_eq!(each.scan(1).0, "a b", "every file that is no input counts for each");
    each.is(Some("one"), Some("one"), None);
    each.world.json(&["gc", "--keep", "1", "--older-than", "0s"], 0);
    assert_eq!(each.scan(1).0, "");
    each.is(Some("one"), Some("one"), None);
    repo.write(&[("models/a.ts", "a two\n")]);
    assert_eq!(each.scan(1).0, "a");
    each.is(Some("two"), Some("one"), None);
    repo.write(&[("models/b.ts", "b two\n")]);
    assert_eq!(each.scan(0).0, "b");
    fs::remove_file(each.world.home.path().join("journal")).unwrap();
    each.world.home.run(&["verify", "--repair"]).ok();
    assert_eq!(each.scan(0).0, "", "the whole of it is known by its name");
    each.is(Some("two"), Some("two"), None);
    assert_eq!(each.world.home.run(&["verify"]).status, 0);
}

#[test]
fn a_kill_while_inputs_are_built_leaves_every_output_and_the_next_scan_goes_on() {
    let each = Each::new();
    assert_eq!(each.scan(0).0, "a b c");
    for (number, after) in [0, 60, 150, 300].into_iter().enumerate() {
        each.world.flag("slow", Some("0.1"));
        for name in ["a", "b", "c"] {
            each.edit(name, &format!("next{number}"));
        }
        let running = each.world.home.spawn(&["scan"]);
        until(Duration::from_secs(5), "a build begins", || each.world.book("starts").exists());
        std::thread::sleep(Duration::from_millis(after));
        running.signal(Signal::KILL);
        running.wait();
        assert_eq!(each.world.home.run(&["verify"]).status, 0, "killed after {after} ms");
        let made = ["a", "b", "c"].map(|name| each.made(name).is_some());
        assert_eq!(made, [true; 3], "killed after {after} ms");
        each.world.flag("slow", None);
        std::thread::sleep(Duration::from_millis(300));
        each.started();
        each.scan(0);
        let text = format!("next{number}");
        each.is(Some(&text), Some(&text), Some(&text));
        assert_eq!(each.scan(0).0, "");
    }
}

#[test]
fn nothing_is_known_of_inputs_any_more_when_the_build_runs_once_or_the_module_is_removed() {
    let each = Each::new();
    each.edit("b", "syntax error");
    assert_eq!(each.scan(1).0, "a b c");
    assert_eq!(each.failing()[0]["input"], "models/b.ts");
    let toml = each.world.home.path().join("modules.toml");
    let text = fs::read_to_string(&toml).unwrap();
    fs::write(&toml, "").unwrap();
    each.world.json(&["scan"], 0);
    assert_eq!(each.failing(), json!([]));
    fs::write(&toml, text).unwrap();
    each.scan(1);
    each.world.json(&["remove", "tool"], 0);
    assert_eq!(each.failing(), json!([]));
    let events = each.world.home.run(&["--json", "events", "--since", "0"]).ok().stdout;
    assert!(events.contains(r#""input":"models/b.ts""#), "{events}");
}

#[test]
fn a_build_for_each_input_runs_only_after_it_was_allowed_and_what_is_run_for_another_set_of_inputs_is_asked_for_again()
 {
    let mut each = Each::new();
    each.world.home.without_env("MODSTORE_ALLOW_BUILDS");
    let is_asked = |each: &Each| {
        for command in [["update"].as_slice(), &["scan"], &["update", "--retry"]] {
            let (started, told) = each.run(command, 1);
            assert_eq!(started, "", "{command:?}: nothing runs, for no input");
            let failed = told["failed"].as_array().unwrap();
            assert_eq!(failed.len(), 1, "one question, not one for each input: {told:#}");
            assert_eq!(failed[0]["code"], "build-not-allowed", "{told:#}");
            assert_eq!(failed[0]["input"], Value::Null, "{told:#}");
        }
    };
    is_asked(&each);
    let told = each.world.json(&["allow", "tool"], 0);
    assert_eq!(told["builds"][0]["allowed"], true, "{told:#}");
    assert!(told.to_string().contains("models/*.ts"), "a person sees for which files: {told:#}");
    assert_eq!(each.scan(0).0, "a b c");

    // One more file that fits is no other build.
    each.edit("d", "one");
    assert_eq!(each.scan(0).0, "d");
    // Other files are, and what was built stays.
    let source = each.source().display().to_string();
    let path = each.world.home.path().join("modules.toml");
    let text = fs::read_to_string(&path).unwrap();
    fs::write(&path, text.replace("models/*.ts", "*/*.ts")).unwrap();
    is_asked(&each);
    each.is(Some("one"), Some("one"), Some("one"));
    each.declare(&source, "");
    assert_eq!(each.scan(0).0, "", "it is as it was allowed, and built");
}
