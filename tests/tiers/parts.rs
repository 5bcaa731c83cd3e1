//! What a module is beside its commit is in a tier too: submodules, large files; and archives, which are no commits.

use std::{
    ffi::OsString,
    fs::Permissions,
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
    process::Command,
    time::Duration,
};

use modstore_testbed::{
    Change, HttpServer, LfsServer, Random, Repo, TestHome, lfs_oid, lfs_pointer,
};
use rustix::process::Signal;
use serde_json::Value;

use crate::world::{counts, object_of, run, sources};

/// Repositories, servers in front of them, and a directory that is a tier.
struct Parts {
    git: HttpServer,
    lfs: LfsServer,
    root: tempfile::TempDir,
}

impl Parts {
    fn new() -> Self {
        let root = tempfile::tempdir().unwrap();
        let git = HttpServer::start(root.path());
        let lfs = LfsServer::start(Some(git.port()));
        std::fs::create_dir(root.path().join("tier")).unwrap();
        Self { git, lfs, root }
    }

    fn tier(&self) -> PathBuf {
        self.root.path().join("tier")
    }

    fn tier_text(&self) -> String {
        self.tier().display().to_string()
    }

    /// A repository of one file, whose commits anyone may ask for, and its commit.
    fn part(&self, name: &str) -> (Repo, String) {
        let repo = Repo::create(self.root.path(), name);
        repo.config("uploadpack.allowAnySHA1InWant", "true");
        let commit = repo.write(&[("name", name), ("deep/lines", "one\ntwo\n")]);
        (repo, commit)
    }

    /// `parent` has `middle`, which has `inner`: the commits of the two.
    fn nested(&self) -> [String; 2] {
        let (_, inner) = self.part("inner");
        let (middle, _) = self.part("middle");
        let middle = with_submodule(&middle, "in/inner", "../inner", &inner);
        let (parent, _) = self.part("parent");
        with_submodule(&parent, "vendor/middle", "../middle", &middle);
        [middle, inner]
    }

    /// `large` has a file whose content Git LFS keeps: the content's place in the tier.
    fn large(&self) -> PathBuf {
        let repo = Repo::create(self.root.path(), "large");
        let attributes = "*.bin filter=lfs diff=lfs merge=lfs -text\n";
        let content = vec![7_u8; 300 << 10];
        self.lfs.put(&lfs_oid(&content), &content);
        let pointer = lfs_pointer(&content);
        let changes = [
            Change::write(".gitattributes", attributes),
            Change::write("deep/a.bin", &pointer),
            Change::write("b.bin", &pointer),
        ];
        repo.commit("main", &changes);
        let oid = lfs_oid(&content);
        self.tier().join("v1/lfs/sha256").join(&oid[..2]).join(&oid)
    }

    /// A home with these sources, in which nothing is yet.
    fn home(sources: &[(&str, &str)]) -> TestHome {
        let home = TestHome::in_memory(env!("CARGO_BIN_EXE_modstore"));
        home.declare(sources);
        home
    }

    /// The same declarations and the same lock.
    fn reader(other: &TestHome) -> TestHome {
        let home = TestHome::in_memory(env!("CARGO_BIN_EXE_modstore"));
        std::fs::create_dir_all(home.path()).unwrap();
        for name in ["modules.toml", "modules.lock"] {
            std::fs::copy(other.path().join(name), home.path().join(name)).unwrap();
        }
        home
    }

    fn publish(&self, home: &TestHome) -> Value {
        let answer = run(home, &["update", "--publish", "--tier", &self.tier_text()]);
        assert_eq!(answer["failed"], Value::Array(Vec::new()), "{answer}");
        answer
    }

    /// Updates a new store from the lock of `home` and the tier alone, and compares the module.
    #[track_caller]
    fn read_only_from_tier(&self, home: &TestHome, module: &str) -> Value {
        self.git.forget();
        self.lfs.clear();
        let reader = Self::reader(home);
        let args = ["update", "--locked", "--tier", &self.tier_text(), "--tier", "only"];
        let answer = run(&reader, &args);
        assert_eq!(sources(&answer), ["tier"]);
        assert_eq!(reader.tree(module), home.tree(module));
        assert_eq!(entry(&reader, module), entry(home, module));
        assert_eq!(reader.leftovers(), Vec::<PathBuf>::new());
        assert_eq!(self.git.stats().connections, 0);
        assert!(self.lfs.requests().is_empty());
        answer
    }
}

