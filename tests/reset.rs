//! `reset`: everything fetched again and the rest dropped, without a moment without modules; and `reset --purge`.
//!
//! Limits: kills and power cuts during a reset are tested with those of everything else.

#![expect(clippy::unwrap_used, reason = "helpers panic, and that is how a test fails")]

use std::{
    collections::BTreeSet,
    fs,
    io::{self, Write as _},
    os::unix::fs::{MetadataExt as _, PermissionsExt as _},
    path::{Path, PathBuf},
    process::Stdio,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering},
    },
};

use modstore::{
    Cancel, Depth, Lease, Options, Silent, Store, UpdateRequest, errors::PurgeError,
    internals::commit::Journal,
};
use modstore_core::disk::{Act, Disk, Layout, Observer};
use modstore_testbed::{Fault, HttpServer, Repo, TestHome};

const BINARY: &str = env!("CARGO_BIN_EXE_modstore");

/// Two modules and two generations.
struct World {
    home: TestHome,
    repos: [Repo; 2],
}

impl World {
    fn new() -> Self {
        let home = TestHome::in_memory(BINARY);
        let repos = ["one", "two"].map(|name| Repo::create(&home.scratch(), name));
        repos[0].write(&[("a", "a 1"), ("same", "of one")]);
        repos[1].write(&[("b", "b 1"), ("same", "of two")]);
        let source = |repo: &Repo| format!("git+{}", repo.url_file());
        home.declare(&[("one", &source(&repos[0])), ("two", &source(&repos[1]))]);
        home.run(&["update"]).ok();
        repos[0].write(&[("a", "a 2")]);
        home.run(&["update"]).ok();
        Self { home, repos }
    }

    fn layout(&self) -> Layout {
        Layout::new(self.home.path())
    }

    fn store(&self) -> Store {
        Store::open(self.home.path(), Options::default()).unwrap()
    }

    fn store_on(&self, observer: Arc<dyn Observer>) -> Store {
        Store::open_on(Disk::observed(observer), self.home.path(), Options::default()).unwrap()
    }

    #[track_caller]
    fn assert_served(&self) {
        assert_eq!(self.home.tree("one"), self.repos[0].tree("main"));
        assert_eq!(self.home.tree("two"), self.repos[1].tree("main"));
    }

    #[track_caller]
    fn assert_sound(&self) {
        let looked = self.store().verify(Depth::Full, &[], &Silent, &Cancel::new()).unwrap();
        assert!(looked.is_sound(), "{looked:#?}");
        assert!(self.home.leftovers().is_empty(), "{:?}", self.home.leftovers());
    }

    fn kept(&self) -> Vec<u64> {
        let state = Journal::state(&self.layout().journal()).unwrap();
        state.kept().map(|info| info.number.number()).collect()
    }

    fn entries(&self) -> BTreeSet<PathBuf> {
        let names = fs::read_dir(self.layout().entries()).unwrap();
        names.map(|name| name.unwrap().path()).collect()
    }
}

fn rot(path: &Path) {
    let before = path.metadata().unwrap();
    fs::set_permissions(path, fs::Permissions::from_mode(0o644)).unwrap();
    let bytes: Vec<u8> = fs::read(path).unwrap().iter().map(|byte| byte ^ 1).collect();
    fs::write(path, bytes).unwrap();
    let file = fs::File::options().write(true).open(path).unwrap();
    file.set_modified(before.modified().unwrap()).unwrap();
    fs::set_permissions(path, before.permissions()).unwrap();
}

#[test]
fn a_reset_fetches_everything_again_and_drops_the_rest() {
    let world = World::new();
    assert_eq!((world.kept().len(), world.entries().len()), (2, 3));
    world.home.run(&["reset"]).ok();
    assert_eq!(world.kept(), [3]);
    assert_eq!(world.entries().len(), 2);
    world.assert_served();
    world.assert_sound();
}

