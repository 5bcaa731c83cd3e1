//! The command line as it is met from outside: words, exit codes, and one JSON object per command.
//!
//! Real repositories over `file://`; what the network does to an update is for other tests.

use std::{
    fs,
    path::Path,
    sync::{LazyLock, mpsc},
};

use modstore_core::disk::Lock;
use modstore_testbed::{Change, Fault, HttpServer, Ran, Repo, TestHome};
use rustix::process::Signal;
use serde_json::Value;

const COMMANDS: [&str; 38] = [
    "allow",
    "add",
    "remove",
    "link",
    "unlink",
    "set",
    "edit",
    "update",
    "scan",
    "outdated",
    "list",
    "show",
    "path",
    "status",
    "history",
    "events",
    "diff",
    "rollback",
    "hold",
    "unhold",
    "gc",
    "exec",
    "verify",
    "expose",
    "unexpose",
    "ensure",
    "activate",
    "bind",
    "unbind",
    "doctor",
    "explain",
    "reset",
    "print-shim",
    "completions",
    "man",
    "bench",
    "demo",
    "selftest",
];

static SCHEMA: LazyLock<Value> = LazyLock::new(|| {
    serde_json::from_str(include_str!("../docs/json.schema.json")).expect("the schema is JSON")
});

/// A home with a repository that holds two modules, `whole` and `part`, neither declared yet.
struct World {
    home: TestHome,
    repo: Repo,
}

impl World {
    fn new() -> Self {
        let home = TestHome::new(env!("CARGO_BIN_EXE_modstore"));
        let repo = Repo::create(&home.scratch(), "whole");
        repo.write(&[("a.txt", "1\n"), ("modules/part/b.txt", "1\n")]);
        Self { home, repo }
    }

    fn whole(&self) -> String {
        format!("git+{}", self.repo.url_file())
    }

    fn part(&self) -> String {
        format!("{}#subdirectory=modules/part", self.whole())
    }

    /// Both modules added.
    fn with_modules() -> Self {
        let world = Self::new();
        world.home.run(&["add", &world.whole(), &world.part()]).ok();
        world
    }

    /// Runs a command with `--json`, and holds what it prints against the schema.
    fn json(&self, arguments: &[&str]) -> (Ran, Value) {
        let ran = self.home.run(&[&["--json"], arguments].concat());
        let value = one_valid_object(&ran);
        (ran, value)
    }
}

#[track_caller]
fn one_valid_object(ran: &Ran) -> Value {
    let value = ran.json();
    assert_eq!(ran.stdout.trim_end().lines().count(), 1, "one line\n{ran:?}");
    assert_valid(&SCHEMA, &value);
    let exit = value.pointer("/error/exit").and_then(Value::as_i64).unwrap_or(0);
    assert_eq!(exit, i64::from(ran.status), "{ran:?}");
    value
}

#[track_caller]
fn assert_valid(schema: &Value, value: &Value) {
    let validator = jsonschema::validator_for(schema).expect("the schema is a schema");
    let errors: Vec<String> =
        validator.iter_errors(value).map(|e| format!("{}: {e}", e.instance_path())).collect();
    assert!(errors.is_empty(), "{value:#}\ndoes not match: {errors:#?}");
}

#[test]
fn the_help_of_every_command_has_a_summary_a_paragraph_and_an_example() {
    let home = TestHome::new(env!("CARGO_BIN_EXE_modstore"));
    let all = home.run(&["--help"]).ok().stdout;
    for command in COMMANDS {
        assert!(all.contains(&format!("\n  {command} ")), "{command} is not listed\n{all}");
        let help = home.run(&[command, "--help"]).ok().stdout;
        let (about, rest) = help.split_once("Usage:").expect("a usage line");
        let paragraphs = about.trim().split("\n\n").filter(|text| !text.trim().is_empty()).count();
        assert!(paragraphs >= 2, "{command} says too little\n{about}");
        let (_, example) = rest.split_once("Example").expect("an example");
        assert!(
            example.contains(&format!("modstore {command}"))
                || example.contains(&format!(" {command} ")),
            "{help}"
        );
    }
    for word in ["MODULE", "SOURCE", "GENERATION", "TARGET"] {
        assert!(all.contains(word), "the manual does not explain {word}");
    }
}

/// The options that every command has.
const GLOBAL_OPTIONS: [&str; 9] = [
    "--home",
    "--json",
    "--progress",
    "--offline",
    "--lock-timeout",
    "--interactive",
    "--quiet",
    "--verbose",
    "--color",
];

#[test]
fn global_options_are_described_once_and_work_before_and_after_every_command() {
    let home = TestHome::new(env!("CARGO_BIN_EXE_modstore"));
    let all = home.run(&["--help"]).ok().stdout;
    for option in GLOBAL_OPTIONS {
        let describes = |line: &&str| {
            line.trim_start()
                .trim_start_matches("-q, ")
                .trim_start_matches("-v, ")
                .starts_with(option)
        };
        assert_eq!(all.lines().filter(describes).count(), 1, "{option}\n{all}");
    }
    for command in COMMANDS {
        for help in [vec![command, "--help"], vec!["help", command]] {
            let help = home.run(&help).ok().stdout;
            let options = help.split_once("Options:").unwrap().1;
            let options = options.split_once("Global options").expect(command).0;
            for option in GLOBAL_OPTIONS {
                assert!(!options.contains(option), "{command} describes {option}\n{help}");
            }
            assert_eq!(help.matches("`modstore --help`").count(), 1, "{help}");
        }
    }
    let elsewhere = home.scratch().join("elsewhere");
    let elsewhere = elsewhere.to_str().unwrap();
    let options = ["--home", elsewhere, "--json", "--offline", "-q"];
    let before = home.run(&[&options[..], &["status"]].concat()).ok().json();
    let after = home.run(&[&["status"], &options[..]].concat()).ok().json();
    assert_eq!(before["home"], elsewhere);
    assert_eq!(before, after);
}

