//! Bad disks: full, read-only, of another user, with system calls that fail. Each ends with an error that names the cause,
//! the old or the new generation served whole, and nothing left that the next run does not remove.
//!
//! Limits: power cuts are tested elsewhere, and acts that fail one by one, of every operation, in `crash`; mounts and other
//! users need root, and system calls that fail need strace.

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "helpers panic, and that is how a test fails"
)]

use std::{
    collections::BTreeMap,
    fs, io,
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
    sync::Arc,
};

use modstore_core::disk::Disk;
use modstore_testbed::{
    Change, Fault, HttpServer, Item, Mount, Ran, Random, Repo, TestHome, has_strace, skip_loudly,
};

const BINARY: &str = env!("CARGO_BIN_EXE_modstore");

fn git(repo: &Repo) -> String {
    format!("git+{}", repo.url_file())
}

fn is_root() -> bool {
    rustix::process::geteuid().is_root()
}

/// Commits a file that does not compress, different for each seed.
fn write_noise(repo: &Repo, bytes: usize, seed: u64) {
    repo.commit("main", &[Change::write("noise", Random::of(seed).bytes(bytes))]);
}

/// Fills what is left of a file system, less `spare` bytes.
fn fill(mount: &Mount, spare: u64) -> PathBuf {
    let path = mount.path().join("filler");
    let mut file = fs::File::create(&path).unwrap();
    let block = vec![7; 64 * 1024];
    let mut size = 0;
    // The last blocks go one by one.
    for block in [block.as_slice(), &block[..1024]] {
        while let Ok(written @ 1..) = io::Write::write(&mut file, block) {
            size += written as u64;
        }
    }
    drop(file.sync_all());
    file.set_len(size.saturating_sub(spare)).unwrap();
    path
}

/// The command failed for want of space and said so.
#[track_caller]
fn assert_no_space(ran: Ran) {
    let ran = ran.fails(1).says("No space left");
    assert!(ran.stderr.contains("error:"), "{ran:?}");
}

/// A sweep needs a directory, a small file and a frame in the journal; on a full disk it has them all the same.
fn sweep_on_full_disk(mount: Mount) {
    let home = TestHome::in_memory(BINARY).with_store_at(mount.path().join("store"));
    let repo = Repo::create(&home.scratch(), "tool");
    home.declare(&[("tool", &git(&repo))]);
    for seed in 0..3 {
        write_noise(&repo, 500_000, seed);
        home.run(&["update"]).ok();
    }
    let served = home.tree("tool");
    fill(&mount, 0);
    let ran = home.run(&["gc", "--keep", "1", "--older-than", "0s"]).ok();
    assert!(ran.stdout.contains("2 entries deleted"), "{ran:?}");
    assert_eq!(home.tree("tool"), served);
    assert_eq!(fs::read_dir(home.path().join("entries")).unwrap().count(), 1);
    assert!(home.leftovers().is_empty(), "{:?}", home.leftovers());
    // What it freed is enough for the next update.
    write_noise(&repo, 500_000, 9);
    home.run(&["update"]).ok();
}

#[test]
fn a_sweep_works_on_a_full_ext4() {
    let Some(mount) = Mount::ext4(16) else { return };
    sweep_on_full_disk(mount);
}

#[test]
fn a_sweep_works_on_a_full_tmpfs() {
    let Some(mount) = Mount::tmpfs(4) else { return };
    sweep_on_full_disk(mount);
}

fn full_disk(mount: Mount) {
    let home = TestHome::in_memory(BINARY).with_store_at(mount.path().join("store"));
    let repo = Repo::create(&home.scratch(), "tool");
    write_noise(&repo, 100_000, 1);
    home.declare(&[("tool", &git(&repo))]);

    // Nothing at all is left, from the first moment on.
    let filler = fill(&mount, 0);
    assert_no_space(home.run(&["update"]));
    fs::remove_file(&filler).unwrap();
    home.run(&["update"]).ok();
    let served = home.tree("tool");

    // Full in the middle of the fetch.
    write_noise(&repo, 2_000_000, 2);
    let filler = fill(&mount, 400_000);
    assert_no_space(home.run(&["update"]));
    let failed = home.run(&["update", "--json"]).fails(1).json();
    assert_eq!(failed["failed"][0]["class"], "transient", "{failed}");
    assert!(failed["failed"][0]["hint"].to_string().contains("free some space"), "{failed}");
    assert_eq!(home.tree("tool"), served, "the generation before is served");
    home.run(&["list"]).ok();
    assert!(home.leftovers().is_empty(), "{:?}", home.leftovers());

    fs::remove_file(&filler).unwrap();
    home.run(&["update"]).ok();
    assert_eq!(home.tree("tool"), repo.tree("main"));
    assert!(home.leftovers().is_empty(), "{:?}", home.leftovers());
}

