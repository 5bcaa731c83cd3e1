//! No false alarm: whatever a store has been through, or is going through, it is found sound.

use std::{
    fs,
    os::unix::fs::MetadataExt as _,
    path::PathBuf,
    sync::atomic::{AtomicBool, AtomicUsize, Ordering},
    time::Duration,
};

use modstore::{Cancel, Depth, Options, Silent, Store, UpdateRequest, internals::check::codes};
use modstore_core::disk::{Lock, LockWait};
use modstore_testbed::{Change, Repo, TestHome};

use super::{BINARY, world::Verified, world::World};

#[track_caller]
fn assert_clean(home: &TestHome, when: &str) {
    for options in [&[][..], &["--quick"]] {
        let verified = Verified::of(home, options);
        assert_eq!(verified.findings(), [], "{when}");
        assert_eq!(verified.ran.status, 0, "{when}");
    }
}

#[test]
fn after_every_kind_of_normal_work_nothing_is_found() {
    let home = TestHome::in_memory(BINARY);
    assert_clean(&home, "there is no store");
    let repo = Repo::create(&home.scratch(), "tool");
    repo.commit("main", &[Change::write("a", "1\n"), Change::exec("b/run", "#!/bin/sh\n")]);
    let source = format!("git+{}", repo.url_file());
    let own = home.scratch().join("own");
    fs::create_dir(&own).unwrap();
    let own = own.to_str().unwrap();
    let steps: [&[&str]; 10] = [
        &["add", &source, "--no-update"],
        &["update"],
        &["update"],
        &["add", &format!("{source}#subdirectory=b"), "--name", "part"],
        &["link", "tool", own],
        &["unlink", "tool"],
        &["rollback"],
        &["unhold", "--all"],
        &["remove", "part"],
        &["update"],
    ];
    for step in steps {
        home.run(step).ok();
        assert_clean(&home, &format!("after {step:?}"));
        repo.commit("main", &[Change::write("a", format!("after {step:?}\n"))]);
        home.run(&["update"]).ok();
        assert_clean(&home, &format!("after {step:?} and an update"));
    }
    home.run(&["update", "nothing-of-that-name"]).fails(2);
    repo.delete_ref("refs/heads/main");
    home.run(&["update"]).fails(1);
    assert_clean(&home, "after updates that failed");
}

#[test]
fn a_store_at_work_is_found_sound_at_every_moment() {
    let home = TestHome::in_memory(BINARY);
    let repo = Repo::create(&home.scratch(), "tool");
    repo.commit("main", &[Change::write("a", "0\n"), Change::write("b/c", "same\n")]);
    home.run(&["add", &format!("git+{}", repo.url_file())]).ok();
    let (over, looks) = (AtomicBool::new(false), AtomicUsize::new(0));
    std::thread::scope(|scope| {
        for depth in [Depth::Quick, Depth::Full] {
            let (over, looks, home) = (&over, &looks, &home);
            scope.spawn(move || {
                let store = Store::open(home.path(), Options::default()).unwrap();
                while !over.load(Ordering::Relaxed) {
                    let found = store.verify(depth, &[], &Silent, &Cancel::new()).unwrap();
                    let known = ["file-system", "file-system-remark"];
                    let alarms: Vec<_> = found
                        .findings
                        .iter()
                        .filter(|finding| !known.contains(&finding.code.as_str()))
                        .collect();
                    assert!(alarms.is_empty(), "{alarms:#?}");
                    looks.fetch_add(1, Ordering::Relaxed);
                }
            });
        }
        let store = Store::open(home.path(), Options::default()).unwrap();
        for round in 0..100 {
            repo.commit("main", &[Change::write("a", format!("{round}\n"))]);
            store.update(&UpdateRequest::default(), &Silent, &Cancel::new()).unwrap();
            store.rollback(None, &[], &Silent, &Cancel::new()).unwrap();
        }
        over.store(true, Ordering::Relaxed);
    });
    let looks = looks.into_inner();
    println!("{looks} looks during 100 updates and rollbacks");
    assert!(looks >= 20, "{looks}");
}

#[test]
fn the_leftovers_of_a_crash_are_reported_and_are_not_damage() {
    let world = World::new();
    let home = world.copy();
    let at = |path: &str| home.path().join(path);
    let digest = "0".repeat(64);
    let random = "0123456789abcdef";
    let left = [
        (format!("staging/{random}"), "staging-dead"),
        ("generations/9".into(), "generation-unrecorded"),
        (format!("entries/{digest}"), "entry-unrecorded"),
        (format!("manifests/{digest}"), "manifest-unrecorded"),
        (format!("manifests/{digest}.git"), "manifest-unrecorded"),
        ("trash/anything".into(), "trash-left"),
        (format!("leases/3-{random}"), "lease-dead"),
        ("condemned".into(), "condemned-left"),
        ("format.json.new".into(), "spare-left"),
        ("journal.torn-0123456789abcdef".into(), "journal-kept"),
        ("notes of mine".into(), "name-unknown"),
        ("staging/notes".into(), "name-unknown"),
        ("entries/notes".into(), "name-unknown"),
        ("quarantine".into(), "quarantined"),
    ];
    for (path, _) in &left {
        match path.as_str() {
            "quarantine" => fs::create_dir_all(at("quarantine/x")).unwrap(),
            path if path.starts_with("leases") => fs::write(at(path), "1\n2\nx\n").unwrap(),
            path if path.starts_with("staging/0") || path.starts_with("generations") => {
                fs::create_dir(at(path)).unwrap();
            }
            path => fs::write(at(path), "x").unwrap(),
        }
    }
    let verified = Verified::of(&home, &[]);
    for (path, code) in &left {
        assert!(verified.has(code, path), "{path}: {:?}", verified.findings());
    }
    assert_eq!(verified.findings().len(), left.len(), "{:?}", verified.findings());
    assert!(verified.is_sound() && verified.ran.status == 0);
}

