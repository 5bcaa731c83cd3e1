//! Reclaiming: what nothing needs goes, and nothing that anything needs.
//!
//! Limits: kills and power cuts have tests of their own; here all sweeps but the interrupted ones end by themselves.

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "helpers panic, and that is how a test fails"
)]

use std::{
    collections::BTreeSet,
    fs, io,
    num::NonZeroUsize,
    path::{Path, PathBuf},
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::Duration,
};

use modstore::{
    Cancel, Digest, Generation, Lease, Options, Policy, Silent, Store, SweepPlan, SweepReport,
    UpdateRequest,
    errors::{PlanError, SweepError},
    internals::reclaim::Disagreement,
};
use modstore_core::disk::{Act, Disk, Lock, LockWait, Observer, Verb};
use modstore_testbed::Repo;

/// A store with one module, `tool`, whose repository gets a commit for each generation.
struct Place {
    root: tempfile::TempDir,
    repo: Repo,
    store: Store,
}

impl Place {
    /// With this number of generations, each with an entry of its own.
    fn with_generations(count: u64) -> Self {
        Self::on(Disk::default(), count)
    }

    fn on(disk: Disk, count: u64) -> Self {
        let memory = Path::new("/dev/shm");
        let below = if memory.is_dir() { memory.to_owned() } else { std::env::temp_dir() };
        let root = tempfile::tempdir_in(below).unwrap();
        let repo = Repo::create(root.path(), "tool");
        let home = root.path().join("home");
        fs::create_dir(&home).unwrap();
        let declared = format!("[modules.tool]\nsource = \"git+{}\"\n", repo.url_file());
        fs::write(home.join("modules.toml"), declared).unwrap();
        let options = Options { jobs: 1, sweep: None, ..Options::default() };
        let store = Store::open_on(disk, &home, options).unwrap();
        let place = Self { root, repo, store };
        (1..=count).for_each(|number| place.publish(number));
        place
    }

    fn home(&self) -> PathBuf {
        self.root.path().join("home")
    }

    /// A new generation, whose entry has a file of its own and one that all have.
    fn publish(&self, number: u64) {
        self.repo.write(&[("number", &number.to_string()), ("shared", &"s".repeat(10_000))]);
        let report = self.store.update(&UpdateRequest::default(), &Silent, &Cancel::new()).unwrap();
        assert!(report.committed, "{report:?}");
    }

    fn plan(&self, keep: usize) -> SweepPlan {
        self.store.plan_sweep(&keeping(keep)).unwrap()
    }

    fn sweep(&self, keep: usize) -> SweepReport {
        self.store.sweep(self.plan(keep), &Silent, &Cancel::new()).unwrap()
    }

    fn sweep_error(&self, plan: SweepPlan) -> SweepError {
        self.store.sweep(plan, &Silent, &Cancel::new()).unwrap_err()
    }

    /// The entry of a generation, as the journal tells.
    fn entry(&self, generation: u64) -> Digest {
        let modules = self.store.state().unwrap().modules_of(number(generation)).unwrap();
        modules["tool"].digest().unwrap()
    }

    fn path_of(&self, digest: Digest) -> PathBuf {
        self.store.layout().entry(digest)
    }

    fn names(&self, directory: &str) -> BTreeSet<String> {
        let names = fs::read_dir(self.home().join(directory)).unwrap();
        names.map(|name| name.unwrap().file_name().into_string().unwrap()).collect()
    }

    /// Everything in the home, with what it holds.
    fn everything(&self) -> Vec<(String, modstore_testbed::Item)> {
        modstore_testbed::listing(&self.home()).into_iter().collect()
    }
}

fn keeping(keep: usize) -> Policy {
    Policy { keep: NonZeroUsize::new(keep).unwrap(), grace: Duration::ZERO, max_bytes: None }
}

fn number(number: u64) -> Generation {
    number.to_string().parse().unwrap()
}

