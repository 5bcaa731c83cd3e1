//! Ctrl-C, SIGTERM and SIGKILL at many moments: the generation before is served whole or the new one is, a signal that
//! can be received is answered soon and leaves nothing behind, and the next run converges.
//!
//! Limits: the moments within a transaction are `crash`'s, one by one; here they are met by chance.

use std::{
    collections::BTreeMap,
    fs,
    sync::{Arc, mpsc},
    time::{Duration, Instant},
};

use modstore_core::disk::{Lock, LockWait};
use modstore_testbed::{Change, Fault, HttpServer, Item, Ran, Random, Repo, Running, TestHome};
use rustix::process::Signal;

/// How long a command may go on after it was asked to stop.
const SOON: Duration = Duration::from_secs(2);

const MODULES: [&str; 5] = ["m0", "m1", "m2", "m3", "m4"];

struct Scene {
    home: TestHome,
    repos: Vec<Repo>,
    server: HttpServer,
    round: u64,
}

type Shown = BTreeMap<&'static str, BTreeMap<String, Item>>;

impl Scene {
    fn new() -> Self {
        let home = TestHome::in_memory(env!("CARGO_BIN_EXE_modstore"));
        let repos: Vec<_> = MODULES.map(|name| Repo::create(&home.scratch(), name)).into();
        let server = HttpServer::start(&home.scratch());
        let sources = MODULES.map(|name| format!("git+{}", server.url(name)));
        let declared: Vec<_> =
            MODULES.into_iter().zip(sources.iter().map(String::as_str)).collect();
        home.declare(&declared);
        let mut scene = Self { home, repos, server, round: 0 };
        scene.publish();
        scene
    }

    fn installed() -> Self {
        let mut scene = Self::new();
        scene.home.run(&["update"]).ok();
        scene.publish();
        scene
    }

    /// Gives every repository a new commit, of 100 kB that do not shrink.
    fn publish(&mut self) {
        self.round += 1;
        for (number, repo) in self.repos.iter().enumerate() {
            let content = Random::of(self.round * 100 + number as u64).bytes(100_000);
            repo.commit(
                "main",
                &[Change::write("noise", content), Change::write("round", self.round.to_string())],
            );
        }
    }

    fn wanted(&self) -> Shown {
        MODULES.into_iter().zip(self.repos.iter().map(|repo| repo.tree("main"))).collect()
    }

    fn shown(&self) -> Shown {
        MODULES.map(|name| (name, self.home.tree(name))).into()
    }

    fn assert_converges(&self, what: &str) {
        self.server.clear();
        self.home.run(&["update"]).ok();
        assert_eq!(self.shown(), self.wanted(), "{what}: the next run");
        self.assert_nothing_left(what);
    }

    fn assert_nothing_left(&self, what: &str) {
        assert!(self.home.leftovers().is_empty(), "{what}: {:?}", self.home.leftovers());
    }

    /// Starts an update, and gives it back once the server meets `fault` for `repo`.
    fn update_held_at(&self, repo: &str, fault: Fault, only_fetch: bool) -> Running {
        let fired = self.server.stats().faults_fired;
        match only_fetch {
            true => self.server.fault_on_fetch(repo, fault),
            false => self.server.fault(repo, fault),
        }
        let running = self.home.spawn(&["update"]);
        let begun = Instant::now();
        while self.server.stats().faults_fired == fired {
            assert!(begun.elapsed() < Duration::from_secs(20), "the server was never asked");
            std::thread::sleep(Duration::from_millis(1));
        }
        running
    }

    /// Signals, and checks what must hold of how it ended.
    fn interrupt(&self, mut running: Running, signal: Signal, what: &str) -> Ran {
        let before = self.shown();
        let signalled = Instant::now();
        if !running.ends_within(Duration::ZERO) {
            running.signal(signal);
        }
        assert!(running.ends_within(SOON), "{what}: not ended {SOON:?} after the signal");
        let took = signalled.elapsed();
        let ran = running.wait();
        match ran.status {
            0 => {
                assert_eq!(self.shown(), self.wanted(), "{what}: it says that it is done\n{ran:?}")
            }
            130 | 143 => {
                // Current before the signal, or not at all.
                assert_eq!(
                    self.shown(),
                    before,
                    "{what}: it says that it was interrupted\n{ran:?}"
                );
                let silent = ran.stderr.is_empty() && ran.stdout.is_empty();
                assert!(silent || ran.stderr.contains("interrupted"), "{what}\n{ran:?}");
                assert!(silent || ran.status == 130, "{what}\n{ran:?}");
            }
            _ => panic!("{what}: neither done nor interrupted after {took:?}\n{ran:?}"),
        }
        self.assert_nothing_left(what);
        ran
    }
}

