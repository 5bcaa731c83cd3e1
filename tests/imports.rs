//! Clones that another program keeps become modules: without a connection, with nothing of the user's lost, and with their
//! directory byte for byte as it was.

#![expect(clippy::unwrap_used, reason = "helpers panic, and that is how a test fails")]

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
    time::Duration,
};

use modstore_testbed::{
    Change, HttpServer, Item, Python, PythonTools, Random, Repo, TestHome, Venv, has_strace,
    listing,
};
use rustix::process::Signal;
use serde_json::Value;

/// How many clones there are, the odd ones among them.
const CLONES: usize = 40;

/// A user's directory of clones, and the server that they were cloned from.
struct World {
    home: TestHome,
    server: HttpServer,
    repos: Vec<Repo>,
    clones: PathBuf,
}

impl World {
    fn new(repositories: usize) -> Self {
        let home = TestHome::in_memory(env!("CARGO_BIN_EXE_modstore"));
        let root = home.scratch().join("served");
        fs::create_dir(&root).unwrap();
        let repos = (0..repositories).map(|number| {
            let repo = Repo::create(&root, &format!("tool-{number}"));
            let text = format!("{number}");
            repo.write(&[
                ("main.txt", &text),
                ("below/same.txt", "same"),
                (".gitignore", "made\n*.local"),
            ]);
            repo
        });
        let repos = repos.collect();
        let server = HttpServer::start(&root);
        let clones = home.scratch().join("clones");
        fs::create_dir(&clones).unwrap();
        Self { home, server, repos, clones }
    }

    fn clone_of(&self, number: usize, extra: &[&str]) -> PathBuf {
        let to = self.clones.join(format!("tool-{number}"));
        let url = self.server.url(&format!("tool-{number}"));
        let place = to.to_str().unwrap();
        self.home.git(&self.clones, &[&["clone", "-q"], extra, &[&url, place]].concat());
        to
    }

    fn import(&self, more: &[&str]) -> Value {
        let given = ["--json", "import", self.clones.to_str().unwrap()];
        self.home.run(&[given.as_slice(), more].concat()).ok().json()
    }
}

/// What becomes of each clone, and why.
fn becomes(answer: &Value) -> BTreeMap<String, (String, String)> {
    let clones = answer.get("clones").and_then(Value::as_array).unwrap();
    let of =
        |clone: &Value, key: &str| clone.get(key).unwrap().as_str().unwrap_or_default().to_owned();
    let each = clones.iter().map(|clone| {
        let directory = PathBuf::from(of(clone, "directory"));
        let name = directory.file_name().unwrap().to_str().unwrap().to_owned();
        (name, (of(clone, "becomes"), clone.get("reasons").unwrap().to_string()))
    });
    each.collect()
}

fn count(answer: &Value, what: &str) -> usize {
    becomes(answer).values().filter(|(becomes, _)| becomes == what).count()
}

fn snapshot(directory: &Path) -> BTreeMap<String, Item> {
    listing(directory)
}

