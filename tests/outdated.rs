//! What `outdated` says is what the next `update` does: both come from one plan.

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "helpers panic, and that is how a test fails"
)]

use std::{
    collections::BTreeMap,
    fs,
    os::unix::fs::{MetadataExt as _, PermissionsExt as _},
    path::{Path, PathBuf},
    process::Command,
};

use modstore_testbed::{HttpServer, Random, Repo, TestHome};
use serde_json::Value;

/// How many random worlds there are, and how often each changes.
const WORLDS: u64 = 24;
const ROUNDS: usize = 6;

/// Modules of every kind of source, some of them built.
struct World {
    home: TestHome,
    server: HttpServer,
    repo: Repo,
    declared: BTreeMap<&'static str, String>,
}

/// Fails for `main.txt` with `no` in it, and else makes `made` of it.
const BUILDER: &str = r#"#!/bin/sh
grep -q no main.txt && exit 65
mkdir made && cp main.txt made/
"#;

impl World {
    fn new() -> Self {
        let mut home = TestHome::in_memory(env!("CARGO_BIN_EXE_modstore"));
        home.env("MODSTORE_ALLOW_BUILDS", "1");
        let root = home.scratch();
        let repo = Repo::create(&root, "tool");
        repo.write(&[("main.txt", "1"), ("part/main.txt", "1"), ("other.txt", "1")]);
        fs::create_dir_all(root.join("mine")).unwrap();
        fs::write(root.join("mine/main.txt"), "1").unwrap();
        fs::write(root.join("version"), "1").unwrap();
        fs::write(root.join("builder"), BUILDER).unwrap();
        fs::set_permissions(root.join("builder"), fs::Permissions::from_mode(0o755)).unwrap();
        let server = HttpServer::start(&root);
        let mut world = Self { home, server, repo, declared: BTreeMap::new() };
        world.declare_all();
        world
    }

    /// Declares a module of every kind.
    fn declare_all(&mut self) {
        let url = format!("git+{}", self.server.url("tool"));
        let pinned = format!("{url}@{}", self.repo.rev("HEAD").unwrap());
        let mine = self.scratch("mine").display().to_string();
        let build = self.build();
        let sources = [
            ("head", url.clone(), ""),
            ("named", format!("{url}@main"), ""),
            ("part", format!("{url}#subdirectory=part"), ""),
            ("pinned", pinned, ""),
            ("file", format!("git+{}", self.repo.url_file()), ""),
            ("mine", mine.clone(), ""),
            ("built", url, &*build),
            ("made", mine, &*build),
        ];
        for (name, source, build) in sources {
            self.declare(name, &source, build);
        }
        self.write();
    }

    fn declare(&mut self, name: &'static str, source: &str, build: &str) {
        self.declared.insert(name, format!("[modules.{name}]\nsource = \"{source}\"\n{build}"));
    }

    fn write(&self) {
        self.home.write_modules(&self.declared.values().cloned().collect::<String>());
    }

    /// How a module named so is built.
    fn build(&self) -> String {
        let [builder, version] = ["builder", "version"].map(|name| self.scratch(name));
        format!(
            "build = {{ command = [\"{}\"], output = \"made\", inputs = [\"main.txt\"], toolchain = [\"cat\", \"{}\"] }}\n",
            builder.display(),
            version.display()
        )
    }

    fn scratch(&self, name: &str) -> PathBuf {
        self.home.scratch().join(name)
    }

    fn json(&self, command: &str) -> Value {
        self.home.run(&[command, "--json"]).json()
    }

    /// What `outdated` says of each module.
    fn outdated(&self) -> BTreeMap<String, String> {
        let told = self.json("outdated");
        let modules = told["modules"].as_array().unwrap().iter();
        // An update lists what it builds again among what it updates.
        let word = |each: &Value| text(&each["change"]).replace("built", "updated");
        modules.map(|each| (text(&each["module"]), word(each))).collect()
    }

    /// What `update` does to each module, in the words of `outdated`.
    fn update(&self) -> BTreeMap<String, String> {
        let told = self.json("update");
        let lists = [
            ("unchanged", "none"),
            ("updated", "updated"),
            ("removed", "removed"),
            ("deferred", "deferred"),
            ("failed", "failed"),
        ];
        let of_list = |(list, word): (&str, &'static str)| {
            let modules = told[list].as_array().unwrap().clone().into_iter();
            modules.map(move |each| {
                let module = if each.is_string() { text(&each) } else { text(&each["module"]) };
                (module, word.to_owned())
            })
        };
        lists.into_iter().flat_map(of_list).collect()
    }

