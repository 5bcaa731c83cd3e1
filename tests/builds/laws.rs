//! The current version stays, and a failure for a passing reason is tried again: T1, T2, T5, T6, T7, T9, T12, T13, T14.

use std::{
    fs,
    sync::atomic::{AtomicBool, Ordering},
    time::Duration,
};

use modstore_testbed::{Host, Repo, listing, until};
use rustix::process::Signal;

use super::world::{World, flip, names, says};

#[test]
fn t1_a_first_build_without_network_is_reported_and_works_at_a_later_scan_of_the_same_host() {
    let world = World::new();
    world.flag("offline", Some(""));
    let mut host = Host::start(&world.home);
    let scan = host.scan();
    assert_eq!(world.starts(), 1);
    let failed = &scan["failed"][0];
    assert_eq!(
        (&failed["class"], &failed["stage"]),
        (&"transient".into(), &"build".into()),
        "{failed}"
    );
    assert_eq!(host.run("tool"), "unknown module tool");
    let attempt = host.status()["failing"][0]["attempt"].clone();
    let causes = attempt["causes"].as_array().unwrap();
    assert!(
        causes.iter().any(|cause| cause.as_str().unwrap().contains("could not resolve host")),
        "{attempt}"
    );
    let told = world.home.run(&["status"]).ok().stdout;
    assert!(
        told.contains("could not resolve host") && told.contains("it has no version yet"),
        "{told}"
    );

    world.flag("offline", None);
    let shown = (0..200).any(|_| {
        std::thread::sleep(Duration::from_millis(20));
        host.scan()["ok"] == true
    });
    assert!(shown, "{:?}", host.status());
    assert_eq!(world.starts(), 1, "exactly one build");
    assert_eq!(host.run("tool"), "one");
    assert_eq!((host.scan()["ok"].as_bool(), world.starts()), (Some(true), 0));
}

#[test]
fn t2_a_result_never_gets_another_key_and_is_built_again_once_there_is_a_network() {
    let world = World::new();
    assert_eq!(world.scan(0).0, 1);
    let before = world.served();
    world.flag("offline", Some(""));
    world.edit("tool", "two");
    assert_eq!(world.scan(1).0, 1);
    assert_eq!((world.says("tool").as_deref(), &world.served()), (Some("one"), &before));
    // Whatever is done to the store meanwhile.
    fs::rename(world.home.path().join("journal"), world.home.scratch().join("journal")).unwrap();
    world.home.run(&["verify", "--repair"]).ok();
    assert_eq!(world.served()["built"]["input_key"], before["built"]["input_key"]);
    let (starts, _) = world.scan(1);
    assert_eq!(
        (starts, world.says("tool").as_deref()),
        (1, Some("one")),
        "the failure was forgotten with the journal"
    );
    world.flag("offline", None);
    assert_eq!(world.scan_when_due(0).0, 1);
    assert_eq!(world.says("tool").as_deref(), Some("two"));
    assert_ne!(world.served()["built"]["input_key"], before["built"]["input_key"]);
    assert_eq!(world.scan(0).0, 0);
}

#[test]
fn t5_a_source_that_was_deleted_and_is_back_byte_for_byte_is_current_without_a_build() {
    let world = World::new();
    world.scan(0);
    let (source, away) = (world.source("tool"), world.home.scratch().join("away"));
    assert_eq!(world.starts(), 0);
    fs::rename(&source, &away).unwrap();
    let (starts, told) = world.scan(1);
    assert_eq!((starts, names(&told["failed"])), (0, vec!["tool"]));
    assert_eq!(world.says("tool").as_deref(), Some("one"), "it stays current");
    fs::create_dir(&source).unwrap();
    fs::copy(away.join("main.txt"), source.join("main.txt")).unwrap();
    let (starts, told) = world.scan(0);
    assert_eq!((starts, names(&told["unchanged"])), (0, vec!["tool"]));
    // The same for one that is not declared any longer.
    world.declare(&[]);
    world.scan(0);
    world.declare(&["tool"]);
    assert_eq!(world.scan(0).0, 0);
    assert_eq!(world.says("tool").as_deref(), Some("one"));
}

