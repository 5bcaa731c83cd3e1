//! Thin packs: of a long commit that changed, only what changed is read; and whatever is wrong with one, the module is git's.

use std::{
    path::{Path, PathBuf},
    process::{Command, Stdio},
    time::Duration,
};

use modstore_testbed::{Change, Random, Repo, TestHome};
use rustix::process::Signal;
use serde_json::Value;

use crate::world::{World, counts, object_of, objects, run, sources};

/// So many files make a pack of more than 1 MiB.
const FILES: u64 = 400;

/// Text that compresses as code does, or worse.
fn text(number: u64, version: u64) -> String {
    let mut random = Random::at(7, &[number]);
    let body: String =
        (0..150).map(|_| format!("line {:016x}{:016x}\n", random.draw(), random.draw())).collect();
    format!("version = {version}\n{body}")
}

fn changes(numbers: impl Iterator<Item = u64>, version: u64) -> Vec<Change> {
    let path = |number| format!("dir{}/sub{}/file{number}", number % 7, number % 43);
    numbers.map(|number| Change::write(path(number), text(number, version))).collect()
}

/// One large repository, whose first commit is published.
struct Large {
    world: World,
    publisher: TestHome,
    first: String,
}

impl Large {
    fn new() -> Self {
        let world = World::new(1);
        let first = world.repos[0].commit("main", &changes(0..FILES, 1));
        let publisher = world.publisher();
        Self { world, publisher, first }
    }

    fn repo(&self) -> &Repo {
        &self.world.repos[0]
    }

    /// A store that has what the publisher has.
    fn reader(&self) -> TestHome {
        let reader = self.world.clone_of(&self.publisher);
        self.read(&reader);
        reader
    }

    fn read(&self, home: &TestHome) -> Value {
        run(home, &["update", "--locked", "--tier", &self.world.tier_url()])
    }

    /// Reads by the newest lock of the publisher.
    fn follow(&self, home: &TestHome) -> Value {
        let lock = |home: &TestHome| home.path().join("modules.lock");
        std::fs::copy(lock(&self.publisher), lock(home)).unwrap();
        self.read(home)
    }

    /// Ten files change, and that is published.
    fn change(&self, version: u64) -> Value {
        self.repo().commit("main", &changes((0..FILES).step_by(40), version));
        run(&self.publisher, &["update", "--publish", "--tier", &self.world.tier_url()])
    }

    fn head(&self) -> String {
        self.repo().rev("main").unwrap()
    }

    fn thin(&self, base: &str) -> PathBuf {
        thin_of(&self.world.tier(), &self.head(), base)
    }
}

fn thin_of(tier: &Path, commit: &str, base: &str) -> PathBuf {
    object_of(tier, commit).with_file_name(format!("{commit}.from/{base}.pack"))
}

/// What a reader did: hits, thin ones, misses, refused, errors.
fn took(answer: &Value) -> [u64; 5] {
    let [hits, misses, refused, errors] = counts(answer);
    [hits, answer["tier"]["thin"].as_u64().unwrap(), misses, refused, errors]
}

#[test]
fn who_has_the_commit_before_reads_what_changed_and_nothing_else() {
    let large = Large::new();
    let (reader, whole) = (large.reader(), std::fs::metadata(large.world.object(large.repo())));
    assert!(whole.unwrap().len() > 1 << 20);
    let answer = large.change(2);
    assert_eq!(answer["tier"]["published"], 2, "{answer}");
    large.world.git.forget();
    let answer = large.follow(&reader);
    assert_eq!(took(&answer), [1, 1, 0, 0, 0], "{answer}");
    let whole = std::fs::metadata(large.world.object(large.repo())).unwrap().len();
    let read = answer["tier"]["bytes"].as_u64().unwrap();
    assert!(read * 20 <= whole, "{read} of {whole} bytes");
    assert_eq!(answer["cost"]["files_written"], 10, "{answer}");
    large.world.assert_all_as_git(&reader);
    assert_eq!(large.world.git.stats().connections, 0);
    reader.run(&["verify"]).ok();
    // Who has nothing reads all of it.
    let fresh = large.world.clone_of(&large.publisher);
    let answer = large.read(&fresh);
    assert_eq!(took(&answer), [1, 0, 0, 0, 0], "{answer}");
    assert_eq!(answer["tier"]["bytes"], whole);
    large.world.assert_all_as_git(&fresh);
    // What came by a thin pack is published as what came whole, with the same bytes.
    let objects = [large.world.object(large.repo()), large.thin(&large.first)];
    let truth = objects.clone().map(|object| std::fs::read(object).unwrap());
    objects.iter().for_each(|object| std::fs::remove_file(object).unwrap());
    let answer = run(&reader, &["push", "--tier", &large.world.tier_url()]);
    assert_eq!(answer["published"].as_array().unwrap().len(), 1, "{answer}");
    assert_eq!(objects.map(|object| std::fs::read(object).unwrap()), truth);
}