#[test]
fn of_forty_clones_with_every_oddity_nothing_is_lost_and_no_server_is_asked() {
    let world = World::new(CLONES);
    let server_url = |number: usize| world.server.url(&format!("tool-{number}"));
    for number in 0..32 {
        world.clone_of(number, &[]);
    }
    let at = |number: usize| world.clones.join(format!("tool-{number}"));
    // 32 is shallow, 33 a work tree of another clone, 34 bare, 35 of an unknown host, 36 with a secret, 37 with
    // submodules, 38 corrupt, 39 at a commit.
    world.clone_of(32, &["--depth", "1"]);
    let main = world.home.scratch().join("main");
    world
        .home
        .git(&world.home.scratch(), &["clone", "-q", &server_url(33), main.to_str().unwrap()]);
    world.home.git(
        &main,
        &["worktree", "add", "-q", "--track", "-b", "wt", at(33).to_str().unwrap(), "origin/main"],
    );
    world.clone_of(34, &["--bare"]);
    world.home.git(
        &world.clone_of(35, &[]),
        &["remote", "set-url", "origin", "https://git.nowhere.invalid/o/r"],
    );
    let secret = "https://me:s3cr3t-token@git.nowhere.invalid/o/s";
    world.home.git(&world.clone_of(36, &[]), &["remote", "set-url", "origin", secret]);
    let module = world.repos.first().unwrap().rev("main").unwrap();
    let text = format!("[submodule \"vendor\"]\n\tpath = vendor\n\turl = {}\n", server_url(0));
    world
        .repos
        .get(37)
        .unwrap()
        .commit("main", &[Change::write(".gitmodules", text), Change::gitlink("vendor", &module)]);
    world.clone_of(37, &["--recurse-submodules"]);
    let corrupt = world.clone_of(38, &[]);
    damage_packs(&corrupt);
    lose_object(&world, &at(7), "HEAD:below/same.txt");
    world.home.git(&world.clone_of(39, &[]), &["checkout", "-q", "--detach"]);
    // And what people do in their clones.
    fs::write(at(0).join("main.txt"), "edited").unwrap();
    fs::write(at(1).join("new.txt"), "untracked").unwrap();
    fs::write(at(2).join("settings.local"), "ignored").unwrap();
    fs::write(at(3).join("below/same.txt"), "committed").unwrap();
    world.home.git(&at(3), &["commit", "-qam", "mine"]);
    fs::create_dir(at(4).join("__pycache__")).unwrap();
    fs::write(at(4).join("__pycache__/a.pyc"), "made").unwrap();
    world.home.git(&at(5), &["remote", "remove", "origin"]);

    let before = snapshot(&world.clones);
    world.server.forget();
    let planned = world.import(&["--dry-run"]);
    assert!(!world.home.path().join("journal").exists(), "--dry-run makes no store");
    let done = world.import(&[]);
    assert_eq!(world.server.stats().connections, 0);
    assert!(snapshot(&world.clones) == before, "the clones are as they were");

    let expected = [
        ("tool-0", "link", "edited: main.txt"),
        ("tool-1", "link", "not known to git: new.txt"),
        ("tool-2", "link", "ignored by git: settings.local"),
        ("tool-3", "link", "commits of its own: 1"),
        ("tool-4", "entry", "[]"),
        ("tool-5", "link", "no remote"),
        ("tool-32", "entry", "[]"),
        ("tool-33", "entry", "[]"),
        ("tool-34", "left", "bare"),
        ("tool-35", "entry", "[]"),
        ("tool-36", "entry", "is not stored"),
        ("tool-37", "link", "submodules"),
        ("tool-7", "link", "does not have all of the commit"),
        ("tool-38", "link", "git cannot compare its files"),
        ("tool-39", "entry", "pinned"),
    ];
    let found = becomes(&done);
    assert_eq!(found.len(), CLONES);
    for (name, becomes, why) in expected {
        let (was, reasons) = found.get(name).unwrap();
        assert_eq!((was.as_str(), reasons.contains(why)), (becomes, true), "{name}: {reasons}");
    }
    let (entries, links) = (count(&done, "entry"), count(&done, "link"));
    assert_eq!((entries, links), (31, 8), "{found:#?}");
    assert_eq!(count(&planned, "entry"), entries + 1, "only reading all of it finds the damage");
    for number in (0..CLONES).filter(|number| *number != 34) {
        let seen = world.home.target(&format!("tool-{number}")).join("main.txt");
        assert_eq!(
            fs::read_to_string(seen).unwrap(),
            fs::read_to_string(at(number).join("main.txt")).unwrap()
        );
    }
    assert!(world.home.grep_bytes("s3cr3t").is_empty(), "no secret is written");
    world.home.run(&["verify"]).ok();
    // Once more: all of it is there. And an edit that was linked can be left for the source.
    assert_eq!(count(&world.import(&[]), "there"), 39);
    assert_eq!(world.server.stats().connections, 0);
    world.home.run(&["unlink", "tool-0"]).ok();
    assert_eq!(fs::read_to_string(world.home.target("tool-0").join("main.txt")).unwrap(), "0");
    assert_eq!(fs::read_to_string(at(0).join("main.txt")).unwrap(), "edited");
    // From then on, updates follow the remote.
    world.repos.get(6).unwrap().write(&[("main.txt", "newer")]);
    world.home.run(&["update", "tool-6"]).ok();
    assert_eq!(fs::read_to_string(world.home.target("tool-6").join("main.txt")).unwrap(), "newer");
    assert!(snapshot(&world.clones) == before);
}

