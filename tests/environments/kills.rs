//! kill -9 in the middle of binding, of an update and of a sweep: what is imported is the one version or the other, and
//! the next call puts everything right. T09, T33.
//!
//! Killed before an act of the store's own on the disk, in a process of its own, and before or during each call of an
//! installer. As it stands, a slice of the acts; `MODSTORE_KILLS=all` is every one of them.

use std::{
    fs, io,
    path::{Path, PathBuf},
    process::Command,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

use modstore::{BindRequest, Cancel, Options, Policy, Silent, Store, UpdateRequest};
use modstore_core::disk::{Act, Disk, Observer};
use modstore_testbed::{Backend, Project, Python, Ran, Running, Venv};

use super::world::{World, values, version};

/// Counts acts, and kills its own process before one of them.
struct KillsAt {
    at: usize,
    count: AtomicUsize,
}

impl Observer for KillsAt {
    fn before(&self, _: Act<'_>) -> io::Result<()> {
        if self.count.fetch_add(1, Ordering::SeqCst) == self.at {
            let own = rustix::process::getpid();
            rustix::process::kill_process(own, rustix::process::Signal::KILL).unwrap();
        }
        Ok(())
    }
}

const WHAT: &str = "MODSTORE_TEST_KILLED";

/// Not a law of its own: the process that the others kill.
#[test]
fn a_process_that_is_to_be_killed_works() {
    let Ok(told) = std::env::var(WHAT) else { return };
    let parts: Vec<&str> = told.split('|').collect();
    let kills = Arc::new(KillsAt { at: parts[1].parse().unwrap(), count: AtomicUsize::new(0) });
    let options = Options { jobs: 1, sweep: None, ..Options::default() };
    let observer: Arc<dyn Observer> = kills.clone();
    let store = Store::open_on(Disk::observed(observer), Path::new(parts[2]), options).unwrap();
    let cancel = Cancel::new();
    match parts[0] {
        "bind" => {
            let request =
                BindRequest { python: parts[3].into(), take_over: true, ..BindRequest::default() };
            store.bind(&request, &Silent, &cancel).unwrap();
        }
        "update" => drop(store.update(&UpdateRequest::default(), &Silent, &cancel).unwrap()),
        "sweep" => {
            let plan = store.plan_sweep(&Policy::only_current()).unwrap();
            store.sweep(plan, &Silent, &cancel).unwrap();
        }
        other => panic!("{other}?"),
    }
    println!("acts: {}", kills.count.load(Ordering::SeqCst));
}

/// Runs it, killed before this act, if it comes to it.
fn run(world: &World, what: &str, at: usize, venv: &Venv<'_>) -> Ran {
    run_on(world.home.path(), world, what, at, venv)
}

/// The same on a store in this home.
fn run_on(home: &Path, world: &World, what: &str, at: usize, venv: &Venv<'_>) -> Ran {
    let home = home.display();
    let args = ["--exact", "kills::a_process_that_is_to_be_killed_works", "--nocapture"];
    let mut command = world.home.command_of(&std::env::current_exe().unwrap(), &args);
    command.env(WHAT, format!("{what}|{at}|{home}|{}", venv.python_text()));
    Running::start(command).wait()
}

/// How many acts it has when it is not killed.
fn acts(world: &World, what: &str, venv: &Venv<'_>) -> usize {
    acts_in(&run(world, what, usize::MAX, venv).ok().stdout)
}

/// The number that such a process has said.
fn acts_in(said: &str) -> usize {
    let line = said.lines().find_map(|line| line.split_once("acts: ")).expect("it has ended");
    line.1.trim().parse().unwrap()
}

/// The acts before which it is killed.
fn points(acts: usize, slice: usize) -> Vec<usize> {
    let step = match std::env::var("MODSTORE_KILLS") {
        Ok(_) => 1,
        Err(_) => acts.div_ceil(slice).max(1),
    };
    // Not always the same beginning: the last act is always among them.
    (0..acts).rev().step_by(step).collect()
}

const NAMES: [&str; 2] = ["mod-a", "mod-b"];

fn publish(world: &World, value: usize) {
    for name in NAMES {
        let mut project = Project::new(name, Backend::UvBuild).with_version(&format!("{value}.0"));
        if name == "mod-a" {
            // Its backend is asked, and not read as that of the other one is.
            project.settings = "[tool.uv.build-backend]\nnamespace = false\n".into();
        }
        let needed: &[&str] = if name == "mod-b" { &["six"] } else { &[] };
        world.publish(&project.with_code(&format!("VALUE = {value}")).needing(needed));
    }
}

/// Both modules are imported, and are the one version or the other.
fn assert_one_of(world: &World, venv: &Venv<'_>, value: usize, what: &str) {
    let seen = values(venv, &["mod_a", "mod_b"]);
    let (before, after) = (value - 1, value);
    assert!(
        [format!("{before} {before}"), format!("{after} {after}")].contains(&seen),
        "{what}: {seen}"
    );
    assert_eq!(world.leads_into_entries(venv), [] as [PathBuf; 0], "{what}");
}

fn assert_healed(world: &World, venv: &Venv<'_>, value: usize, what: &str) {
    assert_eq!(values(venv, &["mod_a", "mod_b"]), format!("{value} {value}"), "{what}");
    for name in NAMES {
        assert_eq!(version(venv, name), format!("{value}.0"), "{what}: {name}");
    }
    assert!(world.follows(), "{what}");
    let bridge = venv.site().join("_modstore_installing.pth");
    assert!(!bridge.exists(), "{what}: what helped is still there");
    world.calls.take();
    world.update();
    assert_eq!(world.calls.take(), [] as [&str; 0], "{what}: healed is healed");
}

fn assert_nothing_left(world: &World, what: &str) {
    assert!(world.home.leftovers().is_empty(), "{what}: {:?}", world.home.leftovers());
}

#[test]
fn an_update_that_is_killed_before_any_act_is_finished_by_the_next() {
    let (Some(world), Some(python)) = (World::new(), Python::any()) else { return };
    publish(&world, 1);
    let venv = world.bound(&python, "venv");
    publish(&world, 2);
    let acts = acts(&world, "update", &venv);
    assert!(acts > 20, "{acts}");
    for (round, at) in points(acts, 12).into_iter().enumerate() {
        let value = round + 3;
        publish(&world, value);
        let what = format!("killed before act {at} of {acts}");
        assert_eq!(run(&world, "update", at, &venv).status, 137, "{what}");
        assert_one_of(&world, &venv, value, &what);
        world.update();
        assert_healed(&world, &venv, value, &what);
        assert_nothing_left(&world, &what);
    }
}

#[test]
fn an_update_that_is_killed_before_or_during_any_call_of_an_installer_is_finished_by_the_next() {
    let (Some(world), Some(python)) = (World::new(), Python::any()) else { return };
    publish(&world, 1);
    let venv = world.bound(&python, "venv");
    let (count, orphan) = (world.home.scratch().join("count"), world.home.scratch().join("orphan"));
    let mut value = 1;
    // One is asked for its metadata, and one call installs both.
    for call in 1..=2 {
        for (when, then) in [("before", "exit 1"), ("during", ":")] {
            value += 1;
            publish(&world, value);
            fs::write(&count, "0").unwrap();
            world.calls.before_each(&format!(
                "n=$(($(cat '{0}') + 1)); echo $n >'{0}'; if [ $n -eq {call} ]; then echo $$ >'{1}'; kill -9 $PPID; {then}; fi",
                count.display(),
                orphan.display()
            ));
            let what = format!("killed {when} call {call}");
            let ran = world.home.run(&["update"]);
            assert_eq!(ran.status, 137, "{what}: {ran:?}");
            world.calls.leave_alone();
            if when == "before" {
                assert_one_of(&world, &venv, value, &what);
            }
            world.update();
            // The files that the abandoned installer makes after that are removed like those of any dead process.
            wait_for_end(&orphan);
            assert_healed(&world, &venv, value, &what);
            assert_nothing_left(&world, &what);
        }
    }
}

/// Waits until the process whose number is in this file has ended.
fn wait_for_end(of: &Path) {
    let number: i32 = fs::read_to_string(of).unwrap().trim().parse().unwrap();
    let process = rustix::process::Pid::from_raw(number).unwrap();
    let begun = std::time::Instant::now();
    while rustix::process::test_kill_process(process).is_ok() {
        assert!(begun.elapsed() < std::time::Duration::from_secs(60), "it goes on and on");
        std::thread::sleep(std::time::Duration::from_millis(5));
    }
}

#[test]
fn a_binding_that_is_killed_before_any_act_is_finished_by_the_next() {
    let (Some(world), Some(python)) = (World::new(), Python::any()) else { return };
    publish(&world, 1);
    world.update();
    let venv = world.venv(&python, "venv");
    let acts = acts(&world, "bind", &venv);
    assert!(acts > 20, "{acts}");
    for at in points(acts, 8) {
        world.home.run(&["unbind", "--python", &venv.python_text()]).ok();
        fs::remove_dir_all(world.home.path().join("live")).unwrap();
        fs::remove_dir_all(world.home.path().join("probes")).unwrap();
        let what = format!("killed before act {at} of {acts}");
        assert_eq!(run(&world, "bind", at, &venv).status, 137, "{what}");
        world.update();
        world.bind(&venv);
        assert_healed(&world, &venv, 1, &what);
        assert_nothing_left(&world, &what);
    }
}

#[test]
fn a_take_over_that_is_killed_before_any_act_is_finished_by_the_next() {
    let (Some(world), Some(python)) = (World::new(), Python::any()) else { return };
    publish(&world, 1);
    let venv = world.bound(&python, "venv");
    let copy = world.home.scratch().join("copy");
    let mut cp = Command::new("cp");
    assert!(cp.arg("-a").args([world.home.path(), &copy]).status().unwrap().success());
    let take_over = |home: &Path| {
        let python = venv.python_text();
        let args = ["--home", home.to_str().unwrap(), "bind", "--take-over", "--python", &python];
        world.home.run(&args).ok();
    };
    let leads_to = |home: &Path| {
        let lines: String = venv.pth_files().into_values().collect();
        lines.matches(&format!("{}/live/", home.display())).count()
    };
    let said = run_on(&copy, &world, "bind", usize::MAX, &venv).ok().stdout;
    let acts = acts_in(&said);
    assert!(acts > 5, "{acts}");
    for at in points(acts, 8) {
        take_over(world.home.path());
        let what = format!("killed before act {at} of {acts}");
        assert_eq!(run_on(&copy, &world, "bind", at, &venv).status, 137, "{what}");
        assert_one_of(&world, &venv, 1, &what);
        take_over(&copy);
        assert_eq!((leads_to(&copy), leads_to(world.home.path())), (2, 0), "{what}");
        take_over(world.home.path());
        assert_healed(&world, &venv, 1, &what);
    }
}

/// T33, as an environment sees it; what is left on the disk is the matter of `crash.rs`.
#[test]
fn a_sweep_that_is_killed_before_any_act_takes_nothing_that_is_imported() {
    let (Some(world), Some(python)) = (World::new(), Python::any()) else { return };
    publish(&world, 1);
    let venv = world.bound(&python, "venv");
    publish(&world, 2);
    world.update();
    let acts = acts(&world, "sweep", &venv);
    assert!(acts > 5, "{acts}");
    for (round, at) in points(acts, 6).into_iter().enumerate() {
        let value = round + 3;
        publish(&world, value);
        world.update();
        run(&world, "sweep", at, &venv);
        let what = format!("killed before act {at} of {acts}");
        assert_healed(&world, &venv, value, &what);
        world.sweep();
        assert_healed(&world, &venv, value, &what);
        assert_nothing_left(&world, &what);
    }
}