#[test]
fn git_itself_accepts_a_thin_pack_on_top_of_its_base() {
    let large = Large::new();
    large.change(2);
    let place = tempfile::tempdir().unwrap();
    let git = |args: &[&str], stdin: Stdio| {
        let mut command = Command::new("git");
        command.args(["--git-dir"]).arg(place.path()).args(args).stdin(stdin);
        assert!(command.stdout(Stdio::null()).status().unwrap().success(), "{args:?}");
    };
    git(&["init", "--quiet", "--bare"], Stdio::null());
    std::fs::write(place.path().join("shallow"), format!("{}\n{}\n", large.first, large.head()))
        .unwrap();
    for pack in [object_of(&large.world.tier(), &large.first), large.thin(&large.first)] {
        let pack = Stdio::from(std::fs::File::open(pack).unwrap());
        git(&["index-pack", "--strict", "--fix-thin", "--stdin"], pack);
    }
    git(&["fsck", "--full", "--strict", &large.head()], Stdio::null());
}

#[test]
fn files_of_all_kinds_come_and_go_by_a_thin_pack() {
    let large = Large::new();
    let long = "0123456789abcdef".repeat(400_000);
    large.repo().commit(
        "main",
        &[
            Change::write("long", &long),
            Change::write("longer", long.repeat(2)),
            Change::write("deep/er/file", "changed\n"),
        ],
    );
    run(&large.publisher, &["update", "--publish", "--tier", &large.world.tier_url()]);
    let reader = large.reader();
    let base = large.head();
    large.repo().commit(
        "main",
        &[
            Change::exec("run", "#!/bin/sh\n"),
            Change::symlink("link", "dir1"),
            Change::write("a\nline", "odd name"),
            Change::write("empty", ""),
            Change::write("long", format!("{long}a little more")),
            Change::write("longer", format!("before{}", long.repeat(2))),
            Change::delete("deep/er/file"),
            Change::write("deep", "a file where a directory was\n"),
            Change::delete("shared"),
            Change::write("shared/now", "a directory where a file was\n"),
        ],
    );
    run(&large.publisher, &["update", "--publish", "--tier", &large.world.tier_url()]);
    assert!(large.thin(&base).exists());
    let answer = large.follow(&reader);
    assert_eq!(took(&answer), [1, 1, 0, 0, 0], "{answer}");
    large.world.assert_all_as_git(&reader);
    reader.run(&["verify"]).ok();
}

#[test]
fn who_has_another_commit_reads_all_of_it() {
    let large = Large::new();
    let behind = large.reader();
    large.change(2);
    let second = large.head();
    large.change(3);
    assert!(large.thin(&second).exists() && !large.thin(&large.first).exists());
    let answer = large.follow(&behind);
    assert_eq!(took(&answer), [1, 0, 1, 0, 0], "{answer}");
    large.world.assert_all_as_git(&behind);
}

#[test]
fn a_thin_pack_that_lies_costs_the_whole_pack_and_is_counted() {
    let large = Large::new();
    large.change(2);
    let second = large.head();
    large.change(3);
    let (thin, tier) = (large.thin(&second), large.world.tier());
    let truth = std::fs::read(&thin).unwrap();
    let flipped = |at: usize| {
        let mut flipped = truth.clone();
        flipped[at] ^= 1 << (at % 8);
        flipped
    };
    let whole_of_another = std::fs::read(object_of(&tier, &large.first)).unwrap();
    let thin_of_another = std::fs::read(thin_of(&tier, &second, &large.first)).unwrap();
    let ends = (0..truth.len()).step_by(truth.len() / 2);
    let cut = ends.map(|end| (format!("cut at {end}"), truth[..end].to_vec()));
    let places = (0..truth.len() - 20).step_by(truth.len() / 3);
    let bits = places.map(|at| (format!("flipped at {at}"), flipped(at)));
    let others = [
        ("another commit's", whole_of_another),
        ("another commit's thin one", thin_of_another),
        ("a page", b"<!DOCTYPE html><html><body>Please log in</body></html>".to_vec()),
    ];
    let others = others.map(|(what, bytes)| (what.to_owned(), bytes));
    let home = large.world.home();
    let lock = std::fs::read(large.publisher.path().join("modules.lock")).unwrap();
    let declared = std::fs::read_to_string(home.path().join("modules.toml")).unwrap();
    let source = large.world.source(large.repo());
    for (what, lie) in cut.chain(bits).chain(others) {
        home.write_modules(&declared.replace(&source, &format!("{source}@{second}")));
        run(&home, &["update", "--tier", "off"]);
        std::fs::remove_file(&thin).and(std::fs::write(&thin, lie)).unwrap();
        home.write_modules(&declared);
        std::fs::write(home.path().join("modules.lock"), &lock).unwrap();
        // What was fetched before is in the store, and is to be fetched again.
        home.run(&["gc", "--keep", "1", "--older-than", "0s"]).ok();
        let answer = large.read(&home);
        assert_eq!(took(&answer), [1, 0, 0, 1, 0], "{what}: {answer}");
        assert_eq!(sources(&answer), ["tier"], "{what}");
        large.world.assert_all_as_git(&home);
    }
}