/// Takes one object away that git does not miss as long as nothing is changed.
fn lose_object(world: &World, clone: &Path, object: &str) {
    for pack in fs::read_dir(clone.join(".git/objects/pack")).unwrap().flatten() {
        let path = pack.path();
        let aside = world.home.scratch().join(pack.file_name());
        fs::rename(&path, &aside).unwrap();
        if path.extension().is_some_and(|it| it == "pack") {
            let mut command = world.home.command_of(Path::new("git"), &["unpack-objects", "-q"]);
            command.current_dir(clone).stdin(fs::File::open(&aside).unwrap());
            assert!(command.status().unwrap().success());
        }
    }
    let mut command = world.home.command_of(Path::new("git"), &["rev-parse", object]);
    let id = String::from_utf8(command.current_dir(clone).output().unwrap().stdout).unwrap();
    let (first, rest) = id.trim().split_at(2);
    fs::remove_file(clone.join(".git/objects").join(first).join(rest)).unwrap();
}

/// Flips a byte in the middle of each pack.
fn damage_packs(clone: &Path) {
    let packs = fs::read_dir(clone.join(".git/objects/pack")).unwrap().flatten();
    let mut damaged = 0;
    for pack in packs
        .map(|entry| entry.path())
        .filter(|path| path.extension().is_some_and(|it| it == "pack"))
    {
        let mut bytes = fs::read(&pack).unwrap();
        let length = bytes.len();
        for byte in bytes.iter_mut().take(length - 20).skip(40) {
            *byte ^= 0x55;
        }
        fs::remove_file(&pack).unwrap();
        fs::write(&pack, bytes).unwrap();
        damaged += 1;
    }
    assert!(damaged > 0);
}

#[test]
fn a_clone_that_could_run_programs_is_not_given_to_git() {
    let world = World::new(1);
    let clone = world.clone_of(0, &[]);
    let flag = world.home.scratch().join("ran");
    let touch = format!("touch {}", flag.display());
    for key in
        ["filter.x.clean", "filter.x.process", "core.fsmonitor", "core.sshCommand", "diff.external"]
    {
        world.home.git(&clone, &["config", key, &touch]);
    }
    fs::write(clone.join(".git/info/attributes"), "* filter=x\n").unwrap();
    fs::write(clone.join("main.txt"), "edited").unwrap();
    let hook = clone.join(".git/hooks/post-index-change");
    fs::create_dir_all(hook.parent().unwrap()).unwrap();
    fs::write(&hook, format!("#!/bin/sh\n{touch}\n")).unwrap();
    fs::set_permissions(
        &hook,
        <fs::Permissions as std::os::unix::fs::PermissionsExt>::from_mode(0o755),
    )
    .unwrap();
    let done = world.import(&[]);
    let (becomes, why) = becomes(&done).remove("tool-0").unwrap();
    assert!(becomes == "link" && why.contains("filter"), "{becomes} {why}");
    for key in ["filter.x.clean", "filter.x.process"] {
        world.home.git(&clone, &["config", "--unset", key]);
    }
    world.import(&[]);
    assert!(!flag.exists(), "nothing of the clone was run");
}