#[test]
fn what_no_kept_generation_needs_goes_with_all_that_belongs_to_it() {
    let place = Place::with_generations(5);
    let (old, new): (Vec<_>, Vec<_>) = (1..=5)
        .map(|each| place.entry(each))
        .partition(|digest| *digest != place.entry(4) && *digest != place.entry(5));
    let report = place.sweep(2);
    assert_eq!(report.retired, [1, 2, 3].map(number));
    assert_eq!(report.removed.len(), 3);
    assert_eq!(
        (report.deleted, report.left),
        (3 + 3, 0),
        "three directories of links and three trees; lists go in their place"
    );
    let names = |digests: &[Digest]| digests.iter().map(ToString::to_string).collect();
    assert_eq!(place.names("entries"), names(&new));
    assert_eq!(place.names("generations"), ["4", "5"].map(str::to_owned).into());
    assert_eq!(place.names("manifests").len(), 6);
    assert!(place.names("trash").is_empty() && place.names("staging").is_empty());
    assert!(!place.home().join("condemned").exists());
    let state = place.store.state().unwrap();
    assert!(old.iter().all(|digest| state.entry(*digest).is_none()));
    assert_eq!(fs::read_to_string(place.home().join("current/tool/number")).unwrap(), "5");
    assert!(place.plan(2).is_empty());
}

#[test]
fn a_sweep_with_nothing_to_do_writes_nothing_and_takes_no_lock() {
    let place = Place::with_generations(2);
    let before = place.everything();
    let _lock =
        Lock::take(&place.store.layout().lock("store"), "test", LockWait::at_most(Duration::ZERO));
    assert!(place.sweep(2).retired.is_empty());
    drop(_lock);
    let mut after = place.everything();
    after.retain(|(path, _)| path != "locks/store");
    let before: Vec<_> = before.into_iter().filter(|(path, _)| path != "locks/store").collect();
    assert_eq!(after, before);
}

#[test]
fn a_stale_plan_is_refused_and_changes_nothing() {
    let place = Place::with_generations(3);
    let plan = place.plan(1);
    place.publish(4);
    let error = place.sweep_error(plan);
    assert!(matches!(&error, SweepError::Stale { .. }), "{error:?}");
    assert_eq!(place.names("generations").len(), 4);
    // A journal that went on without a new head makes it stale too.
    let plan = place.plan(2);
    place.sweep(3);
    assert!(matches!(place.sweep_error(plan), SweepError::Stale { .. }));
    assert_eq!(place.names("generations").len(), 3);
}

#[test]
fn a_leased_generation_and_its_entries_stay_and_go_after_the_lease() {
    let place = Place::with_generations(4);
    let entry = place.entry(2);
    let lease = Lease::take_of(&Disk::default(), place.store.layout(), number(2), "test").unwrap();
    let report = place.sweep(1);
    assert_eq!(report.retired, [1, 3].map(number));
    assert_eq!(fs::read_to_string(lease.directory().join("tool/number")).unwrap(), "2");
    drop(lease);
    assert_eq!(place.sweep(1).retired, [2].map(number));
    assert!(!place.path_of(entry).exists());
}

#[test]
fn a_lease_taken_after_the_plan_was_made_is_heeded() {
    let place = Place::with_generations(4);
    let plan = place.plan(1);
    let lease = Lease::take_of(&Disk::default(), place.store.layout(), number(2), "test").unwrap();
    let report = place.store.sweep(plan, &Silent, &Cancel::new()).unwrap();
    assert_eq!(report.retired, [1, 3].map(number));
    assert_eq!(report.spared, 2, "the generation and its entry");
    assert_eq!(fs::read_to_string(lease.directory().join("tool/number")).unwrap(), "2");
}

#[test]
fn an_entry_that_the_journal_alone_calls_free_stays_and_is_reported() {
    let place = Place::with_generations(3);
    let entry = place.entry(1);
    // A kept generation leads to what the journal says it does not.
    let link = place.home().join("generations/3/other");
    std::os::unix::fs::symlink(format!("../../entries/{entry}"), link).unwrap();
    let plan = place.plan(1);
    let kept = plan.disagreements().next().expect("it is reported");
    assert_eq!((kept.digest, kept.disagreement), (entry, Some(Disagreement::OnlyMarked)));
    assert!(
        kept.why().contains("generation 3") && kept.why().contains("nowhere"),
        "{}",
        kept.why()
    );
    assert_eq!(place.sweep(1).retired, [1, 2].map(number));
    assert!(place.path_of(entry).join("number").exists());
    // And it stays for as long as that link is there.
    assert!(place.sweep(1).removed.is_empty());
}