fn with_submodule(repo: &Repo, path: &str, url: &str, commit: &str) -> String {
    let text = format!("[submodule \"{path}\"]\n\tpath = {path}\n\turl = {url}\n");
    repo.commit("main", &[Change::write(".gitmodules", text), Change::gitlink(path, commit)])
}

/// A `.tar.gz` of these files, and its checksum.
fn archive(at: &Path, files: &[(&str, &str)]) -> String {
    let from = tempfile::tempdir().unwrap();
    for (path, text) in files {
        let path = from.path().join(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    }
    let mut tar = Command::new("tar");
    let tar = tar.arg("-C").arg(from.path()).arg("-czf").arg(at).arg(".");
    assert!(tar.status().unwrap().success());
    lfs_oid(std::fs::read(at).unwrap())
}

/// The name of a module's entry.
fn entry(home: &TestHome, module: &str) -> OsString {
    let target = home.target(module).canonicalize().unwrap();
    let below = target.strip_prefix(home.path().canonicalize().unwrap().join("entries")).unwrap();
    below.iter().next().unwrap().to_owned()
}

/// Makes a file of an entry another.
fn damage(path: &Path) {
    let path = path.canonicalize().unwrap();
    let above = path.parent().unwrap();
    for path in [above, &path] {
        std::fs::set_permissions(path, Permissions::from_mode(0o755)).unwrap();
    }
    let mut bytes = std::fs::read(&path).unwrap();
    bytes[0] ^= 1;
    std::fs::write(&path, bytes).unwrap();
}

#[test]
fn a_module_with_submodules_is_read_from_the_tier_alone() {
    let world = Parts::new();
    let commits = world.nested();
    let source = format!("git+{}", world.git.url("parent"));
    let home = Parts::home(&[("parent", &source)]);
    let answer = world.publish(&home);
    assert_eq!(answer["tier"]["published"], 3, "{answer}");
    for commit in &commits {
        assert!(object_of(&world.tier(), commit).is_file());
    }
    let answer = world.read_only_from_tier(&home, "parent");
    assert_eq!(counts(&answer), [3, 0, 0, 0], "{answer}");
    // What is there is not sent again.
    let answer = run(&home, &["push", "--tier", &world.tier_text()]);
    assert_eq!(answer["already_there"][0], "parent", "{answer}");
    // One that is gone is named.
    std::fs::remove_file(object_of(&world.tier(), &commits[1])).unwrap();
    let reader = Parts::reader(&home);
    let args = ["update", "--locked", "--tier", &world.tier_text(), "--tier", "only"];
    let ran = reader.run(&args).fails(1);
    assert!(ran.stderr.contains("vendor/middle/in/inner"), "{ran:?}");
    assert!(ran.stderr.contains(&commits[1]), "{ran:?}");
    let answer = run(&home, &["push", "--tier", &world.tier_text()]);
    assert_eq!(answer["published"][0], "parent", "{answer}");
    world.read_only_from_tier(&home, "parent");
}

#[test]
fn a_submodule_that_two_modules_share_is_published_for_both() {
    let world = Parts::new();
    let [_, inner] = world.nested();
    let (other, _) = world.part("other");
    with_submodule(&other, "lib", "../inner", &inner);
    let (parent, other) = (world.git.url("parent"), world.git.url("other"));
    let sources = [("other", &*format!("git+{other}")), ("parent", &*format!("git+{parent}"))];
    let home = Parts::home(&sources);
    let answer = world.publish(&home);
    assert_eq!(answer["tier"]["published"], 4, "{answer}");
    let answer = run(&home, &["push", "--tier", &world.tier_text()]);
    assert_eq!(answer["not_published"], Value::Array(Vec::new()), "{answer}");
    // Each store has all that it takes to publish again, whichever module fetched it.
    std::fs::remove_dir_all(world.tier().join("v1")).unwrap();
    let answer = run(&home, &["push", "other", "--tier", &world.tier_text()]);
    assert_eq!(answer["tier"]["published"], 2, "{answer}");
}

#[test]
fn a_submodule_that_no_tier_is_for_is_named_and_the_rest_is_published() {
    let world = Parts::new();
    let [middle, inner] = world.nested();
    let source = format!("git+{}", world.git.url("parent"));
    let home = Parts::home(&[("parent", &source)]);
    run(&home, &["update"]);
    let url = world.tier_text();
    let host = format!("127.0.0.1:{}", world.git.port());
    let config = format!("[[tier]]\nurl = \"{url}\"\nexcept = [\"{host}/inner\"]\n");
    std::fs::write(home.path().join("config.toml"), config).unwrap();
    let answer = run(&home, &["push"]);
    let not = &answer["not_published"][0];
    let message = "its submodule vendor/middle/in/inner: no tier is for it";
    assert_eq!((&not["module"], &not["message"]), (&"parent".into(), &message.into()), "{answer}");
    assert!(object_of(&world.tier(), &middle).is_file());
    assert!(!object_of(&world.tier(), &inner).is_file());
    // Who asks for it by its name wants it published.
    home.run(&["push", "parent"]).fails(1);
}

#[test]
fn large_files_are_read_from_the_tier_alone_and_a_lie_is_refused() {
    let world = Parts::new();
    let object = world.large();
    let source = format!("git+{}", world.lfs.url("large"));
    let home = TestHome::in_memory(env!("CARGO_BIN_EXE_modstore"));
    home.run(&["add", "--lfs", &source, "--tier", &world.tier_text(), "--publish"]).ok();
    let truth = std::fs::read(&object).unwrap();
    assert_eq!(truth, vec![7; 300 << 10]);
    let answer = world.read_only_from_tier(&home, "large");
    assert_eq!(counts(&answer), [2, 0, 0, 0], "{answer}");
    for lie in [&truth[1..], &[&truth[..], b"x"].concat(), &[&truth[1..], b"x"].concat()] {
        std::fs::remove_file(&object).unwrap();
        std::fs::write(&object, lie).unwrap();
        let reader = Parts::reader(&home);
        let tier = world.tier_text();
        let ran = reader.run(&["update", "--locked", "--tier", &tier, "--tier", "only"]).fails(1);
        assert!(ran.stderr.contains("deep/a.bin") || ran.stderr.contains("b.bin"), "{ran:?}");
        assert!(ran.stderr.contains("only something that did not prove to be it"), "{ran:?}");
        let answer = run(&reader, &["update", "--locked", "--tier", &tier]);
        assert_eq!(counts(&answer), [1, 0, 1, 0], "{answer}");
        assert_eq!(reader.tree("large"), home.tree("large"));
    }
    // Who may write replaces the lie.
    let reader = Parts::reader(&home);
    run(&reader, &["update", "--locked", "--publish", "--tier", &world.tier_text()]);
    std::fs::remove_file(&object).unwrap();
    run(&home, &["push", "--tier", &world.tier_text()]);
    world.read_only_from_tier(&home, "large");
}

#[test]
fn a_large_file_of_an_entry_that_is_damaged_is_not_published() {
    let world = Parts::new();
    let object = world.large();
    let source = format!("git+{}", world.lfs.url("large"));
    let home = TestHome::in_memory(env!("CARGO_BIN_EXE_modstore"));
    home.run(&["add", "--lfs", &source]).ok();
    let path = home.target("large").join("b.bin");
    damage(&path);
    assert_ne!(std::fs::read(path).unwrap()[0], 7);
    let ran = home.run(&["push", "--tier", &world.tier_text()]).fails(1);
    assert!(ran.stderr.contains("b.bin"), "{ran:?}");
    assert!(!object.exists());
}

#[test]
fn an_archive_is_published_as_it_is_and_read_where_its_address_is_gone() {
    let world = Parts::new();
    let at = world.root.path().join("packed.tar.gz");
    let sum = archive(&at, &[("top/main.py", "print()\n"), ("top/deep/file", "text\n")]);
    let source = format!("archive+file://{}#sha256={sum}&subdirectory=top", at.display());
    let home = Parts::home(&[("packed", &source)]);
    let answer = world.publish(&home);
    assert_eq!(answer["tier"]["published"], 1, "{answer}");
    let object = world.tier().join("v1/archive/sha256").join(&sum[..2]).join(&sum);
    assert_eq!(std::fs::read(&object).unwrap(), std::fs::read(&at).unwrap());
    assert_eq!(home.leftovers(), Vec::<PathBuf>::new());
    let bytes = std::fs::read(&at).unwrap();
    std::fs::remove_file(&at).unwrap();
    let answer = world.read_only_from_tier(&home, "packed");
    assert_eq!(counts(&answer), [1, 0, 0, 0], "{answer}");
    // Its bytes are not kept: they are asked for again, and where they are gone that is said.
    std::fs::remove_dir_all(world.tier().join("v1")).unwrap();
    let ran = home.run(&["push", "--tier", &world.tier_text(), "--json"]).fails(1);
    let not = &ran.json()["not_published"][0];
    assert_eq!((&not["module"], &not["failed"]), (&"packed".into(), &true.into()), "{ran:?}");
    std::fs::write(&at, &bytes).unwrap();
    run(&home, &["push", "--tier", &world.tier_text()]);
    assert_eq!(std::fs::read(&object).unwrap(), bytes);
    // Another archive at the address is not published.
    std::fs::remove_dir_all(world.tier().join("v1")).unwrap();
    std::fs::write(&at, &bytes[1..]).unwrap();
    home.run(&["push", "--tier", &world.tier_text()]).fails(1);
    assert!(!object.exists());
}

#[test]
fn an_update_that_is_killed_while_it_publishes_an_archive_leaves_nothing_of_half() {
    let world = Parts::new();
    let at = world.root.path().join("packed.tar.gz");
    let mut random = Random::of(76);
    let noise: String = (0..40_000).map(|_| format!("{}\n", random.within(0..1 << 40))).collect();
    let sum = archive(&at, &[("noise", &noise)]);
    let truth = std::fs::read(&at).unwrap();
    let source = format!("archive+file://{}#sha256={sum}", at.display());
    let object = world.tier().join("v1/archive/sha256").join(&sum[..2]).join(&sum);
    for wait in (0..12).map(|number| number * 15) {
        let home = Parts::home(&[("packed", &source)]);
        let _ = std::fs::remove_file(&object);
        let running = home.spawn(&["update", "--publish", "--tier", &world.tier_text()]);
        std::thread::sleep(Duration::from_millis(wait));
        running.signal(Signal::KILL);
        running.wait();
        assert!(std::fs::read(&object).map_or(true, |bytes| bytes == truth), "{wait} ms");
        // The next update removes what was left, and `push` publishes what was not.
        run(&home, &["update"]);
        run(&home, &["push", "--tier", &world.tier_text()]);
        assert_eq!(std::fs::read(&object).unwrap(), truth);
        assert_eq!(home.leftovers(), Vec::<PathBuf>::new(), "{wait} ms");
    }
}

#[test]
fn an_export_has_submodules_large_files_and_archives() {
    let world = Parts::new();
    world.nested();
    world.large();
    let at = world.root.path().join("packed.tar.gz");
    let sum = archive(&at, &[("main.py", "print()\n")]);
    let packed = format!("archive+file://{}#sha256={sum}", at.display());
    let home = Parts::home(&[
        ("packed", &packed),
        ("parent", &format!("git+{}", world.git.url("parent"))),
    ]);
    home.run(&["add", "--lfs", &format!("git+{}", world.lfs.url("large"))]).ok();
    run(&home, &["update"]);
    let exported = ["one.tar", "two.tar"].map(|name| {
        let to = world.root.path().join(name);
        let answer = run(&home, &["export", &to.display().to_string()]);
        assert_eq!(
            (&answer["written"], &answer["not_exported"]),
            (&6.into(), &Value::Array(vec![]))
        );
        std::fs::read(to).unwrap()
    });
    assert_eq!(exported[0], exported[1]);
    std::fs::remove_file(&at).unwrap();
    world.git.forget();
    world.lfs.clear();
    let reader = TestHome::in_memory(env!("CARGO_BIN_EXE_modstore"));
    let tar = world.root.path().join("one.tar").display().to_string();
    run(&reader, &["import", &tar]);
    for module in ["packed", "parent", "large"] {
        assert_eq!(reader.tree(module), home.tree(module), "{module}");
        assert_eq!(entry(&reader, module), entry(&home, module), "{module}");
    }
    assert_eq!(world.git.stats().connections, 0);
    assert!(world.lfs.requests().is_empty());
    // What cannot go is named, all of it, and there is no closure.
    let linked = home.scratch().join("linked");
    std::fs::create_dir(&linked).unwrap();
    home.run(&["add", &linked.display().to_string()]).ok();
    let to = world.root.path().join("three");
    let ran = home.run(&["export", &to.display().to_string(), "--json"]).fails(1);
    let answer = ran.json();
    let named: Vec<&Value> = answer["not_exported"].as_array().unwrap().iter().collect();
    assert_eq!(named.len(), 2, "{answer}");
    assert_eq!((&named[0]["module"], &named[0]["failed"]), (&"linked".into(), &false.into()));
    assert_eq!((&named[1]["module"], &named[1]["failed"]), (&"packed".into(), &true.into()));
    assert!(ran.stderr.contains("`linked` cannot be exported"), "{ran:?}");
    assert!(ran.stderr.contains("`packed` cannot be exported"), "{ran:?}");
    assert!(!to.join("modules.lock").exists());
}