    /// `outdated` says that of these modules, and nothing of the others, and the next `update` does it.
    #[track_caller]
    fn both_say(&self, expected: &[(&str, &str)]) {
        let mut all: BTreeMap<String, String> =
            self.declared.keys().map(|name| ((*name).to_owned(), "none".to_owned())).collect();
        all.extend(expected.iter().map(|(name, word)| ((*name).to_owned(), (*word).to_owned())));
        assert_eq!(self.outdated(), all, "outdated");
        assert_eq!(self.update(), all, "update");
    }

    /// The directory that a module leads to is taken away.
    fn lose(&self, module: &str) {
        if let Ok(entry) = self.home.target(module).canonicalize()
            && entry.starts_with(self.home.path().canonicalize().unwrap())
        {
            remove(&entry);
        }
    }
}

fn text(value: &Value) -> String {
    value.as_str().unwrap().to_owned()
}

/// Removes a tree that is read-only.
fn remove(tree: &Path) {
    let done = Command::new("chmod").args(["-R", "u+w"]).arg(tree).status().unwrap();
    assert!(done.success() && fs::remove_dir_all(tree).is_ok());
}

/// Every name below a directory, with what tells whether it was written to.
fn names_and_times(at: &Path) -> BTreeMap<PathBuf, (i64, i64)> {
    let mut found = BTreeMap::new();
    for each in fs::read_dir(at).into_iter().flatten().flatten() {
        let meta = each.path().symlink_metadata().unwrap();
        found.insert(each.path(), (meta.mtime(), meta.mtime_nsec()));
        if meta.is_dir() {
            found.extend(names_and_times(&each.path()));
        }
    }
    found
}

#[test]
fn a_store_as_it_is_declared_is_left_alone() {
    let world = World::new();
    let new: Vec<(&str, &str)> = world.declared.keys().map(|name| (*name, "updated")).collect();
    world.both_say(&new);
    world.both_say(&[]);
}

#[test]
fn a_default_branch_that_is_renamed_at_the_same_commit_is_an_update() {
    let world = World::new();
    world.update();
    world.repo.branch("trunk", &world.repo.rev("HEAD").unwrap());
    world.repo.set_head("trunk");
    world.both_say(&[
        ("head", "updated"),
        ("part", "updated"),
        ("file", "updated"),
        ("built", "updated"),
    ]);
    world.both_say(&[]);
}

#[test]
fn another_reference_to_the_same_commit_is_told_as_that() {
    let world = World::new();
    world.update();
    world.repo.branch("trunk", &world.repo.rev("HEAD").unwrap());
    let printed = world.home.run(&["set", "head", "--ref", "trunk"]).stdout;
    assert!(printed.contains("(same commit)\n"), "{printed}");
}

#[test]
fn an_entry_that_is_gone_is_fetched_again() {
    let world = World::new();
    world.update();
    world.lose("named");
    let lost = ["head", "named", "part", "pinned", "file", "built"].map(|name| (name, "updated"));
    world.both_say(&lost);
    world.both_say(&[]);
}

#[test]
fn an_output_that_is_gone_is_built_again() {
    let world = World::new();
    world.update();
    world.lose("made");
    world.both_say(&[("made", "updated"), ("built", "updated")]);
    world.both_say(&[]);
}

#[test]
fn tools_that_say_something_else_build_again() {
    let world = World::new();
    world.update();
    fs::write(world.scratch("version"), "2").unwrap();
    world.both_say(&[("made", "updated"), ("built", "updated")]);
    world.both_say(&[]);
}

#[test]
fn a_directory_of_the_users_is_built_again_only_when_its_inputs_change() {
    let world = World::new();
    world.update();
    fs::write(world.scratch("mine/other.txt"), "no input").unwrap();
    world.both_say(&[]);
    fs::write(world.scratch("mine/main.txt"), "2").unwrap();
    world.both_say(&[("made", "updated")]);
}

