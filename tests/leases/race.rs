//! Takers and a collector at once: at every act of the collector, and by the thousand.

use std::{
    io,
    path::Path,
    process::Command,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use modstore::{Generation, Lease, errors::LeaseError};
use modstore_core::disk::{Act, Disk, Observer, Verb};
use modstore_testbed::{Running, TestHome, skip_loudly};

use super::churn::{collect, lease_files, leased, open, publish, read};

/// Does something before the collector's act of this number, and says whether that act, and all after it, happen.
struct AtAct<F> {
    number: usize,
    seen: AtomicUsize,
    dies: bool,
    then: F,
}

impl<F: Fn() + Send + Sync> Observer for AtAct<F> {
    fn before(&self, _: Act<'_>) -> io::Result<()> {
        let seen = self.seen.fetch_add(1, Ordering::SeqCst);
        if seen == self.number {
            (self.then)();
        }
        if self.dies && seen >= self.number { Err(io::Error::other("it has died")) } else { Ok(()) }
    }
}

/// A home in memory that shows generation 3 of three.
fn home_of_three() -> TestHome {
    let home = TestHome::in_memory(env!("CARGO_BIN_EXE_modstore"));
    open(home.path());
    for number in 1..=3 {
        publish(home.path(), number);
    }
    home
}

fn first() -> Generation {
    Generation::FIRST
}

/// What a taker got at some act of a collector: the oldest generation, if it could be leased, and the current one.
type Taken = (Result<Lease, LeaseError>, Lease);

/// Lets a collector run, or die, with a taker at this act of it; nothing, if it has no act of that number.
fn taken_at(home: &TestHome, number: usize, dies: bool) -> Option<Taken> {
    let (reader, taken) = (open(home.path()), Arc::new(Mutex::new(None)));
    let kept = Arc::clone(&taken);
    let then = move || {
        *kept.lock().unwrap() = Some((reader.lease_of(first()), reader.lease().unwrap()));
    };
    let observer = AtAct { number, seen: AtomicUsize::new(0), dies, then };
    let collected = collect(home.path(), &Disk::observed(Arc::new(observer)));
    assert!(dies || collected.is_ok(), "act {number}: {collected:?}");
    taken.lock().unwrap().take()
}

/// What was granted is whole, and held by one file each; what was refused left none.
fn assert_kept(home: &TestHome, at: usize, (old, shown): &Taken) -> bool {
    let granted = old.is_ok();
    match old {
        Ok(lease) => assert_eq!(read(&lease.directory()).unwrap(), 1, "act {at}"),
        Err(LeaseError::Gone(gone)) => assert_eq!(*gone, first(), "act {at}"),
        Err(error) => panic!("act {at}: {error}"),
    }
    assert_eq!(read(&shown.directory()).unwrap(), 3, "act {at}");
    assert_eq!(lease_files(home.path()), 1 + usize::from(granted), "act {at}");
    granted
}

#[test]
fn at_whatever_act_of_a_collector_a_lease_is_granted_it_is_kept_and_one_refused_leaves_no_file() {
    let mut granted = Vec::new();
    for number in 0.. {
        let home = home_of_three();
        let Some(taken) = taken_at(&home, number, false) else { break };
        granted.push(assert_kept(&home, number, &taken));
        drop(taken);
        assert_eq!(lease_files(home.path()), 0);
        collect(home.path(), &Disk::default()).unwrap();
        let left = std::fs::read_dir(home.path().join("generations")).unwrap().count();
        assert_eq!(left, 1, "a leased generation is collected after its release");
    }
    // First it can be leased, then it cannot: there is one moment that decides.
    let decided = granted.iter().position(|granted| !granted).expect("some are refused");
    assert!(decided > 0 && granted[decided..].iter().all(|granted| !granted), "{granted:?}");
    println!("{} acts of a collector, granted at the first {decided}", granted.len());
}

#[test]
fn a_lease_survives_a_collector_that_dies_at_any_act_and_the_clean_up_after_it() {
    let mut tried = 0;
    for number in 0.. {
        let home = home_of_three();
        let before = open(home.path()).lease_of(Generation::FIRST.next()).unwrap();
        let Some(taken) = taken_at(&home, number, true) else { break };
        // Afterwards, while what it has left lies there, and after the next writer has seen to that.
        let after = open(home.path()).lease_of(first());
        publish(home.path(), 4);
        for lease in [taken.0.as_ref(), after.as_ref()].into_iter().flatten() {
            assert_eq!(read(&lease.directory()).unwrap(), 1, "act {number}");
        }
        collect(home.path(), &Disk::default()).unwrap();
        for lease in [taken.0.as_ref(), after.as_ref()].into_iter().flatten() {
            assert_eq!(read(&lease.directory()).unwrap(), 1, "act {number}, collected again");
        }
        assert_eq!(read(&before.directory()).unwrap(), 2, "act {number}");
        assert_eq!(read(&taken.1.directory()).unwrap(), 3, "act {number}");
        tried += 1;
    }
    assert!(tried > 10, "{tried} acts");
}

/// Starts the command line on the oldest generation, held up for half a second at this system call on something that
/// decides whether it is still there, the `when`th of its kind; comes back when it is held up.
fn taker_held_up_at(home: &TestHome, (call, when): (&str, usize)) -> Running {
    let (store, log) = (home.path().display(), home.scratch().join("strace"));
    let mut args = vec!["-o".to_owned(), log.display().to_string()];
    for path in ["condemned", "current", "generations/1"] {
        args.extend(["-P".to_owned(), format!("{store}/{path}")]);
    }
    args.extend(["-e".to_owned(), format!("inject={call}:delay_enter=500000:when={when}")]);
    let modstore = env!("CARGO_BIN_EXE_modstore");
    args.extend([modstore, "exec", "--generation", "1", "cat"].map(str::to_owned));
    args.push(format!("{store}/generations/1/one/number"));
    let taker = Running::start(home.command_of(Path::new("strace"), &args));
    let begun = Instant::now();
    while lease_files(home.path()) == 0 {
        assert!(begun.elapsed() < Duration::from_secs(30), "no lease is taken");
    }
    // What comes between the lease and the call takes microseconds.
    std::thread::sleep(Duration::from_millis(50));
    taker
}

#[test]
fn a_taker_that_comes_after_the_look_and_is_held_up_until_all_is_gone_is_refused() {
    if Command::new("strace").arg("-V").output().is_err() {
        return skip_loudly("strace cannot be run");
    }
    // Before the lease there is one look, at whose the home's files are.
    for call in [("?openat,?open", 1), ("?stat,?statx,?newfstatat", 2)] {
        let home = Arc::new(home_of_three());
        let (taker, its_home) = (Arc::new(Mutex::new(None)), Arc::clone(&home));
        let started = Arc::clone(&taker);
        // The collector has looked for leases, and is about to write down what it gives up.
        let then = move || *started.lock().unwrap() = Some(taker_held_up_at(&its_home, call));
        let observer = BeforeJournal { then, once: AtomicBool::new(false) };
        collect(home.path(), &Disk::observed(Arc::new(observer))).unwrap();
        assert!(!home.path().join("condemned").exists(), "the collector is done");
        let ran = taker.lock().unwrap().take().unwrap().wait();
        drop(ran.fails(2).says("generation 1 is not there"));
        assert_eq!(lease_files(home.path()), 0, "{call:?}");
    }
}

/// Does something once, before the first frame is appended.
struct BeforeJournal<F> {
    then: F,
    once: AtomicBool,
}

impl<F: Fn() + Send + Sync> Observer for BeforeJournal<F> {
    fn before(&self, act: Act<'_>) -> io::Result<()> {
        if act.verb == Verb::Append && !self.once.swap(true, Ordering::SeqCst) {
            (self.then)();
        }
        Ok(())
    }
}

const LEASES: u64 = 1_000;

/// Takes leases, of the current and of older generations, until that number was granted; reads twice below each. Says
/// how many were refused.
fn take_many(home: &Path, granted: &AtomicU64) -> u64 {
    let store = open(home);
    let mut refused = 0;
    for turn in 0_u64.. {
        if granted.load(Ordering::Relaxed) >= LEASES {
            break;
        }
        let wanted = store.current().unwrap().number().saturating_sub(turn % 3).max(1);
        let lease = match turn % 3 {
            0 => store.lease(),
            _ => store.lease_of(wanted.to_string().parse().unwrap()),
        };
        let Ok(lease) = lease else {
            refused += 1;
            continue;
        };
        granted.fetch_add(1, Ordering::Relaxed);
        let number = read(&lease.directory()).expect("nothing leased is missing");
        (0..turn % 50).for_each(|_| std::thread::yield_now());
        assert_eq!(read(&lease.directory()).expect("nothing leased goes"), number);
    }
    refused
}

#[test]
fn of_a_thousand_leases_taken_against_a_collector_none_ever_meets_anything_missing() {
    let home = TestHome::in_memory(env!("CARGO_BIN_EXE_modstore"));
    let store = open(home.path());
    publish(home.path(), 1);
    let granted = AtomicU64::new(0);
    let (mut collected, mut number) = (0, 1);
    std::thread::scope(|scope| {
        let takers = [0; 3].map(|_| scope.spawn(|| take_many(home.path(), &granted)));
        while !takers.iter().all(std::thread::ScopedJoinHandle::is_finished) {
            number += 1;
            publish(home.path(), number);
            collected += collect(home.path(), &Disk::default()).unwrap();
        }
        let refused: u64 = takers.into_iter().map(|taker| taker.join().unwrap()).sum();
        println!(
            "{} granted, {refused} refused, {number} generations, {collected} given up: 0 misses",
            granted.load(Ordering::Relaxed)
        );
    });
    assert!(collected > 20, "{collected} generations were given up");
    assert_eq!((leased(&store).len(), lease_files(home.path())), (0, 0));
}

#[test]
fn programs_that_run_under_a_lease_never_meet_anything_missing() {
    let home = TestHome::in_memory(env!("CARGO_BIN_EXE_modstore"));
    let store = open(home.path());
    publish(home.path(), 1);
    // Each module's file, then after a while again, by a child: four equal numbers.
    let script = "cd \"$MODSTORE_MODULES\" || exit 9; cat one/number two/number; sleep 0.02; \
                  sh -c 'cat one/number two/number'";
    let done = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let runners = [0; 3].map(|_| {
            scope.spawn(|| {
                for _ in 0..40 {
                    let said = home.run(&["exec", "--", "sh", "-c", script]).ok().stdout;
                    let said = said.replace("one", " ").replace("two", " ");
                    let numbers: Vec<&str> = said.split_whitespace().collect();
                    assert_eq!(numbers.len(), 4, "{said}");
                    assert!(numbers.iter().all(|number| *number == numbers[0]), "{said}");
                }
            })
        });
        let (mut number, mut collected) = (1, 0);
        while !done.load(Ordering::Relaxed) {
            number += 1;
            publish(home.path(), number);
            collected += collect(home.path(), &Disk::default()).unwrap();
            done.store(runners.iter().all(|runner| runner.is_finished()), Ordering::Relaxed);
        }
        assert!(collected > 20, "{collected} generations were given up");
    });
    assert!(leased(&store).is_empty());
}