fn interrupted_while_a_server_hangs(scene: &Scene) {
    for (repo, signal) in MODULES.into_iter().zip([Signal::INT, Signal::TERM].into_iter().cycle()) {
        let places = [
            ("the listing", Fault::HangBeforeReply, false),
            ("the pack's beginning", Fault::HangBeforeReply, true),
            ("the pack's first byte", Fault::HangMidPack { after: 0 }, true),
            ("the pack's middle", Fault::HangMidPack { after: 50_000 }, true),
        ];
        for (place, fault, only_fetch) in places {
            let what = format!("{signal:?} while {repo}'s server hangs at {place}");
            let running = scene.update_held_at(repo, fault, only_fetch);
            let ran = scene.interrupt(running, signal, &what).fails(130);
            assert!(ran.stderr.contains("nothing was changed"), "{what}\n{ran:?}");
            scene.server.clear();
        }
    }
    scene.assert_converges("after all that");
}

#[test]
fn an_install_that_is_interrupted_while_a_server_hangs_ends_soon_and_leaves_nothing() {
    let scene = Scene::new();
    interrupted_while_a_server_hangs(&scene);
}

#[test]
fn an_update_that_is_interrupted_while_a_server_hangs_ends_soon_and_leaves_nothing() {
    let scene = Scene::installed();
    interrupted_while_a_server_hangs(&scene);
}

#[test]
fn an_update_that_is_interrupted_at_any_moment_is_done_or_has_changed_nothing() {
    let mut scene = Scene::installed();
    let (mut done, mut interrupted) = (0, 0);
    for number in 0..40_u64 {
        let signal = if number % 2 == 0 { Signal::INT } else { Signal::TERM };
        let delay = Duration::from_micros(number * 2_500);
        let running = scene.home.spawn(&["update"]);
        std::thread::sleep(delay);
        match scene.interrupt(running, signal, &format!("{signal:?} after {delay:?}")).status {
            0 => {
                done += 1;
                scene.publish();
            }
            _ => interrupted += 1,
        }
    }
    println!("{interrupted} interrupted, {done} done");
    assert!(interrupted > 5, "{interrupted} interrupted, {done} done");
    scene.assert_converges("after all that");
}

#[test]
fn an_interruption_with_json_is_one_object_that_says_so() {
    let scene = Scene::installed();
    scene.server.fault("m3", Fault::HangBeforeReply);
    let fired = scene.server.stats().faults_fired;
    let mut running = scene.home.spawn(&["update", "--json"]);
    while scene.server.stats().faults_fired == fired {
        std::thread::sleep(Duration::from_millis(1));
    }
    running.signal(Signal::INT);
    assert!(running.ends_within(SOON));
    let ran = running.wait().fails(130);
    let object = ran.json();
    assert_eq!(
        (&object["ok"], &object["error"]["exit"], &object["generation"]),
        (&false.into(), &130.into(), &1.into())
    );
}

#[test]
fn an_add_that_is_interrupted_leaves_modules_toml_as_it_was() {
    let scene = Scene::installed();
    let extra = Repo::create(&scene.home.scratch(), "extra");
    extra.write(&[("a", "1")]);
    let before = fs::read(scene.home.path().join("modules.toml")).unwrap();
    for only_fetch in [false, true] {
        let fired = scene.server.stats().faults_fired;
        match only_fetch {
            true => scene.server.fault_on_fetch("extra", Fault::HangBeforeReply),
            false => scene.server.fault("extra", Fault::HangBeforeReply),
        }
        let running = scene.home.spawn(&["add", &format!("git+{}", scene.server.url("extra"))]);
        while scene.server.stats().faults_fired == fired {
            std::thread::sleep(Duration::from_millis(1));
        }
        scene.interrupt(running, Signal::INT, "an add").fails(130);
        assert_eq!(fs::read(scene.home.path().join("modules.toml")).unwrap(), before);
        scene.server.clear();
    }
}