#[test]
fn a_full_ext4_fails_the_update_and_loses_nothing() {
    if let Some(mount) = Mount::ext4(16) {
        full_disk(mount);
    }
}

#[test]
fn a_full_tmpfs_fails_the_update_and_loses_nothing() {
    if let Some(mount) = Mount::tmpfs(8) {
        full_disk(mount);
    }
}

#[test]
fn a_disk_that_fills_up_with_any_number_of_bytes_left_serves_one_whole_generation() {
    let Some(mount) = Mount::tmpfs(4) else { return };
    let home = TestHome::in_memory(BINARY).with_store_at(mount.path().join("store"));
    let repo = Repo::create(&home.scratch(), "tool");
    write_noise(&repo, 30_000, 1);
    home.declare(&[("tool", &git(&repo))]);
    home.run(&["update"]).ok();
    let (mut failures, mut before) = (0, repo.tree("main"));
    for pages in 0..18 {
        write_noise(&repo, 30_000, 2 + pages);
        let after = repo.tree("main");
        let filler = fill(&mount, pages * 4096);
        let ran = home.run(&["update"]);
        let now = home.tree("tool");
        match ran.status {
            0 => assert_eq!(now, after, "{pages} pages left"),
            _ => {
                failures += 1;
                assert!(now == before || now == after, "{pages} pages left: {now:?}");
                assert_no_space(ran);
            }
        }
        fs::remove_file(&filler).unwrap();
        home.run(&["update"]).ok();
        assert_eq!(home.tree("tool"), after);
        assert!(home.leftovers().is_empty(), "{pages}: {:?}", home.leftovers());
        before = after;
    }
    assert!((3..18).contains(&failures), "{failures} of 18 failed");
}

#[test]
fn a_disk_without_a_free_inode_fails_the_update_and_loses_nothing() {
    let Some(mount) = Mount::ext4(8) else { return };
    let home = TestHome::in_memory(BINARY).with_store_at(mount.path().join("store"));
    let repo = Repo::create(&home.scratch(), "tool");
    repo.write(&[("a", "1")]);
    home.declare(&[("tool", &git(&repo))]);
    home.run(&["update"]).ok();
    let served = home.tree("tool");
    let names: Vec<String> = (0..40).map(|number| format!("dir{number}/file")).collect();
    repo.write(&names.iter().map(|name| (name.as_str(), "x")).collect::<Vec<_>>());

    let fillers = mount.path().join("fillers");
    fs::create_dir(&fillers).unwrap();
    let last =
        (0..).find(|number| fs::write(fillers.join(number.to_string()), "").is_err()).unwrap();
    for free in [0, 20] {
        (0..free).for_each(|number| {
            fs::remove_file(fillers.join((last - 1 - number).to_string())).unwrap()
        });
        assert_no_space(home.run(&["update"]));
        assert_eq!(home.tree("tool"), served);
    }
    fs::remove_dir_all(&fillers).unwrap();
    home.run(&["update"]).ok();
    assert_eq!(home.tree("tool"), repo.tree("main"));
    assert!(home.leftovers().is_empty(), "{:?}", home.leftovers());
}

/// A store with one module, and a change that waits to be fetched.
fn behind(home: TestHome) -> (TestHome, Repo, BTreeMap<String, Item>) {
    let repo = Repo::create(&home.scratch(), "tool");
    repo.write(&[("a", "1"), ("same", "same\n")]);
    home.declare(&[("tool", &git(&repo))]);
    home.run(&["update"]).ok();
    let served = home.tree("tool");
    repo.write(&[("a", "2")]);
    (home, repo, served)
}

const READERS: [&[&str]; 8] = [
    &["list"],
    &["show", "tool"],
    &["path", "tool"],
    &["path", "tool", "--entry"],
    &["status"],
    &["history"],
    &["diff", "1"],
    &["outdated"],
];

const WRITERS: [&[&str]; 4] = [
    &["update"],
    &["remove", "tool"],
    &["link", "tool", "/"],
    &["add", "git+file:///none", "--name", "x"],
];

#[test]
fn a_home_on_a_read_only_mount_is_read_as_ever_and_written_to_with_one_clear_error() {
    let Some(mount) = Mount::ext4(16) else { return };
    let home = TestHome::new(BINARY).with_store_at(mount.path().join("store"));
    let (home, repo, served) = behind(home);
    mount.read_only();
    for args in READERS {
        home.run(args).ok();
    }
    for args in WRITERS {
        let ran = home.run(args).fails(1).says("Read-only file system").says("hint:");
        assert_eq!(ran.stderr.matches("error:").count(), 1, "{ran:?}");
    }
    assert_eq!(home.tree("tool"), served);
    let fresh = TestHome::new(BINARY).with_store_at(mount.path().join("another"));
    fresh.run(&["list"]).ok();
    fresh.run(&["add", "git+file:///none"]).fails(1).says("Read-only file system");
    mount.read_write();
    home.run(&["update"]).ok();
    assert_eq!(home.tree("tool"), repo.tree("main"));
}