#[test]
fn a_build_that_failed_waits_for_another_input() {
    let world = World::new();
    world.update();
    fs::write(world.scratch("mine/main.txt"), "no").unwrap();
    assert_eq!(world.outdated()["made"], "updated", "whether a build works shows when it is run");
    assert_eq!(world.update()["made"], "failed");
    world.both_say(&[("made", "deferred")]);
    fs::write(world.scratch("mine/main.txt"), "yes").unwrap();
    world.both_say(&[("made", "updated")]);
}

#[test]
fn a_commit_that_changes_no_input_of_a_failed_build_is_fetched_once_to_find_that_out() {
    let world = World::new();
    world.update();
    world.repo.write(&[("main.txt", "no")]);
    assert_eq!(world.update()["built"], "failed");
    world.repo.write(&[("other.txt", "no input")]);
    assert_eq!(world.update()["built"], "deferred");
    world.both_say(&[("built", "deferred")]);
    world.server.forget();
    world.update();
    let fetches = world.server.stats().requests.into_iter();
    let fetches = fetches.filter(|seen| seen.body_start.windows(5).any(|bytes| bytes == b"want "));
    assert_eq!(fetches.count(), 0);
}

#[test]
fn tools_that_say_nothing_fail_in_both() {
    let world = World::new();
    world.update();
    fs::remove_file(world.scratch("version")).unwrap();
    world.both_say(&[("made", "failed"), ("built", "failed")]);
}

#[test]
fn a_build_that_is_not_declared_any_more_is_an_update() {
    let mut world = World::new();
    world.update();
    let mine = world.scratch("mine").display().to_string();
    world.declare("made", &mine, "");
    world.write();
    world.both_say(&[("made", "updated")]);
    world.both_say(&[]);
}

#[test]
fn nothing_is_written_to_find_out_what_would_change() {
    let world = World::new();
    world.update();
    world.repo.write(&[("main.txt", "2")]);
    fs::write(world.scratch("version"), "2").unwrap();
    let before = names_and_times(world.home.path());
    world.outdated();
    let after = names_and_times(world.home.path());
    assert_eq!(before, after);
}

/// Something that changes what an update would do.
fn act(world: &mut World, random: &mut Random, round: usize) -> &'static str {
    let round = round.to_string();
    match random.within(0..13) {
        0 => {
            let other =
                world.repo.rev("refs/heads/trunk").is_some() && random.draw().is_multiple_of(2);
            let file = if random.draw().is_multiple_of(2) { "main.txt" } else { "other.txt" };
            let change = modstore_testbed::Change::write(file, &round);
            world.repo.commit(if other { "trunk" } else { "main" }, &[change]);
            "commit"
        }
        1 => {
            world.repo.branch("trunk", &world.repo.rev("HEAD").unwrap());
            world.repo.set_head("trunk");
            "rename HEAD"
        }
        2 => {
            world.repo.set_head("main");
            "rename HEAD back"
        }
        3 | 4 => {
            let names = ["head", "named", "part", "built", "made"];
            world.lose(names[random.within(0..5) as usize]);
            "lose an entry"
        }
        5 => {
            fs::write(world.scratch("version"), random.within(0..2).to_string()).unwrap();
            "other tools"
        }
        6 | 7 => {
            let texts = ["1", "2", "no"];
            fs::write(world.scratch("mine/main.txt"), texts[random.within(0..3) as usize]).unwrap();
            "edit"
        }
        8 => {
            fs::write(world.scratch("mine/other.txt"), &round).unwrap();
            "edit no input"
        }
        9 => {
            world.declare_all();
            "declare all"
        }
        10 => {
            let names: Vec<&'static str> = world.declared.keys().copied().collect();
            if let Some(name) = names.get(random.within(0..8) as usize) {
                world.declared.remove(name);
            }
            world.write();
            "declare no longer"
        }
        11 => {
            let (mine, build) = (world.scratch("mine").display().to_string(), world.build());
            let url = format!("git+{}", world.server.url("tool"));
            let source = if random.draw().is_multiple_of(2) { mine } else { url };
            let build = if random.draw().is_multiple_of(2) { build } else { String::new() };
            let names = ["head", "mine", "built", "made"];
            world.declare(names[random.within(0..4) as usize], &source, &build);
            world.write();
            "declare another source or build"
        }
        _ => {
            world.repo.write(&[("main.txt", "no")]);
            "commit what does not build"
        }
    }
}

