//! Stores that an earlier release wrote: whatever this version makes of its types, it opens them, reads every byte of
//! their journals as they were meant, and goes on writing in the same form.
//!
//! The stores are archives in `formats/`, made by the release itself and below a directory that is not there any more,
//! so that every source is away. Limits: no store of a newer format; a marker from the future is tested in `bad_input`.

#![expect(clippy::unwrap_used, reason = "helpers panic, and that is how a test fails")]

use std::{collections::BTreeMap, fs, path::Path};

use modstore::internals::commit::{Frame, Journal};
use modstore_testbed::{Ran, Running, TestHome};

/// Every store of an earlier release: its archive, its current generation, and the generations that are kept.
const STORES: [(&str, u64, &[u64]); 2] =
    [("0.1/store", 12, &[10, 11, 12]), ("0.1/compacted", 950, &[949, 950])];

/// Every module that a source is declared for, and its revision as `list` shows it.
const MODULES: [(&str, &str); 13] = [
    ("Second.one_2", "586f30a"),
    ("away", "not fetched"),
    ("branch", "40df75a"),
    ("broken", "not fetched"),
    ("built", "7461a67"),
    ("commit", "7508185"),
    ("first", "586f30a"),
    ("linkable", "linked"),
    ("linked", "linked"),
    ("never", "not fetched"),
    ("packed", "08ef486"),
    ("snake", "3b2012d"),
    ("tag", "0cc24fb"),
];

/// The store of that archive, in a home of its own.
fn unpacked(archive: &str) -> TestHome {
    let home = TestHome::new(env!("CARGO_BIN_EXE_modstore"));
    let archives = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/formats");
    let archive = format!("{}/{archive}.tar.gz", archives.display());
    let into = home.path().parent().unwrap().to_str().unwrap().to_owned();
    let args = ["-xpzf", archive.as_str(), "--no-same-owner", "-C", into.as_str()];
    Running::start(home.command_of(Path::new("tar"), &args)).wait().ok();
    home
}

fn each_store(law: impl Fn(&TestHome, u64, &[u64])) {
    for (archive, current, kept) in STORES {
        law(&unpacked(archive), current, kept);
    }
}

fn current(home: &TestHome) -> String {
    fs::read_link(home.path().join("current")).unwrap().to_str().unwrap().to_owned()
}

fn says(ran: &Ran, words: &[&str]) {
    let all = format!("{}{}", ran.stdout, ran.stderr);
    for word in words {
        assert!(all.contains(word), "{word:?} is not in:\n{all}");
    }
}

#[test]
fn every_byte_of_a_journal_is_read_and_written_back() {
    each_store(|home, _, _| {
        let path = home.path().join("journal");
        let frames = Journal::frames(&path, 0).unwrap();
        let again: Vec<u8> = frames.iter().flat_map(|frame| frame.to_bytes().0).collect();
        assert_eq!(again, fs::read(&path).unwrap());
    });
}

#[test]
fn a_checkpoint_of_the_state_is_made_of_the_same_texts() {
    each_store(|home, number, _| {
        let path = home.path().join("journal");
        let state = Journal::state(&path).unwrap();
        let records = state.checkpoint(0, "test");
        let (bytes, _) = Frame { sequence: 1, previous: [0; 16], records }.to_bytes();
        fs::write(&path, bytes).unwrap();
        let again = Journal::state(&path).unwrap();
        assert_eq!(again.modules(), state.modules());
        assert_eq!(again.attempts(), state.attempts());
        assert_eq!(again.head().map(|head| head.number.number()), Some(number));
    });
}

#[test]
fn every_module_is_listed_with_its_revision_and_its_source() {
    each_store(|home, _, _| {
        let list = home.run(&["list"]).ok().stdout;
        let declared: BTreeMap<&str, &str> =
            list.lines().skip(1).filter_map(|line| line.split_once(' ')).collect();
        for (module, revision) in MODULES {
            let line = declared.get(module).unwrap_or_else(|| panic!("{module} is not in {list}"));
            assert!(line.trim_start().starts_with(revision), "{module}: {line}");
        }
        says(
            &home.run(&["list"]),
            &[
                "git+file:///tmp/modstore-0.1/repos/several@main#subdirectory=modules/Second.one_2",
                "https://git.invalid/o/away.git@main",
                "archive+file:///tmp/modstore-0.1/packed.tar.gz#sha256=1a389cf5ed94c5a0",
                "/tmp/modstore-0.1/checkout  (instead of git+file:///tmp/modstore-0.1/repos/linkable)",
            ],
        );
    });
}

