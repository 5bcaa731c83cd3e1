//! The fields of `bench`. A figure that the system does not give is null, never 0.

use serde::Serialize;

/// `bench churn`.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Bench {
    /// Of the scratch store.
    pub(crate) generation: Option<u64>,
    /// `churn`.
    pub(crate) what: &'static str,
    pub(crate) modules: usize,
    /// In each module; null with `--real`.
    pub(crate) files: Option<usize>,
    pub(crate) change_percent: usize,
    /// Null with `--real`.
    pub(crate) touch_percent: Option<usize>,
    /// How many generations each sweep keeps.
    pub(crate) keep: usize,
    pub(crate) seed: u64,
    pub(crate) jobs: usize,
    pub(crate) real: bool,
    /// Who serves the repositories; null with `--real`.
    pub(crate) server: Option<String>,
    /// The file system of the scratch store.
    pub(crate) file_system: String,
    /// The reasons why it may lose synced data, by name.
    pub(crate) concerns: Vec<&'static str>,
    pub(crate) fill: BenchRound,
    pub(crate) rounds: Vec<BenchRound>,
    /// The median of all rounds, phase by phase.
    pub(crate) median: Vec<BenchPhase>,
    /// Of all rounds.
    pub(crate) reader: Option<BenchReader>,
    /// Where the plot is.
    pub(crate) plot: Option<String>,
}

/// The first fill, or a round.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct BenchRound {
    /// 0 is the fill.
    pub(crate) round: usize,
    /// Modules that were made to change, or to be fetched again.
    pub(crate) changed: usize,
    /// Modules that could not be fetched.
    pub(crate) failed: usize,
    pub(crate) wall_us: u64,
    pub(crate) cpu_us: u64,
    /// Of the server and its programs, to a hundredth of a second.
    pub(crate) server_cpu_us: Option<u64>,
    pub(crate) requests: u64,
    pub(crate) connections: u64,
    pub(crate) received_bytes: u64,
    /// Of the files that changed upstream.
    pub(crate) changed_bytes: Option<u64>,
    pub(crate) written_bytes: u64,
    pub(crate) peak_memory_bytes: Option<u64>,
    pub(crate) phases: Vec<BenchPhase>,
    pub(crate) disk: BenchDisk,
    pub(crate) reader: Option<BenchReader>,
}

/// The cost of a phase.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct BenchPhase {
    /// `check`, `fetch`, `place`, `sync`, `switch` or `sweep`.
    pub(crate) phase: &'static str,
    pub(crate) wall_us: u64,
    pub(crate) cpu_us: u64,
    pub(crate) written_bytes: u64,
    pub(crate) files_created: u64,
    pub(crate) files_linked: u64,
    pub(crate) syncs: u64,
    /// Calls that change the disk, the ones above among them.
    pub(crate) disk_calls: u64,
}

/// The disk usage of the store after a round.
#[derive(Debug, Clone, Copy, Serialize)]
pub(crate) struct BenchDisk {
    pub(crate) live_bytes: u64,
    pub(crate) live_disk_bytes: u64,
    pub(crate) store_disk_bytes: u64,
    /// `store_disk_bytes` in `live_bytes`.
    pub(crate) amplification: Option<f64>,
}

/// The reads of a reader meanwhile.
#[derive(Debug, Clone, Copy, Serialize)]
pub(crate) struct BenchReader {
    pub(crate) reads: u64,
    pub(crate) misses: u64,
    pub(crate) p50_us: f64,
    pub(crate) p90_us: f64,
    pub(crate) p99_us: f64,
    pub(crate) max_us: f64,
}
