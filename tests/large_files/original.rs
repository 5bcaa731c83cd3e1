//! The original beside us: git-lfs pushes to a real server and checks out; a module has the same files.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    process::Command,
};

use modstore_testbed::{Giftless, HttpServer, TestHome, skip_loudly};

use crate::world::World;

/// A person with git-lfs, whose configuration is not ours.
struct Person {
    home: tempfile::TempDir,
    place: tempfile::TempDir,
}

impl Person {
    /// Where git-lfs is missing, that is said loudly.
    fn with_git_lfs() -> Option<Self> {
        let temporary = || tempfile::tempdir().expect("a temporary directory can be made");
        let person = Self { home: temporary(), place: temporary() };
        let found = Command::new("git").args(["lfs", "version"]).output();
        if !found.is_ok_and(|out| out.status.success()) {
            skip_loudly("git-lfs is not installed; tests/setup.sh installs it");
            return None;
        }
        person.git(person.place.path(), &["lfs", "install", "--skip-repo"]);
        Some(person)
    }

    #[track_caller]
    fn git(&self, at: &Path, args: &[&str]) -> String {
        let mut command = Command::new("git");
        command.current_dir(at).args(args).env("HOME", self.home.path());
        command.env("GIT_CONFIG_NOSYSTEM", "1").env_remove("XDG_CONFIG_HOME");
        for (name, value) in [("NAME", "a"), ("EMAIL", "a@example.com")] {
            command.env(format!("GIT_AUTHOR_{name}"), value);
            command.env(format!("GIT_COMMITTER_{name}"), value);
        }
        let out = command.output().expect("git runs");
        assert!(out.status.success(), "git {args:?}: {}", String::from_utf8_lossy(&out.stderr));
        String::from_utf8_lossy(&out.stdout).into_owned()
    }

    /// What a clone of this address checks out.
    #[track_caller]
    fn clone(&self, url: &str, extra: &[&str]) -> BTreeMap<String, (bool, Vec<u8>)> {
        let to = self.place.path().join("clone");
        let _ = std::fs::remove_dir_all(&to);
        let to_text = to.display().to_string();
        self.git(self.place.path(), &[extra, &["clone", "-q", url, &to_text]].concat());
        files(&to)
    }
}

/// The files below a directory: whether each may be executed, and its bytes.
fn files(root: &Path) -> BTreeMap<String, (bool, Vec<u8>)> {
    use std::os::unix::fs::MetadataExt as _;
    let (mut found, mut open) = (BTreeMap::new(), vec![PathBuf::new()]);
    while let Some(below) = open.pop() {
        for child in std::fs::read_dir(root.join(&below)).expect("a directory can be listed") {
            let name = child.expect("a directory can be listed").file_name();
            let path = below.join(&name);
            let meta = root.join(&path).symlink_metadata().expect("it is there");
            if meta.is_dir() && name != ".git" {
                open.push(path);
            } else if meta.is_file() {
                let bytes = std::fs::read(root.join(&path)).expect("a file can be read");
                found.insert(path.display().to_string(), (meta.mode() & 0o100 != 0, bytes));
            }
        }
    }
    found
}

/// A work tree with large files of many kinds, committed.
fn work(person: &Person) -> PathBuf {
    let work = person.place.path().join("work");
    std::fs::create_dir_all(work.join("models/deep")).unwrap();
    person.git(&work, &["init", "-q", "-b", "main"]);
    let noise = |seed: u32| -> Vec<u8> {
        (0..300_000_u32)
            .map(|n| (n.wrapping_mul(2_654_435_761).wrapping_add(seed) >> 13) as u8)
            .collect()
    };
    let write = |path: &str, bytes: &[u8]| std::fs::write(work.join(path), bytes).unwrap();
    write(".gitattributes", b"*.bin filter=lfs diff=lfs merge=lfs -text\n[attr]big filter=lfs -text\n/models/** big\nmodels/*.txt -filter\n");
    write("models/deep/.gitattributes", b"skip.bin !filter\n\"with space.q\" filter=lfs\n");
    write("a.bin", &noise(1));
    write("copy.bin", &noise(1));
    write("empty.bin", b"");
    write("tool.bin", b"#!/bin/sh\necho 1\n");
    std::fs::set_permissions(
        work.join("tool.bin"),
        std::os::unix::fs::PermissionsExt::from_mode(0o755),
    )
    .unwrap();
    write("models/weights", &noise(2));
    write("models/notes.txt", b"words\n");
    write("models/deep/skip.bin", b"not large\n");
    write("models/deep/with space.q", &noise(3));
    write("models/deep/\u{e4}.bin", b"umlaut");
    write("plain", b"plain\n");
    person.git(&work, &["add", "-A"]);
    person.git(&work, &["commit", "-q", "-m", "1"]);
    work
}

