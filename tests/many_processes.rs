//! Many processes on one home: none fails, no reader misses, nothing is lost, and no process waits for a dead one.
//!
//! `MODSTORE_ROUNDS=300` is the long form of the crowd; it runs in memory, as all of this does: what a lost sync costs
//! is for `power_cuts`.
//! Limits: one machine and a local file system; threads of one process are `readers`.

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "helpers panic, and that is how a test fails"
)]

use std::{
    collections::BTreeSet,
    fs, io,
    path::{Path, PathBuf},
    process::Command,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use modstore::{Cancel, Options, Policy, Silent, Store, UpdateRequest, errors::SweepError};
use modstore_core::disk::{Act, Disk, Lock, LockWait, Observer, Verb};
use modstore_testbed::{Repo, Running, TestHome};
use rustix::process::Signal;

const NAMES: [&str; 4] = ["m0", "m1", "m2", "m3"];

/// A home that declares four repositories and shows the first commit of each.
fn installed() -> (TestHome, [Repo; 4]) {
    let home = TestHome::in_memory(env!("CARGO_BIN_EXE_modstore"));
    let repos = NAMES.map(|name| Repo::create(&home.scratch(), name));
    publish(&repos, 0);
    let sources = repos.each_ref().map(|repo| format!("git+{}", repo.url_file()));
    home.declare(&NAMES.into_iter().zip(sources.iter().map(String::as_str)).collect::<Vec<_>>());
    home.run(&["update"]).ok();
    (home, repos)
}

fn publish(repos: &[Repo], number: u64) {
    for repo in repos {
        repo.write(&[("a", &number.to_string()), ("deep/b", &number.to_string())]);
    }
}

/// Reads both files of every module through one resolution of `current`; each module is whole.
fn read_whole(home: &Path) {
    let generation =
        home.join(fs::read_link(home.join("current")).expect("`current` is always there"));
    for name in NAMES {
        let read = |file: &str| {
            fs::read_to_string(generation.join(name).join(file)).expect("no file is ever missing")
        };
        assert_eq!(read("a"), read("deep/b"), "a mixture");
    }
}

/// Reads each file by a path of its own through `current`, as who knows nothing of generations does.
fn read_through_current(home: &Path) {
    for (name, file) in NAMES.into_iter().flat_map(|name| [(name, "a"), (name, "deep/b")]) {
        let path = home.join("current").join(name).join(file);
        let text = fs::read_to_string(&path).expect("no file is ever missing");
        text.parse::<u64>().expect("no file is ever half");
    }
}

/// What `list --json` says is what the disk shows, and the lock file agrees.
fn assert_consistent(home: &TestHome) {
    let list = home.run(&["list", "--json"]).ok().json();
    let modules = list["modules"].as_array().unwrap();
    let lock = fs::read_to_string(home.path().join("modules.lock")).unwrap();
    for module in modules {
        let name = module["module"].as_str().unwrap();
        let digest = module["current"]["digest"].as_str().unwrap();
        assert!(fs::canonicalize(home.target(name)).unwrap().ends_with(digest), "{module}");
        assert!(
            lock.contains(digest),
            "{name} is not in the lock as in the current generation\n{lock}"
        );
    }
    let shown = fs::read_dir(home.path().join("current")).unwrap().count();
    assert_eq!(shown, modules.len(), "{list}");
    let number = fs::read_link(home.path().join("current")).unwrap();
    assert_eq!(number.file_name().unwrap().to_str().unwrap(), list["generation"].to_string());
    assert!(home.leftovers().is_empty(), "{:?}", home.leftovers());
}

fn all_end_well<const N: usize>(running: [Running; N]) {
    for running in running {
        running.wait().ok();
    }
}

/// What a crowd has done and seen.
#[derive(Debug, Default)]
struct Seen {
    commands: AtomicU64,
    reads: AtomicU64,
    leases: AtomicU64,
    retired: AtomicU64,
}

/// Runs these commands over and over, the given number of times; each must end well.
fn commands(home: &TestHome, rounds: u64, of: &[&[&str]], seen: &Seen) {
    for round in 0..rounds as usize {
        home.run(of[round % of.len()]).ok();
        seen.commands.fetch_add(1, Ordering::Relaxed);
    }
}

/// Reads every module three times below the generation that was leased; it stays whole, and the same.
const LEASED: &str = r#"
cd "$MODSTORE_MODULES" || exit 10
for round in 1 2 3; do
    for module in m0 m1 m2 m3; do
        a=$(cat $module/a) || exit 11
        b=$(cat $module/deep/b) || exit 12
        [ "$a" = "$b" ] || exit 13
        all="$all $a"
    done
    [ "${first:=$all}" = "$all" ] || exit 14
    all=
    sleep 0.03
done
"#;

/// Sweeps without any pause, as no command does; the store may change between a plan and its sweep.
fn sweep(home: &Path, done: &AtomicBool, seen: &Seen) {
    let options = Options { command: "a sweep".into(), ..Options::default() };
    let store = Store::open(home, options).unwrap();
    let policy = Policy { grace: Duration::ZERO, ..Policy::default() };
    while !done.load(Ordering::Relaxed) {
        let plan = store.plan_sweep(&policy).unwrap();
        match store.sweep(plan, &Silent, &Cancel::new()) {
            Ok(report) => {
                seen.retired.fetch_add(report.retired.len() as u64, Ordering::Relaxed);
            }
            Err(SweepError::Stale { .. }) => {}
            Err(error) => panic!("{error:?}"),
        }
    }
}

/// Leases the current generation, reads it, and drops the lease; as a host does that holds no lease for long.
fn read_leased(home: &Path, done: &AtomicBool, seen: &Seen) {
    let store = Store::open(home, Options::default()).unwrap();
    while !done.load(Ordering::Relaxed) {
        let lease = store.lease().unwrap();
        for name in NAMES {
            let read = |file: &str| {
                fs::read_to_string(lease.directory().join(name).join(file))
                    .expect("nothing that is leased is ever missing")
            };
            assert_eq!(read("a"), read("deep/b"), "a mixture");
        }
        seen.leases.fetch_add(1, Ordering::Relaxed);
    }
}

/// Both books agree and nothing is left: what is swept last is nothing but what the last updates gave up.
fn assert_books_agree(home: &Path) {
    let store = Store::open(home, Options::default()).unwrap();
    let policy = Policy { grace: Duration::ZERO, ..Policy::default() };
    let plan = store.plan_sweep(&policy).unwrap();
    assert_eq!(plan.disagreements().next(), None);
    let report = store.sweep(plan, &Silent, &Cancel::new()).unwrap();
    assert_eq!((report.spared, report.left), (0, 0), "{report:?}");
    let names = |directory: &str| -> BTreeSet<String> {
        let children = fs::read_dir(home.join(directory)).unwrap();
        children.map(|child| child.unwrap().file_name().into_string().unwrap()).collect()
    };
    let state = store.state().unwrap();
    let (kept, entries) = (state.kept().map(|info| info.number), state.entries().keys());
    assert_eq!(names("generations"), kept.map(|number| number.to_string()).collect());
    assert_eq!(names("entries"), entries.map(ToString::to_string).collect());
    assert_eq!(state.refcounts().len(), state.entries().len(), "an entry that nothing leads to");
    assert_eq!((names("leases"), names("trash")), (BTreeSet::new(), BTreeSet::new()));
}

#[test]
fn a_crowd_of_processes_never_fails_never_misses_and_never_sees_a_mixture() {
    // No rollback: with sweeps that spare nothing young, what it goes back to may be gone when its turn comes.
    const UPDATES: &[&[&str]] = &[&["update"], &["update", "m1", "m2"], &["update", "m0"]];
    const LOOKS: &[&[&str]] = &[
        &["list"],
        &["status"],
        &["path", "m1", "--entry"],
        &["history"],
        &["show", "m2"],
        &["outdated"],
    ];
    let rounds = std::env::var("MODSTORE_ROUNDS").map_or(12, |rounds| rounds.parse().unwrap());
    let (home, repos) = installed();
    let (seen, done) = (Seen::default(), AtomicBool::new(false));
    std::thread::scope(|scope| {
        let (home, seen, done) = (&home, &seen, &done);
        let exec: &[&[&str]] = &[&["exec", "--", "sh", "-c", LEASED]];
        let gc: &[&[&str]] = &[&["gc", "--older-than", "0s"], &["gc", "--dry-run"]];
        let crowd = [(UPDATES, 4), (LOOKS, 2), (exec, 2), (gc, 2)];
        let crowd: Vec<_> = crowd
            .into_iter()
            .flat_map(|(of, many)| std::iter::repeat_n(of, many))
            .map(|of| scope.spawn(move || commands(home, rounds, of, seen)))
            .collect();
        let mut others = Vec::new();
        others.push(scope.spawn(|| sweep(home.path(), done, seen)));
        for _ in 0..2 {
            others.push(scope.spawn(|| read_leased(home.path(), done, seen)));
        }
        for _ in 0..4 {
            others.push(scope.spawn(|| {
                while !done.load(Ordering::Relaxed) {
                    read_through_current(home.path());
                    seen.reads.fetch_add(1, Ordering::Relaxed);
                    std::thread::yield_now();
                }
            }));
        }
        others.push(scope.spawn(|| {
            for number in 1.. {
                if done.load(Ordering::Relaxed) {
                    break;
                }
                publish(&repos, number);
            }
        }));
        let ended: Vec<_> = crowd.into_iter().map(|each| each.join()).collect();
        done.store(true, Ordering::Relaxed);
        let ended = ended.into_iter().chain(others.into_iter().map(|each| each.join()));
        assert!(ended.into_iter().all(|each| each.is_ok()), "one of them failed, see above");
    });
    println!("0 failed, 0 misses, 0 mixtures: {seen:?}");
    assert!(seen.reads.into_inner() > 100, "the readers hardly ran");
    assert!(seen.leases.into_inner() > 10, "hardly anything was leased");
    assert!(seen.retired.into_inner() > 3, "hardly anything was swept");
    home.run(&["update"]).ok();
    for repo in &repos {
        assert_eq!(home.tree(repo.name()), repo.tree("main"));
    }
    assert_books_agree(home.path());
    home.run(&["verify"]).ok();
    assert_consistent(&home);
}

#[test]
fn four_updates_at_once_with_readers_never_fail_and_never_miss() {
    let (home, repos) = installed();
    let (done, reads) = (AtomicBool::new(false), AtomicU64::new(0));
    std::thread::scope(|scope| {
        scope.spawn(|| {
            while !done.load(Ordering::Relaxed) {
                read_whole(home.path());
                reads.fetch_add(1, Ordering::Relaxed);
            }
        });
        for number in 1..=12 {
            publish(&repos, number);
            let updates = [0; 4].map(|_| home.spawn(&["update"]));
            let readers =
                [["list"].as_slice(), &["status"], &["path", "m1", "--entry"], &["history"]];
            let readers = readers.map(|args| home.spawn(args));
            all_end_well(readers);
            all_end_well(updates);
            for repo in &repos {
                assert_eq!(home.tree(repo.name()), repo.tree("main"), "round {number}");
            }
        }
        done.store(true, Ordering::Relaxed);
    });
    assert!(reads.into_inner() > 100, "the reader hardly ran");
    assert_consistent(&home);
}

#[test]
fn a_held_lock_ends_an_update_that_does_not_wait_with_3_and_the_name_of_its_holder() {
    let (home, repos) = installed();
    publish(&repos, 1);
    let lock = home.path().join("locks/store");
    let held = Lock::take(&lock, "modstore a-test", LockWait::at_most(Duration::ZERO)).unwrap();
    let pid = format!("process {} (modstore a-test)", std::process::id());
    for args in
        [["update"].as_slice(), &["remove", "m0"], &["rollback", "--to", "1"], &["link", "m1", "/"]]
    {
        let ran =
            home.run(&[&["--lock-timeout", "0"], args].concat()).fails(3).says(&pid).says("hint:");
        assert_eq!(ran.stderr.matches("error:").count(), 1, "{ran:?}");
        let json = home.run(&[&["--json", "--lock-timeout", "0"], args].concat()).fails(3).json();
        assert!(json["error"]["causes"].to_string().contains(&pid), "{json}");
        assert!(home.leftovers().is_empty(), "{:?}", home.leftovers());
    }
    for args in [
        ["list"].as_slice(),
        &["status"],
        &["history"],
        &["outdated"],
        &["path", "m0"],
        &["show", "m0"],
    ] {
        home.run(args).ok();
    }
    drop(held);
    let edit = Lock::take(
        &home.path().join("locks/modules.toml"),
        "modstore a-test",
        LockWait::at_most(Duration::ZERO),
    )
    .unwrap();
    let ran = home.run(&["--lock-timeout", "0", "remove", "m0"]).fails(3).says(&pid);
    let ran = ran.says("modules.toml is busy");
    assert!(!ran.stderr.contains("the store is busy"), "{ran:?}");
    home.run(&["update"]).ok();
    drop(edit);
    assert_consistent(&home);
}

#[test]
fn a_waiting_process_reports_after_a_second_who_holds_the_lock_and_since_when() {
    let (home, repos) = installed();
    publish(&repos, 1);
    let held = Lock::take(
        &home.path().join("locks/store"),
        "modstore a-test",
        LockWait::at_most(Duration::ZERO),
    )
    .unwrap();
    let begun = Instant::now();
    let mut running = home.spawn(&["update"]);
    assert!(!running.ends_within(Duration::from_millis(2_500)), "it waits");
    drop(held);
    let ran = running.wait().ok();
    let wanted =
        format!("waiting: process {} (modstore a-test) has held the lock for ", std::process::id());
    let (_, since) = ran.stderr.split_once(&wanted).unwrap_or_else(|| panic!("{ran:?}"));
    let seconds: u64 = since.split(' ').next().unwrap().parse().unwrap();
    assert!((1..=begun.elapsed().as_secs()).contains(&seconds), "{ran:?}");
    assert_eq!(ran.stderr.matches("waiting").count(), 1, "once: {ran:?}");
    assert_consistent(&home);

    // A wait that is over within the second is not reported.
    publish(&repos, 2);
    let lock = home.path().join("locks/store");
    let held = Lock::take(&lock, "modstore a-test", LockWait::at_most(Duration::ZERO)).unwrap();
    let mut running = home.spawn(&["update"]);
    assert!(!running.ends_within(Duration::from_millis(300)), "it waits");
    drop(held);
    assert!(!running.wait().ok().stderr.contains("waiting"));
}

#[test]
fn a_wait_ends_with_3_when_its_time_is_over_and_not_before() {
    let (home, repos) = installed();
    publish(&repos, 1);
    let lock = home.path().join("locks/store");
    let _held = Lock::take(&lock, "modstore a-test", LockWait::at_most(Duration::ZERO)).unwrap();
    let begun = Instant::now();
    home.run(&["update", "--lock-timeout", "2"]).fails(3).says("(modstore a-test)").says("hint:");
    let waited = begun.elapsed();
    assert!((2.0..6.0).contains(&waited.as_secs_f64()), "{waited:?}");
}

/// Says that it has come to an act, and never goes on.
struct StopsAt {
    at: usize,
    count: AtomicUsize,
    say: Mutex<Option<PathBuf>>,
}

impl Observer for StopsAt {
    fn before(&self, act: Act<'_>) -> io::Result<()> {
        // Before its barrier an update holds no lock that another process could want.
        let counts = act.verb == Verb::SyncFileSystem || self.count.load(Ordering::SeqCst) > 0;
        if counts && self.count.fetch_add(1, Ordering::SeqCst) == self.at {
            let told = self.say.lock().unwrap().take().unwrap();
            fs::write(told, act.verb.to_string()).unwrap();
            loop {
                std::thread::park();
            }
        }
        Ok(())
    }
}

const STOP: &str = "MODSTORE_TEST_STOP_AT";

/// Not a law of its own: the process that the next test kills while it holds the store's lock.
#[test]
fn an_update_that_stops_in_the_middle_works() {
    let Ok(told) = std::env::var(STOP) else { return };
    let parts: Vec<&str> = told.split(' ').collect();
    let say = Mutex::new(Some(PathBuf::from(parts[2])));
    let stops = StopsAt { at: parts[0].parse().unwrap(), count: AtomicUsize::new(0), say };
    let options = Options { jobs: 1, command: "a host".into(), ..Options::default() };
    let disk = Disk::observed(Arc::new(stops));
    let store = Store::open_on(disk, Path::new(parts[1]), options).unwrap();
    store.update(&UpdateRequest::default(), &Silent, &Cancel::new()).unwrap();
}

#[test]
fn a_holder_that_is_killed_at_any_act_frees_those_who_wait_at_once() {
    let (home, repos) = installed();
    let mut stopped_at = Vec::new();
    for at in 0.. {
        publish(&repos[..1], 1 + at);
        let told = home.scratch().join("stopped");
        drop(fs::remove_file(&told));
        let mut holder = Command::new(std::env::current_exe().unwrap());
        holder.args(["--exact", "an_update_that_stops_in_the_middle_works"]);
        holder.env(STOP, format!("{at} {} {}", home.path().display(), told.display()));
        let mut holder = Running::start(holder);
        let ended = loop {
            if fs::read(&told).is_ok_and(|told| !told.is_empty()) {
                break false;
            }
            if holder.ends_within(Duration::from_millis(2)) {
                break true;
            }
        };
        if ended {
            holder.wait().ok();
            break;
        }
        stopped_at.push(fs::read_to_string(&told).unwrap());
        // Another repository, so that there is something to wait for.
        publish(&repos[1..2], 1 + at);
        let who = format!("process {} (a host)", holder.id());
        let busy = home.run(&["update", "--lock-timeout", "0"]);
        let waiter = home.spawn(&["update"]);
        holder.signal(Signal::KILL);
        let killed = Instant::now();
        assert_eq!(holder.wait().status, 137);
        waiter.wait().ok();
        assert!(killed.elapsed() < Duration::from_secs(2), "{:?}", killed.elapsed());
        // In the very end it holds nothing but its own staging.
        if busy.status != 0 {
            busy.fails(3).says(&who);
        }
        home.run(&["update", "--lock-timeout", "0"]).ok();
        for repo in &repos {
            assert_eq!(home.tree(repo.name()), repo.tree("main"), "stopped at {stopped_at:?}");
        }
        assert_consistent(&home);
    }
    println!("killed at {} acts: {stopped_at:?}", stopped_at.len());
    assert!(stopped_at.len() > 12, "{stopped_at:?}");
}

#[test]
fn a_holder_that_is_killed_blocks_no_process() {
    let (home, repos) = installed();
    publish(&repos, 1);
    // Stopped, it holds what it has for as long as it likes; where that is, chance decides.
    for pause in [5, 15, 25, 35, 45] {
        let running = home.spawn(&["update"]);
        std::thread::sleep(Duration::from_millis(pause));
        running.signal(Signal::STOP);
        running.signal(Signal::KILL);
        drop(running.wait());
        home.run(&["update", "--lock-timeout", "0"]).ok();
        publish(&repos, pause);
    }
    let lock = home.path().join("locks/store");
    let flock = ["-x", lock.to_str().unwrap(), "sleep", "60"];
    let holder = Running::start(home.command_of(Path::new("flock"), &flock));
    let begun = Instant::now();
    while Lock::try_take(&lock, "a test").unwrap().is_some() {
        assert!(begun.elapsed() < Duration::from_secs(10), "flock does not lock");
    }
    home.run(&["update", "--lock-timeout", "0"]).fails(3);
    let children =
        fs::read_to_string(format!("/proc/{0}/task/{0}/children", holder.id())).unwrap_or_default();
    for child in children.split_whitespace() {
        let child = rustix::process::Pid::from_raw(child.parse().unwrap()).unwrap();
        rustix::process::kill_process(child, Signal::KILL).unwrap();
    }
    holder.signal(Signal::KILL);
    drop(holder.wait());
    home.run(&["update", "--lock-timeout", "1"]).ok();
    assert_consistent(&home);
}

#[test]
fn a_module_that_is_removed_during_updates_is_not_current_after_the_next() {
    let (home, repos) = installed();
    let source = format!("git+{}", repos[0].url_file());
    for number in 1..=10 {
        publish(&repos, number);
        let updates = [0; 2].map(|_| home.spawn(&["update"]));
        let remove = home.spawn(&["remove", "m0"]);
        remove.wait().ok();
        all_end_well(updates);
        home.run(&["update"]).ok();
        assert!(
            fs::symlink_metadata(home.target("m0")).is_err(),
            "round {number}: current and not declared"
        );
        let status = home.run(&["status", "--json"]).ok().json();
        assert_eq!(
            (&status["undeclared"], &status["missing"]),
            (&serde_json::json!([]), &serde_json::json!([]))
        );
        home.run(&["add", &source]).ok();
    }
    assert_consistent(&home);
}
