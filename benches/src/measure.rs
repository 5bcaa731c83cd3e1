//! Running programs and saying what it took: wall time, processor time, memory, requests.
//!
//! Limits: the memory of programs that ran at once is that of the largest, not their sum; and as Linux counts it, a
//! program starts with the peak of whoever started it, so this one stays small (see [`own_peak`]).

use std::fs::File;
use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use modstore_testbed::{HttpServer, cpu_time, peak_memory};
use wait4::Wait4 as _;

/// How many modules git is given at a time.
pub(crate) const AT_A_TIME: usize = 8;

/// What programs used: times are summed, memory is that of the largest.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Usage {
    pub(crate) user: Duration,
    pub(crate) system: Duration,
    /// Bytes.
    pub(crate) peak: u64,
}

impl Usage {
    pub(crate) fn cpu(&self) -> Duration {
        self.user + self.system
    }

    pub(crate) fn and(self, other: Self) -> Self {
        Self {
            user: self.user + other.user,
            system: self.system + other.system,
            peak: self.peak.max(other.peak),
        }
    }
}

/// Runs a program to its end; gives what it used and what it printed.
pub(crate) fn run(command: &mut Command) -> Result<(Usage, Vec<u8>), String> {
    let shown = format!("{:?}", command.get_program());
    let told = |error: std::io::Error| format!("{shown}: {error}");
    let mut child = command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .map_err(told)?;
    let (mut printed, mut said) = (Vec::new(), String::new());
    if let (Some(mut out), Some(mut err)) = (child.stdout.take(), child.stderr.take()) {
        // One after the other: every contender is told to be quiet, so stderr never fills its pipe.
        out.read_to_end(&mut printed).map_err(told)?;
        err.read_to_string(&mut said).map_err(told)?;
    }
    let ended = child.wait4().map_err(told)?;
    if !ended.status.success() {
        let printed = String::from_utf8_lossy(&printed);
        return Err(format!("{shown}: {}: {} {}", ended.status, said.trim(), printed.trim()));
    }
    let it = ended.rusage;
    Ok((Usage { user: it.utime, system: it.stime, peak: it.maxrss }, printed))
}

/// A program of somebody else's, built from the registry into `target/tools` if it is not there; out of the way of what
/// else goes on.
pub(crate) fn install(
    cargo: &Path,
    target: &Path,
    package: &str,
    version: &str,
) -> Result<PathBuf, String> {
    let tools = target.join("tools");
    let binary = tools.join("bin").join(package);
    if !binary.exists() {
        let mut install = Command::new("nice");
        install.args(["-n", "19"]).arg(cargo).args(["install", "--quiet", "--locked", "-j", "1"]);
        install.args(["--version", version, "--root"]).arg(&tools);
        install.arg("--target-dir").arg(target.join("tools-build")).arg(package);
        run(&mut install)?;
    }
    Ok(binary)
}

/// Does `work` for every item, [`AT_A_TIME`] at once; stops at the first error.
pub(crate) fn for_each_at_once<T: Sync>(
    items: &[T],
    work: impl Fn(&T) -> Result<Usage, String> + Sync,
) -> Result<Usage, String> {
    let next = AtomicUsize::new(0);
    let sum = Mutex::new(Ok(Usage::default()));
    let worker = || {
        while let Some(item) = items.get(next.fetch_add(1, Ordering::Relaxed)) {
            let used = work(item);
            let mut sum = sum.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
            match (&mut *sum, used) {
                (Ok(so_far), Ok(used)) => *so_far = so_far.and(used),
                (Ok(_), Err(error)) => *sum = Err(error),
                (Err(_), _) => return,
            }
        }
    };
    std::thread::scope(|scope| {
        for _ in 0..AT_A_TIME {
            scope.spawn(worker);
        }
    });
    sum.into_inner().unwrap_or_else(|poisoned| poisoned.into_inner())
}

/// What one step took one contender.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Sample {
    pub(crate) wall: Duration,
    pub(crate) used: Usage,
    /// Of the server, its programs included; to a hundredth of a second.
    pub(crate) server_cpu: Duration,
    pub(crate) requests: usize,
    pub(crate) connections: usize,
    /// What it took to make durable what the contender left in memory.
    pub(crate) sync: Duration,
}

/// Measures `work` on a quiet file system. The error is that of `work`.
pub(crate) fn sample(
    server: &HttpServer,
    place: &Path,
    work: impl FnOnce() -> Result<Usage, String>,
) -> Result<Sample, String> {
    sync(place)?;
    server.forget();
    let before = own_cpu();
    let start = Instant::now();
    let used = work()?;
    let wall = start.elapsed();
    let server_cpu = own_cpu().saturating_sub(before).saturating_sub(used.cpu());
    let start = Instant::now();
    sync(place)?;
    let sync = start.elapsed();
    let seen = server.stats();
    let (requests, connections) = (seen.requests.len(), seen.connections);
    Ok(Sample { wall, used, server_cpu, requests, connections, sync })
}

/// Flushes the file system that holds `place`.
pub(crate) fn sync(place: &Path) -> Result<(), String> {
    let told = |error: std::io::Error| format!("syncing {}: {error}", place.display());
    let dir = File::open(place).map_err(told)?;
    #[cfg(target_os = "linux")]
    return rustix::fs::syncfs(dir).map_err(|error| told(error.into()));
    #[cfg(not(target_os = "linux"))]
    return dir.sync_all().map_err(told);
}

/// Makes the system forget what it has in memory of all files, names and inodes; it needs root and Linux.
pub(crate) fn drop_pages() -> Result<(), String> {
    const SWITCH: &str = "/proc/sys/vm/drop_caches";
    // What is not on the disk yet stays in memory.
    rustix::fs::sync();
    std::fs::write(SWITCH, "3").map_err(|error| format!("{SWITCH}: {error}"))
}

/// The middle, the least and the most of some values; `None` of none.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Spread {
    pub(crate) median: f64,
    pub(crate) least: f64,
    pub(crate) most: f64,
}

impl Spread {
    pub(crate) fn of(values: impl IntoIterator<Item = f64>) -> Option<Self> {
        let mut values: Vec<f64> = values.into_iter().collect();
        values.sort_by(f64::total_cmp);
        let upper = values.get(values.len() / 2)?;
        let lower = values.get((values.len() - 1) / 2)?;
        Some(Self { median: (lower + upper) / 2.0, least: *values.first()?, most: *values.last()? })
    }
}

/// The most memory this program has used, in bytes: no peak it measures can be less. 0 where the system does not say.
pub(crate) fn own_peak() -> u64 {
    peak_memory().unwrap_or_default()
}

/// Processor time of this program and of all it waited for. Zero where the system does not say.
fn own_cpu() -> Duration {
    cpu_time(std::process::id()).unwrap_or_default()
}