#[test]
fn no_line_of_help_is_wider_than_100_columns_nor_broken_to_fit() {
    let mut home = TestHome::new(env!("CARGO_BIN_EXE_modstore"));
    home.env("COLUMNS", "100");
    for command in COMMANDS {
        let narrow = home.run(&[command, "--help"]).ok().stdout;
        for line in narrow.lines() {
            assert!(line.chars().count() <= 100, "{command}: {line}");
        }
    }
    // Its lines stand as they were written, so they must fit a narrow terminal.
    let mut about = |columns: &str| {
        let help = home.env("COLUMNS", columns).run(&["exec", "--help"]).ok().stdout;
        help.split_once("Usage:").unwrap().0.to_owned()
    };
    assert_eq!(about("80"), about("100"));
}

#[test]
fn the_help_of_path_recommends_bind_and_says_why_no_installer() {
    let home = TestHome::new(env!("CARGO_BIN_EXE_modstore"));
    let help = home.run(&["path", "--help"]).ok().stdout;
    assert!(help.contains("modstore bind --python .venv weather"), "{help}");
    assert!(help.contains("Do not give either path to an installer: it would record"), "{help}");
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let pages = fs::read_dir(root.join("docs")).unwrap().map(|page| page.unwrap().path());
    let pages = pages.chain([root.join("README.md")]).filter(|path| path.is_file());
    let pages = pages.map(|path| fs::read_to_string(path).unwrap());
    for text in pages.chain([help]) {
        assert!(!text.contains("install -e \"$(modstore path"), "{text}");
    }
}

#[test]
fn wrong_usage_ends_with_2_and_still_gives_one_object_in_json_mode() {
    let world = World::new();
    let wrong: [&[&str]; 12] = [
        &[],
        &["nonsense"],
        &["add"],
        &["update", "--nonsense"],
        &["update", "a/b"],
        &["diff", "0"],
        &["rollback", "--to", "x"],
        &["update", "--all-or-nothing", "--allow-partial"],
        &["completions", "nushell"],
        &["gc", "--keep", "0"],
        &["gc", "--older-than", "7"],
        &["gc", "--max-size", "1.5G"],
    ];
    for arguments in wrong {
        let ran = world.home.run(arguments).fails(2);
        assert!(ran.stdout.is_empty(), "{ran:?}");
        let begins = if arguments.is_empty() { "Stores the modules" } else { "error: " };
        assert!(ran.stderr.starts_with(begins), "{ran:?}");
        let (_, value) = world.json(arguments);
        assert_eq!(
            (value["ok"].as_bool(), value["error"]["exit"].as_i64()),
            (Some(false), Some(2)),
            "{value}"
        );
    }
}

