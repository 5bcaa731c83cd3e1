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
    write_sums(to, std::slice::from_ref(&bench.fill))?;
    let rounds = count(bench.rounds.len(), "round");
    heading(to, &format!("A round, the median of {rounds}:"))?;
    write_phases(to, &bench.median)?;
    write_sums(to, &bench.rounds)?;
    write_amplification(to, &bench.rounds)?;
    write_disk(to, bench)?;
    if let Some(reader) = &bench.reader {
        write_reader(to, reader)?;
    }
    if let Some(plot) = &bench.plot {
        writeln!(to)?;
        writeln!(to, "The plot is in {plot}")?;
    }
    Ok(())
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
    type Cell = fn(&BenchPhase) -> String;
    let columns: [(&str, Cell); 8] = [
        ("phase", |it| it.phase.to_owned()),
        ("wall ms", |it| milliseconds(it.wall_us)),
        ("cpu ms", |it| milliseconds(it.cpu_us)),
        ("written", |it| size(it.written_bytes)),
        ("created", |it| it.files_created.to_string()),
        ("linked", |it| it.files_linked.to_string()),
        ("syncs", |it| it.syncs.to_string()),
        ("disk calls", |it| it.disk_calls.to_string()),
    ];
    let mut table = Table::default();
    table.row(columns.map(|(name, _)| name));
    phases.iter().for_each(|phase| table.row(columns.map(|(_, cell)| cell(phase))));
    table.write(to, 2)
}

/// The sums of a round, or the medians of several.
fn write_sums(to: &mut Page<'_>, rounds: &[BenchRound]) -> io::Result<()> {
    let of = |figure: fn(&BenchRound) -> u64| middle(rounds.iter().map(figure).collect());
    let may = |figure: fn(&BenchRound) -> Option<u64>, text: fn(u64) -> String| {
        let all: Option<Vec<u64>> = rounds.iter().map(figure).collect();
        all.map_or_else(|| "–".to_owned(), |all| text(middle(all)))
    };
    writeln!(
        to,
        "  in all: {} ms, {} ms of our processor time and {} ms of the server's,",
        milliseconds(of(|it| it.wall_us)),
        milliseconds(of(|it| it.cpu_us)),
        may(|it| it.server_cpu_us, milliseconds),
    )?;
    writeln!(
        to,
        "  {} requests, {} received, memory at most {}",
        of(|it| it.requests),
        size(of(|it| it.received_bytes)),
        may(|it| it.peak_memory_bytes, size),
    )
}

fn write_amplification(to: &mut Page<'_>, rounds: &[BenchRound]) -> io::Result<()> {
    let changed: Option<u64> = rounds.iter().map(|round| round.changed_bytes).sum();
    let written: u64 = rounds.iter().map(|round| round.written_bytes).sum();
    match changed.filter(|changed| *changed > 0) {
        Some(changed) => {
            let times = written as f64 / changed as f64;
            writeln!(to, "  written: {times:.2} × the bytes of the files that changed")
        }
        None => Ok(()),
    }
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
