//! Where modstore's time goes: what it says itself, its system calls, and the floors of the same machine.
//!
//! Limits: system calls are counted in runs of their own, since tracing slows a program several times over.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use serde_json::Value;

use crate::contender::{Contender as _, Step};
use crate::corpus::Version;
use crate::fetch::{Site, all_at, moving};
use crate::floors;
use crate::measure::{Sample, Spread, run, sample};
use crate::modstore::Modstore;
use crate::report::{Table, middle, milliseconds, number};

/// How often each system call was made.
pub(crate) type Calls = BTreeMap<String, u64>;

/// The system calls that are worth a row of their own, by what they are for.
const CALLS: [(&str, &[&str]); 10] = [
    ("syncfs", &["syncfs"]),
    ("fsync, fdatasync", &["fsync", "fdatasync"]),
    ("rename", &["rename", "renameat", "renameat2"]),
    ("link, symlink", &["link", "linkat", "symlink", "symlinkat"]),
    ("mkdir, rmdir, unlink", &["mkdir", "mkdirat", "rmdir", "unlink", "unlinkat"]),
    ("open, close", &["open", "openat", "openat2", "close"]),
    ("stat", &["stat", "lstat", "fstat", "newfstatat", "statx", "access", "faccessat2"]),
    ("chmod, utimens", &["chmod", "fchmod", "fchmodat", "utimensat", "futimens"]),
    (
        "read, write",
        &["read", "write", "pread64", "pwrite64", "readv", "writev", "recvfrom", "sendto"],
    ),
    ("futex", &["futex"]),
];

/// All three tables.
pub(crate) fn break_down(site: &Site<'_>, ours: &Modstore, runs: usize) -> Result<String, String> {
    let said = what_it_says(site, ours, runs)?;
    let calls = system_calls(site, ours)?;
    all_at(site, Version::Base)?;
    let floors = floor_table(site, runs)?;
    Ok(format!("{said}\n{calls}\n{floors}"))
}

/// Goes through the four steps from an empty store.
fn steps(
    site: &Site<'_>,
    ours: &Modstore,
    mut work: impl FnMut(Step) -> Result<(), String>,
) -> Result<(), String> {
    all_at(site, Version::Base)?;
    ours.clear()?;
    for step in Step::ALL {
        for module in moving(site.corpus, step) {
            site.corpus.serve(module, Version::Next)?;
        }
        work(step)?;
    }
    Ok(())
}

fn what_it_says(site: &Site<'_>, ours: &Modstore, runs: usize) -> Result<Table, String> {
    let mut all: BTreeMap<Step, Vec<(Sample, Value)>> = BTreeMap::new();
    for _ in 0..runs {
        steps(site, ours, |step| {
            let sample = sample(site.server, site.place, || ours.run(step))?;
            all.entry(step).or_default().push((sample, ours.said()));
            Ok(())
        })?;
    }
    let mut table = Table::new(
        2,
        &[
            "step",
            "of the wall time",
            "wall ms",
            "user ms",
            "system ms",
            "server CPU ms",
            "what it says of its cost",
        ],
    );
    for (step, runs) in &all {
        let wall = Spread::of(runs.iter().map(|(it, _)| it.wall.as_secs_f64()));
        let part = |part: fn(&Sample) -> std::time::Duration| {
            number(middle(runs.iter().map(|(it, _)| part(it))).map(|it| it * 1000.0), 0)
        };
        let cost = runs.last().and_then(|(_, said)| said.get("cost")).map(Value::to_string);
        table.row(vec![
            step.to_string(),
            parts(runs),
            milliseconds(wall),
            part(|it| it.used.user),
            part(|it| it.used.system),
            part(|it| it.server_cpu),
            format!("`{}`", cost.unwrap_or_default()),
        ]);
    }
    Ok(table)
}