#[test]
fn every_command_gives_one_object_that_the_schema_describes() {
    let mut world = World::new();
    world.home.env("EDITOR", "true");
    let (whole, part) = (world.whole(), world.part());
    let own = world.home.scratch().join("own");
    fs::create_dir(&own).unwrap();
    let own = own.to_str().unwrap();
    let mut seen = Vec::new();
    let mut ok = |arguments: &[&str]| {
        let (ran, value) = world.json(arguments);
        let ran = ran.ok();
        assert_eq!(value["ok"], true, "{ran:?}");
        assert_eq!(value["command"], arguments[0]);
        seen.push(arguments[0].to_owned());
        value
    };
    // An empty store has an answer to everything that only reads.
    for command in ["update", "scan", "outdated", "list", "status", "history", "verify"] {
        assert_eq!(ok(&[command])["generation"], Value::Null);
    }
    assert_eq!(ok(&["edit"])["changed"], false);
    assert_eq!(ok(&["allow", "--list"])["builds"], serde_json::json!([]));
    assert_eq!(ok(&["add", &whole, "--no-update"])["added"][0], "whole");
    assert_eq!(ok(&["list"])["modules"][0]["current"], Value::Null);
    assert_eq!(ok(&["status"])["missing"][0], "whole");
    assert_eq!(ok(&["outdated"])["modules"][0]["change"], "updated");
    assert_eq!(ok(&["update"])["updated"][0]["files_changed"], 2);
    assert_eq!(ok(&["add", &part, "--name", "other"])["update"]["updated"][0]["module"], "other");
    assert_eq!(ok(&["show", "other"])["current"]["subdirectory"], "modules/part");
    assert_eq!(ok(&["path", "other"])["path"], world.home.target("other").to_str().unwrap());
    assert_eq!(ok(&["link", "other", own])["update"]["updated"][0]["to"]["linked"], own);
    assert_eq!(ok(&["status"])["linked"][0], "other");
    assert_eq!(ok(&["show", "other"])["entry"], own);
    assert_eq!(ok(&["unlink", "other"])["update"]["updated"][0]["from"]["linked"], own);
    world.repo.write(&[("a.txt", "2\n")]);
    assert_eq!(ok(&["outdated"])["outdated"], true);
    assert_eq!(ok(&["update", "whole"])["updated"][0]["files_changed"], 1);
    assert_eq!(ok(&["diff", "1"])["modules"][1]["files"]["changed"][0], "a.txt");
    let lines = ok(&["diff", "1", "whole", "--stat", "--patch"]);
    assert_eq!(lines["modules"][0]["lines"][0]["path"], "a.txt");
    assert!(lines["modules"][0]["patch"].as_str().unwrap().contains("+++ b/whole/a.txt"));
    assert_eq!(ok(&["rollback"])["restores"], 4);
    assert!(ok(&["status"])["held"].is_array());
    ok(&["unhold", "--all"]);
    assert_eq!(ok(&["hold", "whole"])["held"][0]["module"], "whole");
    assert_eq!(ok(&["outdated"])["modules"][1]["change"], "held");
    assert_eq!(ok(&["set", "whole", "--ref", "main"])["next"]["hold"]["reason"], "modstore hold");
    assert_eq!(ok(&["set", "whole", "--ref", "HEAD"])["to"], whole);
    assert_eq!(ok(&["unhold", "whole"])["released"][0], "whole");
    let place = world.home.user_home().join("whole").display().to_string();
    assert_eq!(ok(&["expose", "whole", &place])["exposed"][0]["place"], place);
    assert_eq!(ok(&["status"])["exposed"][0]["there"], true);
    assert_eq!(ok(&["unexpose", "whole"])["removed"][0], place);
    assert_eq!(ok(&["history"])["generations"][0]["restores"], 4);
    assert_eq!(ok(&["events"])["events"][0]["event"], "generation");
    assert_eq!(ok(&["remove", "other"])["removed"][0], "other");
    let planned = ok(&["gc", "--dry-run", "--keep", "1", "--older-than", "0s"]);
    let swept = ok(&["gc", "--keep", "1", "--older-than", "0s"]);
    for field in ["retired", "removed", "kept", "freed_disk_bytes"] {
        assert_eq!(planned[field], swept[field], "a sweep does what the dry run printed");
    }
    assert_eq!((swept["retired"].as_array().unwrap().len(), &swept["trash"]), (6, &0.into()));
    assert_eq!(ok(&["history"])["generations"][1]["retired"], true);
    assert_eq!(ok(&["history", "-n", "1"])["generations"].as_array().unwrap().len(), 1);
    assert_eq!(ok(&["verify"])["depth"], "full");
    assert_eq!(ok(&["verify", "--repair"])["repair"]["repaired"].as_array().unwrap().len(), 0);
    assert_eq!(ok(&["verify", "whole", "--quick"])["checked"]["bytes"], 0);
    let venv = world.home.scratch().join("venv");
    let mut made = std::process::Command::new("python3");
    made.args(["-m", "venv", "--without-pip"]);
    assert!(made.arg(&venv).status().expect("python3 starts").success());
    let venv = venv.to_str().unwrap();
    assert_eq!(ok(&["bind", "--python", venv])["skipped"][0], "whole");
    assert_eq!(ok(&["status"])["environments"][0]["environment"], venv);
    assert_eq!(ok(&["unbind", "--python", venv])["environment"], venv);
    assert_eq!(ok(&["doctor", "--python", venv])["environments"][0]["environment"], venv);
    assert!(ok(&["reset", "--dry-run"])["dropped"]["dry_run"].as_bool().unwrap());
    assert_eq!(ok(&["reset"])["update"]["failed"].as_array().unwrap().len(), 0);
    assert!(!ok(&["reset", "--purge", "--dry-run"])["removed"].as_array().unwrap().is_empty());
    assert_eq!(ok(&["reset", "--purge"])["generation"], Value::Null);
    assert!(ok(&["print-shim", "python"])["text"].as_str().unwrap().contains("def pin("));
    assert!(ok(&["completions", "bash"])["script"].as_str().unwrap().contains("modstore"));
    assert_eq!(ok(&["explain", "d07"])["codes"][0]["about"], "environment");
    assert!(ok(&["explain"])["codes"].as_array().unwrap().len() > 80);
    assert!(ok(&["man", "add"])["page"].as_str().unwrap().contains("modstore\\-add"));
    let churn = ["bench", "churn", "--modules", "2", "--files", "4", "--rounds", "1"];
    assert_eq!(ok(&churn)["rounds"].as_array().unwrap().len(), 1);
    assert!(ok(&["demo"])["steps"].as_array().unwrap().len() >= 5);
    assert_eq!(ok(&["selftest"])["passed"], true);
    // One has no answer: it becomes another program. Two read standard input, which `ensure.rs` gives them.
    seen.extend(["exec", "ensure", "activate"].map(str::to_owned));
    let never: Vec<&str> =
        COMMANDS.into_iter().filter(|command| !seen.iter().any(|seen| seen == command)).collect();
    assert!(never.is_empty(), "not tried: {never:?}");
}

#[test]
fn every_failure_gives_one_object_and_says_on_stderr_what_to_do() {
    let world = World::with_modules();
    let gone = format!("git+file://{}/gone", world.home.scratch().display());
    let failures: [(&[&str], i32); 19] = [
        (&["add", &gone], 1),
        (&["add", "ftp://h/r"], 2),
        (&["add", &world.whole(), "--name", "part"], 2),
        (&["remove", "wole"], 2),
        (&["link", "whole", "/nonexistent"], 1),
        (&["unlink", "whole"], 2),
        (&["update", "wole"], 2),
        (&["show", "wole"], 2),
        (&["path", "wole"], 2),
        (&["diff", "99"], 2),
        (&["rollback", "--to", "99"], 2),
        (&["exec", "--generation", "99", "--", "true"], 2),
        (&["bind", "--python", "/no/python"], 2),
        (&["bind", "--python", "python3", "wole"], 2),
        (&["unbind", "--python", "/no/python"], 2),
        (&["doctor", "--python", "/no/python"], 2),
        (&["exec", "--", "no-such-program"], 127),
        (&["exec", "--", "/"], 126),
        (&["--home", "", "list"], 2),
    ];
    for (arguments, exit) in failures {
        let before = world.home.tree("whole");
        let (ran, value) = world.json(arguments);
        let ran = ran.fails(exit).says("error: ");
        assert_eq!(value["ok"], false, "{ran:?}");
        assert!(!value["error"]["message"].as_str().unwrap().is_empty());
        assert_eq!(world.home.tree("whole"), before, "{arguments:?} changed something");
        world.home.run(arguments).fails(exit);
    }
}