#[test]
fn an_entry_that_the_disk_alone_calls_free_stays_and_is_reported() {
    let place = Place::with_generations(3);
    let entry = place.entry(2);
    fs::remove_file(place.home().join("generations/2/tool")).unwrap();
    let plan = place.plan(2);
    let kept = plan.disagreements().next().expect("it is reported");
    assert_eq!((kept.digest, kept.disagreement), (entry, Some(Disagreement::OnlyCounted)));
    assert!(
        kept.why().contains("generation 2") && kept.why().contains("no link"),
        "{}",
        kept.why()
    );
    place.sweep(2);
    assert!(place.path_of(entry).join("number").exists());
}

#[test]
fn a_root_that_cannot_be_read_stops_the_sweep_and_is_named() {
    let place = Place::with_generations(3);
    type Damage<'a> = (&'a str, &'a dyn Fn(&Path));
    let damage: [Damage<'_>; 3] = [
        ("generation 2", &|home| {
            fs::remove_dir_all(home.join("generations/2")).unwrap();
            fs::write(home.join("generations/2"), "not a directory").unwrap();
        }),
        ("generation 3", &|home| fs::write(home.join("generations/3/file"), "no link").unwrap()),
        ("generation 3", &|home| {
            std::os::unix::fs::symlink("../elsewhere", home.join("generations/3/odd")).unwrap();
        }),
    ];
    for (root, damage) in damage {
        let copy = Place::with_generations(3);
        let plan = copy.plan(1);
        damage(&copy.home());
        let before = copy.everything();
        let error = copy.store.plan_sweep(&keeping(2)).unwrap_err();
        assert!(error.to_string().contains(root), "{error}");
        assert!(matches!(error, PlanError::Root { .. }), "the command line ends with 4: {error:?}");
        assert_eq!(copy.everything(), before);
        // Also when it is only found out under the lock.
        if root == "generation 3" {
            assert!(matches!(copy.sweep_error(plan), SweepError::Plan(_)));
            assert_eq!(copy.names("entries").len(), 3);
            assert!(!copy.home().join("condemned").exists(), "nothing stays condemned");
        }
    }
    drop(place);
}

#[test]
fn unknown_names_are_never_deleted_and_are_reported() {
    let place = Place::with_generations(3);
    let unknown = ["generations/notes", "entries/mine", "manifests/x.git.bak", "trash/keep-me"];
    for name in unknown {
        fs::write(place.home().join(name), "mine").unwrap();
    }
    let told = place.plan(1).unknown;
    for name in &unknown[..3] {
        assert!(told.contains(&place.home().join(name)), "{name} is not in {told:?}");
    }
    place.sweep(1);
    for name in unknown {
        assert_eq!(fs::read_to_string(place.home().join(name)).unwrap(), "mine");
    }
}

#[test]
fn entries_and_lists_that_were_never_recorded_go() {
    let place = Place::with_generations(1);
    let digest = "ab".repeat(32);
    fs::create_dir(place.home().join("entries").join(&digest)).unwrap();
    fs::write(place.home().join("manifests").join("cd".repeat(32)), "").unwrap();
    fs::write(place.home().join("manifests").join("ef".repeat(32) + ".git"), "").unwrap();
    fs::write(place.home().join("manifests").join("01".repeat(32) + ".commits"), "").unwrap();
    fs::create_dir(place.home().join("mirrors").join("0".repeat(32) + ".git")).unwrap();
    let report = place.sweep(3);
    assert_eq!((report.removed.len(), report.mirrors.len(), report.left), (4, 1, 0));
    assert_eq!(place.names("entries").len(), 1);
    assert_eq!(place.names("manifests").len(), 3);
    assert!(place.names("mirrors").iter().all(|name| name == "host.git"));
}