#[test]
fn a_clone_that_was_never_touched_takes_no_process_and_an_edited_one_takes_one() {
    if !has_strace() {
        return;
    }
    let world = World::new(6);
    for number in 0..6 {
        world.clone_of(number, &[]);
    }
    let log = world.home.scratch().join("processes");
    let started = || {
        let given = ["--json", "import", world.clones.to_str().unwrap(), "--dry-run"];
        let told = world.home.run_traced(&log, &["-e", "trace=execve"], &given).ok().json();
        let text = fs::read_to_string(&log).unwrap();
        let all = text.lines().filter(|line| line.contains("execve(") && line.ends_with("= 0"));
        (count(&told, "entry"), all.count())
    };
    assert_eq!(started(), (6, 1), "modstore itself and no other");
    fs::write(world.clones.join("tool-0/main.txt"), "!").unwrap();
    assert_eq!(started(), (5, 2));
}

#[test]
fn killed_anywhere_it_loses_nothing_and_a_second_run_goes_on() {
    let world = World::new(12);
    for number in 0..12 {
        world.clone_of(number, &[]);
    }
    fs::write(world.clones.join("tool-0/main.txt"), "edited").unwrap();
    let before = snapshot(&world.clones);
    let mut random = Random::of(16);
    let (mut cut, mut whole) = (0, 0);
    for round in 0..30 {
        let store = world.home.scratch().join(format!("store-{round}"));
        let given = ["--home", store.to_str().unwrap(), "import", world.clones.to_str().unwrap()];
        let mut running = world.home.spawn(&given);
        if running.ends_within(Duration::from_micros(random.below(60_000) as u64)) {
            whole += 1;
        } else {
            running.signal(Signal::KILL);
            cut += 1;
        }
        running.wait();
        assert!(snapshot(&world.clones) == before, "round {round}");
        world.home.run(&given).ok();
        assert!(snapshot(&world.clones) == before, "round {round}");
        for number in 0..12 {
            let seen = store.join(format!("current/tool-{number}/main.txt"));
            let own = world.clones.join(format!("tool-{number}/main.txt"));
            assert_eq!(fs::read(seen).unwrap(), fs::read(own).unwrap(), "round {round}");
        }
        world.home.run(&["--home", store.to_str().unwrap(), "verify"]).ok();
    }
    assert!(cut > 5, "{cut} cut, {whole} whole");
}

#[test]
fn each_layout_finds_its_clones_and_leaves_what_is_declared_otherwise() {
    let world = World::new(2);
    let root = world.home.scratch().join("data");
    for (layout, at) in [
        ("amplifier", "cache/tool-0-0123456789abcdef"),
        ("lazy", "lazy/tool-0"),
        ("comfyui", "custom_nodes/tool-0"),
        ("sheldon", "repos/github.com/me/tool-0"),
    ] {
        let to = root.join(layout).join(at);
        fs::create_dir_all(to.parent().unwrap()).unwrap();
        world.home.git(&root, &["clone", "-q", &world.server.url("tool-0"), to.to_str().unwrap()]);
        let directory = root.join(layout);
        let given =
            ["--json", "import", directory.to_str().unwrap(), "--layout", layout, "--dry-run"];
        let told = world.home.run(&given).ok().json();
        assert_eq!(count(&told, "entry"), 1, "{layout}: {told:#}");
    }
    // Two of one name are told apart by what is above them, and a name that is taken stays what it is.
    let twin = root.join("sheldon/repos/github.com/you/tool-0");
    fs::create_dir_all(twin.parent().unwrap()).unwrap();
    world.home.git(&root, &["clone", "-q", &world.server.url("tool-1"), twin.to_str().unwrap()]);
    world.home.declare(&[("me-tool-0", &format!("git+{}@other", world.server.url("tool-1")))]);
    let sheldon = root.join("sheldon");
    let told = world
        .home
        .run(&["--json", "import", sheldon.to_str().unwrap(), "--layout", "sheldon"])
        .ok()
        .json();
    let names: Vec<_> = told
        .get("clones")
        .and_then(Value::as_array)
        .unwrap()
        .iter()
        .map(|it| (it.get("module").unwrap().clone(), it.get("becomes").unwrap().clone()))
        .collect();
    assert_eq!(
        serde_json::to_string(&names).unwrap(),
        r#"[["me-tool-0","left"],["you-tool-0","entry"]]"#
    );
    let nothing = world.home.scratch().join("nothing");
    world.home.run(&["import", nothing.to_str().unwrap()]).fails(2).says("clones");
    fs::create_dir(&nothing).unwrap();
    world.home.run(&["import", nothing.to_str().unwrap()]).ok();
}