#[test]
fn a_switch_behind_the_journal_and_a_torn_end_are_leftovers_that_the_next_writer_takes_away() {
    let world = World::new();
    let home = world.copy();
    fs::remove_file(home.path().join("current")).unwrap();
    std::os::unix::fs::symlink("generations/3", home.path().join("current")).unwrap();
    let mut journal = fs::read(home.path().join("journal")).unwrap();
    journal.extend([0; 100]);
    fs::write(home.path().join("journal"), journal).unwrap();
    let verified = Verified::of(&home, &[]);
    assert!(verified.has("current-behind", "current") && verified.has("journal-torn", "journal"));
    assert!(verified.is_sound(), "{:?}", verified.findings());
    home.run(&["remove", "mine"]).ok();
    let verified = Verified::of(&home, &[]);
    let codes: Vec<String> = verified.findings().into_iter().map(|(code, _)| code).collect();
    assert_eq!(codes, ["journal-kept"]);
}

#[test]
fn the_living_are_no_leftovers() {
    let world = World::new();
    let home = world.copy();
    let path = home.path().join("staging/0123456789abcdef");
    let _lock = Lock::try_take(&path.with_extension("lock"), "test").unwrap().unwrap();
    fs::create_dir(&path).unwrap();
    let lease = home.path().join("leases/4-0123456789abcdef");
    let _lease = Lock::try_take(&lease, "test").unwrap().unwrap();
    assert_clean(&home, "a process stages and another one has a lease");
}

#[test]
fn looking_changes_nothing_and_a_sound_store_is_looked_at_without_the_lock() {
    let world = World::new();
    let home = world.copy();
    let lock = home.path().join("locks/store");
    let _lock = Lock::take(&lock, "test", LockWait::at_most(Duration::from_secs(5))).unwrap();
    let state = || -> Vec<(PathBuf, i64, i64, u32)> {
        // That it was found sound is noted, by a file that takes shape in the staging.
        let is_note = |path: &PathBuf| ["verified", "staging"].contains(&path.to_str().unwrap());
        let paths = world.paths().into_iter().filter(|path| !is_note(path));
        paths
            .map(|path| {
                let meta = home.path().join(&path).symlink_metadata().unwrap();
                (path, meta.ctime(), meta.ctime_nsec(), meta.mode())
            })
            .collect()
    };
    let before = state();
    assert_clean(&home, "another process writes");
    assert_eq!(state(), before);
    fs::remove_file(home.path().join("current")).unwrap();
    home.run(&["verify", "--lock-timeout", "0"]).fails(3).says("busy");
}

#[test]
fn only_the_entries_of_the_named_modules_are_looked_into() {
    let world = World::new();
    let other = Repo::create(&world.home.scratch(), "other");
    other.write(&[("a", "other\n")]);
    world.home.run(&["add", &format!("git+{}", other.url_file())]).ok();
    let home = world.copy();
    let file = home.target("other").join("a");
    fs::set_permissions(&file, std::os::unix::fs::PermissionsExt::from_mode(0o644)).unwrap();
    fs::write(&file, "OTHER\n").unwrap();
    assert!(Verified::of(&home, &["tool", "part"]).is_sound());
    let verified = Verified::of(&home, &["other"]);
    assert!(!verified.is_sound());
    assert_eq!(verified.json["checked"]["entries"], 1);
    let findings = verified.json["findings"].as_array().unwrap();
    let content = findings.iter().find(|finding| finding["code"] == "file-content").unwrap();
    assert_eq!((&content["modules"][0], &content["generations"][0]), (&"other".into(), &5.into()));
    home.run(&["verify", "nobody"]).fails(2).says("`nobody`");
}

#[test]
fn every_code_is_in_the_page_about_them_with_its_severity() {
    let page = include_str!("../../docs/verify.md");
    for code in codes() {
        let line = page.lines().find(|line| line.starts_with(&format!("| `{code}` |")));
        let line = line.unwrap_or_else(|| panic!("{code} is not in docs/verify.md"));
        assert!(line.contains(&format!("| {} |", code.severity().as_str())), "{line}");
    }
    let severities = ["damage", "warning", "leftover", "note"];
    let is_row = |line: &&str| {
        line.starts_with("| `")
            && severities.iter().any(|severity| line.contains(&format!("| {severity} |")))
    };
    let rows = page.lines().filter(is_row).count();
    assert_eq!(rows, codes().count(), "a code that is no more is still in the page");
}
