//! What a reader sees while the store is written to: always a whole generation, never a gap.

#![expect(clippy::unwrap_used, reason = "helpers panic, and that is how a test fails")]

use std::{
    path::{Path, PathBuf},
    sync::atomic::{AtomicBool, AtomicU64, Ordering},
};

use modstore::{Cancel, Options, Silent, Store, UpdateRequest};
use modstore_testbed::Repo;

const UPDATES: u64 = 1_000;

/// Memory, where there is any as a directory: a thousand syncs are not what is tested here.
fn quick_directory() -> tempfile::TempDir {
    let memory = Path::new("/dev/shm");
    let place = if memory.is_dir() { memory.to_owned() } else { std::env::temp_dir() };
    tempfile::tempdir_in(place).unwrap()
}

/// Reads the same number from two files of two modules, all through one resolution of `current`.
fn read_whole(home: &Path) -> Vec<String> {
    let generation =
        home.join(std::fs::read_link(home.join("current")).expect("`current` is always there"));
    let files = ["one/a", "one/deep/b", "two/a", "two/deep/b"];
    files
        .iter()
        .map(|file| {
            std::fs::read_to_string(generation.join(file)).expect("no file is ever missing")
        })
        .collect()
}

#[test]
fn a_reader_never_misses_and_never_sees_a_mixture_during_a_thousand_updates() {
    let root = quick_directory();
    let home: PathBuf = root.path().join("home");
    std::fs::create_dir(&home).unwrap();
    let repos = ["one", "two"].map(|name| Repo::create(root.path(), name));
    let publish = |number: u64| {
        for repo in &repos {
            let text = number.to_string();
            repo.write(&[("a", &text), ("deep/b", &text)]);
        }
    };
    let declared: String = repos
        .iter()
        .map(|repo| format!("[modules.{}]\nsource = \"git+{}\"\n", repo.name(), repo.url_file()))
        .collect();
    std::fs::write(home.join("modules.toml"), declared).unwrap();
    let store = Store::open(&home, Options { jobs: 2, ..Options::default() }).unwrap();
    let update = || store.update(&UpdateRequest::default(), &Silent, &Cancel::new()).unwrap();
    publish(0);
    update();

    let (done, reads, direct) = (AtomicBool::new(false), AtomicU64::new(0), AtomicU64::new(0));
    std::thread::scope(|scope| {
        scope.spawn(|| {
            while !done.load(Ordering::Relaxed) {
                let seen = read_whole(&home);
                assert!(seen.iter().all(|text| *text == seen[0]), "a mixture: {seen:?}");
                reads.fetch_add(1, Ordering::Relaxed);
                std::thread::yield_now();
            }
        });
        scope.spawn(|| {
            let mut last = 0;
            while !done.load(Ordering::Relaxed) {
                let text = std::fs::read_to_string(home.join("current/one/deep/b"))
                    .expect("never missing");
                let number: u64 = text.parse().expect("never half a file");
                assert!(number >= last, "never back to an older one");
                last = number;
                direct.fetch_add(1, Ordering::Relaxed);
                std::thread::yield_now();
            }
        });
        for number in 1..=UPDATES {
            publish(number);
            let report = update();
            assert_eq!(report.updated.len(), 2, "update {number}: {report:?}");
        }
        done.store(true, Ordering::Relaxed);
    });
    let (reads, direct) = (reads.into_inner(), direct.into_inner());
    println!(
        "{UPDATES} updates, {reads} reads of a generation, {direct} through `current`: 0 misses, 0 mixtures"
    );
    assert!(reads > UPDATES / 10 && direct > UPDATES / 10, "the readers hardly ran");
    assert_eq!(read_whole(&home)[0], UPDATES.to_string());
}