#[test]
fn a_home_of_another_user_is_read_as_ever_and_written_to_with_one_clear_error() {
    if !is_root() {
        return skip_loudly("becoming another user needs root");
    }
    let (home, _repo, served) = behind(TestHome::in_memory(BINARY));
    for place in [home.path().parent().unwrap(), home.path()] {
        fs::set_permissions(place, fs::Permissions::from_mode(0o755)).unwrap();
    }
    // Their git would call the repository one of dubious owner, which is not what is tested.
    home.git_config("[safe]\n\tdirectory = *\n");
    let binary = home.scratch().join("modstore");
    fs::copy(BINARY, &binary).unwrap();
    let as_nobody = |args: &[&str]| {
        let user =
            ["--reuid", "nobody", "--regid", "nogroup", "--clear-groups", binary.to_str().unwrap()];
        modstore_testbed::Running::start(
            home.command_of(Path::new("setpriv"), &[&user, args].concat()),
        )
        .wait()
    };
    for args in READERS {
        as_nobody(args).ok();
    }
    for args in WRITERS {
        let ran = as_nobody(args).fails(1).says("Permission denied").says("hint:");
        assert_eq!(ran.stderr.matches("error:").count(), 1, "{ran:?}");
    }
    assert_eq!(home.tree("tool"), served);
    home.run(&["update"]).ok();
}

#[test]
fn an_entry_that_was_deleted_is_restored_by_the_next_update() {
    let (home, repo, _) = behind(TestHome::in_memory(BINARY));
    home.run(&["update"]).ok();
    let entry = fs::canonicalize(home.target("tool")).unwrap();
    for with_manifest in [false, true] {
        Disk::default().remove_tree(&entry).unwrap();
        if with_manifest {
            fs::remove_file(home.path().join("manifests").join(entry.file_name().unwrap()))
                .unwrap();
        }
        let report = home.run(&["update", "--json"]).ok().json();
        assert_eq!(report["updated"][0]["module"], "tool", "{report}");
        assert_eq!(home.tree("tool"), repo.tree("main"));
        assert!(home.run(&["update"]).ok().stdout.contains("1 module unchanged"));
        assert!(home.leftovers().is_empty(), "{:?}", home.leftovers());
    }
}

#[test]
fn an_entry_that_was_damaged_is_neither_a_base_nor_current_again() {
    let (home, repo, _) = behind(TestHome::in_memory(BINARY));
    let old = repo.rev("refs/heads/main^").unwrap();
    let new = repo.rev("refs/heads/main").unwrap();
    let entry = fs::canonicalize(home.target("tool")).unwrap();
    fs::set_permissions(&entry, fs::Permissions::from_mode(0o755)).unwrap();
    fs::remove_file(entry.join("same")).unwrap();
    home.run(&["update"]).ok();
    assert_eq!(
        home.tree("tool"),
        repo.tree(&new),
        "the file was missing where the new tree has it too"
    );
    repo.branch("main", &old);
    home.run(&["update"]).ok();
    assert_eq!(
        home.tree("tool"),
        repo.tree(&old),
        "the damaged entry did not become current again"
    );
    assert!(home.leftovers().is_empty(), "{:?}", home.leftovers());
}

#[test]
fn the_staging_of_a_dead_process_is_removed_and_that_of_a_live_one_is_kept() {
    let home = TestHome::in_memory(BINARY);
    let repos = ["slow", "fast"].map(|name| Repo::create(&home.scratch(), name));
    repos.iter().for_each(|repo| write_noise(repo, 300_000, 1));
    let server = HttpServer::start(&home.scratch());
    home.declare(&[("slow", &format!("git+{}", server.url("slow"))), ("fast", &git(&repos[1]))]);
    let (hold, go) = (Arc::new(std::sync::Barrier::new(2)), Arc::new(std::sync::Barrier::new(2)));
    let (held, gone) = (Arc::clone(&hold), Arc::clone(&go));
    server.fault_times(
        "slow",
        1,
        Fault::on_pack(100_000, move || {
            held.wait();
            gone.wait();
        }),
    );
    let slow = home.spawn(&["update", "slow"]);
    hold.wait();
    let dead = home.path().join("staging/0123456789abcdef");
    fs::create_dir_all(dead.join("0/deep")).unwrap();
    fs::write(dead.join("0/deep/file"), "x").unwrap();
    fs::set_permissions(dead.join("0/deep"), fs::Permissions::from_mode(0o555)).unwrap();
    fs::write(home.path().join("staging/fedcba9876543210.lock"), "").unwrap();
    fs::write(home.path().join("staging/mine"), "no name of ours").unwrap();
    home.run(&["update", "fast"]).ok();
    let left = home.leftovers();
    assert!(
        left.iter()
            .all(|path| !path.starts_with(&dead) && !path.ends_with("fedcba9876543210.lock")),
        "{left:?}"
    );
    assert!(left.iter().any(|path| path.ends_with("mine")), "unknown names are never deleted");
    go.wait();
    slow.wait().ok();
    assert_eq!(home.tree("slow"), repos[0].tree("main"), "its staging was left to it");
    fs::remove_file(home.path().join("staging/mine")).unwrap();
    assert!(home.leftovers().is_empty(), "{:?}", home.leftovers());
}