#[test]
fn what_is_right_is_kept_and_what_is_rotten_is_replaced_and_kept_aside() {
    let world = World::new();
    let entry = |module: &str| fs::canonicalize(world.home.target(module)).unwrap();
    let (one, two) = (entry("one"), entry("two"));
    let inode = |path: &Path| path.metadata().unwrap().ino();
    let before = (inode(&one), inode(&two));
    rot(&one.join("a"));
    world.home.run(&["reset"]).ok();
    assert_ne!(inode(&one), before.0);
    assert_eq!(inode(&two), before.1);
    world.assert_served();
    world.assert_sound();
    assert_eq!(fs::read_dir(world.layout().quarantine()).unwrap().count(), 1);
}

#[test]
fn a_reset_against_a_dead_server_changes_nothing_and_drops_nothing() {
    let world = World::new();
    let recorded = || {
        let events = world.home.run(&["--json", "events"]).ok().json();
        let events = events["events"].as_array().unwrap().clone();
        events.into_iter().filter(|event| event["event"] != "failed").collect::<Vec<_>>()
    };
    let (kept, entries, before) = (world.kept(), world.entries(), recorded());
    for repo in &world.repos {
        fs::rename(repo.path(), repo.path().with_extension("away")).unwrap();
    }
    let ran = world.home.run(&["reset"]).fails(1);
    assert!(ran.stdout.contains("nothing was deleted"), "{ran:?}");
    assert_eq!((world.kept(), world.entries()), (kept, entries));
    assert_eq!(recorded(), before, "only that it failed is remembered");
}

#[test]
fn when_one_module_fails_the_others_are_fetched_again_and_nothing_is_dropped() {
    let world = World::new();
    let served = world.home.tree("two");
    fs::rename(world.repos[1].path(), world.repos[1].path().with_extension("away")).unwrap();
    let told = world.home.run(&["reset", "--json"]).fails(1).json();
    assert!(told["dropped"].is_null(), "{told:#}");
    assert_eq!(told["update"]["failed"][0]["module"], "two");
    assert_eq!(world.kept(), [1, 2, 3]);
    assert_eq!(world.home.tree("two"), served);
    assert_eq!(world.entries().len(), 3);
}

#[test]
fn a_reset_takes_nothing_from_the_store_not_even_a_base() {
    let home = TestHome::in_memory(BINARY);
    let repo = Repo::create(&home.scratch(), "tool");
    repo.write(&[("a", "1"), ("b", "2")]);
    let server = HttpServer::start(&home.scratch());
    home.declare(&[("tool", &format!("git+{}", server.url("tool")))]);
    home.run(&["update"]).ok();
    let told = home.run(&["reset", "--json"]).ok().json();
    assert_eq!(told["update"]["cost"]["files_linked"], 0, "{told:#}");
    assert_eq!(told["update"]["cost"]["files_written"], 2);
    server.fault("tool", Fault::Status(503));
    home.run(&["reset"]).fails(1);
    assert_eq!(home.tree("tool"), repo.tree("main"));
}

#[test]
fn a_reset_with_a_live_lease_keeps_that_generation() {
    let world = World::new();
    let layout = world.layout();
    let lease = Lease::take_of(&Disk::default(), &layout, "1".parse().unwrap(), "a host").unwrap();
    let old = fs::read(lease.directory().join("one/a")).unwrap();
    let told = world.home.run(&["reset", "--json"]).ok().json();
    assert_eq!(world.kept(), [1, 3]);
    assert_eq!(fs::read(lease.directory().join("one/a")).unwrap(), old);
    assert!(told["dropped"]["kept"].to_string().contains("lease"), "{told:#}");
    drop(lease);
    world.home.run(&["reset"]).ok();
    assert_eq!(world.kept(), [4]);
}