/// Fails every act on a path for which this says so, while it is armed.
struct Fault {
    armed: AtomicBool,
    fails: Box<dyn Fn(Act<'_>) -> bool + Send + Sync>,
}

impl Observer for Fault {
    fn before(&self, act: Act<'_>) -> io::Result<()> {
        match self.armed.load(Ordering::Relaxed) && (self.fails)(act) {
            true => Err(io::ErrorKind::StorageFull.into()),
            false => Ok(()),
        }
    }
}

fn faulty(
    count: u64,
    fails: impl Fn(Act<'_>) -> bool + Send + Sync + 'static,
) -> (Place, Arc<Fault>) {
    let fault = Arc::new(Fault { armed: AtomicBool::new(false), fails: Box::new(fails) });
    let place = Place::on(Disk::observed(fault.clone()), count);
    fault.armed.store(true, Ordering::Relaxed);
    (place, fault)
}

#[test]
fn a_deletion_that_was_interrupted_goes_on_at_the_next_sweep() {
    let (place, fault) =
        faulty(4, |act| act.verb == Verb::Remove && act.path.iter().any(|part| part == "trash"));
    let report = place.sweep(1);
    assert_eq!((report.removed.len(), report.deleted), (3, 0));
    assert!(report.left > 0 && report.trouble.is_some());
    let cancelled = Cancel::new();
    cancelled.cancel();
    fault.armed.store(false, Ordering::Relaxed);
    let report = place.store.sweep(place.plan(1), &Silent, &cancelled).unwrap();
    assert!(report.deleted == 0 && report.left > 0, "Ctrl-C is heeded between trees");
    let report = place.sweep(1);
    assert!(report.deleted > 0 && report.left == 0, "{report:?}");
    assert!(place.names("trash").is_empty());
}

#[test]
fn an_error_before_the_journal_leaves_everything_and_condemns_nothing() {
    let (place, fault) = faulty(3, |act| act.verb == Verb::Append);
    let error = place.sweep_error(place.plan(1));
    assert!(error.has_happened(), "it is unknown whether the append came through");
    fault.armed.store(false, Ordering::Relaxed);
    let again = Store::open(&place.home(), Options::default()).unwrap();
    let plan = again.plan_sweep(&keeping(1)).unwrap();
    assert_eq!(again.sweep(plan, &Silent, &Cancel::new()).unwrap().retired, [1, 2].map(number));

    let (place, _fault) = faulty(3, |act| act.path.ends_with("condemned"));
    let error = place.sweep_error(place.plan(1));
    assert!(matches!(error, SweepError::NotDone(_)), "{error:?}");
    assert_eq!((place.names("entries").len(), place.names("generations").len()), (3, 3));
}

#[test]
fn what_was_recorded_and_not_moved_is_moved_by_the_next_to_have_the_lock() {
    // Neither moved nor deleted in its place.
    let (place, fault) = faulty(4, |act| {
        let is_entry = |path: &Path| path.iter().any(|part| part == "entries");
        match act.verb {
            Verb::Rename => act.from.is_some_and(is_entry),
            Verb::Remove | Verb::SetMode => is_entry(act.path),
            _ => false,
        }
    });
    let report = place.sweep(1);
    assert_eq!((report.removed.len(), report.trouble.is_some()), (3, true), "{report:?}");
    assert_eq!(place.names("entries").len(), 4);
    assert!(place.home().join("condemned").exists());
    fault.armed.store(false, Ordering::Relaxed);
    place.publish(5);
    assert!(!place.home().join("condemned").exists());
    assert_eq!(place.names("entries").len(), 2);
    place.sweep(2);
    assert!(place.names("trash").is_empty());
}

#[test]
fn what_was_condemned_and_not_recorded_stays() {
    let place = Place::with_generations(3);
    let sequence = place.store.state().unwrap().sequence();
    let condemned = format!("after {sequence}\n1\n{}\n", place.entry(1));
    fs::write(place.home().join("condemned"), condemned).unwrap();
    let refused = Lease::take_of(&Disk::default(), place.store.layout(), number(1), "test");
    assert!(refused.is_err(), "a process that comes now comes too late");
    place.publish(4);
    assert!(!place.home().join("condemned").exists());
    assert!(place.path_of(place.entry(1)).join("number").exists());
    let _lease = Lease::take_of(&Disk::default(), place.store.layout(), number(1), "test").unwrap();
}

#[test]
fn the_automatic_sweep_follows_an_update_and_never_waits_nor_works_offline() {
    let place = Place::with_generations(3);
    let with = |offline, sweep| {
        Store::open(&place.home(), Options { offline, sweep, ..Options::default() }).unwrap()
    };
    let update = |store: &Store, text: &str| {
        place.repo.write(&[("number", text)]);
        store.update(&UpdateRequest::default(), &Silent, &Cancel::new()).unwrap()
    };
    update(&with(false, Some(Policy::default())), "4");
    assert_eq!(place.names("generations").len(), 4, "the default keeps a day");
    with(true, Some(keeping(1))).rollback(None, &[], &Silent, &Cancel::new()).unwrap();
    assert_eq!(place.names("generations").len(), 5, "not while offline");
    let store = with(false, Some(keeping(2)));
    store.unhold(&[], &Silent, &Cancel::new()).unwrap();
    update(&store, "6");
    assert_eq!(place.names("generations"), ["5", "6"].map(str::to_owned).into());
    assert!(place.names("trash").is_empty());
}

#[test]
fn the_target_is_repointed_before_the_old_entry_becomes_collectible() {
    struct Order(Mutex<Vec<String>>);
    impl Observer for Order {
        fn before(&self, act: Act<'_>) -> io::Result<()> {
            let name = act.path.file_name().unwrap().to_string_lossy().into_owned();
            let from = act.from.map(|from| from.display().to_string()).unwrap_or_default();
            if name == "current" && act.verb == Verb::Rename {
                self.0.lock().unwrap().push("switch".into());
            }
            if from.contains("/entries/") && act.path.iter().any(|part| part == "trash") {
                self.0.lock().unwrap().push("away".into());
            }
            Ok(())
        }
    }
    let order = Arc::new(Order(Mutex::default()));
    let place = Place::on(Disk::observed(order.clone()), 1);
    let old = place.entry(1);
    assert!(place.plan(1).remove.is_empty(), "the current generation is never collectible");
    place.publish(2);
    assert_eq!(place.plan(1).remove[0].digest, old);
    place.sweep(1);
    assert_eq!(*order.0.lock().unwrap(), ["switch", "switch", "away"]);
}

#[test]
fn readers_of_current_never_miss_during_two_hundred_updates_with_a_sweep_after_each() {
    const UPDATES: u64 = 200;
    let place = Place::with_generations(1);
    let (done, direct, leased) = (AtomicBool::new(false), AtomicU64::new(0), AtomicU64::new(0));
    std::thread::scope(|scope| {
        scope.spawn(|| {
            while !done.load(Ordering::Relaxed) {
                fs::read_to_string(place.home().join("current/tool/number"))
                    .expect("never missing");
                direct.fetch_add(1, Ordering::Relaxed);
            }
        });
        scope.spawn(|| {
            while !done.load(Ordering::Relaxed) {
                let lease = Lease::take(&Disk::default(), place.store.layout(), "reader").unwrap();
                for _ in 0..3 {
                    let read = fs::read_to_string(lease.directory().join("tool/number"));
                    read.expect("what is leased is there");
                    std::thread::yield_now();
                }
                leased.fetch_add(1, Ordering::Relaxed);
            }
        });
        for number in 2..=UPDATES {
            place.publish(number);
            // Who reads through `current` without a lease may be between two links of a path for as long
            // as it takes to make one more generation.
            place.sweep(2);
        }
        done.store(true, Ordering::Relaxed);
    });
    let (direct, leased) = (direct.into_inner(), leased.into_inner());
    println!(
        "{UPDATES} updates and sweeps, {direct} reads through `current`, {leased} leases: 0 misses"
    );
    assert!(direct > UPDATES && leased > UPDATES / 10, "the readers hardly ran");
    place.sweep(1);
    assert_eq!(place.names("entries").len(), 1);
}

#[test]
fn an_update_running_against_sweeps_never_fails_and_never_shows_a_missing_entry() {
    let place = Place::with_generations(1);
    let other = Store::open(&place.home(), Options { sweep: None, ..Options::default() }).unwrap();
    let done = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let sweeper = scope.spawn(|| {
            let mut sweeps = 0;
            while !done.load(Ordering::Relaxed) {
                let plan = other.plan_sweep(&keeping(1)).unwrap();
                match other.sweep(plan, &Silent, &Cancel::new()) {
                    Ok(_) | Err(SweepError::Stale { .. }) => sweeps += 1,
                    Err(error) => panic!("{error:?}"),
                }
            }
            sweeps
        });
        // Back and forth between two trees: each update wants what the sweep is about to take.
        for round in 0..60_u64 {
            place.publish(round % 2 + 10);
            let shown = fs::read_to_string(place.home().join("current/tool/number")).unwrap();
            assert_eq!(shown, (round % 2 + 10).to_string());
        }
        done.store(true, Ordering::Relaxed);
        assert!(sweeper.join().unwrap() > 10);
    });
    let state = place.store.state().unwrap();
    assert!(state.refcounts().keys().all(|digest| place.path_of(*digest).is_dir()));
    assert!(other.plan_sweep(&keeping(1)).unwrap().disagreements().next().is_none());
}

