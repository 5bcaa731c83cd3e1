//! A process that is watched: its peak of memory, its processor time, what it puts on disk.

use std::os::unix::fs::MetadataExt as _;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

/// Says to a child which home it is to update.
pub(crate) const HOME_OF_CHILD: &str = "MODSTORE_TEST_BOMB_HOME";
/// No bomb takes as long.
const LONGEST: Duration = Duration::from_secs(150);

/// How a child ended.
#[derive(Debug, Default)]
pub(crate) struct Watched {
    /// MiB in memory at most.
    pub(crate) peak: u64,
    /// Seconds of processor time.
    pub(crate) cpu: f64,
    /// MiB on disk at most.
    pub(crate) disk: u64,
    /// What it said of its modules.
    pub(crate) said: String,
}

/// Lets a child update `home`, and watches it to its end.
pub(crate) fn watch(home: &Path) -> Watched {
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "a_child_updates_its_home", "--nocapture"])
        .env(HOME_OF_CHILD, home)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let (begun, mut looked) = (Instant::now(), Instant::now());
    let mut watched = Watched::default();
    let proc = Path::new("/proc").join(child.id().to_string());
    // A process that has ended and was not waited for has times still, and no memory.
    while let Some(peak) = status(&proc, "VmHWM:") {
        watched.peak = watched.peak.max(peak >> 10);
        if looked.elapsed() > Duration::from_millis(50) {
            looked = Instant::now();
            watched.disk = watched.disk.max((used(home) + unlinked(&proc)) >> 20);
        }
        if begun.elapsed() > LONGEST {
            child.kill().unwrap();
        }
        std::thread::sleep(Duration::from_millis(2));
    }
    watched.cpu = processor_time(&proc);
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success(), "{:?}: {watched:?}", output.status);
    let text = String::from_utf8(output.stdout).unwrap();
    let said = text.lines().filter_map(|line| Some(line.split_once("RESULT ")?.1));
    watched.said = said.collect::<Vec<_>>().join("; ");
    watched
}

fn status(proc: &Path, name: &str) -> Option<u64> {
    let text = std::fs::read_to_string(proc.join("status")).ok()?;
    text.lines().find_map(|line| line.strip_prefix(name)?.split_whitespace().next()?.parse().ok())
}

fn processor_time(proc: &Path) -> f64 {
    let text = std::fs::read_to_string(proc.join("stat")).unwrap();
    let after_name = text.rsplit_once(") ").unwrap().1;
    let fields: Vec<&str> = after_name.split(' ').collect();
    let ticks = |field: usize| fields[field].parse::<f64>().unwrap();
    // User and system time, in hundredths of a second on every Linux there is.
    (ticks(11) + ticks(12)) / 100.0
}

fn used(directory: &Path) -> u64 {
    let Ok(entries) = std::fs::read_dir(directory) else { return 0 };
    let sizes = entries.flatten().map(|entry| match entry.metadata() {
        Ok(meta) if meta.is_dir() => used(&entry.path()),
        Ok(meta) => meta.blocks() * 512,
        Err(_) => 0,
    });
    sizes.sum()
}

/// Files that it has open and that have no name.
fn unlinked(proc: &Path) -> u64 {
    let Ok(open) = std::fs::read_dir(proc.join("fd")) else { return 0 };
    let unnamed = open.flatten().filter(|entry| {
        let target = std::fs::read_link(entry.path()).unwrap_or_default();
        target.to_string_lossy().ends_with(" (deleted)")
    });
    unnamed.filter_map(|entry| Some(std::fs::metadata(entry.path()).ok()?.blocks() * 512)).sum()
}