#[test]
fn t6_another_toolchain_without_network_keeps_the_current_result() {
    let world = World::new();
    world.scan(0);
    world.starts();
    world.flag("offline", Some(""));
    world.flag("version", Some("2\n"));
    let (starts, told) = world.scan(1);
    assert_eq!((starts, &told["failed"][0]["class"]), (1, &"transient".into()));
    assert_eq!(world.says("tool").as_deref(), Some("one"));
    world.flag("offline", None);
    assert_eq!(world.scan_when_due(0).0, 1);
}

#[test]
fn t7_an_upgrade_that_does_not_pass_or_is_killed_leaves_every_byte_as_it_was() {
    let world =
        World::with(&["tool"], "validate = [\"grep\", \"-q\", \"-v\", \"claimed\", \"run.sh\"]");
    world.home.run(&["scan"]).ok();
    let entries = || listing(&world.home.path().join("entries"));
    let before = (entries(), world.served(), fs::read(world.home.path().join("modules.lock")).ok());
    world.edit("tool", "claimed");
    let (_, told) = world.scan(1);
    assert_eq!(told["failed"][0]["stage"], "validate", "{told}");
    let now = (entries(), world.served(), fs::read(world.home.path().join("modules.lock")).ok());
    assert!(before == now, "something is left of what did not pass");
    world.edit("tool", "two");
    world.flag("slow", Some("0.3"));
    for after in [1, 30, 100, 200, 300, 400] {
        let running = world.home.spawn(&["scan"]);
        std::thread::sleep(Duration::from_millis(after));
        running.signal(Signal::KILL);
        drop(running);
        let says = world.says("tool").unwrap();
        assert!(says == "one" || says == "two", "{says}");
        assert_eq!(world.home.run(&["verify"]).status, 0, "killed after {after} ms");
    }
    world.flag("slow", None);
    // What a killed process has started ends with it, but not in the same moment.
    until(Duration::from_secs(20), "no build works", || world.home.workers().is_empty());
    world.home.run(&["scan"]).ok();
    assert_eq!(world.says("tool").as_deref(), Some("two"));
    // The directory that a toolchain is asked in lies with the system's temporary files, and a killed process leaves it there.
    let mut left = world.home.leftovers();
    left.retain(|path| path.starts_with(world.home.path()));
    assert!(left.is_empty(), "{left:?}");
}

#[test]
fn t9_the_process_after_a_killed_one_continues_at_once() {
    let world = World::new();
    world.flag("slow", Some("5"));
    let running = world.home.spawn(&["scan"]);
    until(Duration::from_secs(5), "the build runs", || world.book("starts").exists());
    running.signal(Signal::KILL);
    drop(running);
    world.flag("slow", None);
    world.starts();
    world.home.run(&["--lock-timeout", "1", "scan"]).ok();
    assert_eq!((world.starts(), world.says("tool").as_deref()), (1, Some("one")));
}

#[test]
fn t12_readers_see_the_old_or_the_new_and_never_nothing_while_many_scan_and_sweep() {
    let world = World::new();
    world.scan(0);
    let done = AtomicBool::new(false);
    let misses = std::thread::scope(|scope| {
        let reader = scope.spawn(|| {
            let mut misses = 0;
            while !done.load(Ordering::SeqCst) {
                match says(&world.home, "tool") {
                    Some(text) if text == "one" || text.starts_with("edit") => {}
                    _ => misses += 1,
                }
            }
            misses
        });
        let scanners: Vec<_> = (0..2)
            .map(|_| {
                scope.spawn(|| {
                    for _ in 0..6 {
                        world.home.run(&["scan"]).ok();
                        world.home.run(&["gc", "--keep", "1", "--older-than", "0s"]);
                    }
                })
            })
            .collect();
        for number in 0..10 {
            // At once: a scan between two halves of an edit would build a half.
            let new = world.home.scratch().join("new");
            fs::write(&new, format!("edit {number}\n")).unwrap();
            fs::rename(&new, world.source("tool").join("main.txt")).unwrap();
            std::thread::sleep(Duration::from_millis(40));
        }
        scanners.into_iter().for_each(|scanner| scanner.join().unwrap());
        done.store(true, Ordering::SeqCst);
        reader.join().unwrap()
    });
    assert_eq!(misses, 0);
    world.home.run(&["scan"]).ok();
    assert_eq!(world.says("tool").as_deref(), Some("edit 9"));
    world.starts();
    assert_eq!(world.scan(0).0, 0);
}

