//! What a fetch keeps on disk, taken away or cut short by another program while it is under way: the
//! case that ends a clone of git's with `could not open …/tmp_pack_… for reading`.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use modstore_testbed::{Fault, HttpServer, Repo, TestHome};

use crate::day::noise;

/// The files of staged trees that are in the home right now.
fn staged_files(home: &Path) -> Vec<PathBuf> {
    let mut open = vec![home.join("staging")];
    let mut found = Vec::new();
    while let Some(directory) = open.pop() {
        for child in fs::read_dir(directory).into_iter().flatten().flatten() {
            match child.file_type() {
                Ok(kind) if kind.is_dir() => open.push(child.path()),
                Ok(_) if child.path().extension().is_none() => found.push(child.path()),
                _ => {}
            }
        }
    }
    found
}

/// Lets `spoil` loose on the home in the middle of a pack, once part of the tree is written.
fn survives(spoil: fn(&Path)) {
    let root = tempfile::tempdir().expect("a temporary directory can be made");
    let (server, repo) = (HttpServer::start(root.path()), Repo::create(root.path(), "m"));
    let publish = |seed: u64| {
        let files: Vec<_> =
            (0..40).map(|number| (format!("f{number}"), noise(seed * 100 + number))).collect();
        let changes =
            files.iter().map(|(path, bytes)| modstore_testbed::Change::write(path, bytes));
        repo.commit("main", &changes.collect::<Vec<_>>());
    };
    let home = TestHome::new(env!("CARGO_BIN_EXE_modstore"));
    home.declare(&[("m", &format!("git+{}", server.url("m")))]);
    publish(1);
    home.run(&["update"]).ok();
    let before = home.tree("m");

    publish(2);
    let path = home.path().to_owned();
    let spoil_once_written = move || {
        let begun = Instant::now();
        while staged_files(&path).is_empty() {
            assert!(begun.elapsed() < Duration::from_secs(20), "nothing is ever written");
            std::thread::sleep(Duration::from_millis(2));
        }
        spoil(&path);
    };
    server.fault_on_fetch("m", Fault::on_pack(3_000_000, spoil_once_written));
    let ran = home.run(&["update"]).fails(1);
    assert!(server.stats().faults_fired > 0, "the fault never was");
    assert!(ran.stderr.contains("hint:"), "{ran:?}");
    assert_eq!(home.tree("m"), before, "{ran:?}");

    server.clear();
    home.run(&["update"]).ok();
    assert_eq!(home.tree("m"), repo.tree("main"));
    assert!(home.leftovers().is_empty(), "{:?}", home.leftovers());
}

#[test]
fn a_staging_that_is_removed_during_a_fetch_fails_the_update_and_nothing_else() {
    survives(|home| {
        for child in fs::read_dir(home.join("staging")).expect("it is there").flatten() {
            drop(fs::remove_dir_all(child.path()));
        }
    });
}

#[test]
fn a_staged_file_that_is_cut_short_during_a_fetch_never_becomes_current() {
    survives(|home| {
        for file in staged_files(home) {
            fs::set_permissions(&file, fs::Permissions::from_mode(0o644)).expect("it is there");
            fs::write(&file, "").expect("it can be written to");
        }
    });
}

#[test]
fn a_staged_file_that_is_removed_during_a_fetch_is_never_missing_from_the_current_generation() {
    survives(|home| {
        staged_files(home).iter().for_each(|file| fs::remove_file(file).expect("it is there"))
    });
}