/// The medians of the two times it reports, and what is left: starting, reading its state, printing, ending.
fn parts(runs: &[(Sample, Value)]) -> String {
    let told = |name: &str| {
        let times = runs.iter().filter_map(|(_, said)| said.get("cost")?.get(name)?.as_f64());
        Spread::of(times).map_or(0.0, |it| it.median)
    };
    let wall = middle(runs.iter().map(|(it, _)| it.wall)).unwrap_or_default() * 1000.0;
    let (acquiring, committing) = (told("fetch_ms"), told("commit_ms"));
    let rest = wall - acquiring - committing;
    format!("acquiring {acquiring:.0}, committing {committing:.0}, rest {rest:.0}")
}

fn system_calls(site: &Site<'_>, ours: &Modstore) -> Result<String, String> {
    let mut counted = Vec::new();
    let traced = steps(site, ours, |_| {
        counted.push(trace(site.place, ours)?);
        Ok(())
    });
    if let Err(error) = traced {
        return Ok(format!("System calls are not counted here: {error}\n"));
    }
    let mut table = Table::new(1, &["system calls", "cold", "nothing", "1 changed", "10 changed"]);
    let mut row = |what: &str, of: &dyn Fn(&Calls) -> String| {
        table.row([what.to_owned()].into_iter().chain(counted.iter().map(of)).collect());
    };
    for (what, names) in CALLS {
        row(what, &|calls| {
            names.iter().filter_map(|name| calls.get(*name)).sum::<u64>().to_string()
        });
    }
    let modules = site.corpus.modules.len().max(1) as u64;
    row("all", &|calls| calls.values().sum::<u64>().to_string());
    row("all, per module", &|calls| (calls.values().sum::<u64>() / modules).to_string());
    row("most frequent", &most_frequent);
    Ok(table.to_string())
}

/// How often a run from here makes each system call.
pub(crate) fn trace(place: &Path, ours: &Modstore) -> Result<Calls, String> {
    let counts = place.join("strace.txt");
    let out = counts.display().to_string();
    run(&mut ours.update(&["strace", "-f", "-c", "-o", &out]))?;
    let text = fs::read_to_string(&counts).map_err(|error| format!("{out}: {error}"))?;
    Ok(text.lines().filter_map(count).collect())
}

/// A line of strace's table: share, seconds, microseconds each, calls, sometimes errors, name.
fn count(line: &str) -> Option<(String, u64)> {
    let words: Vec<&str> = line.split_whitespace().collect();
    let (name, calls) = (words.last()?, words.get(3)?);
    let named = *name != "total" && words.first()?.parse::<f64>().is_ok();
    Some(((*name).to_owned(), calls.parse().ok()?)).filter(|_| named)
}

fn most_frequent(calls: &Calls) -> String {
    let mut calls: Vec<_> = calls.iter().collect();
    calls.sort_by_key(|(_, count)| std::cmp::Reverse(**count));
    let shown: Vec<_> =
        calls.iter().take(6).map(|(name, count)| format!("{name} {count}")).collect();
    shown.join(", ")
}

fn floor_table(site: &Site<'_>, runs: usize) -> Result<Table, String> {
    let mut walls: Vec<(&str, Vec<f64>, Vec<f64>)> = Vec::new();
    for _ in 0..runs {
        let floors = floors::measure(site.corpus, site.server, site.place)?;
        for (at, floor) in floors.iter().enumerate() {
            if at >= walls.len() {
                walls.push((floor.what, Vec::new(), Vec::new()));
            }
            if let Some((_, wall, sync)) = walls.get_mut(at) {
                wall.push(floor.wall.as_secs_f64());
                sync.push(floor.sync.as_secs_f64());
            }
        }
    }
    let mut table = Table::new(1, &["floor", "ms", "sync after ms"]);
    for (what, wall, sync) in walls {
        let [wall, sync] = [wall, sync].map(|it| milliseconds(Spread::of(it)));
        table.row(vec![what.to_owned(), wall, sync]);
    }
    Ok(table)
}