#[test]
fn what_is_shared_by_hard_links_is_counted_once() {
    let place = Place::with_generations(3);
    let plan = place.plan(1);
    let sizes = place.store.sizes(&plan).unwrap();
    let all = |generation: u64, what: &str| {
        let path = place.path_of(place.entry(generation));
        let path = if what.is_empty() { path } else { path.join(what) };
        std::os::unix::fs::MetadataExt::blocks(&fs::symlink_metadata(path).unwrap()) * 512
    };
    // Each has a directory and a file of its own; one more file is the same in all three.
    let own = |generation| all(generation, "") + all(generation, "number");
    assert_eq!(sizes.freed, own(1) + own(2));
    assert_eq!(sizes.kept, own(3) + all(3, "shared"));
    for generation in 1..=3 {
        let size = sizes.entries[&place.entry(generation)];
        assert_eq!((size.logical, size.own), (10_001, own(generation)));
    }
    // Once only one is left, all of it is its own.
    place.sweep(1);
    let size = place.store.sizes(&place.plan(1)).unwrap().entries[&place.entry(3)];
    assert_eq!(size.own, own(3) + all(3, "shared"));
}

#[test]
fn a_compacted_journal_says_the_same_but_for_what_is_retired() {
    let place = Place::with_generations(6);
    place.sweep(2);
    let (before, size) =
        (place.store.state().unwrap(), fs::metadata(place.home().join("journal")).unwrap().len());
    place.store.compact(&Silent, &Cancel::new()).unwrap();
    let after = place.store.state().unwrap();
    assert!(fs::metadata(place.home().join("journal")).unwrap().len() < size);
    assert_eq!((after.modules(), after.entries()), (before.modules(), before.entries()));
    assert_eq!(after.kept().count(), 2);
    assert_eq!(after.generations().len(), 2);
    place.publish(7);
    assert_eq!(place.sweep(1).retired, [5, 6].map(number));
}

