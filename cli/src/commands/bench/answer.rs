//! The answer of `bench churn`. The figures are those of the laboratory: one that this system cannot give is null, never 0.

use modstore_testbed::{BenchPhase, BenchReader, BenchRound};
use schemars::JsonSchema;
use serde::Serialize;

/// What a churn took.
#[derive(Debug, Clone, Serialize, JsonSchema)]
#[schemars(inline)]
pub(crate) struct Bench {
    /// The current generation of the scratch store.
    pub(crate) generation: Option<u64>,
    /// The benchmark: `churn`.
    pub(crate) what: &'static str,
    /// How many modules the store has.
    pub(crate) modules: usize,
    /// How many files each module has; null with `--real`.
    pub(crate) files: Option<usize>,
    /// How many of a hundred modules change in a round.
    pub(crate) change_percent: usize,
    /// How many of a hundred files change in such a module; null with `--real`.
    pub(crate) touch_percent: Option<usize>,
    /// How many generations each sweep keeps.
    pub(crate) keep: usize,
    /// The seed of the repositories and their changes.
    pub(crate) seed: u64,
    /// How many repositories are asked at once.
    pub(crate) jobs: usize,
    /// Whether `--real` was given.
    pub(crate) real: bool,
    /// The program that serves the repositories; null with `--real`.
    pub(crate) server: Option<String>,
    /// The file system of the scratch store.
    pub(crate) file_system: String,
    /// What that file system cannot promise, by name.
    pub(crate) concerns: Vec<&'static str>,
    /// The first fill, without a sweep or a reader; its `fetch` includes making the store.
    pub(crate) fill: BenchRound,
    /// The rounds after it.
    pub(crate) rounds: Vec<BenchRound>,
    /// The phases, each figure the median of all rounds.
    pub(crate) median: Vec<BenchPhase>,
    /// The reader over all rounds; null if there was none.
    pub(crate) reader: Option<BenchReader>,
    /// The file of the plot; null if none was wanted.
    pub(crate) plot: Option<String>,
}
