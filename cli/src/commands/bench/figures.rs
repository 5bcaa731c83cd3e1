//! The figures of a churn: by phase, their medians, and the percentiles of a reader.

use std::time::Duration;

use modstore_testbed::Reads;

use super::{
    answer::{BenchPhase, BenchReader, BenchRound},
    meter::{Phase, Spending, Spent},
};

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
pub(super) fn middle(mut numbers: Vec<u64>) -> u64 {
    numbers.sort_unstable();
    let upper = numbers.get(numbers.len() / 2).copied().unwrap_or_default();
    let lower = numbers.get(numbers.len().saturating_sub(1) / 2).copied().unwrap_or_default();
    lower.midpoint(upper)
}

pub(super) fn latencies(reads: &Reads) -> BenchReader {
    let within = |permille| reads.within(permille).as_nanos() as f64 / 1000.0;
    BenchReader {
        reads: reads.count() as u64,
        misses: reads.misses,
        p50_us: within(500),
        p90_us: within(900),
        p99_us: within(990),
        max_us: within(1000),
    }
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
