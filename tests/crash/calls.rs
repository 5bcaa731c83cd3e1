//! Killed at each system call that changes the home, in the program as it is shipped.
//!
//! Other than by the observer, locks, their texts and the mirrors are seen too. A point is a call's name and its number
//! within one thread, as `strace` counts; where two threads make calls of one name, the first to come to that number is
//! killed, so not every call of every thread is the last one: the row says how many were.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::Path,
};

use modstore_testbed::{TestHome, has_strace};

use crate::{
    points::{Points, slice},
    scenario::Scenario,
    world::World,
};

/// What may change a file system. Those that a system does not have are left out by the question mark.
const CALLS: [&str; 26] = [
    "openat",
    "?open",
    "?creat",
    "write",
    "pwrite64",
    "?rename",
    "?renameat",
    "renameat2",
    "?link",
    "linkat",
    "?symlink",
    "symlinkat",
    "?unlink",
    "unlinkat",
    "?rmdir",
    "?mkdir",
    "mkdirat",
    "?chmod",
    "fchmod",
    "fchmodat",
    "truncate",
    "ftruncate",
    "fsync",
    "fdatasync",
    "syncfs",
    "utimensat",
];

pub(crate) fn each_is_the_last(name: &'static str, scenario: &Scenario) {
    if !has_strace() {
        return;
    }
    let world = World::of(name, scenario);
    let calls = calls_of(&world);
    let mut points = Points::of(format!("{name}, killed at system calls, {} in all", calls.in_all));
    for number in slice(calls.points.len(), 12) {
        let (call, when) = &calls.points[number];
        let (home, status, last) =
            traced(&world, &[format!("inject={call}:signal=KILL:when={when}")]);
        // Threads share the calls differently in each run; one call more or less is no other point.
        if status == KILLED {
            points
                .tried(|| format!("killed at {call} number {when}: {last:?}"), world.judge(&home));
        }
        world.drop_copy(&home);
    }
    points.end();
}

const KILLED: i32 = 128 + 9;

/// The calls of the operation that change the home.
struct Calls {
    in_all: usize,
    /// A call's name and its number in some thread, each pair once.
    points: Vec<(String, usize)>,
}

fn calls_of(world: &World) -> Calls {
    let (home, status, _) = traced(world, &[]);
    assert_eq!(
        status == 0,
        world.scenario.upstream.failing().is_none(),
        "undisturbed it ends with {status}"
    );
    world.nothing_left(&home).unwrap();
    let log = fs::read_to_string(log_of(&home)).unwrap();
    let mut counts: BTreeMap<(&str, &str), usize> = BTreeMap::new();
    let (mut in_all, mut points, mut known) = (0, Vec::new(), BTreeSet::new());
    for line in log.lines().filter(|line| !line.contains(" resumed>")) {
        let Some((thread, call, arguments)) = parse(line) else { continue };
        let count = counts.entry((thread, call)).or_default();
        *count += 1;
        if changes(call, arguments, &home) {
            in_all += 1;
            if known.insert((call, *count)) {
                points.push((call.to_owned(), *count));
            }
        }
    }
    world.drop_copy(&home);
    Calls { in_all, points }
}

/// `PID  call(arguments…`
fn parse(line: &str) -> Option<(&str, &str, &str)> {
    let (thread, rest) = line.split_once(' ')?;
    let (call, arguments) = rest.trim_start().split_once('(')?;
    call.bytes().all(|byte| byte.is_ascii_alphanumeric()).then_some((thread, call, arguments))
}

fn changes(call: &str, arguments: &str, home: &Path) -> bool {
    let opens = call.starts_with("open");
    arguments.contains(home.to_str().unwrap()) && (!opens || arguments.contains("O_CREAT"))
}

/// Runs the command line on a copy of the home; gives the copy, how it ended and its last calls.
fn traced(world: &World, inject: &[String]) -> (std::path::PathBuf, i32, String) {
    let copy = world.copy("traced");
    let mut home = TestHome::in_memory(env!("CARGO_BIN_EXE_modstore")).with_store_at(&copy);
    home.env("RAYON_NUM_THREADS", "1").env("MODSTORE_ALLOW_BUILDS", "1");
    let log = log_of(&copy);
    // The children, git's own programs, are left alone.
    let mut options: Vec<_> =
        ["-y", "-b", "execve", "-e", "signal=none", "-e"].map(str::to_owned).into();
    options.push(format!("trace={}", CALLS.join(",")));
    options.extend(inject.iter().flat_map(|inject| ["-e".to_owned(), inject.clone()]));
    let args = world.scenario.operation.args(&world.linked());
    let ran = home.run_traced(&log, &options, &args);
    assert!(!ran.stderr.contains("strace:"), "{ran:?}");
    let lines = fs::read_to_string(&log).unwrap();
    let last: Vec<_> = lines.lines().rev().take(3).collect();
    (copy, ran.status, last.join(" | "))
}

fn log_of(home: &Path) -> std::path::PathBuf {
    home.with_extension("log")
}
