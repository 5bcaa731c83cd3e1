//! What a store says of the file system it is made on: real mounts, and the words of the page about them.
//!
//! Limits: mounts need root, and are skipped loudly without. Network mounts and FUSE are not mounted here; how
//! their lines in the mount table are read is tested beside the parser.

#![expect(clippy::unwrap_used, reason = "helpers panic, and that is how a test fails")]

use std::{fs, path::Path, process::Command};

use modstore_core::disk::{Concern, FileSystem};
use modstore_testbed::{Mount, Ran, TestHome};

const BINARY: &str = env!("CARGO_BIN_EXE_modstore");

fn named(path: &Path) -> (String, Vec<&'static str>) {
    let found = FileSystem::of(path).unwrap();
    (found.to_string(), found.concerns.iter().map(|concern| concern.name()).collect())
}

#[track_caller]
fn assert_named(path: &Path, name: &str, concerns: &[&str]) {
    assert_eq!(named(path), (name.to_owned(), concerns.to_vec()));
}

/// Runs the first command that makes a store.
fn made(home: &TestHome, options: &[&str]) -> Ran {
    let linked = home.scratch();
    home.run(&[options, &["link", "tool", linked.to_str().unwrap()]].concat()).ok()
}

fn warnings(ran: &Ran) -> usize {
    ran.stderr.matches("warning:").count()
}

fn home_on(mount: &Mount, name: &str) -> TestHome {
    TestHome::new(BINARY).with_store_at(mount.path().join(name))
}

#[test]
fn file_systems_are_called_by_their_name_with_what_they_mean_for_the_promise() {
    for (mount, name, concerns) in [
        (Mount::ext4(16), "ext4", &[][..]),
        (Mount::ext4_without_journal(16), "ext4", &["no-journal"]),
        (Mount::xfs(300), "xfs", &[]),
        (Mount::tmpfs(4), "tmpfs", &["memory"]),
    ] {
        let Some(mount) = mount else { return };
        assert_named(&mount.path(), name, concerns);
        let below = mount.path().join("a b");
        fs::create_dir(&below).unwrap();
        assert_named(&below, name, concerns);
    }
}

#[test]
fn barriers_switched_off_after_the_mount_are_seen() {
    let Some(mount) = Mount::ext4(16) else { return };
    for (option, concerns) in [("nobarrier", &["no-barrier"][..]), ("barrier=1", &[])] {
        let mut remount = Command::new("mount");
        remount.arg("-o").arg(format!("remount,{option}")).arg(mount.path());
        assert!(remount.status().unwrap().success());
        assert_named(&mount.path(), "ext4", concerns);
    }
}

#[test]
fn an_overlay_is_judged_by_what_it_writes_to_if_that_can_be_seen() {
    let Some(below) = Mount::ext4_without_journal(16) else { return };
    let layers = below.path().join("layers");
    {
        let Some(overlay) = Mount::overlay(&layers, "") else { return };
        assert_named(&overlay.path(), "overlay over ext4", &["no-journal", "overlay"]);
        // From inside a container the upper layer has no name either.
        let hidden = below.path().join("hidden");
        fs::rename(&layers, &hidden).unwrap();
        assert_named(&overlay.path(), "overlay", &["hidden-upper"]);
        fs::rename(&hidden, &layers).unwrap();
    }
    let Some(volatile) = Mount::overlay(&below.path().join("others"), ",volatile") else { return };
    let expected = ["no-sync", "no-journal", "overlay"];
    assert_named(&volatile.path(), "overlay over ext4", &expected);
}

#[test]
fn a_store_made_on_a_file_system_that_forgets_says_so_once() {
    let Some(mount) = Mount::tmpfs(8) else { return };
    let home = home_on(&mount, "store");
    let ran = made(&home, &[]).says(&Concern::Memory.to_string()).says("lies on tmpfs");
    assert_eq!(warnings(&ran), 1, "{ran:?}");
    for again in [&["update"][..], &["unlink", "tool"], &["status"]] {
        let ran = home.run(again);
        assert_eq!(warnings(&ran), 0, "{ran:?}");
    }
}

#[test]
fn the_warning_is_printed_in_every_form_but_the_quiet_one() {
    let Some(mount) = Mount::tmpfs(8) else { return };
    let ran = made(&home_on(&mount, "no-progress"), &["--progress", "none"]);
    assert_eq!((warnings(&ran), ran.stderr.lines().count()), (1, 1), "{ran:?}");
    let ran = made(&home_on(&mount, "quiet"), &["--quiet"]);
    assert_eq!(ran.stderr, "");
    let ran = made(&home_on(&mount, "object"), &["--json"]);
    assert_eq!(warnings(&ran), 1, "{ran:?}");
    assert_eq!(ran.json()["ok"], true);
    let ran = made(&home_on(&mount, "events"), &["--progress", "json"]);
    let events = ran.stderr.lines().map(|line| serde_json::from_str(line).expect(line));
    let notices: Vec<serde_json::Value> =
        events.filter(|event: &serde_json::Value| event["event"] == "notice").collect();
    assert_eq!((notices.len(), warnings(&ran)), (1, 0), "{ran:?}");
    assert!(ran.stderr.contains(&Concern::Memory.to_string()), "{ran:?}");
}

#[test]
fn a_store_made_where_the_promise_holds_says_nothing() {
    for mount in [Mount::ext4(16), Mount::xfs(300)] {
        let Some(mount) = mount else { return };
        let ran = made(&home_on(&mount, "store"), &[]);
        assert_eq!(warnings(&ran), 0, "{ran:?}");
    }
}

#[test]
fn the_page_has_every_concern_by_name_in_the_words_of_the_warning() {
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/concurrency.md");
    let page = fs::read_to_string(page).unwrap();
    for concern in Concern::ALL {
        let warns = if concern.is_serious() { "yes" } else { "no" };
        let row = format!("| `{}` | {warns} | {concern} |", concern.name());
        assert!(page.contains(&row), "not in concurrency.md:\n{row}");
    }
}