#[test]
fn a_retired_generation_is_marked_and_a_rollback_to_it_names_the_ones_there_are() {
    let world = World::with_modules();
    for text in ["2\n", "3\n"] {
        world.repo.write(&[("a.txt", text)]);
        world.home.run(&["update"]).ok();
    }
    let before = modstore_testbed::listing(world.home.path());
    let dry = world.home.run(&["gc", "--dry-run", "--keep", "2", "--older-than", "0s"]).ok();
    assert!(
        dry.stdout.contains("would be deleted") && dry.stdout.contains("nothing was changed"),
        "{dry:?}"
    );
    assert_eq!(modstore_testbed::listing(world.home.path()), before, "a dry run changes nothing");
    let ran = world.home.run(&["gc", "--keep", "2", "--older-than", "0s"]).ok();
    assert!(ran.stdout.contains("1 generation retired: 1"), "{ran:?}");
    assert!(ran.stdout.contains("no kept generation leads to it"), "{ran:?}");
    assert!(ran.stdout.contains("`current`, generation 3"), "{ran:?}");
    let history = world.home.run(&["history"]).ok().stdout;
    assert!(history.contains("retired"), "{history}");
    let ran = world.home.run(&["rollback", "--to", "1"]).fails(2);
    ran.says("generation 1 is no longer kept; kept: 2, 3").says("hint:");
    world.home.run(&["rollback"]).ok();
    world.home.run(&["gc", "--keep", "0"]).fails(2);
    world.home.run(&["gc", "--older-than", "1w"]).fails(2).says("30m, 12h or 7d");
    world.home.run(&["gc", "--max-size", "2g"]).fails(2).says("500M or 2G");
}

#[test]
fn a_module_that_fails_makes_1_and_the_others_switch_unless_an_option_forbids_it() {
    let world = World::with_modules();
    let other = Repo::create(&world.home.scratch(), "other");
    other.write(&[("o.txt", "1\n")]);
    world.home.run(&["add", &format!("git+{}", other.url_file())]).ok();
    world.repo.write(&[("a.txt", "2\n")]);
    fs::rename(other.path(), world.home.scratch().join("away")).unwrap();

    let (_, value) = world.json(&["update", "--all-or-nothing"]);
    assert_eq!(
        (value["committed"].as_bool(), value["error"]["exit"].as_i64()),
        (Some(false), Some(1)),
        "{value}"
    );
    let (_, value) = world.json(&["update"]);
    assert_eq!(
        (value["committed"].as_bool(), value["error"]["exit"].as_i64()),
        (Some(true), Some(1)),
        "{value}"
    );
    assert_eq!(value["failed"][0]["module"], "other");
    assert!(value["failed"][0]["current"]["digest"].is_string(), "{value}");
    let ran = world.home.run(&["update"]).fails(1).says("error: other: ").says("caused by: ");
    assert!(ran.stdout.contains("1 module failed"), "{ran:?}");
    let (_, value) = world.json(&["update", "--allow-partial"]);
    assert_eq!(value["ok"], true);
    assert_eq!(value["failed"].as_array().unwrap().len(), 1);
    assert!(world.home.target("other").join("o.txt").exists());
}

#[test]
fn an_unknown_module_is_bad_input_and_is_answered_with_the_nearest_name() {
    let world = World::with_modules();
    for command in ["path", "show", "unlink", "remove", "update", "scan", "outdated"] {
        world.home.run(&[command, "wole"]).fails(2).says("did you mean `whole`?");
    }
    for command in ["path", "show", "unlink", "remove", "update", "scan", "outdated", "verify"] {
        world.home.run(&[command, "other"]).fails(2).says("`modstore list` ");
    }
    let empty = TestHome::new(env!("CARGO_BIN_EXE_modstore"));
    empty.run(&["path", "whole"]).fails(2).says("modstore add");
    world.home.run(&["add", "--no-update", &world.whole(), "--name", "later"]).ok();
    world.home.run(&["path", "later"]).fails(1).says("modstore update");
}

#[test]
fn what_was_typed_wrong_is_answered_with_what_is_expected_and_an_example() {
    let world = World::with_modules();
    let table: [(&[&str], &str); 12] = [
        (&["update", "nope"], "`modstore list` shows the modules there are"),
        (&["doctor", "--python", "nope"], "give --python the environment's directory"),
        (&["bind", "--python", "nope"], "give --python the environment's directory"),
        (&["unlink", "whole"], "`modstore status` shows what is linked"),
        (&["gc", "--older-than", "3x"], "0s, 30m, 12h or 7d"),
        (&["gc", "--keep", "x"], "for example 8"),
        (&["list", "--lock-timeout", "x"], "a whole number of seconds, for example 30"),
        (&["rollback", "99"], "there is no generation 99; kept: 1"),
        (&["rollback", "--to", "99"], "there is no generation 99; kept: 1"),
        (&["rollback", "1", "--to", "1"], "a rollback goes back to one generation"),
        (&["rollback", "017"], "is not a generation"),
        (&["rollback", "whole", "a/b"], "neither a generation nor a module"),
    ];
    for (arguments, says) in table {
        world.home.run(arguments).fails(2).says(says).says("hint: ");
    }
}

