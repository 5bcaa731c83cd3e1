//! The process that something happens to: this test binary again. One variable says what to do, and when to die or
//! which act is to fail.
//!
//! A process of its own, also where none dies: no thread of another test can hold a lock of it by having just forked.
//! It writes each act to stderr before it happens, and how it ended, so that the process that counts the acts knows their names.

use std::{
    fmt,
    io::{self, Write as _},
    os::unix::process::ExitStatusExt as _,
    path::Path,
    process::Command,
    str::FromStr,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
};

use modstore_core::disk::{Act, Disk, Observer};
use rustix::process::{Signal, getpid, kill_process};

use crate::{operation::settle, scenario_named, world::World};

const TOLD: &str = "MODSTORE_TEST_CRASH";

/// Begins the lines that are no act.
const ENDED: &str = "=";

/// What the process does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Part {
    /// The operation.
    Operation,
    /// What recovers from an earlier end of it.
    Recovery,
    /// Sweeps that retire nothing.
    Settling,
}

/// What happens to it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fate {
    /// Nothing.
    Undisturbed,
    /// It is killed before this act.
    Killed(usize),
    /// This act fails with this code.
    Once(usize, i32),
    /// This act and all after it fail with this code.
    FromThenOn(usize, i32),
}

impl fmt::Display for Fate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Undisturbed => f.write_str("undisturbed"),
            Self::Killed(at) => write!(f, "killed {at}"),
            Self::Once(at, code) => write!(f, "once {at} {code}"),
            Self::FromThenOn(at, code) => write!(f, "from-then-on {at} {code}"),
        }
    }
}

impl FromStr for Fate {
    type Err = std::num::ParseIntError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let words: Vec<_> = text.split(' ').collect();
        Ok(match *words.as_slice() {
            ["killed", at] => Self::Killed(at.parse()?),
            ["once", at, code] => Self::Once(at.parse()?, code.parse()?),
            ["from-then-on", at, code] => Self::FromThenOn(at.parse()?, code.parse()?),
            _ => Self::Undisturbed,
        })
    }
}

/// Writes each act down, and makes the fate come.
struct Hand {
    fate: Fate,
    count: Mutex<usize>,
    sync_failed: AtomicBool,
}

impl Observer for Hand {
    fn before(&self, act: Act<'_>) -> io::Result<()> {
        // Held throughout: no other thread does anything between the count and the end.
        let mut count = self.count.lock().unwrap();
        let number = *count;
        *count += 1;
        let told = format!("{} {}", act.verb, act.path.display());
        tell(&told);
        let code = match self.fate {
            Fate::Killed(at) if number == at => {
                let _ = kill_process(getpid(), Signal::KILL);
                loop {
                    std::thread::park();
                }
            }
            Fate::Once(at, code) if number == at => code,
            Fate::FromThenOn(at, code) if number >= at => code,
            _ => return Ok(()),
        };
        self.sync_failed.fetch_or(is_sync(&told), Ordering::SeqCst);
        Err(io::Error::from_raw_os_error(code))
    }
}

/// Whether the act of this text is a sync.
pub(crate) fn is_sync(act: &str) -> bool {
    act.starts_with("sync ")
}

/// Past the test runner's capture.
fn tell(line: &str) {
    let _ = writeln!(io::stderr(), "{}", line.replace('\n', " "));
}

/// What a process did.
#[derive(Debug)]
pub(crate) struct Lived {
    /// Its acts, as an error would name them. The last one did not happen if the process was killed.
    pub(crate) acts: Vec<String>,
    /// How it ended, unless it was killed.
    pub(crate) ended: Option<Result<(), String>>,
    /// What the same handle does when it is asked again after a sync that failed: how many acts, and how that ended.
    pub(crate) again: Option<(usize, Result<(), String>)>,
}

/// Does `part` of the scenario to `home` in a process of its own, and gives it this fate.
pub(crate) fn live(world: &World, part: Part, home: &Path, fate: Fate) -> Lived {
    let (part, fate, linked) = (format!("{part:?}"), fate.to_string(), world.linked());
    let told =
        [world.name, &part, &fate, home.to_str().unwrap(), linked.to_str().unwrap()].join("\n");
    let ran = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "child::lives_as_its_orders_say"])
        .env(TOLD, told)
        .env("RAYON_NUM_THREADS", "1")
        .output()
        .unwrap();
    let killed = ran.status.signal() == Some(Signal::KILL.as_raw());
    assert!(killed || ran.status.success(), "{ran:?}");
    let said = String::from_utf8(ran.stderr).unwrap();
    let mut parts = said.split_inclusive('\n').map(str::trim_end).collect::<Vec<_>>();
    let acts = take_acts(&mut parts);
    let ended = take_end(&mut parts);
    assert_eq!(ended.is_none(), killed, "{said}");
    let more = take_acts(&mut parts).len();
    Lived { acts, ended, again: take_end(&mut parts).map(|ended| (more, ended)) }
}

fn take_acts(lines: &mut Vec<&str>) -> Vec<String> {
    let end = lines.iter().position(|line| line.starts_with(ENDED)).unwrap_or(lines.len());
    lines.drain(..end).map(str::to_owned).collect()
}

fn take_end(lines: &mut Vec<&str>) -> Option<Result<(), String>> {
    let line = lines.drain(..lines.len().min(1)).next()?;
    let error = line.strip_prefix(ENDED).expect("acts come before an end");
    Some(if error.is_empty() { Ok(()) } else { Err(error.to_owned()) })
}

/// Not a law of its own: the process that [`live`] starts.
#[test]
fn lives_as_its_orders_say() {
    let Ok(told) = std::env::var(TOLD) else { return };
    let told: Vec<&str> = told.lines().collect();
    let [name, part, fate, home, linked] = told.try_into().unwrap();
    let (home, linked, fate) = (Path::new(home), Path::new(linked), fate.parse().unwrap());
    let operation = scenario_named(name).operation;
    let hand = Arc::new(Hand { fate, count: Mutex::new(0), sync_failed: AtomicBool::new(false) });
    let disk = Disk::observed(hand.clone());
    let tell_end = |ended: Result<(), String>| {
        tell(&format!("{ENDED}{}", ended.err().unwrap_or_default()));
    };
    match part {
        "Operation" => {
            let store = operation.open_on(disk, home).unwrap();
            tell_end(operation.run(&store, linked));
            if hand.sync_failed.load(Ordering::SeqCst) {
                tell_end(operation.run(&store, linked));
            }
        }
        "Recovery" => tell_end(operation.again(disk, home, linked)),
        _ => tell_end(settle(disk, home)),
    }
}
