//! The figures of a churn: by round and by phase, their medians, and the percentiles of a reader.
//!
//! A figure that this system cannot give is none, never 0.

use std::time::Duration;

use schemars::JsonSchema;
use serde::Serialize;

use super::meter::{Phase, Spending, Spent};
use crate::measure::Reads;

/// The first fill, or a round: an update and a sweep.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub struct BenchRound {
    /// Its number; 0 is the fill.
    pub round: usize,
    /// Modules that were changed, or were to be fetched again.
    pub changed: usize,
    /// Modules that failed.
    pub failed: usize,
    /// Microseconds that the round took.
    pub wall_us: u64,
    /// Microseconds of processor time of this process, the reader included.
    pub cpu_us: u64,
    /// Microseconds of processor time of the server and its programs, to a hundredth of a second.
    pub server_cpu_us: Option<u64>,
    /// Requests to servers.
    pub requests: u64,
    /// Connections made for them.
    pub connections: u64,
    /// Bytes of packs that were received.
    pub received_bytes: u64,
    /// Bytes of the files that changed upstream.
    pub changed_bytes: Option<u64>,
    /// Bytes that were written to files of the store.
    pub written_bytes: u64,
    /// The most memory that the process had in the round.
    pub peak_memory_bytes: Option<u64>,
    /// The phases: `check`, `fetch`, `place`, `sync`, `switch` and `sweep`, in this order.
    pub phases: Vec<BenchPhase>,
    /// The disk when the round was over.
    pub disk: BenchDisk,
    /// The reader in this round; null if there was none.
    pub reader: Option<BenchReader>,
}

/// What a phase took. While modules overlap, a moment is divided among their phases.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub struct BenchPhase {
    /// `check`, `fetch`, `place`, `sync`, `switch` or `sweep`.
    pub phase: &'static str,
    /// Microseconds that it took.
    pub wall_us: u64,
    /// Microseconds of processor time.
    pub cpu_us: u64,
    /// Bytes that were written to files of the store.
    pub written_bytes: u64,
    /// Files and symbolic links that were created.
    pub files_created: u64,
    /// Hard links that were made.
    pub files_linked: u64,
    /// Calls that sync.
    pub syncs: u64,
    /// Calls that change the disk, those above among them.
    pub disk_calls: u64,
}

/// The disk when a round is over.
#[derive(Debug, Clone, Copy, Serialize, JsonSchema)]
pub struct BenchDisk {
    /// Bytes of the current files, each entry once.
    pub live_bytes: u64,
    /// Bytes on disk of the current files, each entry once.
    pub live_disk_bytes: u64,
    /// Bytes on disk of the whole store, hard links counted once.
    pub store_disk_bytes: u64,
    /// `store_disk_bytes` divided by `live_bytes`.
    pub amplification: Option<f64>,
}

/// A reader that reads files through `current` all the time.
#[derive(Debug, Clone, Copy, Serialize, JsonSchema)]
pub struct BenchReader {
    /// Reads.
    pub reads: u64,
    /// Reads that found no file.
    pub misses: u64,
    /// Microseconds that half of the reads stayed within.
    pub p50_us: f64,
    /// Microseconds that 90 % of the reads stayed within.
    pub p90_us: f64,
    /// Microseconds that 99 % of the reads stayed within.
    pub p99_us: f64,
    /// Microseconds of the slowest read.
    pub max_us: f64,
}

impl BenchReader {
    pub(super) fn of(reads: &Reads) -> Self {
        let within = |permille| reads.within(permille).as_nanos() as f64 / 1000.0;
        Self {
            reads: reads.count() as u64,
            misses: reads.misses,
            p50_us: within(500),
            p90_us: within(900),
            p99_us: within(990),
            max_us: within(1000),
        }
    }
}

pub(super) fn phases(spending: &Spending) -> Vec<BenchPhase> {
    let phase = |(phase, spent): (Phase, &Spent)| BenchPhase {
        phase: phase.name(),
        wall_us: micros(spent.wall),
        cpu_us: micros(spent.cpu),
        written_bytes: spent.written,
        files_created: spent.created,
        files_linked: spent.linked,
        syncs: spent.syncs,
        disk_calls: spent.acts,
    };
    Phase::ALL.into_iter().zip(spending).map(phase).collect()
}

/// The middle of each figure of each phase, over all rounds.
pub(super) fn median(rounds: &[BenchRound]) -> Vec<BenchPhase> {
    let phase = |at: usize, phase: Phase| {
        let middle = |figure: fn(&BenchPhase) -> u64| {
            let phases = rounds.iter().filter_map(|round| round.phases.get(at));
            middle(phases.map(figure).collect())
        };
        BenchPhase {
            phase: phase.name(),
            wall_us: middle(|it| it.wall_us),
            cpu_us: middle(|it| it.cpu_us),
            written_bytes: middle(|it| it.written_bytes),
            files_created: middle(|it| it.files_created),
            files_linked: middle(|it| it.files_linked),
            syncs: middle(|it| it.syncs),
            disk_calls: middle(|it| it.disk_calls),
        }
    };
    Phase::ALL.into_iter().enumerate().map(|(at, each)| phase(at, each)).collect()
}

/// The middle of some numbers, or between the two; 0 of none.
#[must_use]
pub fn middle(mut numbers: Vec<u64>) -> u64 {
    numbers.sort_unstable();
    let upper = numbers.get(numbers.len() / 2).copied().unwrap_or_default();
    let lower = numbers.get(numbers.len().saturating_sub(1) / 2).copied().unwrap_or_default();
    lower.midpoint(upper)
}

pub(super) fn micros(duration: Duration) -> u64 {
    u64::try_from(duration.as_micros()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_middle_of_numbers_is_one_of_them_or_between_the_two() {
        let table = [(vec![], 0), (vec![7], 7), (vec![9, 1], 5), (vec![9, 1, 3], 3)];
        for (numbers, is) in table {
            assert_eq!(middle(numbers), is);
        }
    }
}