#[test]
fn what_leads_out_of_the_store_stops_no_sweep_and_a_large_journal_is_compacted_only_if_that_halves_it()
 {
    let place = Place::with_generations(1);
    let mine = place.root.path().join("mine");
    fs::create_dir(&mine).unwrap();
    // Linked modules, enough for a journal that is worth a look, and all of it needed.
    let declared = fs::read_to_string(place.home().join("modules.toml")).unwrap();
    let linked = |number| format!("[modules.linked-{number}]\nsource = \"{}\"\n", mine.display());
    let linked: String = (0..4400).map(linked).collect();
    fs::write(place.home().join("modules.toml"), declared.clone() + &linked).unwrap();
    place.publish(2);
    let journal = place.home().join("journal");
    let size = fs::metadata(&journal).unwrap().len();
    assert!(size > 256 * 1024, "{size}");
    let report = place.sweep(1);
    assert_eq!((report.retired, report.compacted), (vec![number(1)], false));
    // Once the modules are gone, most of it is of no use.
    fs::write(place.home().join("modules.toml"), declared).unwrap();
    place.publish(3);
    let report = place.sweep(1);
    assert_eq!((report.retired, report.compacted), (vec![number(2)], true));
    assert!(fs::metadata(&journal).unwrap().len() < 16 * 1024);
}