#[test]
fn a_directory_that_is_added_without_its_dot_is_recognized() {
    let world = World::new();
    let here = world.home.scratch();
    let repo = Repo::create(&here.join("git"), "weather");
    fs::create_dir_all(here.join("plain/part")).unwrap();
    repo.write(&[("a.txt", "1\n")]);
    let hint = |text: &str| {
        let mut add = world.home.command(&["add", text]);
        let ran = add.current_dir(&here).output().unwrap();
        assert_eq!(ran.status.code(), Some(2));
        let said = String::from_utf8(ran.stderr).unwrap();
        said.lines().find_map(|line| line.strip_prefix("hint: write ")).unwrap().to_owned()
    };
    let there = repo.path().display();
    assert_eq!(hint("git/weather.git@main"), format!("git+file://{there}@main"));
    assert_eq!(hint("git/weather.git"), "./git/weather.git");
    assert_eq!(hint("plain/part@main"), "./plain/part");
    assert_eq!(hint("plain/gone"), "git+https://github.com/plain/gone");
    world.home.run(&["add", &hint("git/weather.git@main")]).ok();
    assert!(world.home.target("weather").join("a.txt").exists());
}

#[test]
fn status_and_show_say_what_tries_a_failing_module_again_and_that_does() {
    let world = World::with_modules();
    let away = world.home.scratch().join("away");
    fs::rename(world.repo.path(), &away).unwrap();
    world.home.run(&["update", "whole"]).fails(1);
    for command in [&["status"][..], &["show", "whole"]] {
        let said = world.home.run(command).ok().stdout;
        assert!(said.contains("tried once, just now"), "{said}");
        assert!(said.contains("`modstore update` and every scan try again"), "{said}");
    }
    world.home.run(&["update", "whole"]).fails(1);
    world.home.run(&["scan", "whole"]).fails(1);
    assert!(world.home.run(&["show", "whole"]).ok().stdout.contains("tried 3 times, first "));
    fs::rename(&away, world.repo.path()).unwrap();
    world.home.run(&["update", "whole"]).ok();
    assert!(!world.home.run(&["status"]).ok().stdout.contains("tried"));
}

#[test]
fn outdated_counts_only_what_there_is() {
    let world = World::new();
    let said = world.home.run(&["outdated"]).ok().stdout;
    assert!(said.contains("No modules are declared") && !said.contains("up to date"), "{said}");
    world.home.run(&["add", &world.whole()]).ok();
    assert_eq!(world.home.run(&["outdated"]).ok().stdout, "1 module up to date\n");
    world.repo.write(&[("a.txt", "2\n")]);
    let said = world.home.run(&["outdated"]).ok().stdout;
    assert!(said.contains(" → ") && !said.contains("up to date"), "{said}");
}

#[test]
fn a_program_that_runs_has_the_output_for_itself_also_with_json() {
    let world = World::with_modules();
    let ran = world.home.run(&["--json", "exec", "--", "echo", "its own"]).ok();
    assert_eq!((&*ran.stdout, &*ran.stderr), ("its own\n", ""));
    let help = world.home.run(&["exec", "--help"]).ok().stdout;
    assert!(
        help.contains("With --json, a failure to run the program is one JSON object"),
        "{help}"
    );
}

#[test]
fn a_path_is_printed_as_its_bytes_and_nothing_else() {
    let world = World::with_modules();
    let target = world.home.target("part");
    assert_eq!(world.home.run(&["path", "part"]).ok().stdout, format!("{}\n", target.display()));
    let entry = world.home.run(&["path", "part", "--entry"]).ok().stdout;
    assert_eq!(Path::new(entry.trim_end()), fs::canonicalize(target).unwrap());
}

#[test]
fn an_odd_home_works_like_any_other() {
    for odd in ["a b#c", "a\nb", "ü '\"$x", "\u{1b}[31mred"] {
        let home = TestHome::new(env!("CARGO_BIN_EXE_modstore"));
        let store = home.scratch().join(odd).join("store");
        let repo = Repo::create(&home.scratch(), "module");
        repo.write(&[("a.txt", "1\n")]);
        let home = home.with_store_at(&store);
        home.run(&["add", &format!("git+{}", repo.url_file())]).ok();
        let printed = home.run(&["path", "module"]).ok().stdout;
        assert_eq!(printed, format!("{}\n", store.join("current/module").display()));
        assert!(home.target("module").join("a.txt").exists());
        for command in ["status", "list", "history"] {
            assert!(!home.run(&[command]).ok().stdout.contains('\u{1b}'), "{odd:?}");
        }
    }
}

#[test]
fn a_home_that_is_no_text_works() {
    use std::os::unix::ffi::OsStrExt as _;
    let home = TestHome::new(env!("CARGO_BIN_EXE_modstore"));
    let repo = Repo::create(&home.scratch(), "module");
    repo.write(&[("a.txt", "1\n")]);
    let store = home.scratch().join(std::ffi::OsStr::from_bytes(b"\xff\xfe"));
    if fs::create_dir(&store).is_err() {
        modstore_testbed::skip_loudly("this file system takes only names that are text");
        return;
    }
    let home = home.with_store_at(&store);
    home.run(&["add", &format!("git+{}", repo.url_file())]).ok();
    assert!(home.target("module").join("a.txt").exists());
    one_valid_object(&home.run(&["--json", "path", "module"]).ok());
}

#[test]
fn colours_are_only_for_those_who_want_them() {
    let mut home = TestHome::new(env!("CARGO_BIN_EXE_modstore"));
    let colourful = |ran: Ran| ran.stderr.contains('\u{1b}');
    let fails = ["path", "x"];
    assert!(!colourful(home.run(&fails)), "not a terminal");
    assert!(colourful(home.run(&["--color", "always", "path", "x"])));
    home.env("CLICOLOR_FORCE", "1");
    assert!(colourful(home.run(&fails)));
    assert!(!colourful(home.run(&["--color", "never", "path", "x"])));
    home.env("NO_COLOR", "1").without_env("CLICOLOR_FORCE");
    assert!(!colourful(home.run(&fails)));
}