#[test]
fn who_may_write_replaces_a_thin_lie_by_the_truth() {
    let large = Large::new();
    let healer = large.reader();
    large.change(2);
    let thin = large.thin(&large.first);
    let truth = std::fs::read(&thin).unwrap();
    std::fs::remove_file(&thin).and(std::fs::write(&thin, "a lie")).unwrap();
    let lock = |home: &TestHome| home.path().join("modules.lock");
    std::fs::copy(lock(&large.publisher), lock(&healer)).unwrap();
    let url = large.world.tier_url();
    let answer = run(&healer, &["update", "--locked", "--publish", "--tier", &url]);
    assert_eq!((took(&answer), &answer["tier"]["published"]), ([1, 0, 0, 1, 0], &1.into()));
    assert_eq!(std::fs::read(&thin).unwrap(), truth);
}

#[test]
fn no_object_is_needed_by_a_thin_pack_and_none_is_harmed_without_it() {
    let large = Large::new();
    let (with_base, fresh) = (large.reader(), large.world.home());
    large.change(2);
    // Of the whole packs none is left.
    std::fs::remove_file(large.world.object(large.repo())).unwrap();
    std::fs::remove_file(object_of(&large.world.tier(), &large.first)).unwrap();
    let answer = large.follow(&with_base);
    assert_eq!(took(&answer), [1, 1, 0, 0, 0], "{answer}");
    let answer = large.follow(&fresh);
    assert_eq!((took(&answer), sources(&answer)), ([0, 0, 1, 0, 0], vec!["git".to_owned()]));
    large.world.assert_all_as_git(&with_base);
    large.world.assert_all_as_git(&fresh);
    assert_eq!(objects(&large.world.tier()).len(), 1);
}

#[test]
fn a_damaged_file_of_the_base_is_not_the_fault_of_the_pack() {
    let large = Large::new();
    let reader = large.reader();
    large.change(2);
    let file = reader.target("module0").join("dir3/sub3/file3");
    let directory = file.parent().unwrap();
    for (path, mode) in [(directory, 0o755), (&file, 0o644)] {
        let mode = std::os::unix::fs::PermissionsExt::from_mode(mode);
        std::fs::set_permissions(path, mode).unwrap();
    }
    std::fs::write(&file, "damaged").unwrap();
    let answer = large.follow(&reader);
    assert_eq!(took(&answer), [1, 0, 0, 0, 0], "{answer}");
    large.world.assert_all_as_git(&reader);
}

#[test]
fn what_changed_as_a_whole_has_no_thin_pack() {
    let large = Large::new();
    let other = (0..FILES).map(|number| {
        let path = format!("dir{}/sub{}/file{number}", number % 7, number % 43);
        Change::write(path, text(number + FILES, 2))
    });
    large.repo().commit("main", &other.collect::<Vec<_>>());
    let answer = run(&large.publisher, &["update", "--publish", "--tier", &large.world.tier_url()]);
    assert_eq!(answer["tier"]["published"], 1, "{answer}");
    assert_eq!(objects(&large.world.tier()).len(), 2);
}

#[test]
fn a_killed_publisher_leaves_no_half_of_a_thin_pack() {
    let large = Large::new();
    large.change(2);
    let (thin, whole) = (large.thin(&large.first), large.world.object(large.repo()));
    let truth = std::fs::read(&thin).unwrap();
    let (mut random, mut killed) = (Random::of(11), 0);
    for _ in 0..16 {
        std::fs::remove_file(&thin).unwrap();
        let push = large.publisher.spawn(&["push", "--tier", &large.world.tier_url(), "--json"]);
        std::thread::sleep(Duration::from_millis(random.within(0..400)));
        push.signal(Signal::KILL);
        push.wait();
        match std::fs::read(&thin) {
            Ok(bytes) => assert!(bytes == truth, "an object of {} bytes", bytes.len()),
            Err(_) => killed += 1,
        }
        run(&large.publisher, &["push", "--tier", &large.world.tier_url()]);
        assert!(std::fs::read(&thin).unwrap() == truth);
    }
    assert!(killed > 0, "each of them was done before it was killed");
    assert!(whole.exists());
}