#[test]
fn a_dry_run_says_what_would_go_and_changes_nothing() {
    let world = World::new();
    let (kept, entries) = (world.kept(), world.entries());
    let told = world.home.run(&["reset", "--dry-run", "--json"]).ok().json();
    assert_eq!(told["dropped"]["retired"].as_array().unwrap().len(), 1, "{told:#}");
    assert_eq!(told["dropped"]["removed"].as_array().unwrap().len(), 1);
    let told = world.home.run(&["reset", "--purge", "--dry-run", "--json"]).ok().json();
    assert!(told["removed"].as_array().unwrap().len() > 8, "{told:#}");
    assert!(told["kept"].to_string().contains("modules.toml"), "{told:#}");
    assert_eq!((world.kept(), world.entries()), (kept, entries));
    world.assert_sound();
}

#[test]
fn readers_never_miss_anything_during_a_reset() {
    let world = World::new();
    let (done, reads) = (AtomicBool::new(false), AtomicU64::new(0));
    std::thread::scope(|scope| {
        scope.spawn(|| {
            while !done.load(Ordering::Relaxed) {
                for (module, file) in [("one", "same"), ("two", "b")] {
                    fs::read(world.home.target(module).join(file)).expect("nothing is missing");
                }
                reads.fetch_add(1, Ordering::Relaxed);
            }
        });
        for round in 0..20 {
            if round % 3 == 0 {
                rot(&fs::canonicalize(world.home.target("one")).unwrap().join("a"));
            }
            let reset = world.store().reset(&Silent, &Cancel::new()).unwrap();
            assert!(reset.dropped.is_some(), "{reset:#?}");
        }
        done.store(true, Ordering::Relaxed);
    });
    println!("20 resets, {} reads, 0 misses", reads.load(Ordering::Relaxed));
    assert!(reads.into_inner() > 20);
    world.assert_sound();
}

#[test]
fn a_purge_takes_away_what_is_modstores_and_an_update_gives_the_same_trees() {
    let world = World::new();
    let home = world.home.path();
    let declared = fs::read(home.join("modules.toml")).unwrap();
    fs::write(home.join("notes"), "mine").unwrap();
    fs::write(home.join("entries/notes"), "mine").unwrap();
    let ran = world.home.run(&["reset", "--purge"]).ok();
    assert!(ran.stdout.contains("notes stays"), "{ran:?}");
    let left: BTreeSet<String> = fs::read_dir(home)
        .unwrap()
        .map(|name| name.unwrap().file_name().into_string().unwrap())
        .collect();
    let expected = ["entries", "locks", "modules.toml", "notes"].map(str::to_owned);
    assert_eq!(left, BTreeSet::from(expected));
    assert_eq!(fs::read_dir(home.join("entries")).unwrap().count(), 1);
    assert_eq!(fs::read(home.join("modules.toml")).unwrap(), declared);
    let again = world.home.run(&["reset", "--purge"]).ok();
    assert!(again.stdout.contains("There is no store"), "{again:?}");
    world.home.run(&["update"]).ok();
    world.assert_served();
    assert_eq!(world.kept(), [1]);
    world.assert_sound();
}

#[test]
fn a_purge_of_a_store_that_declares_nothing_takes_the_empty_declarations_too() {
    let world = World::new();
    world.home.run(&["remove", "one", "two"]).ok();
    world.home.run(&["reset", "--purge"]).ok();
    let left: Vec<_> = fs::read_dir(world.home.path()).unwrap().flatten().collect();
    assert_eq!(left.len(), 1, "{left:?}");
}

#[test]
fn a_purge_with_a_live_lease_changes_nothing_and_names_the_holder() {
    let world = World::new();
    let lease = Lease::take(&Disk::default(), &world.layout(), "my host").unwrap();
    let ran = world.home.run(&["reset", "--purge"]).fails(3).says("my host");
    assert!(ran.stderr.contains(&std::process::id().to_string()), "{ran:?}");
    world.home.run(&["reset", "--purge", "--dry-run"]).fails(3);
    world.assert_served();
    drop(lease);
    let again = Lease::take(&Disk::default(), &world.layout(), "my host").unwrap();
    drop(again);
    world.assert_sound();
    world.home.run(&["reset", "--purge"]).ok();
}

/// Fails every act from the one of this number on, as if the process had died there.
struct DiesAt {
    left: AtomicUsize,
}