/// A repository as Amplifier's bundles are: modules in parts of it, and a project beside them that is none.
fn bundle(repo: &Repo) {
    let project = |name: &str, more: &str| {
        format!(
            "[build-system]\nrequires = [\"hatchling\"]\nbuild-backend = \"hatchling.build\"\n\
             [project]\nname = \"{name}\"\nversion = \"1\"\n{more}"
        )
    };
    let group = "[project.entry-points.\"amplifier.modules\"]\ntool-a = \"tool_a:mount\"\n";
    repo.write(&[
        ("bundle.md", "---\nbundle: {name: tools}\n---\n"),
        ("modules/tool-a/pyproject.toml", &project("tool-a", group)),
        ("modules/tool-a/tool_a/__init__.py", "WHERE = __file__\n"),
        ("examples/plain/pyproject.toml", &project("plain", "")),
        ("examples/broken/pyproject.toml", "[project"),
    ]);
}

#[test]
fn modules_that_amplifier_takes_from_parts_of_a_repository_are_modules_of_their_own() {
    let world = World::new(1);
    bundle(world.repos.first().unwrap());
    let cache = world.home.scratch().join("amplifier/cache");
    fs::create_dir_all(&cache).unwrap();
    let clone = cache.join("tools-0123456789abcdef");
    let url = world.server.url("tool-0");
    world.home.git(&cache, &["clone", "-q", "--depth", "1", &url, clone.to_str().unwrap()]);
    let note = "{\"git_url\": \"https://me:s3cr3t-token@example.com/o/tools\"}";
    fs::write(clone.join(".amplifier_cache_meta.json"), note).unwrap();
    fs::create_dir(clone.join("modules/tool-a/tool_a.egg-info")).unwrap();
    fs::write(clone.join("modules/tool-a/tool_a.egg-info/PKG-INFO"), "made").unwrap();

    let directory = cache.parent().unwrap().to_str().unwrap();
    let given = ["--json", "import", directory, "--layout", "amplifier"];
    world.server.forget();
    let told = world.home.run(&given).ok().json();
    assert_eq!(world.server.stats().connections, 0);
    let names = ["tool-a", "tools-0123456789abcdef"];
    let found: Vec<String> = becomes(&told).into_keys().collect();
    assert_eq!((found, count(&told, "entry")), (names.map(str::to_owned).into(), 2), "{told:#}");
    let shown = world.home.run(&["--json", "show", "tool-a"]).ok().json();
    let current = shown.get("current").unwrap();
    assert_eq!(current.get("subdirectory").unwrap(), "modules/tool-a");
    assert!(world.home.target("tool-a").join("tool_a/__init__.py").is_file());
    assert!(world.home.grep_bytes("s3cr3t-token").is_empty());
    let again = world.home.run(&given).ok().json();
    assert_eq!(count(&again, "there"), 2, "{again:#}");

    // With an edit, both are links into the clone, and what they come from is declared beside.
    world.home.run(&["remove", "tool-a", "tools-0123456789abcdef"]).ok();
    fs::write(clone.join("bundle.md"), "edited").unwrap();
    let told = world.home.run(&given).ok().json();
    assert_eq!(count(&told, "link"), 2, "{told:#}");
    let linked = fs::read_link(world.home.target("tool-a")).unwrap();
    assert_eq!(linked, clone.join("modules/tool-a"));
    world.home.run(&["unlink", "tool-a"]).ok();
    assert!(world.home.target("tool-a").join("tool_a/__init__.py").is_file());
}

