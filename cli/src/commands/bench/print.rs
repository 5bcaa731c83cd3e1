//! A churn as text.
//!
//! Times are medians of all rounds; a dash stands for a figure that the system does not give.

use std::io;

use modstore_testbed::{BenchPhase, BenchReader, BenchRound, middle};

use super::{BenchAnswer, answer::Bench};
use crate::{
    output::Answer,
    page::Page,
    table::Table,
    text::{count, size},
};

impl Answer for BenchAnswer {
    fn write(&self, to: &mut Page<'_>) -> io::Result<()> {
        match self {
            Self::Churn(bench) => write_churn(to, bench),
            Self::Nothing {} => Ok(()),
        }
    }
}

fn write_churn(to: &mut Page<'_>, bench: &Bench) -> io::Result<()> {
    writeln!(to)?;
    write_what(to, bench)?;
    heading(to, "The first fill:")?;
    write_phases(to, &bench.fill.phases)?;
    write_round(to, &bench.fill)?;
    let rounds = count(bench.rounds.len(), "round");
    heading(to, &format!("A round, the median of {rounds}:"))?;
    write_phases(to, &bench.median)?;
    write_median(to, bench)?;
    write_disk(to, bench)?;
    if let Some(reader) = &bench.reader {
        write_reader(to, reader)?;
    }
    match &bench.plot {
        Some(plot) => {
            writeln!(to)?;
            writeln!(to, "The plot is in {plot}")
        }
        None => Ok(()),
    }
}

fn heading(to: &mut Page<'_>, text: &str) -> io::Result<()> {
    writeln!(to)?;
    writeln!(to, "{text}")?;
    writeln!(to)
}

fn write_what(to: &mut Page<'_>, bench: &Bench) -> io::Result<()> {
    let modules = count(bench.modules, "module");
    match (bench.files, bench.touch_percent) {
        (Some(files), Some(touch)) => writeln!(
            to,
            "{modules} of {}; {} % of them change in a round, in {touch} % of their files (seed {})",
            count(files, "file"),
            bench.change_percent,
            bench.seed,
        )?,
        _ => writeln!(
            to,
            "{modules} of your own; {} % of them are fetched again in a round (seed {})",
            bench.change_percent, bench.seed,
        )?,
    }
    if let Some(server) = &bench.server {
        writeln!(to, "served over {server}; {} at once", bench.jobs)?;
    }
    let concerns = bench.concerns.join(", ");
    let concerns = if concerns.is_empty() { concerns } else { format!(" ({concerns})") };
    let keep = count(bench.keep, "generation");
    writeln!(to, "the store lies on {}{concerns}; a sweep keeps {keep}", bench.file_system)
}

fn write_phases(to: &mut Page<'_>, phases: &[BenchPhase]) -> io::Result<()> {
    let mut table = Table::default();
    table.row([
        "phase",
        "wall ms",
        "cpu ms",
        "written",
        "created",
        "linked",
        "syncs",
        "disk calls",
    ]);
    for phase in phases {
        table.row([
            phase.phase,
            &milliseconds(phase.wall_us),
            &milliseconds(phase.cpu_us),
            &size(phase.written_bytes),
            &phase.files_created.to_string(),
            &phase.files_linked.to_string(),
            &phase.syncs.to_string(),
            &phase.disk_calls.to_string(),
        ]);
    }
    table.write(to, 2)
}

fn write_round(to: &mut Page<'_>, round: &BenchRound) -> io::Result<()> {
    write_sum(
        to,
        [round.wall_us, round.cpu_us, round.requests, round.received_bytes],
        round.server_cpu_us,
        round.peak_memory_bytes,
    )
}

fn write_median(to: &mut Page<'_>, bench: &Bench) -> io::Result<()> {
    let of = |figure: fn(&BenchRound) -> u64| middle(bench.rounds.iter().map(figure).collect());
    let may = |figure: fn(&BenchRound) -> Option<u64>| {
        let all: Option<Vec<u64>> = bench.rounds.iter().map(figure).collect();
        all.map(middle)
    };
    write_sum(
        to,
        [of(|it| it.wall_us), of(|it| it.cpu_us), of(|it| it.requests), of(|it| it.received_bytes)],
        may(|it| it.server_cpu_us),
        may(|it| it.peak_memory_bytes),
    )?;
    let changed: Option<u64> = bench.rounds.iter().map(|round| round.changed_bytes).sum();
    let written: u64 = bench.rounds.iter().map(|round| round.written_bytes).sum();
    match changed.filter(|changed| *changed > 0) {
        Some(changed) => {
            let times = written as f64 / changed as f64;
            writeln!(to, "  written: {times:.2} × the bytes of the files that changed")
        }
        None => Ok(()),
    }
}

fn write_sum(
    to: &mut Page<'_>,
    [wall, cpu, requests, received]: [u64; 4],
    server: Option<u64>,
    peak: Option<u64>,
) -> io::Result<()> {
    let (wall, cpu) = (milliseconds(wall), milliseconds(cpu));
    let server = server.map_or_else(|| "–".to_owned(), milliseconds);
    let peak = peak.map_or_else(|| "–".to_owned(), size);
    writeln!(
        to,
        "  in all: {wall} ms, {cpu} ms of our processor time and {server} ms of the server's,"
    )?;
    writeln!(to, "  {requests} requests, {} received, memory at most {peak}", size(received))
}

fn write_disk(to: &mut Page<'_>, bench: &Bench) -> io::Result<()> {
    let mut table = Table::default();
    table.row(["", "live bytes", "live on disk", "store on disk", "store ÷ live"]);
    for (name, round) in
        [("after the fill", Some(&bench.fill)), ("at the end", bench.rounds.last())]
    {
        let Some(BenchRound { disk, .. }) = round else { continue };
        let times =
            disk.amplification.map_or_else(|| "–".to_owned(), |times| format!("{times:.2}"));
        table.row([
            name,
            &size(disk.live_bytes),
            &size(disk.live_disk_bytes),
            &size(disk.store_disk_bytes),
            &times,
        ]);
    }
    heading(to, "Disk:")?;
    table.write(to, 2)
}

fn write_reader(to: &mut Page<'_>, reader: &BenchReader) -> io::Result<()> {
    let BenchReader { reads, misses, p50_us, p90_us, p99_us, max_us } = reader;
    writeln!(to)?;
    writeln!(
        to,
        "A reader meanwhile: {reads} reads, {misses} misses; half of them within {p50_us:.0} µs,"
    )?;
    writeln!(
        to,
        "90 % within {p90_us:.0} µs, 99 % within {p99_us:.0} µs, the longest {max_us:.0} µs"
    )
}

fn milliseconds(micros: u64) -> String {
    format!("{:.1}", micros as f64 / 1000.0)
}
