//! Rot: bits that change by themselves, with the size and the time of their file as they were. A file that has rotted is
//! never taken on into the next entry: the update takes the good bytes, and says what is damaged.

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "helpers panic, and that is how a test fails"
)]

use std::{
    fs,
    os::unix::fs::{MetadataExt as _, PermissionsExt as _},
    path::{Path, PathBuf},
};

use modstore_testbed::{Change, HttpServer, LfsServer, Repo, TestHome, lfs_oid, lfs_pointer};
use serde_json::Value;

/// A repository with one module of it.
struct World {
    home: TestHome,
    repo: Repo,
}

impl World {
    fn new() -> Self {
        let home = TestHome::new(env!("CARGO_BIN_EXE_modstore"));
        let repo = Repo::create(&home.scratch(), "tool");
        repo.write(&[("readme", "a tool\n"), ("deep/lines", "one\ntwo\n"), ("version", "1")]);
        let world = Self { home, repo };
        world.declare("");
        world.update();
        world
    }

    fn declare(&self, rest: &str) {
        let url = self.repo.url_file();
        self.home.write_modules(&format!("[modules.tool]\nsource = \"git+{url}{rest}\"\n"));
    }

    fn update(&self) -> Value {
        self.home.run(&["update", "--json"]).ok().json()
    }

    /// The current entry.
    fn entry(&self) -> PathBuf {
        fs::canonicalize(self.home.target("tool")).unwrap()
    }

    /// The current entry is what git has, byte for byte.
    #[track_caller]
    fn is_as_git(&self, commit: &str) {
        assert_eq!(self.home.tree("tool"), self.repo.tree(commit));
    }

    /// The entries in which `verify` finds damage.
    fn damaged(&self) -> Vec<String> {
        let told = self.home.run(&["verify", "--json"]).json();
        let found = told["findings"].as_array().unwrap().iter();
        let damaged = found.filter(|finding| finding["severity"] == "damage");
        damaged.map(|finding| finding["entry"].as_str().unwrap().to_owned()).collect()
    }
}

/// Changes one bit of a file; its size, its mode and its time stay.
#[track_caller]
fn rot(path: &Path) {
    let before = path.metadata().unwrap();
    fs::set_permissions(path, fs::Permissions::from_mode(0o644)).unwrap();
    let mut bytes = fs::read(path).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    fs::write(path, bytes).unwrap();
    let file = fs::File::options().write(true).open(path).unwrap();
    file.set_modified(before.modified().unwrap()).unwrap();
    fs::set_permissions(path, before.permissions()).unwrap();
    let after = path.metadata().unwrap();
    let seen = |meta: &fs::Metadata| (meta.ino(), meta.mode(), meta.size(), meta.mtime());
    assert_eq!(seen(&before), seen(&after));
}

#[track_caller]
fn says(report: &Value, words: &[&str]) {
    let said = report["warnings"].to_string();
    words.iter().for_each(|word| assert!(said.contains(word), "does not say {word:?}: {said}"));
}

fn digest_of(entry: &Path) -> String {
    entry.file_name().unwrap().to_str().unwrap().to_owned()
}

#[test]
fn a_file_that_has_rotted_is_not_linked_on_and_the_update_says_it() {
    for file in ["readme", "deep/lines"] {
        let world = World::new();
        let old = world.entry();
        rot(&old.join(file));
        world.repo.write(&[("version", "2")]);
        let report = world.update();
        says(&report, &[file, "damaged", "the whole tree was fetched"]);
        world.is_as_git("HEAD");
        assert_eq!(world.damaged(), [digest_of(&old)], "only the earlier entry is damaged");
        world.home.run(&["verify", "--repair"]).ok();
        assert_eq!(world.damaged(), Vec::<String>::new());
    }
}