// ---- System calls that fail, in the program as it is shipped.

/// An update with these calls traced, and some of them failing.
fn strace(home: &TestHome, log: &Path, calls: &str, inject: &str) -> Ran {
    let (trace, inject) = (format!("trace={calls}"), format!("inject={inject}"));
    home.run_traced(log, &["-e", &trace, "-e", &inject], &["update"])
}

#[test]
fn an_update_whose_system_calls_fail_ends_with_the_old_or_the_new_generation_and_the_next_one_works()
 {
    if !has_strace() {
        return;
    }
    let (home, repo, _) = behind(TestHome::in_memory(BINARY));
    let log = home.scratch().join("trace");
    let mut number = 2;
    for (call, errors, whens) in [
        ("syncfs", ["EIO", "ENOSPC"].as_slice(), [1].as_slice()),
        ("fsync", &["EIO"], &[1, 2, 3, 4]),
        ("fdatasync", &["EIO", "ENOSPC"], &[1]),
        ("rename", &["EIO", "ENOSPC"], &[1, 2, 3, 4, 5, 6]),
        ("linkat", &["ENOSPC", "EMLINK"], &[1, 2]),
        ("symlinkat,symlink", &["ENOSPC"], &[1, 2]),
        ("mkdir", &["ENOSPC"], &[1, 2]),
        ("openat", &["EMFILE"], &[60, 90, 110, 130, 150]),
        ("write", &["ENOSPC", "EIO"], &[4, 7, 9, 12]),
    ] {
        for (error, when) in
            errors.iter().flat_map(|error| whens.iter().map(move |when| (error, when)))
        {
            number += 1;
            let before = home.tree("tool");
            repo.write(&[("a", &number.to_string())]);
            let after = repo.tree("main");
            let what = format!("{call} number {when} fails with {error}");
            let ran = strace(&home, &log, call, &format!("{call}:error={error}:when={when}"));
            let now = home.tree("tool");
            assert!(now == before || now == after, "{what}\n{now:?}\n{ran:?}");
            let hit = fs::read_to_string(&log).unwrap().contains("(INJECTED)");
            if ran.status == 0 {
                assert_eq!(now, after, "{what}, and it claims to have worked\n{ran:?}");
                assert!(!hit || !call.contains("sync"), "{what}, and it is not reported\n{ran:?}");
            } else {
                assert!(hit, "{what}: it failed by itself\n{ran:?}");
                // What it had to say may be the very thing that could not be written.
                let is_told = ran.stderr.contains("error:") || call == "write";
                assert!(!ran.stderr.contains("panicked") && is_told, "{what}\n{ran:?}");
            }
            home.run(&["update"]).ok();
            assert_eq!(home.tree("tool"), after, "{what}, then the next update");
            assert!(home.leftovers().is_empty(), "{what}: {:?}", home.leftovers());
        }
    }
}

#[test]
fn a_sync_that_failed_is_never_tried_again() {
    if !has_strace() {
        return;
    }
    let (home, repo, _) = behind(TestHome::in_memory(BINARY));
    let log = home.scratch().join("trace");
    let calls = "syncfs,fsync,fdatasync,sync_file_range,rename,renameat2";
    for (number, (call, when)) in
        [("syncfs", 1), ("fsync", 1), ("fsync", 2), ("fsync", 3), ("fdatasync", 1)]
            .into_iter()
            .enumerate()
    {
        repo.write(&[("a", &format!("sync {number}"))]);
        strace(&home, &log, calls, &format!("{call}:error=EIO:when={when}"))
            .fails(1)
            .says("Input/output error");
        let trace = fs::read_to_string(&log).unwrap();
        let lines: Vec<&str> = trace.lines().collect();
        let failed =
            lines.iter().position(|line| line.contains("(INJECTED)")).expect("a sync failed");
        let after = lines.get(failed + 1..).unwrap();
        assert!(
            after.iter().all(|line| !line.contains("sync")),
            "{call} {when}: synced again\n{trace}"
        );
        assert!(
            after.iter().all(|line| !line.contains("rename")),
            "{call} {when}: went on\n{trace}"
        );
        home.run(&["update"]).ok();
    }
}