#[test]
fn a_module_has_the_files_that_git_lfs_checks_out_from_a_real_server() {
    let (Some(person), Some(giftless)) = (Person::with_git_lfs(), Giftless::start()) else {
        return;
    };
    let served = tempfile::tempdir().unwrap();
    let bare = served.path().join("o/m.git");
    let work = work(&person);
    person.git(served.path(), &["init", "-q", "--bare", "-b", "main", "o/m.git"]);
    let git = HttpServer::start(served.path());
    person.git(&work, &["config", "lfs.url", &giftless.url("o/m")]);
    person.git(&work, &["push", "-q", &bare.display().to_string(), "main"]);
    let kept = files(&giftless.contents()).len();
    assert!(kept >= 5, "git-lfs has pushed: {kept}");

    let url = git.url("o/m");
    let config = format!("lfs.url={}", giftless.url("o/m"));
    let original = person.clone(&url, &["-c", &config]);
    let home = TestHome::new(env!("CARGO_BIN_EXE_modstore"));
    home.git_config(&format!("[lfs]\n\turl = {}\n", giftless.url("o/m")));
    home.run(&["add", "--lfs", &format!("git+{url}")]).ok();
    let ours = files(&home.target("m").canonicalize().unwrap());
    assert_eq!(ours.keys().collect::<Vec<_>>(), original.keys().collect::<Vec<_>>());
    for (path, theirs) in &original {
        assert!(ours[path] == *theirs, "{path} differs");
    }
    assert!(original["a.bin"].1.len() == 300_000, "the original is no oracle without content");

    // One more commit, fetched against the entry.
    std::fs::write(work.join("models/weights"), b"other weights").unwrap();
    std::fs::rename(work.join("a.bin"), work.join("b.bin")).unwrap();
    person.git(&work, &["add", "-A"]);
    person.git(&work, &["commit", "-q", "-m", "2"]);
    person.git(&work, &["push", "-q", &bare.display().to_string(), "main"]);
    home.run(&["update"]).ok();
    let original = person.clone(&url, &["-c", &config]);
    assert!(files(&home.target("m").canonicalize().unwrap()) == original);
    home.run(&["verify"]).ok();
}

#[test]
fn a_module_has_the_files_that_git_lfs_checks_out_from_a_directory() {
    let Some(person) = Person::with_git_lfs() else { return };
    let work = work(&person);
    let url = format!("file://{}", work.display());
    let original = person.clone(&url, &[]);
    let home = TestHome::new(env!("CARGO_BIN_EXE_modstore"));
    home.run(&["add", "--lfs", &format!("git+{url}")]).ok();
    assert!(files(&home.target("work").canonicalize().unwrap()) == original);
    assert!(original["a.bin"].1.len() == 300_000, "the original is no oracle without content");

    // A bare clone that git-lfs has filled has them too.
    let bare = person.place.path().join("bare.git");
    person.git(person.place.path(), &["clone", "-q", "--bare", &url, "bare.git"]);
    person.git(&work, &["lfs", "push", "--all", &format!("file://{}", bare.display())]);
    home.run(&["add", "--lfs", &format!("git+file://{}", bare.display())]).ok();
    assert!(files(&home.target("bare").canonicalize().unwrap()) == original);
}

#[test]
fn patterns_leave_out_the_files_that_git_lfs_leaves_out() {
    let Some(person) = Person::with_git_lfs() else { return };
    let work = work(&person);
    let url = format!("file://{}", work.display());
    for (include, exclude) in [
        ("", "models"),
        ("models", ""),
        ("*.bin", "models/deep"),
        ("/models/weights,a.bin", ""),
        ("", "models/**"),
        ("deep", ""),
        ("models/deep/", "*.q"),
    ] {
        let config =
            format!("[lfs]\n\tfetchinclude = \"{include}\"\n\tfetchexclude = \"{exclude}\"\n");
        let file = person.home.path().join(".gitconfig");
        let before = std::fs::read_to_string(&file).unwrap();
        std::fs::write(&file, format!("{before}{config}")).unwrap();
        let original = person.clone(&url, &[]);
        std::fs::write(&file, before).unwrap();
        let home = TestHome::new(env!("CARGO_BIN_EXE_modstore"));
        home.git_config(&config);
        home.run(&["add", "--lfs", &format!("git+{url}")]).ok();
        let ours = files(&home.target("work").canonicalize().unwrap());
        let differ: Vec<_> =
            original.keys().filter(|path| ours.get(*path) != original.get(*path)).collect();
        assert!(differ.is_empty(), "include {include:?}, exclude {exclude:?}: {differ:?}");
    }
}

#[test]
fn a_server_of_large_files_is_given_the_branch_as_by_git_lfs() {
    let Some(person) = Person::with_git_lfs() else { return };
    let world = World::new();
    let repo = world.repo("m");
    repo.commit("main", &[world.large("a.bin", "content")]);
    let tip = repo.rev("main").expect("it was made");
    repo.branch("feature/x", &tip);
    let asked = || -> serde_json::Value {
        let all = world.lfs.requests();
        let batch = all.iter().find(|each| each.body.starts_with(b"{"));
        let body = batch.map(|each| serde_json::from_slice(&each.body).expect("it is JSON"));
        world.lfs.clear();
        body.map_or(serde_json::Value::Null, |body: serde_json::Value| body["ref"].clone())
    };
    for branch in ["main", "feature/x"] {
        asked();
        person.clone(&world.lfs.url("m"), &["-c", "lfs.locksverify=false"]);
        let to = person.place.path().join("clone");
        person.git(&to, &["checkout", "-q", branch]);
        std::fs::remove_dir_all(to.join(".git/lfs")).expect("git-lfs made it");
        asked();
        person.git(&to, &["lfs", "pull"]);
        let by_git_lfs = asked();
        assert_eq!(by_git_lfs["name"], format!("refs/heads/{branch}"));
        let _ = std::fs::remove_dir_all(world.home.path());
        let source = format!("{}@{branch}", world.source(&repo));
        world.home.run(&["add", "--lfs", &source, "--name", "m"]).ok();
        assert_eq!(asked(), by_git_lfs, "{branch}");
        assert_eq!(world.read("m", "a.bin"), b"content");
    }
    // A commit alone is on no branch.
    let _ = std::fs::remove_dir_all(world.home.path());
    let source = format!("{}@{tip}", world.source(&repo));
    world.home.run(&["add", "--lfs", &source, "--name", "m"]).ok();
    assert_eq!(asked(), serde_json::Value::Null);
}