#[test]
fn in_any_world_the_update_does_what_outdated_said() {
    for seed in 0..WORLDS {
        let mut random = Random::of(seed);
        let mut world = World::new();
        let mut acts = Vec::new();
        for round in 0..ROUNDS {
            for _ in 0..random.within(1..4) {
                acts.push(act(&mut world, &mut random, round));
            }
            let (said, done) = (world.outdated(), world.update());
            let modules: Vec<&String> = said.keys().chain(done.keys()).collect();
            for module in modules {
                let (said, done) = (said.get(module), done.get(module));
                // Whether a build works shows when it is done; whether it would fail as before, when its source is there.
                let is_tried = said.is_some_and(|word| word == "updated")
                    && done.is_some_and(|word| word == "failed" || word == "deferred")
                    && world.declared.get(&**module).is_some_and(|text| text.contains("build"));
                assert!(
                    said == done || is_tried,
                    "world {seed}, {acts:?}: {module}: {said:?}, {done:?}"
                );
            }
        }
    }
}

/// A home with one module, `tool`, that follows the tag `followed` of a repository with these tags.
fn versions(followed: &str, tags: &[&str]) -> (TestHome, HttpServer, Repo) {
    let home = TestHome::in_memory(env!("CARGO_BIN_EXE_modstore"));
    let root = home.scratch();
    let repo = Repo::create(&root, "tool");
    for tag in tags {
        let commit = repo.write(&[("main.txt", tag)]);
        repo.annotated_tag(tag, &commit);
    }
    let server = HttpServer::start(&root);
    let source = format!("git+{}@{followed}", server.url("tool"));
    home.write_modules(&format!("[modules.tool]\nsource = \"{source}\"\n"));
    (home, server, repo)
}

#[test]
fn a_newer_version_is_shown_and_taken_only_by_set() {
    let tags = ["v1.0.0", "v1.2.0", "v1.10.0", "v2.0.0-rc.1", "other-3.0.0"];
    let (home, server, repo) = versions("v1.0.0", &tags);
    let newer =
        |value: &Value| ["followed", "tag", "revision"].map(|field| text(&value[field])).join(" ");
    let expected = format!("v1.0.0 v1.10.0 {}", repo.rev("v1.10.0^{commit}").unwrap());
    for _ in 0..2 {
        let updated = home.run(&["update", "--json"]).json();
        assert_eq!(newer(&updated["newer"][0]), expected);
        assert_eq!(updated["newer"][0]["module"], "tool");
    }
    server.forget();
    let outdated = home.run(&["outdated", "--json"]).json();
    assert_eq!(server.stats().requests.len(), 1, "the listing is there already");
    assert_eq!(outdated["outdated"], false, "no update takes it");
    assert_eq!(outdated["modules"][0]["change"], "none");
    assert_eq!(newer(&outdated["modules"][0]["newer"]), expected);
    let printed = home.run(&["outdated"]).stdout;
    assert!(printed.contains("tool  v1.0.0 → v1.10.0 available"), "{printed}");
    assert!(printed.contains("modstore set NAME --ref TAG"), "{printed}");
    let listed = home.run(&["list", "--outdated"]).stdout;
    assert!(listed.contains("v1.0.0 → v1.10.0 available"), "{listed}");
    home.run(&["set", "tool", "--ref", "v1.10.0"]);
    assert!(!home.run(&["outdated"]).stdout.contains("available"));
    home.run(&["update"]);
    assert_eq!(home.run(&["list", "--outdated"]).stdout, "no module is outdated\n");
    let listed = home.run(&["list", "--outdated", "--json"]).json();
    assert_eq!(listed["modules"].as_array().unwrap().len(), 0);
}

#[test]
fn what_follows_no_tag_of_a_version_has_no_newer_one() {
    for followed in ["main", "v1.10.0", "v2.0.0"] {
        let (home, _server, repo) = versions(followed, &["v1.10.0", "v1.9.0"]);
        repo.branch("v2.0.0", &repo.rev("HEAD").unwrap());
        let outdated = home.run(&["outdated", "--json"]).json();
        assert_eq!(outdated["modules"][0]["newer"], Value::Null, "{followed}");
        let updated = home.run(&["update", "--json"]).json();
        assert_eq!(updated["newer"].as_array().unwrap().len(), 0, "{followed}");
    }
}

