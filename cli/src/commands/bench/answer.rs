//! The answer of `bench churn`. A figure that this system cannot give is null, never 0.

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

/// The first fill, or a round: an update and a sweep.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub(crate) struct BenchRound {
    /// Its number; 0 is the fill.
    pub(crate) round: usize,
    /// Modules that were changed, or were to be fetched again.
    pub(crate) changed: usize,
    /// Modules that failed.
    pub(crate) failed: usize,
    /// Microseconds that the round took.
    pub(crate) wall_us: u64,
    /// Microseconds of processor time of this process, the reader included.
    pub(crate) cpu_us: u64,
    /// Microseconds of processor time of the server and its programs, to a hundredth of a second.
    pub(crate) server_cpu_us: Option<u64>,
    /// Requests to servers.
    pub(crate) requests: u64,
    /// Connections made for them.
    pub(crate) connections: u64,
    /// Bytes of packs that were received.
    pub(crate) received_bytes: u64,
    /// Bytes of the files that changed upstream.
    pub(crate) changed_bytes: Option<u64>,
    /// Bytes that were written to files of the store.
    pub(crate) written_bytes: u64,
    /// The most memory that the process had in the round.
    pub(crate) peak_memory_bytes: Option<u64>,
    /// The phases: `check`, `fetch`, `place`, `sync`, `switch` and `sweep`, in this order.
    pub(crate) phases: Vec<BenchPhase>,
    /// The disk when the round was over.
    pub(crate) disk: BenchDisk,
    /// The reader in this round; null if there was none.
    pub(crate) reader: Option<BenchReader>,
}

/// What a phase took. While modules overlap, a moment is divided among their phases.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub(crate) struct BenchPhase {
    /// `check`, `fetch`, `place`, `sync`, `switch` or `sweep`.
    pub(crate) phase: &'static str,
    /// Microseconds that it took.
    pub(crate) wall_us: u64,
    /// Microseconds of processor time.
    pub(crate) cpu_us: u64,
    /// Bytes that were written to files of the store.
    pub(crate) written_bytes: u64,
    /// Files and symbolic links that were created.
    pub(crate) files_created: u64,
    /// Hard links that were made.
    pub(crate) files_linked: u64,
    /// Calls that sync.
    pub(crate) syncs: u64,
    /// Calls that change the disk, those above among them.
    pub(crate) disk_calls: u64,
}

/// The disk when a round is over.
#[derive(Debug, Clone, Copy, Serialize, JsonSchema)]
pub(crate) struct BenchDisk {
    /// Bytes of the current files, each entry once.
    pub(crate) live_bytes: u64,
    /// Bytes on disk of the current files, each entry once.
    pub(crate) live_disk_bytes: u64,
    /// Bytes on disk of the whole store, hard links counted once.
    pub(crate) store_disk_bytes: u64,
    /// `store_disk_bytes` divided by `live_bytes`.
    pub(crate) amplification: Option<f64>,
}

/// A reader that reads files through `current` all the time.
#[derive(Debug, Clone, Copy, Serialize, JsonSchema)]
pub(crate) struct BenchReader {
    /// Reads.
    pub(crate) reads: u64,
    /// Reads that found no file.
    pub(crate) misses: u64,
    /// Microseconds that half of the reads stayed within.
    pub(crate) p50_us: f64,
    /// Microseconds that 90 % of the reads stayed within.
    pub(crate) p90_us: f64,
    /// Microseconds that 99 % of the reads stayed within.
    pub(crate) p99_us: f64,
    /// Microseconds of the slowest read.
    pub(crate) max_us: f64,
}
