//! `keep`: what a module writes into its own directory survives its updates, and nothing of it is ever lost.

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "helpers panic, and that is how a test fails"
)]

use std::{
    fs,
    io::Write as _,
    os::unix::fs::{MetadataExt as _, symlink},
    path::PathBuf,
    process::Stdio,
};

use modstore_testbed::{Change, Repo, TestHome};
use serde_json::{Value, json};

/// A store with one module, which keeps something.
struct World {
    home: TestHome,
    repo: Repo,
}

impl World {
    /// The module keeps these.
    fn keeping(patterns: &str) -> Self {
        let home = TestHome::in_memory(env!("CARGO_BIN_EXE_modstore"));
        let repo = Repo::create(&home.scratch(), "node");
        repo.write(&[("main.py", "1"), ("user/default.json", "upstream 1"), ("lib/deep/x", "x")]);
        let world = Self { home, repo };
        world.declare(&format!("keep = {patterns}"));
        world
    }

    fn declare(&self, rest: &str) {
        let url = self.repo.url_file();
        self.home.write_modules(&format!("[modules.node]\nsource = \"git+{url}\"\n{rest}\n"));
    }

    fn update(&self) -> Value {
        self.home.run(&["--json", "update"]).ok().json()
    }

    fn json(&self, arguments: &[&str]) -> Value {
        self.home.run(&[&["--json"], arguments].concat()).json()
    }

    /// A path of the module, as the module itself sees it.
    fn own(&self, path: &str) -> PathBuf {
        self.home.target("node").join(path)
    }

    fn read(&self, path: &str) -> String {
        fs::read_to_string(self.own(path)).unwrap_or_else(|error| format!("{path}: {error}"))
    }

    /// The module writes.
    fn write(&self, path: &str, text: &str) {
        fs::write(self.own(path), text).unwrap();
    }

    fn state(&self, path: &str) -> PathBuf {
        self.home.path().join("state/node").join(path)
    }

    fn is_sound(&self) {
        let told = self.json(&["verify"]);
        // That it lies in memory is no finding about what happened to it.
        let mut findings = told["findings"].as_array().unwrap().iter();
        assert!(findings.all(|finding| finding["code"] == "file-system"), "{told:#}");
    }

    /// What upstream has next.
    fn upstream(&self, files: &[(&str, &str)]) {
        self.repo.write(files);
    }
}