#[test]
fn t13_what_was_built_and_is_damaged_is_noticed_and_built_again() {
    let world = World::new();
    world.scan(0);
    let file = fs::canonicalize(world.home.target("tool")).unwrap().join("run.sh");
    use std::os::unix::fs::PermissionsExt as _;
    fs::set_permissions(&file, fs::Permissions::from_mode(0o644)).unwrap();
    fs::write(&file, "ec").unwrap();
    world.starts();
    assert_eq!(world.scan(0).0, 1, "a size tells");
    assert_eq!(world.says("tool").as_deref(), Some("one"));

    let file = fs::canonicalize(world.home.target("tool")).unwrap().join("run.sh");
    flip(&file, 6);
    let found = world.json(&["verify"], 4);
    assert_eq!(found["sound"], false, "every byte is read");
    assert_eq!(world.scan(0).0, 0, "no scan reads every byte");
    world.json(&["update", "--retry"], 0);
    assert_eq!((world.starts(), world.says("tool").as_deref()), (1, Some("one")));
    world.home.run(&["verify"]).ok();
}

#[test]
fn t14_one_that_is_broken_hides_no_other() {
    let mut world = World::with(&["a", "b", "c"], "");
    world.home.env("BROKEN", "b");
    let (starts, told) = world.scan(1);
    assert_eq!(
        (starts, names(&told["updated"]), names(&told["failed"])),
        (3, vec!["a", "c"], vec!["b"])
    );
    let (starts, told) = world.scan(1);
    assert_eq!((starts, names(&told["deferred"])), (0, vec!["b"]));
    assert_eq!(told["deferred"][0]["why"], "unchanged");
}

#[test]
fn what_comes_from_git_is_built_once_for_each_commit_and_its_source_is_kept_as_long() {
    let world = World::new();
    let repo = Repo::create(&world.home.scratch(), "repo");
    let first = repo.write(&[("main.txt", "one\n"), ("README", "1\n")]);
    world.declare_tool(&format!("git+{}", repo.url_file()));
    assert_eq!(world.scan(0).0, 1);
    let served = world.served();
    assert_eq!(
        (&served["revision"], &served["subdirectory"]),
        (&first.into(), &serde_json::Value::Null)
    );
    let source = served["built"]["entry"].as_str().unwrap().to_owned();
    assert!(world.home.path().join("entries").join(&source).is_dir());
    repo.write(&[("main.txt", "two\n")]);
    assert_eq!(world.scan(0).0, 1);
    world.home.run(&["gc", "--keep", "1", "--older-than", "0s"]).ok();
    assert!(
        !world.home.path().join("entries").join(&source).exists(),
        "it went with what was built from it"
    );
    let kept = world.served()["built"]["entry"].as_str().unwrap().to_owned();
    assert!(
        world.home.path().join("entries").join(&kept).is_dir(),
        "a sweep leaves what may be built again"
    );
    let gc = world.json(&["gc", "--dry-run", "--keep", "1", "--older-than", "0s"], 0);
    let why =
        gc["kept"].as_array().unwrap().iter().find(|one| one["digest"] == kept.as_str()).unwrap();
    assert_eq!(
        (&why["why"], &why["disagreement"]),
        (&"what is kept was built from it".into(), &serde_json::Value::Null)
    );
    // Without the repository: another toolchain is no reason to ask a server.
    world.home.run(&["verify"]).ok();
    world.home.run(&["rollback"]).fails(2);
    assert_eq!(world.scan(0).0, 0);
}

#[test]
fn an_earlier_result_is_current_again_without_a_build() {
    let world = World::new();
    world.scan(0);
    world.edit("tool", "two");
    world.scan(0);
    assert_eq!(world.starts(), 0);
    world.home.run(&["rollback"]).ok();
    assert_eq!(world.says("tool").as_deref(), Some("one"));
    world.home.run(&["unhold", "tool"]).ok();
    let (starts, _) = world.scan(0);
    assert_eq!((starts, world.says("tool").as_deref()), (0, Some("two")));
    world.edit("tool", "one");
    let (starts, _) = world.scan(0);
    assert_eq!(
        (starts, world.says("tool").as_deref()),
        (0, Some("one")),
        "an edit that was taken back"
    );
    let root = world.home.path().join("entries");
    assert_eq!(listing(&root).keys().filter(|path| path.ends_with("run.sh")).count(), 2);
}