#[test]
fn the_demo_holds_what_it_claims_and_leaves_nothing() {
    let home = TestHome::new(env!("CARGO_BIN_EXE_modstore"));
    let ran = home.run(&["demo"]).ok();
    for said in [
        "$ modstore update",
        "generation 2 is current",
        "transient",
        "$ modstore rollback",
        "checks held",
    ] {
        assert!(ran.stdout.contains(said), "{said}\n{ran:?}");
    }
    assert!(!home.path().exists(), "the demo has a store of its own");
    assert_eq!(home.leftovers(), Vec::<std::path::PathBuf>::new());
}

#[test]
fn the_self_test_keeps_every_promise_and_its_report_holds_no_name_and_no_secret() {
    let mut home = TestHome::new(env!("CARGO_BIN_EXE_modstore"));
    home.env("USER", "ada-lovelace").env("A_TOKEN", "s3cr3t-t0ken");
    let file = home.scratch().join("report.json");
    let ran = home.run(&["selftest", "--report", file.to_str().unwrap()]).ok();
    assert!(ran.stdout.contains("\n9 promises kept, 0 broken, 0 skipped."), "{ran:?}");
    let report = fs::read_to_string(&file).unwrap();
    let value: Value = serde_json::from_str(&report).unwrap();
    assert_eq!(value["passed"], true);
    assert!(value["machine"]["git"].as_str().unwrap().starts_with("git version "));
    let place = home.scratch().parent().unwrap().display().to_string();
    for secret in ["ada-lovelace", "s3cr3t-t0ken", &place] {
        assert!(!report.contains(secret), "{secret} is in {report}");
    }
    assert!(!home.path().exists(), "the self-test has stores of its own");
    assert_eq!(home.leftovers(), Vec::<std::path::PathBuf>::new());
}

#[test]
fn a_self_test_without_git_fails_and_says_what_is_missing() {
    let mut home = TestHome::new(env!("CARGO_BIN_EXE_modstore"));
    home.env("PATH", "/nonexistent");
    let ran = home.run(&["--json", "selftest"]).fails(1);
    let value = one_valid_object(&ran);
    assert_eq!((&value["passed"], &value["machine"]["git"]), (&Value::Bool(false), &Value::Null));
    assert!(ran.stdout.contains("could not start git"), "{ran:?}");
}

#[test]
fn the_demo_s_directory_can_be_kept() {
    let home = TestHome::new(env!("CARGO_BIN_EXE_modstore"));
    let value = one_valid_object(&home.run(&["--json", "demo", "--keep"]).ok());
    let directory = Path::new(value["directory"].as_str().unwrap());
    assert_eq!(value["kept"], true);
    assert!(directory.join("store/current/greeter/greeting.txt").exists());
    // Not every user can remove read-only entries, and TestHome is about to.
    std::process::Command::new("chmod").args(["-R", "u+w"]).arg(directory).status().unwrap();
}

#[test]
fn the_demo_without_git_says_what_is_missing() {
    let mut home = TestHome::new(env!("CARGO_BIN_EXE_modstore"));
    home.env("PATH", "/nonexistent");
    let ran = home.run(&["demo"]).fails(1).says("hint: install git");
    assert_eq!(home.leftovers(), Vec::<std::path::PathBuf>::new(), "{ran:?}");
}

#[test]
fn a_secret_in_a_source_is_in_no_output_and_in_no_file() {
    let world = World::with_modules();
    let secret = "s3cr3t-t0ken";
    let port = modstore_testbed::RefusedPort::reserve();
    let good = format!("git+http://me:{secret}@127.0.0.1:{}/r.git", port.port());
    let tries: [&[&str]; 9] = [
        &["add", &good],
        &["add", "--no-update", &good],
        &["add", &format!("https://me:{secret}@h/r?x")],
        &["add", &format!("git+https://{secret}@h/r#bad")],
        &["update", &good],
        &["remove", &good],
        &["path", &good],
        &[&good],
        &["add", "x", "--name", &good],
    ];
    for arguments in tries {
        for json in [&[][..], &["--json"]] {
            let ran = world.home.run(&[json, arguments].concat());
            assert!(!ran.stdout.contains(secret) && !ran.stderr.contains(secret), "{}", ran.stderr);
        }
    }
    assert!(world.home.grep_bytes(secret).is_empty(), "{:?}", world.home.grep_bytes(secret));
    world
        .home
        .run(&["add", "--no-update", &good, "--name", "r2"])
        .ok()
        .says("git credential helper");
    let declared = fs::read_to_string(world.home.path().join("modules.toml")).unwrap();
    assert!(declared.contains("r2") && !declared.contains(secret), "{declared}");
}

#[test]
fn a_source_that_does_not_parse_is_printed_with_a_caret_below_the_place() {
    let world = World::new();
    let ran = world.home.run(&["add", "git+https://h/a/../b"]).fails(2);
    let lines: Vec<&str> = ran.stderr.lines().collect();
    let at = lines.iter().position(|line| line.trim() == "^").expect("a caret");
    assert_eq!(lines[at - 1].trim(), "git+https://h/a/../b", "{ran:?}");
    assert!(lines[at - 1][lines[at].find('^').unwrap()..].starts_with(".."), "{ran:?}");
}

