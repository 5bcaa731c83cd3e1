//! A churn as a picture: above, the time of each round, phase on phase; below, the disk as the rounds go by.

use modstore_testbed::{Line, Rounds};

use super::answer::{Bench, BenchDisk, BenchPhase};
use crate::{escape::escaped, text::count};

/// The whole picture.
pub(super) fn draw(bench: &Bench) -> String {
    let all = || std::iter::once(&bench.fill).chain(&bench.rounds);
    let milliseconds = |phase: &BenchPhase| phase.wall_us as f64 / 1000.0;
    let line = |name, figure: fn(&BenchDisk) -> u64| Line {
        name,
        values: all().map(|round| figure(&round.disk) as f64 / 1e6).collect(),
    };
    let plot = Rounds {
        title: title(bench),
        subtitle: escaped(&subtitle(bench)).into_owned(),
        phases: bench.median.iter().map(|phase| (phase.phase, milliseconds(phase))).collect(),
        rounds: all().map(|round| round.phases.iter().map(milliseconds).collect()).collect(),
        lines: [
            line("store on disk", |disk| disk.store_disk_bytes),
            line("live, on disk", |disk| disk.live_disk_bytes),
            line("live, bytes", |disk| disk.live_bytes),
        ],
    };
    plot.draw()
}

fn title(bench: &Bench) -> String {
    let modules = count(bench.modules, "module");
    let files = bench.files.map(|files| count(files, "file"));
    let files = files.unwrap_or_else(|| "a user's own".to_owned());
    format!("Cache churn: {modules} of {files}, {} % change in each round", bench.change_percent)
}

fn subtitle(bench: &Bench) -> String {
    let fill = bench.fill.wall_us as f64 / 1e6;
    let keep = count(bench.keep, "generation");
    format!(
        "modstore {}; first fill {fill:.2} s; on {}; each sweep keeps {keep}; a sync is a real one",
        env!("CARGO_PKG_VERSION"),
        bench.file_system
    )
}