impl Observer for DiesAt {
    fn before(&self, _: Act<'_>) -> io::Result<()> {
        let left = self.left.load(Ordering::SeqCst);
        if left == 0 {
            return Err(io::Error::other("dead"));
        }
        self.left.store(left - 1, Ordering::SeqCst);
        Ok(())
    }
}

#[test]
fn a_purge_that_ends_at_any_act_leaves_the_whole_store_or_none_and_the_next_one_finishes() {
    let mut ends = (0, 0);
    for acts in 0.. {
        let world = World::new();
        let store = world.store_on(Arc::new(DiesAt { left: AtomicUsize::new(acts) }));
        let died = match store.purge(&Silent, &Cancel::new()) {
            Ok(_) => break,
            Err(error) => error,
        };
        drop(store);
        if fs::read_link(world.layout().current()).is_ok() {
            ends.0 += 1;
            world.assert_served();
        } else {
            ends.1 += 1;
            assert!(matches!(died, PurgeError::Partly(_)), "{died:?}");
        }
        // Either of the two next commands goes on: a purge to its end, an update with a whole store.
        if acts % 2 == 0 {
            world.home.run(&["reset", "--purge"]).ok();
            assert!(!world.layout().entries().exists() && !world.layout().journal().exists());
        }
        let update = world.store().update(&UpdateRequest::default(), &Silent, &Cancel::new());
        update.unwrap();
        world.assert_served();
        world.home.run(&["gc"]).ok();
        let looked = world.store().verify(Depth::Full, &[], &Silent, &Cancel::new()).unwrap();
        assert!(looked.is_sound(), "{acts}: {looked:#?}");
    }
    println!("{} ends with the whole store, {} without", ends.0, ends.1);
    assert!(ends.0 > 3 && ends.1 > 5, "{ends:?}");
}

/// What a terminal shows when `reset` is given these options, and these keys are pressed.
fn reset_on_terminal(home: &TestHome, options: &str, keys: &str) -> String {
    let command = format!("{BINARY} {options}");
    let mut running = home
        .command_of("/usr/bin/script".as_ref(), &["-q", "-e", "-c", &command, "/dev/null"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    running.stdin.take().unwrap().write_all(keys.as_bytes()).unwrap();
    String::from_utf8_lossy(&running.wait_with_output().unwrap().stdout).into_owned()
}

#[test]
fn a_reset_says_first_what_will_be_lost_and_asks_only_where_that_is_allowed() {
    let world = World::new();
    let kept = || {
        let history = world.home.run(&["history", "--json"]).json();
        let generations = history["generations"].as_array().unwrap().iter();
        generations.filter(|each| each["retired"] == false).count()
    };
    let (lost, question) = ("2 generations can no longer be rolled back to", "Go on? [y/N]");
    let said = reset_on_terminal(&world.home, "--interactive reset", "n\n");
    assert!(said.contains(lost) && said.contains(question), "{said}");
    assert!(said.contains("nothing was changed"), "{said}");
    assert_eq!(kept(), 2);
    let said = reset_on_terminal(&world.home, "reset", "n\n");
    assert!(said.contains(lost) && !said.contains(question), "nothing asks without it: {said}");
    assert_eq!(kept(), 1);
    world.assert_served();
    let ran = world.home.run(&["--json", "--interactive", "reset"]).ok();
    assert!(!ran.stderr.contains("rolled back to") && !ran.stderr.contains(question), "{ran:?}");
    let purge = "is deleted for ever";
    let said = reset_on_terminal(&world.home, "--interactive reset --purge", "no\n");
    assert!(said.contains(purge) && said.contains(question), "{said}");
    world.assert_served();
    let said = reset_on_terminal(&world.home, "--interactive reset --purge", "yes\n");
    assert!(said.contains("makes a new store"), "{said}");
    let ran = world.home.run(&["reset", "--purge"]).ok();
    assert!(!ran.stderr.contains(purge), "there is nothing to lose: {ran:?}");
}
