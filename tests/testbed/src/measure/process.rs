//! Memory and processor time of a process, as Linux counts them.
//!
//! Limits: elsewhere both are unknown.

use std::{fs, time::Duration};

/// Makes this process's peak of memory its current use. False where the system cannot.
#[must_use]
pub fn reset_peak_memory() -> bool {
    fs::write("/proc/self/clear_refs", "5").is_ok()
}

/// The most memory this process has used since it started or since [`reset_peak_memory`], in bytes.
#[must_use]
pub fn peak_memory() -> Option<u64> {
    let status = fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    line.split_whitespace().next()?.parse::<u64>().ok().map(|kibibytes| kibibytes << 10)
}

/// The processor time of a process and of all its children that have ended, to a hundredth of a second.
#[must_use]
pub fn cpu_time(process: u32) -> Option<Duration> {
    const TICK: Duration = Duration::from_millis(10);
    let stat = fs::read_to_string(format!("/proc/{process}/stat")).ok()?;
    // The name, in brackets, may hold anything; the fields that count come after it.
    let fields = stat.rsplit_once(')')?.1.split_whitespace().skip(11).take(4);
    Some(TICK * fields.filter_map(|field| field.parse::<u32>().ok()).sum())
}