#[test]
fn two_sources_of_one_name_in_one_command_are_refused() {
    let world = World::new();
    let twin = Repo::create(&world.home.scratch().join("twin"), "whole");
    twin.write(&[("t.txt", "1\n")]);
    let twin = format!("git+{}", twin.url_file());
    world.home.run(&["add", &world.whole(), &twin]).fails(2).says("module `whole`");
    assert!(!world.home.path().join("modules.toml").exists());
}

#[test]
fn an_add_that_cannot_be_fetched_declares_nothing() {
    let world = World::with_modules();
    let before = fs::read(world.home.path().join("modules.toml")).unwrap();
    world
        .home
        .run(&["add", &format!("git+file://{}/gone", world.home.scratch().display())])
        .fails(1);
    assert_eq!(fs::read(world.home.path().join("modules.toml")).unwrap(), before);
}

#[test]
fn progress_as_json_is_one_described_object_per_line() {
    let world = World::new();
    let ran = world.home.run(&["--progress", "json", "add", &world.whole(), &world.part()]).ok();
    let mut schema = SCHEMA.clone();
    let root = schema.as_object_mut().unwrap();
    for key in ["anyOf", "if", "then", "else"] {
        root.remove(key);
    }
    root.insert("$ref".into(), "#/$defs/ProgressEvent".into());
    let events: Vec<Value> =
        ran.stderr.lines().map(|line| serde_json::from_str(line).expect(line)).collect();
    events.iter().for_each(|event| assert_valid(&schema, event));
    let told = |event: &str| events.iter().any(|each| each["event"] == event);
    assert!(
        told("started") && told("module") && told("committing") && told("switched"),
        "{events:?}"
    );
}

#[test]
fn progress_can_be_left_out_and_is_lines_without_a_terminal() {
    let world = World::new();
    let ran = world.home.run(&["add", &world.whole()]).ok();
    assert!(ran.stderr.contains("whole: fetched") && !ran.stderr.contains('\u{1b}'), "{ran:?}");
    for option in ["--progress=none", "--quiet"] {
        world.repo.commit("main", &[Change::write("a.txt", option)]);
        assert_eq!(world.home.run(&[option, "update"]).ok().stderr, "");
    }
}

#[test]
fn a_reader_that_goes_away_ends_the_output_and_nothing_else() {
    let world = World::with_modules();
    let sh = Path::new("/bin/sh");
    for command in ["list", "completions bash", "--help", "--json history"] {
        // The reader is gone before the first byte, and the exit code of the writer is kept.
        let line = format!(
            "{{ {} {command}; echo \"exit $?\" >&2; }} | :",
            env!("CARGO_BIN_EXE_modstore")
        );
        let ran = world.home.command_of(sh, &["-c", &line]).output().unwrap();
        let said = String::from_utf8_lossy(&ran.stderr);
        assert_eq!(said, "exit 0\n", "{command}");
    }
}

#[test]
fn the_store_is_where_the_nearest_of_option_and_variables_says() {
    let mut home = TestHome::new(env!("CARGO_BIN_EXE_modstore"));
    let elsewhere = home.scratch().join("elsewhere");
    let at = |ran: Ran| ran.json()["home"].as_str().unwrap().to_owned();
    let elsewhere = elsewhere.to_str().unwrap();
    assert_eq!(at(home.run(&["--json", "status"])), home.path().to_str().unwrap());
    assert_eq!(at(home.run(&["--json", "--home", elsewhere, "status"])), elsewhere);
    home.without_env("MODSTORE_HOME");
    let data = home.user_home().join(".local/share/modstore");
    assert_eq!(at(home.run(&["--json", "status"])), data.to_str().unwrap());
    home.without_env("XDG_DATA_HOME");
    assert_eq!(at(home.run(&["--json", "status"])), data.to_str().unwrap());
    assert!(!data.exists(), "looking makes nothing");
}

#[test]
fn a_signal_in_the_middle_of_a_fetch_ends_it_with_130_and_changes_nothing() {
    for signal in [Signal::INT, Signal::TERM, Signal::HUP] {
        for command in [&["update"][..], &["add", "--name", "new"]] {
            let world = World::with_modules();
            let server = HttpServer::start(&world.home.scratch());
            let url = format!("git+{}", server.url(world.repo.name()));
            let declared = world.home.path().join("modules.toml");
            if command == ["update"] {
                world.home.run(&["add", "--no-update", &url, "--name", "slow"]).ok();
            }
            let before = (world.home.tree("whole"), fs::read(&declared).unwrap());
            world.repo.write(&[("a.txt", "2\n")]);
            // The server says when it has gone silent, so the test need not guess how long that takes.
            let (tell, told) = mpsc::channel();
            let silent = Fault::on_pack(1, move || {
                tell.send(()).unwrap();
                std::thread::park();
            });
            server.fault_on_fetch(world.repo.name(), silent);
            let mut arguments = vec!["--json", "--progress", "none"];
            arguments.extend(command);
            if command != ["update"] {
                arguments.push(&url);
            }
            let running = world.home.spawn(&arguments);
            told.recv().unwrap();
            running.signal(signal);
            let ran = running.wait().fails(130);
            let value = one_valid_object(&ran);
            assert_eq!(value["generation"], 1, "{ran:?}");
            assert_eq!((world.home.tree("whole"), fs::read(&declared).unwrap()), before, "{ran:?}");
            assert_eq!(world.home.leftovers(), Vec::<std::path::PathBuf>::new());
        }
    }
}