#[test]
fn every_failure_is_still_known() {
    each_store(|home, _, _| {
        says(
            &home.run(&["status"]).ok(),
            &[
                "away: could not reach https://git.invalid/o/away.git",
                "tried 4 times",
                "broken: its build failed: no such compiler (build, deterministic)",
                "has no branch or tag named no-such-branch; it has main (resolve, permanent)",
                "/tmp/modstore-0.1/venv (1 module)",
            ],
        );
    });
}

#[test]
fn a_module_is_printed_with_all_that_was_recorded() {
    each_store(|home, _, _| {
        says(
            &home.run(&["show", "built"]).ok(),
            &[
                "git+file:///tmp/modstore-0.1/repos/built@main",
                "b8a0ac2353a9ea79602fad3280ba5cc2d845d15c3ade281a4c2520a8d0e3f3d3",
                "580b8e5e2651bea3ad88b81726ba94f5d70cc2bd38d5b4237e2d5529cb7aee67",
                "file:///tmp/modstore-0.1/repos/built",
                "refs/heads/main",
                "7461a674d9eb03b565ff04fcbbe6af43c5e22f0f",
                "allowed",
            ],
        );
        says(
            &home.run(&["show", "first"]).ok(),
            &["modules/first", "586f30a44ff32158d2f26ac1459749baa6af401c"],
        );
        assert_eq!(
            home.run(&["path", "branch"]).ok().stdout.trim_end(),
            home.target("branch").to_str().unwrap()
        );
        assert_eq!(fs::read_to_string(home.target("branch").join("README")).unwrap(), "branch 3\n");
    });
}

#[test]
fn every_generation_is_in_the_history() {
    each_store(|home, current, kept| {
        let history = home.run(&["history"]).ok().stdout;
        for number in kept {
            assert!(history.lines().any(|line| line.starts_with(&number.to_string())), "{history}");
        }
        assert!(history.starts_with(&format!("{current}  *")), "{history}");
    });
    let whole = unpacked("0.1/store").run(&["history"]).ok().stdout;
    let last_words: Vec<&str> =
        whole.lines().map(|line| &line[line.find("modstore").unwrap_or(0)..]).collect();
    assert_eq!(
        last_words.get(..6).unwrap(),
        [
            "modstore update         branch 7b17d6c → 40df75a",
            "modstore update         gone removed",
            "modstore rollback to 8  gone new 3d31217",
            "modstore remove         gone removed",
            "modstore update         branch f2a9f92 → 7b17d6c",
            "modstore update         built new 7461a67",
        ]
    );
}

#[test]
fn nothing_is_found_wrong_and_nothing_is_deleted() {
    each_store(|home, _, _| {
        says(&home.run(&["verify"]).ok(), &["no damage", "linked-missing"]);
        says(&home.run(&["gc", "--dry-run"]).ok(), &["There is nothing to delete."]);
    });
}

#[test]
fn an_update_that_finds_no_source_keeps_what_is_there() {
    each_store(|home, number, _| {
        for command in [["outdated", "--offline"], ["update", "--offline"]] {
            let ran = home.run(&command).fails(1);
            says(&ran, &["git.invalid", "--offline", "/tmp/modstore-0.1/repos/tag"]);
        }
        assert_eq!(current(home), format!("generations/{number}"));
        assert_eq!(fs::read_to_string(home.target("tag").join("README")).unwrap(), "tag 1\n");
    });
}

#[test]
fn a_rollback_goes_back_and_the_next_one_on() {
    each_store(|home, number, _| {
        home.run(&["rollback"]).ok();
        assert_eq!(current(home), format!("generations/{}", number + 1));
        assert_eq!(fs::read_to_string(home.target("branch").join("README")).unwrap(), "branch 2\n");
        home.run(&["rollback"]).ok();
        assert_eq!(fs::read_to_string(home.target("branch").join("README")).unwrap(), "branch 3\n");
        says(&home.run(&["verify"]).ok(), &["no damage"]);
    });
}

#[test]
fn a_journal_that_is_lost_is_made_again_from_the_lock_file_and_the_links() {
    each_store(|home, _, _| {
        fs::write(home.path().join("journal"), b"nothing that is a frame").unwrap();
        home.run(&["verify", "--repair"]);
        says(&home.run(&["verify"]).ok(), &["no damage"]);
        let list = home.run(&["list"]).ok().stdout;
        for (module, revision) in MODULES {
            let line = list.lines().find(|line| line.starts_with(module)).unwrap();
            assert!(line.contains(revision), "{module}: {line}");
        }
    });
}