#[test]
fn what_a_module_writes_survives_updates_and_rollbacks() {
    let world = World::keeping(r#"["user/**"]"#);
    world.update();
    assert_eq!(world.read("user/default.json"), "upstream 1");
    world.write("user/mine.json", "mine");
    fs::create_dir(world.own("user/deep")).unwrap();
    world.write("user/deep/mine", "too");
    for version in ["2", "3"] {
        world.upstream(&[("main.py", version)]);
        world.update();
        assert_eq!(world.read("main.py"), version);
        assert_eq!(world.read("user/mine.json"), "mine");
        assert_eq!(world.read("user/deep/mine"), "too");
        world.is_sound();
    }
    world.write("user/mine.json", "of version 3");
    world.home.run(&["rollback"]).ok();
    assert_eq!(
        (world.read("main.py"), world.read("user/mine.json")),
        ("2".into(), "of version 3".into())
    );
    world.home.run(&["unhold", "node"]).ok();
    world.home.run(&["gc", "--keep", "1", "--older-than", "0s"]).ok();
    world.home.run(&["verify", "--repair"]).ok();
    world.home.run(&["reset"]).ok();
    assert_eq!(
        (world.read("main.py"), world.read("user/mine.json")),
        ("3".into(), "of version 3".into())
    );
    world.is_sound();
}

#[test]
fn what_upstream_ships_follows_upstream_until_it_is_changed_here() {
    let world = World::keeping(r#"["user/**"]"#);
    world.upstream(&[("user/other.json", "other 1")]);
    world.update();
    world.write("user/default.json", "mine");
    world.upstream(&[("user/other.json", "other 2"), ("user/third.json", "third")]);
    let told = world.update();
    assert_eq!(told["warnings"], json!([]), "upstream has not changed what was changed here");
    assert_eq!(world.read("user/default.json"), "mine");
    assert_eq!(world.read("user/other.json"), "other 2");
    assert_eq!(world.read("user/third.json"), "third");

    world.upstream(&[("user/default.json", "upstream 2")]);
    let told = world.update();
    let message = told["warnings"][0]["message"].as_str().unwrap().to_owned();
    assert!(message.starts_with("user/default.json was changed here and upstream"), "{message}");
    let theirs = PathBuf::from(message.rsplit_once(" is ").unwrap().1);
    assert_eq!(fs::read_to_string(theirs).unwrap(), "upstream 2", "{message}");
    assert_eq!(world.read("user/default.json"), "mine");

    world.upstream(&[("main.py", "2")]);
    assert_eq!(world.update()["warnings"], json!([]), "it is told once");
    let shown = world.json(&["show", "node"]);
    assert_eq!(shown["kept"]["changed"], json!(["user/default.json"]), "{shown:#}");
    let text = world.home.run(&["show", "node"]).ok().stdout;
    assert!(text.contains("changed here") && text.contains("user/ in "), "{text}");
    world.is_sound();
}

#[test]
fn a_default_that_followed_a_rollback_follows_the_next_update_too() {
    let world = World::keeping(r#"["user/**"]"#);
    world.update();
    world.upstream(&[("user/default.json", "upstream 2")]);
    world.update();
    assert_eq!(world.read("user/default.json"), "upstream 2");
    world.home.run(&["rollback"]).ok();
    assert_eq!(world.read("user/default.json"), "upstream 1");
    world.home.run(&["unhold", "node"]).ok();
    world.upstream(&[("user/default.json", "upstream 3")]);
    assert_eq!(world.update()["warnings"], json!([]));
    assert_eq!(world.read("user/default.json"), "upstream 3");
}

#[test]
fn what_was_deleted_here_stays_deleted() {
    let world = World::keeping(r#"["user/**"]"#);
    world.update();
    fs::remove_file(world.own("user/default.json")).unwrap();
    world.upstream(&[("user/default.json", "upstream 2")]);
    world.update();
    assert!(!world.own("user/default.json").exists());
    world.home.run(&["rollback"]).ok();
    assert!(!world.own("user/default.json").exists());
}

#[test]
fn what_upstream_does_not_ship_can_be_made_by_the_module() {
    let world = World::keeping(r#"["cache/**", "settings.json", "conf/a.ini", "*.local.json"]"#);
    world.update();
    world.write("cache/one", "1");
    world.write("settings.json", "made");
    world.write("conf/a.ini", "made too");
    // A name that nothing is known of cannot lead anywhere. Put into the state, it is there from the next update on.
    fs::write(world.state("x.local.json"), "known now").unwrap();
    assert!(!world.own("x.local.json").exists());
    world.update();
    assert_eq!(world.read("x.local.json"), "known now");
    world.upstream(&[("main.py", "2"), ("x.local.json", "theirs"), ("y.local.json", "y")]);
    let told = world.update();
    let message = told["warnings"][0]["message"].as_str().unwrap();
    assert!(message.starts_with("x.local.json was changed here and upstream"), "{message}");
    for (path, text) in [
        ("cache/one", "1"),
        ("settings.json", "made"),
        ("conf/a.ini", "made too"),
        ("x.local.json", "known now"),
        ("y.local.json", "y"),
    ] {
        assert_eq!(world.read(path), text);
    }
    let kept = &world.json(&["show", "node"])["current"]["kept"]["paths"];
    let paths = ["cache/", "conf/a.ini", "settings.json", "x.local.json", "y.local.json"];
    assert_eq!(kept, &json!(paths));
    world.is_sound();
}

#[test]
fn a_part_of_a_repository_keeps_by_its_own_paths_and_the_rest_of_it_stays_reachable() {
    let world = World::keeping("[]");
    world.repo.commit(
        "main",
        &[
            Change::write("nodes/a/main.py", "1"),
            Change::write("nodes/a/user/x", "shipped"),
            Change::symlink("nodes/a/common", "../../lib"),
        ],
    );
    let url = format!("git+{}#subdirectory=nodes/a", world.repo.url_file());
    world.home.write_modules(&format!("[modules.node]\nsource = \"{url}\"\nkeep = [\"user/\"]\n"));
    world.update();
    world.write("user/mine", "mine");
    assert_eq!(world.read("common/deep/x"), "x");
    assert_eq!(fs::read_to_string(world.state("user/mine")).unwrap(), "mine");
    assert_eq!(world.read("user/x"), "shipped");
    world.upstream(&[("nodes/a/main.py", "2")]);
    world.update();
    assert_eq!((world.read("main.py"), world.read("user/mine")), ("2".into(), "mine".into()));
    world.is_sound();
}

#[test]
fn what_cannot_be_kept_fails_by_its_name_and_changes_nothing() {
    let world = World::keeping("[]");
    world.repo.commit(
        "main",
        &[
            Change::symlink("linked", "lib"),
            Change::symlink("lib/inner", "deep"),
            Change::write("plain", "a file"),
        ],
    );
    world.update();
    for (pattern, says) in [
        ("linked", "`linked` is a link in the module's source"),
        ("linked/**", "`linked` is a link"),
        ("linked/x", "`linked` is a link"),
        ("lib/**", "`lib/inner` is a link"),
        ("plain/**", "`plain` is a file in the module's source"),
        ("plain/x", "`plain` is a file"),
    ] {
        world.declare(&format!("keep = [\"{pattern}\"]"));
        let failed = world.home.run(&["--json", "update"]).json()["failed"][0].clone();
        assert_eq!(failed["code"], "keep", "{pattern}: {failed:#}");
        assert!(failed["causes"].to_string().contains(says), "{pattern}: {failed:#}");
        assert_eq!(failed["hint"], "change `keep` in modules.toml");
        assert_eq!(world.read("main.py"), "1");
        let outdated = world.json(&["outdated"]);
        assert!(outdated.to_string().contains(says), "{pattern}: {outdated:#}");
    }
    assert!(!world.home.path().join("state").exists());
    for pattern in ["../x", "/etc/passwd", "**", "a/**/b", ".git/config", ""] {
        world.declare(&format!("keep = [\"{pattern}\"]"));
        world.home.run(&["update"]).fails(2).says("line 3, column 8");
    }
}

#[test]
fn a_single_file_keeps_nothing() {
    let world = World::keeping("[]");
    let url = format!("git+{}#subdirectory=main.py", world.repo.url_file());
    world.home.write_modules(&format!("[modules.node]\nsource = \"{url}\"\nkeep = [\"user/\"]\n"));
    let failed = world.home.run(&["--json", "update"]).json()["failed"][0].clone();
    assert!(failed["causes"].to_string().contains("single file"), "{failed:#}");
}

#[test]
fn what_is_kept_may_change_and_end_and_begin_again() {
    let world = World::keeping(r#"["user/**"]"#);
    world.update();
    world.write("user/mine", "mine");
    let outdated = |world: &World| usize::from(world.json(&["outdated"])["outdated"] == true);
    assert_eq!(outdated(&world), 0);
    let before = world.update()["generation"].clone();
    assert_eq!(world.update()["generation"], before, "an update of nothing is none");

    world.declare("");
    assert_eq!(outdated(&world), 1);
    world.update();
    assert!(!world.own("user").is_symlink() && !world.own("user/mine").exists());
    assert!(world.state("user/mine").exists());

    world.declare("keep = [\"user/**\", \"new/**\"]");
    assert_eq!(outdated(&world), 1);
    world.update();
    assert_eq!(world.read("user/mine"), "mine");
    world.write("new/x", "x");
    world.is_sound();
}

#[test]
fn set_adds_paths_to_keep_and_takes_them_away_and_the_next_update_does_it() {
    let world = World::keeping("[\"cache/\"]");
    world.update();
    let set = |arguments: &[&str], exit| {
        world.home.run(&[&["--json", "set", "node"], arguments].concat()).fails(exit)
    };
    let told = set(&["--keep", "user/**", "--keep", "settings.json"], 0).json();
    assert_eq!(told["keep"], json!(["cache/**", "user/**", "settings.json"]));
    assert_eq!(told["next"]["change"], "updated", "{told:#}");
    world.update();
    world.write("user/mine", "mine");
    world.write("settings.json", "mine");
    let told = set(&["--no-keep", "settings.json", "--no-keep", "cache/"], 0).json();
    assert_eq!(told["keep"], json!(["user/**"]));
    world.update();
    assert!(!world.own("settings.json").exists() && world.state("settings.json").exists());
    assert_eq!(world.read("user/mine"), "mine");
    let text = fs::read_to_string(world.home.path().join("modules.toml")).unwrap();
    for (bad, says) in [
        (["--keep", "../x"], "not a path that a module can keep"),
        (["--keep", "**"], "the whole module"),
        (["--no-keep", "other/"], "does not keep `other/**`"),
    ] {
        let told = set(&bad, 2);
        assert!(told.stdout.contains(says), "{bad:?}: {}", told.stdout);
    }
    assert_eq!(fs::read_to_string(world.home.path().join("modules.toml")).unwrap(), text);
    let both = world.home.run(&["set", "node", "--keep", "x", "--ref", "v1"]).fails(2);
    assert!(both.stderr.contains("cannot be used with"), "{}", both.stderr);
    let plain = world.home.run(&["set", "node", "--no-keep", "user/**"]).ok().stdout;
    assert!(plain.contains("which keeps nothing"), "{plain}");
    world.is_sound();
}

#[test]
fn a_removed_module_leaves_what_it_has_written_until_a_person_deletes_it() {
    let world = World::keeping(r#"["user/**"]"#);
    world.update();
    world.write("user/mine", "mine");
    let told = world.home.run(&["--json", "remove", "node"]).ok().json();
    let directory = PathBuf::from(told["kept"][0].as_str().unwrap());
    assert_eq!(fs::read_to_string(directory.join("user/mine")).unwrap(), "mine");
    assert!(world.state("user/mine").exists());
    let status = world.json(&["status"]);
    assert_eq!(status["kept"][0]["installed"], false, "{status:#}");
    let text = world.home.run(&["status"]).ok().stdout;
    assert!(text.contains("node, which is not installed, has written"), "{text}");

    world.declare("keep = [\"user/**\"]");
    world.update();
    assert_eq!(world.read("user/mine"), "mine", "it is there again");

    let told = world.home.run(&["--json", "remove", "node", "--purge-state"]).ok().json();
    assert_eq!((&told["purged"], &told["kept"]), (&json!(["node"]), &json!([])));
    assert_eq!(world.json(&["status"])["kept"], json!([]));
    world.home.run(&["rollback"]).ok();
    assert_eq!(world.read("user/default.json"), "upstream 1", "an earlier version begins anew");
    world.update();
    assert!(!world.own("").exists());
    assert!(world.state("user").exists());
    let told = world.home.run(&["remove", "node", "--purge-state"]).ok().stdout;
    assert!(told.contains("deleted what node had written"), "{told}");
    assert!(!world.state("").exists());
    world.home.run(&["remove", "node", "--purge-state"]).fails(2);
}

#[test]
fn a_person_at_a_terminal_is_asked_where_that_is_allowed() {
    let world = World::keeping(r#"["user/**"]"#);
    let removes = |options: &str, keys: &str| {
        world.declare("keep = [\"user/**\"]");
        world.update();
        let binary = env!("CARGO_BIN_EXE_modstore");
        let command = format!("{binary} {options} remove node");
        let mut running = world
            .home
            .command_of("/usr/bin/script".as_ref(), &["-q", "-e", "-c", &command, "/dev/null"])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        running.stdin.take().unwrap().write_all(keys.as_bytes()).unwrap();
        let output = running.wait_with_output().unwrap();
        String::from_utf8_lossy(&output.stdout).into_owned()
    };
    let question = "Delete what node wrote";
    assert!(removes("--interactive", "n\n").contains(question));
    assert!(world.state("user").exists());
    assert!(!removes("", "y\n").contains(question), "nothing is asked without that option");
    assert!(world.state("user").exists());
    let said = removes("--interactive", "y\n");
    assert!(said.contains(question) && said.contains("deleted what node had written"), "{said}");
    assert!(!world.state("").exists());
}

#[test]
fn a_store_that_is_purged_says_what_it_leaves() {
    let world = World::keeping(r#"["user/**"]"#);
    world.update();
    world.write("user/mine", "mine");
    let told = world.json(&["reset", "--purge"]);
    let stay = told["kept"].to_string();
    assert!(stay.contains("state") && stay.contains("what modules have written"), "{stay}");
    assert!(world.state("user/mine").exists());
    world.update();
    assert_eq!(world.read("user/mine"), "mine");
}

#[test]
fn the_tree_that_leads_there_shares_its_files_and_is_repaired_like_any_other() {
    let world = World::keeping(r#"["user/**"]"#);
    world.update();
    world.write("user/mine", "mine");
    let current = &world.json(&["show", "node"])["current"];
    let entries = world.home.path().join("entries");
    let entry = |name: &Value| entries.join(name.as_str().unwrap());
    let (tree, source) = (entry(&current["digest"]), entry(&current["kept"]["source_entry"]));
    let inode = |path: PathBuf| path.metadata().unwrap().ino();
    assert_eq!(inode(tree.join("main.py")), inode(source.join("main.py")));
    assert_eq!(fs::read_link(tree.join("user")).unwrap(), PathBuf::from("../../state/node/user"));

    fs::remove_dir_all(&tree).unwrap();
    world.home.run(&["verify", "--repair"]).ok();
    assert_eq!((world.read("main.py"), world.read("user/mine")), ("1".into(), "mine".into()));
    world.is_sound();

    // The home may be moved: every link in it is relative.
    let moved = world.home.scratch().join("moved");
    fs::rename(world.home.path(), &moved).unwrap();
    assert_eq!(fs::read_to_string(moved.join("current/node/user/mine")).unwrap(), "mine");
    fs::rename(&moved, world.home.path()).unwrap();

    // What is received next is received against the tree that came, which has git's names.
    world.upstream(&[("main.py", "2")]);
    let told = world.update();
    assert_eq!(world.read("main.py"), "2", "{told:#}");
}

#[test]
fn nothing_is_written_through_a_link_that_lies_in_the_state() {
    let world = World::keeping(r#"["user/**"]"#);
    world.update();
    let elsewhere = world.home.user_home().join("elsewhere");
    fs::rename(world.state("user"), &elsewhere).unwrap();
    symlink(&elsewhere, world.state("user")).unwrap();
    world.write("user/mine", "mine");
    world.upstream(&[("user/default.json", "upstream 2"), ("user/new.json", "new")]);
    let told = world.update();
    assert!(
        told["warnings"].to_string().contains("user/default.json was changed here"),
        "{told:#}"
    );
    assert_eq!(world.read("user/default.json"), "upstream 1");
    assert!(!elsewhere.join("new.json").exists());
    assert_eq!(world.read("user/mine"), "mine");
}

/// The codes and paths below the home of what `verify` finds in `state/`.
fn found(world: &World) -> Vec<(String, String)> {
    let told = world.json(&["verify", "--quick"]);
    let home = told["home"].as_str().unwrap().to_owned() + "/";
    let findings = told["findings"].as_array().unwrap().iter();
    let found = findings.map(|it| {
        assert_eq!(it["modules"] != json!(["node"]), it["code"] == "file-system", "{it:#}");
        let path = it["path"].as_str().unwrap().replace(&home, "");
        (it["code"].as_str().unwrap().to_owned(), path)
    });
    found.filter(|(code, _)| code != "file-system").collect()
}

/// The ways in which a state is made usable again.
const REPAIRS: [&[&str]; 2] = [&["verify", "--repair"], &["doctor", "--fix"]];

#[test]
fn a_state_that_is_lost_is_found_and_named_and_made_again_with_what_upstream_ships() {
    for repair in REPAIRS {
        let world = World::keeping(r#"["user/**", "cache/", "settings.json"]"#);
        world.update();
        world.write("user/mine", "mine");
        fs::remove_dir_all(world.home.path().join("state")).unwrap();
        assert_eq!(
            found(&world),
            [("state-note", "state/.seeded/node"), ("state-missing", "state/node")]
                .map(|(code, path)| (code.to_owned(), path.to_owned())),
        );
        let verified = world.home.run(&["verify", "--quick"]).fails(4);
        assert!(verified.stdout.contains("module `node`: the directory that it writes to is gone"));
        let doctor = world.home.run(&["doctor", "--quick"]).fails(1);
        assert!(doctor.stdout.contains("state-missing"), "{}", doctor.stdout);
        assert!(doctor.stderr.contains("--fix"), "{}", doctor.stderr);

        let told = world.home.run(repair).ok().stdout;
        assert!(told.contains("state/node"), "{told}");
        assert_eq!(world.read("user/default.json"), "upstream 1", "{repair:?}");
        world.write("cache/x", "x");
        world.write("settings.json", "made");
        world.is_sound();
        let again = world.home.run(repair);
        assert!(!again.stdout.contains("state/node"), "{}", again.stdout);
    }
}

#[test]
fn a_part_of_a_state_that_is_lost_comes_back_and_the_rest_stays_as_the_module_left_it() {
    for repair in [REPAIRS[0], REPAIRS[1], &["update"]] {
        let world = World::keeping(r#"["user/**", "lib/**"]"#);
        world.update();
        fs::remove_file(world.own("user/default.json")).unwrap();
        fs::remove_dir_all(world.state("lib")).unwrap();
        assert_eq!(found(&world), [("state-missing".to_owned(), "state/node/lib".to_owned())]);
        let generation = world.json(&["status"])["generation"].clone();
        world.home.run(repair).ok();
        assert_eq!(world.read("lib/deep/x"), "x", "{repair:?}");
        assert!(!world.own("user/default.json").exists(), "{repair:?}: it was deleted here");
        assert_eq!(world.json(&["status"])["generation"], generation, "nothing else changed");
        world.is_sound();
    }
}

#[test]
fn what_took_the_place_of_a_state_stays_beside_it() {
    for repair in REPAIRS {
        let world = World::keeping(r#"["user/**"]"#);
        world.update();
        let elsewhere = world.home.user_home().join("moved");
        fs::rename(world.state("user"), &elsewhere).unwrap();
        fs::write(world.state("user"), "a file of a person's").unwrap();
        assert_eq!(found(&world), [("state-replaced".to_owned(), "state/node/user".to_owned())]);
        world.update();
        assert!(world.state("user").is_file(), "an update leaves it where it is");
        world.home.run(repair).ok();
        world.write("user/mine", "mine");
        let beside = fs::read_dir(world.state("")).unwrap().map(|it| it.unwrap().path());
        let beside: Vec<PathBuf> =
            beside.filter(|it| it.to_string_lossy().contains("user.replaced-")).collect();
        assert_eq!(fs::read_to_string(&beside[0]).unwrap(), "a file of a person's", "{beside:?}");
        world.is_sound();

        // A link to a directory is a person's choice; one that leads nowhere is not.
        fs::remove_dir_all(world.state("user")).unwrap();
        symlink(&elsewhere, world.state("user")).unwrap();
        world.is_sound();
        fs::remove_dir_all(&elsewhere).unwrap();
        assert_eq!(found(&world), [("state-replaced".to_owned(), "state/node/user".to_owned())]);
        world.home.run(repair).ok();
        world.write("user/mine", "mine");
    }
}

#[test]
fn a_state_that_its_owner_may_not_write_to_is_opened_again() {
    use std::os::unix::fs::PermissionsExt as _;
    for repair in REPAIRS {
        let world = World::keeping(r#"["user/**"]"#);
        world.update();
        fs::set_permissions(world.state("user"), fs::Permissions::from_mode(0o500)).unwrap();
        assert_eq!(found(&world), [("state-permissions".to_owned(), "state/node/user".to_owned())]);
        world.home.run(repair).ok();
        world.write("user/mine", "mine");
        world.is_sound();
    }
}

#[test]
fn a_lost_note_of_what_upstream_ships_brings_back_nothing_that_was_deleted_here() {
    for (repair, damage) in REPAIRS.iter().flat_map(|repair| [(repair, ""), (repair, "no note")]) {
        let world = World::keeping(r#"["user/**"]"#);
        world.upstream(&[("user/other.json", "other 1")]);
        world.update();
        fs::remove_file(world.own("user/default.json")).unwrap();
        let note = world.home.path().join("state/.seeded/node");
        match damage {
            "" => fs::remove_file(&note).unwrap(),
            text => fs::write(&note, text).unwrap(),
        }
        assert_eq!(found(&world), [("state-note".to_owned(), "state/.seeded/node".to_owned())]);
        world.home.run(repair).ok();
        world.is_sound();
        world.upstream(&[("user/other.json", "other 2"), ("main.py", "2")]);
        world.update();
        assert!(!world.own("user/default.json").exists(), "{repair:?}");
        assert_eq!(world.read("user/other.json"), "other 2", "it was not changed here");
    }
}

#[test]
fn a_directory_that_is_gone_from_the_state_is_there_again_after_an_update() {
    let world = World::keeping(r#"["user/**", "cache/"]"#);
    world.update();
    fs::remove_dir_all(world.state("")).unwrap();
    assert!(!world.own("cache").exists());
    world.update();
    world.write("cache/x", "x");
    assert!(world.own("user").is_dir());
}