#[test]
fn a_held_module_has_its_newer_version_shown() {
    let (home, _server, _repo) = versions("v1.0.0", &["v1.0.0", "v1.1.0"]);
    home.run(&["update"]);
    home.run(&["hold", "tool"]);
    let printed = home.run(&["outdated"]).stdout;
    assert!(printed.contains("v1.0.0 → v1.1.0 available"), "{printed}");
}

#[test]
fn a_tag_that_was_moved_is_told_loudly() {
    let (home, _server, repo) = versions("v1.0.0", &["v1.0.0"]);
    home.run(&["update"]);
    let commit = repo.write(&[("main.txt", "other")]);
    repo.delete_ref("refs/tags/v1.0.0");
    repo.tag("v1.0.0", &commit);
    let printed = home.run(&["outdated"]).stdout;
    assert!(printed.contains("(the tag was moved)"), "{printed}");
    let told = home.run(&["update"]).stderr;
    assert!(told.contains("warning: tool: the tag v1.0.0 was moved from"), "{told}");
}

/// Over 4,000 branches, so that the server is asked only for the names that are wanted.
#[test]
fn a_newer_version_is_found_in_a_listing_that_is_too_long_to_be_asked_for_whole() {
    let (home, server, repo) = versions("v1.0.0", &["v1.0.0", "v1.1.0", "tool-9"]);
    let head = repo.rev("HEAD").unwrap();
    let branches: String =
        (0..5000).map(|number| format!("{head} refs/heads/b{number:04}\n")).collect();
    fs::write(repo.path().join("packed-refs"), branches).unwrap();
    server.forget();
    let outdated = home.run(&["outdated", "--json"]).json();
    assert_eq!(outdated["modules"][0]["newer"]["tag"], "v1.1.0");
    let asked = server.stats().requests.into_iter();
    let asked = asked.map(|seen| String::from_utf8_lossy(&seen.body_start).into_owned());
    let asked: Vec<String> = asked.filter(|body| body.contains("ls-refs")).collect();
    assert!(asked.iter().any(|body| body.contains("ref-prefix refs/tags/v")), "{asked:?}");
}

#[test]
fn an_update_says_what_the_commits_that_came_say_of_themselves_as_far_as_they_are_there() {
    let home = TestHome::in_memory(env!("CARGO_BIN_EXE_modstore"));
    let repo = Repo::create(&home.scratch(), "tool");
    repo.write(&[("v", "1")]);
    let server = HttpServer::start(&home.scratch());
    home.run(&["add", &format!("git+{}", server.url("tool"))]).ok();
    let says = |message: &str| {
        let tree = repo.git(&["rev-parse", &format!("{}^{{tree}}", repo.write(&[("v", message)]))]);
        let commit = repo.git(&["commit-tree", "-p", "HEAD~1", "-m", message, &tree]);
        repo.branch("main", &commit);
        commit
    };
    let update = || home.run(&["update", "--json"]).ok().json()["updated"][0].clone();

    let second = says("Fix the forecast\n\nIt rained.");
    server.forget();
    let told = update();
    let requests = server.stats().requests.len();
    let expected = serde_json::json!([{ "revision": second, "subject": "Fix the forecast" }]);
    assert_eq!((&told["commits"], &told["commits_complete"]), (&expected, &Value::Bool(true)));
    assert!(requests <= 3, "nothing is asked for it: {requests}");

    says("one of two");
    let fourth = says("the other");
    let told = update();
    assert_eq!(told["commits"][0]["revision"], fourth, "{told}");
    assert_eq!(
        (told["commits"].as_array().unwrap().len(), &told["commits_complete"]),
        (1, &Value::Bool(false))
    );

    says("plain");
    let said = home.run(&["update"]).ok().stdout;
    assert!(said.contains("\n  - plain\n"), "{said}");
    says("one more");
    says(&format!("\u{1b}[2J\u{202e}evil {}", "x".repeat(400)));
    let said = home.run(&["update"]).ok().stdout;
    assert!(said.contains("  newest: \\u{1b}[2J\\u{202e}evil x"), "{said}");
    assert!(
        !said.contains('\u{1b}') && said.lines().all(|line| line.chars().count() < 140),
        "{said}"
    );
    let told = home.run(&["update", "--json"]).ok().json();
    assert_eq!(told["updated"], serde_json::json!([]));
}