#[test]
fn a_signal_ends_an_update_that_waits_for_the_lock() {
    let world = World::with_modules();
    world.repo.write(&[("a.txt", "2\n")]);
    let lock = Lock::try_take(&world.home.path().join("locks/store"), "the test").unwrap().unwrap();
    for command in [&["update"][..], &["rollback", "--to", "1"], &["remove", "part"]] {
        let arguments = [&["--json", "--progress", "json"], command].concat();
        let mut child = world.home.command(&arguments);
        child.stderr(std::process::Stdio::piped()).stdout(std::process::Stdio::piped());
        let mut child = child.spawn().unwrap();
        let mut lines =
            std::io::BufRead::lines(std::io::BufReader::new(child.stderr.take().unwrap()));
        assert!(
            lines.any(|line| line.unwrap().contains("\"waiting-for-lock\"")),
            "{command:?} does not wait"
        );
        rustix::process::kill_process(rustix::process::Pid::from_child(&child), Signal::INT)
            .unwrap();
        let output = child.wait_with_output().unwrap();
        assert_eq!(output.status.code(), Some(130), "{command:?}");
        let value: Value = serde_json::from_slice(&output.stdout).unwrap();
        assert_valid(&SCHEMA, &value);
    }
    drop(lock);
    world.home.run(&["update"]).ok();
}

#[test]
fn a_store_that_another_process_changes_is_busy_and_says_which() {
    let world = World::with_modules();
    world.repo.write(&[("a.txt", "2\n")]);
    let declared = || fs::read(world.home.path().join("modules.toml")).unwrap();
    let before = (world.home.tree("whole"), declared());
    let _lock =
        Lock::try_take(&world.home.path().join("locks/store"), "the test").unwrap().unwrap();
    for command in [&["update"][..], &["rollback", "--to", "1"], &["remove", "whole"]] {
        let (ran, value) = world.json(&[&["--lock-timeout", "0"], command].concat());
        let ran = ran.fails(3).says("the test");
        assert!(value["error"]["hint"].as_str().unwrap().contains("--lock-timeout"), "{ran:?}");
    }
    assert_eq!((world.home.tree("whole"), declared()), before);
    // Readers do not wait.
    world.home.run(&["--lock-timeout", "0", "list"]).ok();
}

#[test]
fn a_damaged_journal_is_4_and_the_current_generation_still_works() {
    let world = World::with_modules();
    world.repo.write(&[("a.txt", "2\n")]);
    let journal = world.home.path().join("journal");
    let mut bytes = fs::read(&journal).unwrap();
    world.home.run(&["update"]).ok();
    let all = fs::read(&journal).unwrap();
    bytes[20] ^= 1;
    bytes.extend_from_slice(all.get(bytes.len()..).unwrap());
    fs::write(&journal, bytes).unwrap();
    for command in ["update", "list", "status", "history", "rollback"] {
        let (ran, value) = world.json(&[command]);
        let _ = ran.fails(4);
        assert!(value["error"]["hint"].is_string(), "{value}");
    }
    world.home.run(&["path", "whole"]).ok();
    assert!(world.home.target("whole").join("a.txt").exists());
}

#[test]
fn a_modules_toml_that_cannot_be_read_is_2_with_line_and_column() {
    let world = World::with_modules();
    world.home.write_modules("[modules.a]\nsource = 1\n");
    for command in ["update", "list", "status", "outdated"] {
        let (ran, _) = world.json(&[command]);
        let _ = ran.fails(2).says("line 2, column 10");
    }
    world.home.run(&["path", "whole"]).ok();
}

#[test]
fn every_reading_command_leaves_no_trace() {
    let home = TestHome::new(env!("CARGO_BIN_EXE_modstore"));
    for command in ["list", "status", "history", "outdated", "update"] {
        home.run(&[command]).ok();
        assert!(!home.path().exists(), "{command} made a store");
    }
}

#[test]
fn options_and_words_of_other_tools_get_a_hint_and_nothing_is_said_of_what_was_not_asked() {
    let home = TestHome::new(env!("CARGO_BIN_EXE_modstore"));
    let repo = Repo::create(&home.scratch(), "weather");
    repo.write(&[("a", "1")]);
    home.run(&["add", &format!("git+{}", repo.url_file())]).ok();
    home.run(&["link", "other", "."]).ok();
    for (arguments, exit, says) in [
        (["update", "--dry-run"].as_slice(), 2, "`modstore outdated` shows"),
        (&["update", "-n"], 2, "`modstore outdated` shows"),
        (&["remove", "-y", "weather"], 2, "nothing is asked"),
        (&["list", "--format=json"], 2, "--json"),
        (&["list", "--all"], 2, "leave it out"),
        (&["remove", "--all"], 2, "see `modstore remove --help`"),
        (&["add", "--dry-run", "x"], 2, "see `modstore add --help`"),
        (&["instal", "x"], 2, "`modstore add SOURCE`"),
        (&["show", "WEATHER"], 2, "did you mean `weather`?"),
        (&["rollback", "--to", "-1"], 2, "invalid value '-1'"),
        (&["history", "-n", "-1"], 2, "invalid value '-1'"),
        (&["gc", "--keep", "-1"], 2, "invalid value '-1'"),
        (&["set", "weather"], 2, "nothing to change about `weather`"),
        (&["set", "weather"], 2, "--subdirectory"),
        (&["link", "weather", "./nowhere"], 1, "give the module another source"),
    ] {
        let ran = home.run(arguments).fails(exit);
        assert!(ran.stderr.contains(says), "{arguments:?}: {}", ran.stderr);
    }
    let missing = home.run(&["--json"]).fails(2);
    assert_eq!(missing.json()["error"]["message"], "no command was given");
    for (arguments, says) in [
        (["diff", "weather"].as_slice(), "weather is the same in generations 1 and 2\n"),
        (&["unhold", "weather"], "weather was not held\n"),
        (&["unhold", "--all"], "no module was held\n"),
    ] {
        assert_eq!(home.run(arguments).ok().stdout, says, "{arguments:?}");
    }
}