#[test]
fn a_large_tree_is_read_in_slices_until_what_has_rotted_is_found() {
    let home = TestHome::new(env!("CARGO_BIN_EXE_modstore"));
    let repo = Repo::create(&home.scratch(), "large");
    let text = |name: &str, lines: usize| -> String {
        (0..lines).map(|line| format!("{name}, line {line:09}\n")).collect()
    };
    let mut files = vec![Change::write("a", text("a", 40_000)), Change::write("version", "1")];
    files.extend((0..9).map(|n| Change::write(format!("z{n}"), text(&n.to_string(), 250_000))));
    repo.commit("main", &files);
    let served = HttpServer::start(&home.scratch());
    home.declare(&[("large", &format!("git+{}", served.url("large")))]);
    home.run(&["update"]).ok();
    let since = || {
        let status = home.run(&["status", "--json"]).ok().json();
        status["verified"][0]["since"].as_str().map(str::to_owned)
    };
    let installed = since();
    assert!(installed.is_some(), "all of it was written");
    rot(&fs::canonicalize(home.target("large")).unwrap().join("a"));

    for version in 2..60 {
        repo.write(&[("version", &version.to_string())]);
        let report = home.run(&["update", "--json"]).ok().json();
        if report["warnings"].to_string().contains("`a` of the previous entry is damaged") {
            assert!(home.tree("large") == repo.tree("HEAD"), "the tree is as git has it");
            assert!(since() > installed, "all of it was written again");
            return;
        }
        assert_eq!(since(), installed, "a slice is not the whole");
    }
    panic!("nothing was found");
}

#[test]
fn status_says_when_each_module_was_last_verified() {
    let world = World::new();
    let status = || world.home.run(&["status", "--json"]).ok().json()["verified"].clone();
    let first = status()[0]["since"].as_str().unwrap().to_owned();
    world.home.run(&["verify", "--quick"]).ok();
    assert_eq!(status()[0]["since"], first, "a quick look reads nothing");
    world.home.run(&["verify"]).ok();
    let second = status()[0]["since"].as_str().unwrap().to_owned();
    assert!(second > first);
    let text = || world.home.run(&["status"]).ok().stdout;
    assert!(text().contains("every file just now or later; longest ago: tool"), "{}", text());

    rot(&world.entry().join("readme"));
    world.home.run(&["verify"]).fails(4);
    assert_eq!(status()[0]["since"], second, "what is damaged was not verified");

    fs::remove_file(world.home.path().join("verified")).unwrap();
    assert_eq!(status()[0]["since"], Value::Null);
    assert!(text().contains("not known for 1 module: `modstore verify` reads"), "{}", text());
}

#[test]
fn an_unchanged_file_is_still_linked_after_it_was_read() {
    let world = World::new();
    let inode = || world.entry().join("deep/lines").metadata().unwrap().ino();
    let before = inode();
    world.repo.write(&[("version", "2")]);
    world.update();
    assert_eq!(inode(), before);
}

#[test]
fn a_file_that_moves_is_read_as_well() {
    let world = World::new();
    rot(&world.entry().join("readme"));
    world.repo.commit("main", &[Change::delete("readme"), Change::write("moved", "a tool\n")]);
    let report = world.update();
    says(&report, &["readme", "damaged"]);
    world.is_as_git("HEAD");
}

#[test]
fn a_commit_with_the_same_tree_replaces_the_entry_that_has_rotted() {
    let world = World::new();
    let entry = world.entry();
    rot(&entry.join("readme"));
    world.repo.commit("main", &[]);
    let report = world.update();
    says(&report, &["readme", "damaged"]);
    assert_eq!(world.entry(), entry, "the tree is the same");
    world.is_as_git("HEAD");
    assert_eq!(world.damaged(), Vec::<String>::new());
}

#[test]
fn an_earlier_entry_that_has_rotted_does_not_come_back() {
    let world = World::new();
    let (first, entry) = (world.repo.rev("HEAD").unwrap(), world.entry());
    world.repo.write(&[("version", "2")]);
    world.update();
    rot(&entry.join("version"));
    world.declare(&format!("@{first}"));
    world.update();
    assert_eq!(world.entry(), entry);
    world.is_as_git(&first);
    assert_eq!(world.damaged(), Vec::<String>::new());
}