#[test]
fn a_command_that_is_interrupted_while_it_waits_for_a_lock_ends_soon_and_leaves_nothing() {
    let mut scene = Scene::installed();
    scene.home.run(&["update"]).ok();
    scene.publish();
    let before = fs::read(scene.home.path().join("modules.toml")).unwrap();
    for lock in ["store", "modules.toml"] {
        let path = scene.home.path().join("locks").join(lock);
        let _held = Lock::take(&path, "a test", LockWait::at_most(SOON)).unwrap();
        for (args, waits) in [
            (["update"].as_slice(), lock == "store"),
            (&["remove", "m1"], true),
            (&["link", "m2", "/"], true),
            (&["rollback"], lock == "store"),
        ] {
            // Before a waiting command says that it waits, and after.
            for pause in [300, 1_200].into_iter().filter(|_| waits) {
                let running = scene.home.spawn(args);
                std::thread::sleep(Duration::from_millis(pause));
                let what = format!("{args:?} waiting for {lock} for {pause} ms");
                let ran = scene.interrupt(running, Signal::INT, &what).fails(130);
                assert!(ran.stderr.contains("interrupted"), "{what}\n{ran:?}");
                assert_eq!(
                    fs::read(scene.home.path().join("modules.toml")).unwrap(),
                    before,
                    "{what}"
                );
            }
        }
    }
    scene.assert_converges("after all that");
}

#[test]
fn a_second_interruption_ends_the_command_and_the_next_one_converges() {
    let scene = Scene::installed();
    let mut running = scene.update_held_at("m2", Fault::HangMidPack { after: 10_000 }, true);
    running.signal(Signal::INT);
    std::thread::sleep(Duration::from_millis(2));
    if !running.ends_within(Duration::ZERO) {
        running.signal(Signal::INT);
    }
    assert!(running.ends_within(Duration::from_secs(5)), "it goes on");
    let ran = running.wait().fails(130);
    assert!(ran.stderr.contains("interrupted"), "{ran:?}");
    scene.assert_converges("after a second one");
}

#[test]
fn an_update_that_is_killed_at_any_moment_serves_one_whole_generation_and_the_next_converges() {
    let mut scene = Scene::new();
    let mut before = Shown::from(MODULES.map(|name| (name, BTreeMap::new())));
    for number in 0..40_u64 {
        let delay = Duration::from_micros(number * 2_500);
        let what = format!("killed after {delay:?}");
        let mut running = scene.home.spawn(&["update"]);
        std::thread::sleep(delay);
        if !running.ends_within(Duration::ZERO) {
            running.signal(Signal::KILL);
        }
        drop(running.wait());
        let (now, wanted) = (scene.shown(), scene.wanted());
        assert!(now == before || now == wanted, "{what}: neither the old nor the new");
        scene.home.run(&["list"]).ok();
        if number % 3 == 0 {
            scene.assert_converges(&what);
            before = wanted;
            scene.publish();
        } else {
            before = now;
        }
    }
    scene.assert_converges("after all that");
}

#[test]
fn an_update_that_is_killed_mid_pack_leaves_nothing_that_the_next_run_does_not_remove() {
    let scene = Scene::installed();
    for repo in MODULES {
        let (reached, at) = mpsc::channel();
        let reached = Arc::new(std::sync::Mutex::new(reached));
        scene.server.fault_times(
            repo,
            1,
            Fault::on_pack(50_000, move || reached.lock().unwrap().send(()).unwrap()),
        );
        scene.server.fault_on_fetch(repo, Fault::HangMidPack { after: 60_000 });
        let running = scene.home.spawn(&["update"]);
        at.recv_timeout(Duration::from_secs(20)).expect("the pack is asked for");
        let before = scene.shown();
        running.signal(Signal::KILL);
        drop(running.wait());
        assert_eq!(scene.shown(), before);
        scene.server.clear();
    }
    scene.assert_converges("after all that");
}