#[test]
fn what_an_environment_has_from_the_clones_is_bound_in_their_place() {
    let mut world = World::new(1);
    let (Some(python), Some(tools)) = (Python::any(), PythonTools::find()) else { return };
    tools.lead(&mut world.home);
    bundle(world.repos.first().unwrap());
    let cache = world.home.scratch().join("amplifier/cache");
    fs::create_dir_all(&cache).unwrap();
    let clone = cache.join("tools-0123456789abcdef");
    let url = world.server.url("tool-0");
    world.home.git(&cache, &["clone", "-q", &url, clone.to_str().unwrap()]);
    let venv = Venv::create(&world.home, &tools, &python, "environment");
    let part = clone.join("modules/tool-a");
    venv.uv_pip("install", &["-e", part.to_str().unwrap()]).ok();
    let ask = "import tool_a; print(tool_a.WHERE)";
    assert!(venv.says(ask).starts_with(clone.to_str().unwrap()));

    let directory = cache.parent().unwrap().to_str().unwrap();
    let given = ["--json", "import", directory, "--layout", "amplifier", "--python"];
    let told = world.home.run(&[given.as_slice(), &[&venv.python_text()]].concat()).ok().json();
    assert_eq!(told.get("bound").unwrap().to_string(), "[\"tool-a\"]", "{told:#}");
    let store = world.home.path().to_str().unwrap().to_owned();
    assert!(venv.says(ask).starts_with(&store), "{} is not in {store}", venv.says(ask));
    fs::remove_dir_all(&clone).unwrap();
    assert!(venv.says(ask).starts_with(&store), "the clone is not needed any more");
    world.home.run(&["doctor", "--python", &venv.python_text()]).ok();
}

#[test]
fn a_clone_that_is_named_itself_is_imported_and_its_repository_is_no_second_one() {
    let world = World::new(1);
    let clone = world.clone_of(0, &[]);
    let told = world.home.run(&["--json", "import", clone.to_str().unwrap()]).ok().json();
    let become_of = becomes(&told);
    assert_eq!(become_of.len(), 1, "{told:#}");
    assert_eq!(become_of.get("tool-0").map(|(becomes, _)| becomes.as_str()), Some("entry"));
    assert_eq!(fs::read_to_string(world.home.target("tool-0").join("main.txt")).unwrap(), "0");
}

#[test]
fn how_many_clones_were_looked_at_and_taken_in_of_how_many_is_told_in_whole_lines() {
    let world = World::new(9);
    (0..9).for_each(|number| drop(world.clone_of(number, &[])));
    // The ninth turns out to lack a file when it is read, and is linked in a second pass.
    lose_object(&world, &world.clones.join("tool-8"), "HEAD:below/same.txt");
    let place = world.clones.to_str().unwrap();
    let ran = world.home.run(&["--progress", "json", "import", place]).ok();
    let lines = ran.stderr.lines().filter(|line| line.starts_with('{'));
    let events: Vec<Value> = lines.map(|line| serde_json::from_str(line).unwrap()).collect();
    let of = |name: &str| -> Vec<&Value> {
        events.iter().filter(|event| event.get("event").is_some_and(|it| it == name)).collect()
    };
    let looked = of("looking");
    assert!(looked.iter().all(|event| event.get("total").is_some_and(|it| *it == 9)));
    let mut done: Vec<u64> =
        looked.iter().filter_map(|event| event.get("done")?.as_u64()).collect();
    done.sort_unstable();
    assert_eq!(done, (0..=9).collect::<Vec<_>>(), "{looked:?}");
    let started = of("started");
    let begun: u64 = started.iter().filter_map(|event| event.get("modules")?.as_u64()).sum();
    let ended = |step: &str| {
        let steps = of("module").into_iter();
        steps.filter(|event| event.get("step").is_some_and(|it| it == step)).count() as u64
    };
    let all = ended("fetched") + ended("failed") + ended("unchanged");
    assert_eq!(begun, all, "each module that began has an end: {events:#?}");
}