#[test]
fn a_submodule_that_has_rotted_is_fetched_and_not_linked_on() {
    let home = TestHome::new(env!("CARGO_BIN_EXE_modstore"));
    let [part, whole] = ["part", "whole"].map(|name| Repo::create(&home.scratch(), name));
    part.config("uploadpack.allowAnySHA1InWant", "true");
    let commit = part.write(&[("name", "a part"), ("other", "more")]);
    let list = "[submodule \"part\"]\n\tpath = part\n\turl = ../part.git\n";
    let parts = [Change::write(".gitmodules", list), Change::gitlink("part", &commit)];
    let served = HttpServer::start(&home.scratch());
    whole.commit("main", &parts);
    home.declare(&[("whole", &format!("git+{}", served.url("whole")))]);
    home.run(&["update"]).ok();
    rot(&fs::canonicalize(home.target("whole")).unwrap().join("part/name"));

    whole.write(&[("version", "2")]);
    let report = home.run(&["update", "--json"]).ok().json();
    says(&report, &["part/name", "damaged"]);
    assert_eq!(fs::read(home.target("whole").join("part/name")).unwrap(), b"a part");
    assert_eq!(fs::read(home.target("whole").join("part/other")).unwrap(), b"more");
}

#[test]
fn the_content_of_a_large_file_that_has_rotted_is_fetched_and_not_linked_on() {
    let home = TestHome::new(env!("CARGO_BIN_EXE_modstore"));
    let repo = Repo::create(&home.scratch(), "media");
    let git = HttpServer::start(&home.scratch());
    let lfs = LfsServer::start(Some(git.port()));
    lfs.put(&lfs_oid("a picture"), "a picture");
    let attributes = "*.bin filter=lfs diff=lfs merge=lfs -text\n";
    repo.commit(
        "main",
        &[
            Change::write(".gitattributes", attributes),
            Change::write("a.bin", lfs_pointer("a picture")),
        ],
    );
    home.run(&["add", "--lfs", &format!("git+{}", lfs.url("media"))]).ok();
    rot(&fs::canonicalize(home.target("media")).unwrap().join("a.bin"));

    repo.write(&[("version", "2")]);
    let report = home.run(&["update", "--json"]).ok().json();
    says(&report, &["a.bin", "damaged", "its content was fetched"]);
    assert_eq!(fs::read(home.target("media").join("a.bin")).unwrap(), b"a picture");
}

#[test]
fn a_module_that_keeps_something_is_not_made_of_files_that_have_rotted() {
    let world = World::new();
    let url = world.repo.url_file();
    let keep = |pattern: &str| {
        let text = format!("[modules.tool]\nsource = \"git+{url}\"\nkeep = [\"{pattern}\"]\n");
        world.home.write_modules(&text);
    };
    keep("user/**");
    world.update();
    rot(&world.entry().join("readme"));
    world.repo.write(&[("version", "2")]);
    says(&world.update(), &["readme", "damaged"]);
    let read = |file: &str| fs::read_to_string(world.home.target("tool").join(file)).unwrap();
    assert_eq!((read("readme"), read("version")), ("a tool\n".into(), "2".into()));

    // The tree is made of the entry that is there, without a fetch.
    rot(&world.entry().join("readme"));
    keep("other/**");
    let ran = world.home.run(&["update", "--json"]).fails(1).json();
    let failed = ran["failed"][0].to_string();
    assert!(failed.contains("readme is damaged"), "{failed}");
    // The second time there are good bytes to make the entry of that no source is recorded of.
    world.home.run(&["verify", "--repair"]);
    world.home.run(&["verify", "--repair"]).ok();
    world.update();
    assert_eq!(read("readme"), "a tool\n");
}
