//! What a person decides about single modules: `hold`, `unhold`, what a rollback holds, the cooldown, groups, `edit`, `set`,
//! and `add` of several.

#![expect(clippy::unwrap_used, reason = "helpers panic, and that is how a test fails")]

use std::{
    fs,
    os::unix::fs::PermissionsExt as _,
    process::Command,
    thread::sleep,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use modstore_testbed::{HttpServer, Ran, Repo, Running, TestHome};
use serde_json::{Value, json};

/// Two repositories behind a server, both added at their first version.
struct World {
    home: TestHome,
    server: HttpServer,
    weather: Repo,
    news: Repo,
}

impl World {
    fn new() -> Self {
        let home = TestHome::in_memory(env!("CARGO_BIN_EXE_modstore"));
        let root = home.scratch();
        let [weather, news] = ["weather", "news"].map(|name| Repo::create(&root, name));
        weather.write(&[("v", "1")]);
        news.write(&[("v", "1")]);
        let server = HttpServer::start(&root);
        let world = Self { home, server, weather, news };
        world.home.run(&["add", &world.source("weather"), &world.source("news")]).ok();
        world
    }

    fn source(&self, name: &str) -> String {
        format!("git+{}", self.server.url(name))
    }

    /// Both repositories have this version now.
    fn publish(&self, version: &str) {
        self.weather.write(&[("v", version)]);
        self.news.write(&[("v", version)]);
    }

    fn json(&self, arguments: &[&str]) -> Value {
        self.home.run(&[&["--json"], arguments].concat()).json()
    }

    fn version(&self, module: &str) -> String {
        fs::read_to_string(self.home.target(module).join("v")).unwrap_or_default()
    }

    fn versions(&self) -> [String; 2] {
        [self.version("weather"), self.version("news")]
    }

    fn modules_toml(&self) -> String {
        fs::read_to_string(self.home.path().join("modules.toml")).unwrap()
    }
}

fn names(list: &Value) -> Vec<&str> {
    let name = |each: &'_ Value| each["module"].as_str().is_some();
    let list = list.as_array().unwrap().iter();
    list.map(|each| if name(each) { each["module"].as_str() } else { each.as_str() }.unwrap())
        .collect()
}

fn says(ran: &Ran, text: &str) {
    assert!(ran.stdout.contains(text), "{text}\n{ran:?}");
}

#[test]
fn a_held_module_keeps_its_version_in_every_update_until_it_is_asked_for_by_name() {
    let world = World::new();
    says(&world.home.run(&["hold", "weather"]).ok(), "held weather at ");
    world.publish("2");
    for command in [["update"].as_slice(), &["scan"], &["scan", "weather"], &["reset"]] {
        let told = world.json(command);
        assert_eq!(told["ok"], true, "{command:?}: {told}");
        let held = if command == ["reset"] { &told["update"]["held"] } else { &told["held"] };
        assert_eq!(names(held), ["weather"], "{command:?}: {told}");
        assert_eq!(world.version("weather"), "1", "{command:?}");
    }
    assert_eq!(world.versions(), ["1", "2"]);
    let told = world.json(&["update", "weather"]);
    assert_eq!(
        (names(&told["updated"]), names(&told["released"])),
        (vec!["weather"], vec!["weather"])
    );
    world.publish("3");
    world.home.run(&["update"]).ok();
    assert_eq!(world.versions(), ["3", "3"], "its hold is over");
}

#[test]
fn a_hold_is_told_wherever_a_person_or_a_host_looks() {
    let world = World::new();
    world.home.run(&["hold", "weather"]).ok();
    world.publish("2");
    says(&world.home.run(&["status"]).ok(), "modstore hold)");
    assert_eq!(names(&world.json(&["status"])["held"]), ["weather"]);
    says(&world.home.run(&["list"]).ok(), "(held)");
    let listed = world.json(&["list"]);
    assert_eq!(listed["modules"][1]["hold"]["reason"], "modstore hold", "{listed}");
    assert_eq!(listed["modules"][0]["hold"], Value::Null);
    says(&world.home.run(&["show", "weather"]).ok(), "held");
    let outdated = world.json(&["outdated"]);
    let [news, weather] = &outdated["modules"].as_array().unwrap()[..] else { panic!() };
    assert_eq!((&news["change"], &weather["change"]), (&json!("updated"), &json!("held")));
    assert_eq!(weather["revision"], world.weather.rev("HEAD").unwrap(), "what it could be");
    says(&world.home.run(&["outdated"]).ok(), "(held; not ");
    says(&world.home.run(&["update"]).ok(), "1 module held: weather");
    let events = world.json(&["events"]);
    let events = events["events"].as_array().unwrap();
    assert!(events.iter().any(|it| it["event"] == "held" && it["module"] == "weather"));
}

#[test]
fn ending_a_hold_changes_nothing_by_itself() {
    let world = World::new();
    world.home.run(&["hold", "weather", "news"]).ok();
    let again = world.json(&["hold", "weather"]);
    assert_eq!((names(&again["added"]).len(), names(&again["held"]).len()), (0, 2));
    world.publish("2");
    assert_eq!(names(&world.json(&["unhold", "weather"])["released"]), ["weather"]);
    assert_eq!(world.versions(), ["1", "1"]);
    world.home.run(&["update"]).ok();
    assert_eq!(world.versions(), ["2", "1"]);
    assert_eq!(names(&world.json(&["unhold", "--all"])["released"]), ["news"]);
    assert_eq!(names(&world.json(&["unhold", "--all"])["released"]), [""; 0]);
    for command in ["hold", "unhold"] {
        world.home.run(&[command, "nope"]).fails(2);
        world.home.run(&[command]).fails(2);
    }
}

#[test]
fn an_update_by_name_ends_a_hold_also_where_there_is_nothing_new() {
    let world = World::new();
    world.home.run(&["hold", "weather"]).ok();
    let told = world.json(&["update", "weather"]);
    assert_eq!((&told["committed"], names(&told["released"])), (&json!(false), vec!["weather"]));
    assert_eq!(world.json(&["status"])["held"], json!([]));
    world.home.run(&["hold", "weather"]).ok();
    world.publish("2");
    fs::rename(world.news.path(), world.home.scratch().join("hidden")).unwrap();
    world.home.run(&["update", "weather", "news", "--all-or-nothing"]).fails(1);
    assert_eq!(names(&world.json(&["status"])["held"]), ["weather"], "it was not updated");
}

#[test]
fn a_rollback_holds_what_it_took_back_and_nothing_else() {
    let world = World::new();
    world.weather.write(&[("v", "2")]);
    world.home.run(&["update"]).ok();
    let ran = world.home.run(&["rollback"]).ok();
    says(&ran, "held: weather (until `modstore update NAME` or `modstore unhold`)");
    world.publish("3");
    world.home.run(&["scan"]).ok();
    assert_eq!(world.versions(), ["1", "3"], "the bad version does not come again");
    world.home.run(&["remove", "weather"]).ok();
    assert_eq!(world.json(&["status"])["held"], json!([]), "nothing is left to be held");
    let back = world.json(&["rollback"]);
    assert_eq!((names(&back["changes"]), names(&back["held"])), (vec!["weather"], vec![]));
    assert_eq!(names(&world.json(&["update"])["removed"]), ["weather"], "it is not declared");
}

#[test]
fn one_module_is_rolled_back_alone() {
    let world = World::new();
    for version in ["2", "3"] {
        world.publish(version);
        world.home.run(&["update"]).ok();
    }
    let told = world.json(&["rollback", "weather"]);
    assert_eq!((names(&told["changes"]), &told["restores"]), (vec!["weather"], &Value::Null));
    assert_eq!(world.versions(), ["2", "3"]);
    world.home.run(&["rollback", "weather", "1"]).ok();
    assert_eq!(world.versions(), ["1", "3"]);
    world.home.run(&["rollback", "--module", "news", "--to", "2"]).ok();
    assert_eq!(world.versions(), ["1", "2"]);
    assert_eq!(names(&world.json(&["status"])["held"]), ["news", "weather"]);
    world.home.run(&["rollback", "nope"]).fails(2);
    world.home.run(&["rollback", "1", "2"]).fails(2);
    let late = Repo::create(&world.home.scratch(), "late");
    late.write(&[("v", "1")]);
    world.home.run(&["add", &world.source("late")]).ok();
    world.home.run(&["rollback", "late"]).fails(1).says("no generation that is kept has another");
    world.home.run(&["rollback", "late", "1"]).fails(2).says("generation 1 has no module `late`");
}

#[test]
fn a_rollback_works_and_holds_even_if_modules_toml_is_broken() {
    let world = World::new();
    world.publish("2");
    world.home.run(&["update"]).ok();
    let declared = world.modules_toml();
    world.home.write_modules("[modules.weather");
    world.home.run(&["rollback"]).ok();
    assert_eq!(world.versions(), ["1", "1"]);
    world.home.write_modules(&declared);
    world.home.run(&["scan"]).ok();
    assert_eq!(world.versions(), ["1", "1"]);
}

#[test]
fn holds_outlive_a_repair_of_the_journal_as_far_as_its_frames_do() {
    let world = World::new();
    world.home.run(&["hold", "weather"]).ok();
    world.publish("2");
    world.home.run(&["update"]).ok();
    let journal = world.home.path().join("journal");
    let mut bytes = fs::read(&journal).unwrap();
    bytes[60] ^= 1;
    fs::write(&journal, bytes).unwrap();
    world.home.run(&["verify", "--repair"]);
    assert_eq!(names(&world.json(&["status"])["held"]), ["weather"]);
}

#[test]
fn what_is_held_must_be_what_the_lock_says_where_exactly_that_is_wanted() {
    let world = World::new();
    let lock = world.home.path().join("modules.lock");
    world.home.run(&["hold", "weather"]).ok();
    world.home.run(&["update", "--locked"]).ok();
    let first = world.weather.rev("HEAD").unwrap();
    world.publish("2");
    let second = world.weather.rev("HEAD").unwrap();
    let text = fs::read_to_string(&lock).unwrap().replace(&first, &second);
    fs::write(&lock, text).unwrap();
    let ran = world.home.run(&["update", "--locked"]).fails(1);
    assert!(ran.stderr.contains("it is held, and modules.lock has another commit"), "{ran:?}");
}

#[test]
fn a_commit_is_taken_when_the_store_has_known_it_for_the_cooldown_and_not_before() {
    let world = World::new();
    let second = world.weather.write(&[("v", "2")]);
    let before = fs::read(world.home.path().join("journal")).unwrap();
    let outdated = world.json(&["outdated", "--cooldown", "1h"]);
    assert_eq!((&outdated["ok"], &outdated["outdated"]), (&json!(true), &json!(false)));
    let [news, weather] = &outdated["modules"].as_array().unwrap()[..] else { panic!() };
    assert_eq!((&news["change"], &weather["change"]), (&json!("none"), &json!("cooling")));
    assert_eq!((&weather["revision"], &news["cooldown"]), (&json!(second), &Value::Null));
    let after = fs::read(world.home.path().join("journal")).unwrap();
    assert_eq!(after, before, "outdated writes nothing");

    let told = world.json(&["update", "--cooldown", "1h"]);
    assert_eq!((&told["ok"], &told["committed"]), (&json!(true), &json!(false)), "{told}");
    assert_eq!(
        (names(&told["cooling"]), names(&told["unchanged"])),
        (vec!["weather"], vec!["news"])
    );
    assert_eq!(
        (&told["cooling"][0]["revision"], world.version("weather")),
        (&json!(second), "1".into())
    );
    let seen = told["cooling"][0]["seen"].clone();
    let again = world.json(&["scan", "--cooldown", "1h"]);
    assert_eq!(again["cooling"][0]["seen"], seen, "what was seen stays seen");
    let said = world.json(&["outdated", "--cooldown", "1h"])["modules"][1].clone();
    assert_eq!(said["cooldown"], json!({ "seen": seen, "until": again["cooling"][0]["until"] }));
    says(&world.home.run(&["outdated", "--cooldown", "1h"]).ok(), "(cooldown; ");
    let ran = world.home.run(&["update", "--cooldown", "1h"]).ok();
    says(&ran, "is not taken before ");
    says(&ran, "`modstore update NAME --cooldown 0s` takes a commit at once");
    let events = world.json(&["events"]);
    let is_seen = |it: &&Value| it["event"] == "seen" && it["revision"] == json!(second);
    assert_eq!(events["events"].as_array().unwrap().iter().filter(is_seen).count(), 1, "{events}");

    sleep(Duration::from_millis(1100));
    assert_eq!(world.json(&["outdated", "--cooldown", "1s"])["modules"][1]["change"], "updated");
    assert_eq!(names(&world.json(&["update", "--cooldown", "1s"])["updated"]), ["weather"]);
    assert_eq!(world.version("weather"), "2");
}

#[test]
fn the_date_in_a_commit_makes_it_no_older_and_another_commit_waits_as_long() {
    let world = World::new();
    world.home.write_modules(&format!("cooldown = '1h'\n{}", world.modules_toml()));
    let old = world.weather.write(&[("v", "2")]);
    let dated: u64 = world.weather.git(&["log", "-1", "--format=%ct"]).parse().unwrap();
    assert!(UNIX_EPOCH + Duration::from_secs(dated + 86_400) < SystemTime::now(), "{dated}");
    let told = world.json(&["update"]);
    assert_eq!(
        (names(&told["cooling"]), &told["cooling"][0]["revision"]),
        (vec!["weather"], &json!(old))
    );
    let seen = told["cooling"][0]["seen"].clone();
    sleep(Duration::from_millis(20));
    world.weather.write(&[("v", "3")]);
    let told = world.json(&["update"]);
    assert_ne!(told["cooling"][0]["seen"], seen, "{told}");
    assert_eq!(world.versions(), ["1", "1"]);
    world.home.run(&["update", "weather", "--cooldown", "0s"]).ok();
    assert_eq!(world.version("weather"), "3", "a person takes it at once");
    let back = world.json(&["update"]);
    assert_eq!((names(&back["cooling"]).len(), &back["ok"]), (0, &json!(true)));
}

#[test]
fn what_is_new_and_what_a_person_or_the_lock_has_chosen_needs_no_age() {
    let world = World::new();
    let next = world.weather.write(&[("v", "2")]);
    world.weather.branch("next", &next);
    world.home.write_modules(&format!("cooldown = '1h'\n{}", world.modules_toml()));
    let late = Repo::create(&world.home.scratch(), "late");
    late.write(&[("v", "1")]);
    let ran = world.home.run(&["add", &world.source("late")]).ok();
    assert!(ran.stderr.contains("late: its source is new here, so "), "{ran:?}");
    assert_eq!(world.version("late"), "1");
    world.home.run(&["set", "weather", "--ref", "next"]).ok();
    assert_eq!(names(&world.json(&["update"])["updated"]), ["weather"]);
    let lock = world.home.path().join("modules.lock");
    let third = world.news.write(&[("v", "3")]);
    assert_eq!(names(&world.json(&["update"])["cooling"]), ["news"]);
    let first = world.news.rev("HEAD~1").unwrap();
    let text = fs::read_to_string(&lock).unwrap();
    assert!(text.contains(&first), "{text}");
    fs::write(&lock, text.replace(&first, &third)).unwrap();
    let told = world.json(&["update", "--locked"]);
    assert_eq!(names(&told["cooling"]).len(), 0, "{told}");
    let own = world.modules_toml().replace("[modules.news]", "[modules.news]\ncooldown = '0s'");
    world.home.write_modules(&own);
    assert_eq!(names(&world.json(&["update"])["updated"]), ["news"], "its own cooldown counts");
    assert_eq!(world.version("news"), "3");
}

#[test]
fn a_module_that_waits_is_fetched_again_at_its_own_commit_where_it_is_gone() {
    let world = World::new();
    let first = world.weather.rev("HEAD").unwrap();
    world.weather.write(&[("v", "2")]);
    world.home.write_modules(&format!("cooldown = '1h'\n{}", world.modules_toml()));
    let seen = world.json(&["update"])["cooling"][0]["seen"].clone();
    let entry = world.home.target("weather").canonicalize().unwrap();
    let done = Command::new("chmod").args(["-R", "u+w"]).arg(&entry).status().unwrap();
    assert!(done.success() && fs::remove_dir_all(&entry).is_ok());
    world.home.run(&["update"]).ok();
    assert_eq!(world.version("weather"), "1");
    world.home.run(&["reset"]).ok();
    let told = world.json(&["update"]);
    assert_eq!(
        (&told["cooling"][0]["seen"], world.versions()),
        (&seen, ["1", "1"].map(String::from))
    );
    assert_eq!(told["cooling"][0]["current"]["revision"], json!(first));
}

#[test]
fn what_was_seen_outlives_a_repair_of_the_journal() {
    let world = World::new();
    world.weather.write(&[("v", "2")]);
    let seen = |told: Value| told["cooling"][0]["seen"].clone();
    let first = seen(world.json(&["update", "--cooldown", "1h"]));
    let journal = world.home.path().join("journal");
    let mut bytes = fs::read(&journal).unwrap();
    bytes[60] ^= 1;
    fs::write(&journal, bytes).unwrap();
    world.home.run(&["verify", "--repair"]);
    assert_eq!(seen(world.json(&["update", "--cooldown", "1h"])), first);
}

#[test]
fn a_group_stands_for_its_modules_and_ends_no_hold() {
    let world = World::new();
    let late = Repo::create(&world.home.scratch(), "late");
    late.write(&[("v", "1")]);
    world.home.run(&["add", &world.source("late")]).ok();
    let groups =
        "[groups]\nai = ['weather', 'late'] # mine\nall = ['news', 'weather']\nnone = []\n";
    world
        .home
        .write_modules(&format!("{}{groups}odd = ['weather', 'wether']\n", world.modules_toml()));
    world.publish("2");
    late.write(&[("v", "2")]);
    world.home.run(&["hold", "late"]).ok();
    let listed = world.json(&["list", "--group", "ai"]);
    assert_eq!(names(&listed["modules"]), ["late", "weather"]);
    assert_eq!(
        names(&world.json(&["list", "--outdated", "--group", "all"])["modules"]),
        ["news", "weather"]
    );
    let outdated = world.json(&["outdated", "--group", "ai", "news"]);
    assert_eq!(names(&outdated["modules"]), ["late", "news", "weather"]);
    let told = world.json(&["update", "--group", "ai"]);
    assert_eq!((names(&told["updated"]), names(&told["held"])), (vec!["weather"], vec!["late"]));
    assert_eq!(world.versions(), ["2", "1"]);
    assert_eq!(
        names(&world.json(&["scan", "--group", "ai", "--group", "all"])["updated"]),
        ["news"]
    );
    for (group, says, hint) in [
        ("ia", "there is no group `ia`", "modules.toml has: ai, all, none, odd"),
        ("nne", "there is no group `nne`", "did you mean `none`?"),
        ("none", "group `none` has no modules", "`[groups]`"),
        (
            "odd",
            "group `odd` names `wether`, which modules.toml does not declare",
            "did you mean `weather`?",
        ),
    ] {
        for command in ["update", "outdated", "list", "scan"] {
            let ran = world.home.run(&[command, "--group", group]).fails(2);
            assert!(ran.stderr.contains(says) && ran.stderr.contains(hint), "{command} {ran:?}");
        }
    }
    world.home.run(&["remove", "weather"]).ok();
    let text = world.modules_toml();
    assert!(
        text.contains("ai = [ 'late'] # mine") || text.contains("ai = ['late'] # mine"),
        "{text}"
    );
    assert!(!text.contains("'weather'"), "{text}");
    world.home.run(&["update", "--group", "ai"]).ok();
}

/// The command, with an editor that runs this script on its file, which is `$1`.
fn edit(world: &World, script: &str, arguments: &[&str]) -> Ran {
    let editor = world.home.scratch().join("editor");
    fs::write(&editor, format!("#!/bin/sh\n{script}\n")).unwrap();
    fs::set_permissions(&editor, fs::Permissions::from_mode(0o755)).unwrap();
    let arguments = [&["edit"], arguments].concat();
    let mut command = world.home.command(&arguments);
    // A variable may hold options.
    command.env("EDITOR", format!("{} --wait", editor.display()));
    Running::start(command).wait()
}

/// The file in which an edit that was refused has left the text.
fn left(ran: &Ran) -> String {
    let (_, path) = ran.stderr.split_once("your text is in ").unwrap();
    fs::read_to_string(path.trim_end()).unwrap()
}

#[test]
fn an_editor_s_text_replaces_modules_toml_if_it_can_be_understood() {
    let world = World::new();
    let before = world.modules_toml();
    let ran = edit(&world, "test \"$1\" = --wait && test -f \"$2\"", &["--json"]).ok();
    assert_eq!((&ran.json()["changed"], world.modules_toml()), (&json!(false), before.clone()));
    let added = "echo noise; printf '[modules.more]\\nsource = \"/mine\"\\n' >> \"$2\"";
    let told = edit(&world, added, &["--json"]).ok().json();
    assert_eq!((&told["changed"], &told["ok"]), (&json!(true), &json!(true)));
    assert_eq!(world.modules_toml(), format!("{before}[modules.more]\nsource = \"/mine\"\n"));
    world.home.write_modules("[modules.broken");
    let ran = edit(&world, "printf '' > \"$2\"", &[]).ok();
    assert!(ran.stdout.contains("`modstore update` makes it current"), "{ran:?}");
    assert_eq!(world.modules_toml(), "", "what was broken can be mended");
}

#[test]
fn an_edit_that_is_refused_leaves_modules_toml_and_keeps_the_text() {
    let world = World::new();
    let before = world.modules_toml();
    let ran = edit(&world, "printf '\\n[modules.b]\\nsorce = 1\\n' >> \"$2\"", &[]).fails(2);
    let line = before.lines().count() + 3;
    assert!(ran.stderr.contains(&format!("line {line}, column 1: unknown key `sorce`")), "{ran:?}");
    assert!(left(&ran).starts_with(&before) && left(&ran).contains("sorce = 1"));
    assert_eq!(world.modules_toml(), before);

    let ran = edit(&world, "echo '# half' >> \"$2\"; exit 3", &[]).fails(1);
    assert!(ran.stderr.contains("failed") && left(&ran).contains("# half"), "{ran:?}");
    assert_eq!(world.modules_toml(), before);

    let theirs = world.home.path().join("modules.toml");
    let script = format!("echo '# mine' >> \"$2\"; echo '# theirs' >> {}", theirs.display());
    let ran = edit(&world, &script, &[]).fails(3);
    assert!(
        ran.stderr.contains("was changed meanwhile") && left(&ran).contains("# mine"),
        "{ran:?}"
    );
    assert_eq!(world.modules_toml(), format!("{before}# theirs\n"), "the other change stays");

    let script =
        format!("{} remove news >&2; echo '# mine' >> \"$2\"", env!("CARGO_BIN_EXE_modstore"));
    edit(&world, &script, &[]).fails(3);
    assert!(!world.modules_toml().contains("news"), "no lock is held while the editor is open");
    let ran = edit(&world, "exit 1", &[]).fails(1);
    assert!(!ran.stderr.contains("your text is in"), "{ran:?}");
}

#[test]
fn setting_a_reference_keeps_what_a_person_wrote_and_says_what_comes() {
    let world = World::new();
    let next = world.weather.write(&[("v", "2")]);
    world.weather.branch("next", &next);
    let source = world.source("weather");
    let written = format!("# mine\n[modules.weather] # a\nsource = '{source}' # b\n# end\n");
    world.home.write_modules(&written);
    let told = world.json(&["set", "weather", "--ref", "next"]);
    assert_eq!((&told["from"], &told["to"]), (&json!(source), &json!(format!("{source}@next"))));
    assert_eq!(told["next"]["change"], "updated", "{told}");
    assert_eq!(told["next"]["reference"], "refs/heads/next");
    let after = written.replace(&format!("'{source}'"), &format!("\"{source}@next\""));
    assert_eq!(world.modules_toml(), after);
    assert_eq!(world.version("weather"), "1", "nothing is fetched");
    let ran = world.home.run(&["set", "weather", "--ref", "nxt"]).fails(1);
    assert!(ran.stderr.contains("modules.toml is as it was"), "{ran:?}");
    assert_eq!(world.modules_toml(), after, "what does not exist is refused");
    world.home.run(&["hold", "weather"]).ok();
    let held = world.home.run(&["set", "weather", "--ref", "HEAD"]).ok();
    says(&held, "`modstore update weather` ends that");
    assert_eq!(world.modules_toml(), after.replace("@next", ""));
    world.home.run(&["update", "weather"]).ok();
    assert_eq!(world.version("weather"), "2");
}

#[test]
fn a_source_is_set_also_where_nobody_can_be_asked() {
    let world = World::new();
    let source = world.source("weather");
    let ran = world.home.run(&["--offline", "set", "weather", "--ref", "v9"]).ok();
    says(&ran, "the next update would fail");
    assert!(world.modules_toml().contains("@v9"));
    let part = ["set", "weather", "--source", &source, "--subdirectory", "a/b"];
    world.home.run(&part).ok();
    assert!(world.modules_toml().contains("#subdirectory=a/b"));
    world.home.run(&["set", "weather", "--subdirectory", "."]).ok();
    assert!(!world.modules_toml().contains("a/b"));
    let mine = world.home.scratch().display().to_string();
    world.home.run(&["set", "weather", "--source", &mine]).ok();
    world.home.run(&["set", "weather", "--ref", "v1"]).fails(2).says("no git repository");
    for wrong in [
        &["set", "weather"][..],
        &["set", "nope", "--ref", "x"],
        &["set", "weather", "--ref", "a..b"],
    ] {
        world.home.run(wrong).fails(2);
    }
}

#[test]
fn of_several_sources_those_that_are_there_are_added_and_fetched_once() {
    let world = World::new();
    for name in ["one", "two"] {
        Repo::create(&world.home.scratch(), name).write(&[("v", "1"), ("part/v", "1")]);
    }
    let [one, two, none] = ["one", "two", "none"].map(|name| world.source(name));
    let part = format!("{one}#subdirectory=part");
    world.server.forget();
    let told = world.json(&["add", &one, &none, &two, &part]);
    assert_eq!(told["added"], json!(["one", "two", "part"]), "{told}");
    assert_eq!(names(&told["update"]["failed"]), ["none"]);
    assert_eq!((&told["ok"], &told["error"]["exit"]), (&json!(false), &json!(1)));
    let declared = world.modules_toml();
    assert!(declared.contains("modules.two") && !declared.contains("none"), "{declared}");
    let requests = world.server.stats().requests;
    let packs = requests.iter().filter(|seen| seen.method == "POST").count();
    assert!(packs <= 4, "one listing and one pack of each repository at most: {requests:?}");
    world.server.forget();
    world.home.run(&["update"]).ok();
    assert!(world.server.stats().requests.iter().all(|seen| seen.method == "GET"));
    let before = world.modules_toml();
    world.home.run(&["add", &none, &world.source("neither")]).fails(1);
    assert_eq!(world.modules_toml(), before);
}
