//! Rounds in which a tenth of the modules move: every contender follows and collects after each, by turns.
//!
//! After each round every live tree is compared with git's. What is left on the disk at the end is measured in blocks, hard
//! links once, and in bytes of files, against the bytes of the files that are live.
//! Limits: a module moves at most twice, so that after twice as many rounds as there are tenths nothing moves.

use std::path::Path;
use std::time::Duration;

use modstore_testbed::DiskUsage;

use crate::contender::{Contender, Role, Step};
use crate::corpus::{Served, Version};
use crate::fetch::{Site, all_at, same};
use crate::measure::sample;
use crate::report::{Table, Timing, number};

/// How many rounds there are.
pub(crate) const ROUNDS: usize = 20;

/// What one contender took, summed over all rounds.
#[derive(Debug, Default)]
struct Total {
    cold: Duration,
    wall: Duration,
    collecting: Duration,
    cpu: Duration,
    server_cpu: Duration,
    sync: Duration,
    at_start: DiskUsage,
    at_end: DiskUsage,
    failed: Option<String>,
}

/// Runs all rounds; gives the table, and what a plot shows of it.
pub(crate) fn run(
    site: &Site<'_>,
    contenders: &[Box<dyn Contender>],
    say: &dyn Fn(&str),
) -> Result<(String, Vec<Timing>), String> {
    all_at(site, Version::Base)?;
    let mut totals: Vec<Total> = contenders.iter().map(|_| Total::default()).collect();
    for (contender, total) in contenders.iter().zip(&mut totals) {
        contender.clear()?;
        let started = sample(site.server, site.place, || contender.run(Step::Cold));
        match started {
            Ok(sample) => total.cold = sample.wall,
            Err(error) => total.failed = Some(format!("cold: {error}")),
        }
        total.at_start = usage(contender.place())?;
    }
    for round in 0..ROUNDS {
        say(&format!("round {} of {ROUNDS}", round + 1));
        let (moved, version) = moving(site, round);
        moved.iter().try_for_each(|module| site.corpus.serve(module, version))?;
        let count = contenders.len();
        for at in (0..count).cycle().skip(round % count).take(count) {
            let (Some(contender), Some(total)) = (contenders.get(at), totals.get_mut(at)) else {
                continue;
            };
            if total.failed.is_none()
                && let Err(error) = follow(site, &**contender, round, total)
            {
                total.failed = Some(format!("round {}: {error}", round + 1));
            }
        }
    }
    for (contender, total) in contenders.iter().zip(&mut totals) {
        total.at_end = usage(contender.place())?;
    }
    let live = live(site)?;
    all_at(site, Version::Base)?;
    contenders.iter().try_for_each(|contender| contender.clear())?;
    let alone = live.blocks as f64 / live.bytes.max(1) as f64;
    let floor = format!("\nThe live trees alone take {alone:.2} × their bytes in blocks.\n");
    Ok((table(contenders, &totals, live.bytes) + &floor, bars(contenders, &totals)))
}

/// The modules that move before a round, and to what.
fn moving<'a>(site: &'a Site<'_>, round: usize) -> (&'a [Served], Version) {
    let modules = &site.corpus.modules;
    let tenth = modules.len().div_ceil(10);
    let version = match round / 10 {
        0 => Version::Next,
        _ => Version::Later,
    };
    let rest = modules.get(round % 10 * tenth..).unwrap_or_default();
    (rest.get(..tenth.min(rest.len())).unwrap_or_default(), version)
}

fn follow(
    site: &Site<'_>,
    contender: &dyn Contender,
    round: usize,
    total: &mut Total,
) -> Result<(), String> {
    let moved: Vec<&str> = moving(site, round).0.iter().map(|it| it.name.as_str()).collect();
    let updated = sample(site.server, site.place, || contender.run(Step::Ten))?;
    let collected = sample(site.server, site.place, || contender.collect(&moved))?;
    total.wall += updated.wall + collected.wall;
    total.collecting += collected.wall;
    total.cpu += updated.used.cpu() + collected.used.cpu();
    total.server_cpu += updated.server_cpu;
    total.sync += updated.sync + collected.sync;
    let mut modules = site.corpus.modules.iter();
    modules
        .try_for_each(|module| same(site.corpus, contender, module, version(site, module, round)))
}

/// The version of a module that is served in a round.
fn version(site: &Site<'_>, module: &Served, round: usize) -> Version {
    let has_moved =
        |earlier: &usize| moving(site, *earlier).0.iter().any(|it| it.name == module.name);
    let last = (0..=round).rev().find(has_moved);
    last.map_or(Version::Base, |round| moving(site, round).1)
}

/// What the trees that are served in the end take by themselves.
fn live(site: &Site<'_>) -> Result<DiskUsage, String> {
    let mut live = DiskUsage::default();
    for module in &site.corpus.modules {
        let tree = site.corpus.expected(module, version(site, module, ROUNDS - 1));
        live.add(&tree).map_err(|error| format!("{}: {error}", tree.display()))?;
    }
    Ok(live)
}

fn usage(path: &Path) -> Result<DiskUsage, String> {
    DiskUsage::of(path).map_err(|error| format!("{}: {error}", path.display()))
}

fn table(contenders: &[Box<dyn Contender>], totals: &[Total], live: u64) -> String {
    let mut table = Table::new(
        1,
        &[
            "contender",
            "20 rounds s",
            "× git",
            "× sheldon",
            "of it collecting s",
            "client CPU s",
            "server CPU s",
            "sync after s",
            "blocks ÷ live, cold",
            "at the end",
            "bytes ÷ live, cold",
            "at the end",
        ],
    );
    let wall = |role: Role, name: Option<&str>| {
        let all = contenders.iter().zip(totals).filter(|(_, total)| total.failed.is_none());
        let mut them =
            all.filter(|(it, _)| it.role() == role && name.is_none_or(|name| it.name() == name));
        them.next().map(|(_, total)| total.wall.as_secs_f64())
    };
    let (git, sheldon) = (wall(Role::Reference, None), wall(Role::Peer, Some("sheldon")));
    let mut failures = String::new();
    for (contender, total) in contenders.iter().zip(totals) {
        if let Some(why) = &total.failed {
            failures += &format!(
                "\nLeft out: {}, {}\n",
                contender.name(),
                why.chars().take(300).collect::<String>()
            );
            continue;
        }
        let seconds = |duration: Duration| number(Some(duration.as_secs_f64()), 2);
        let ratio = |to: Option<f64>| number(to.map(|to| total.wall.as_secs_f64() / to), 2);
        let amplified = |bytes: u64| number(Some(bytes as f64 / live.max(1) as f64), 2);
        table.row(vec![
            contender.name().to_owned(),
            seconds(total.wall),
            ratio(git),
            ratio(sheldon),
            seconds(total.collecting),
            seconds(total.cpu),
            seconds(total.server_cpu),
            seconds(total.sync),
            amplified(total.at_start.blocks),
            amplified(total.at_end.blocks),
            amplified(total.at_start.bytes),
            amplified(total.at_end.bytes),
        ]);
    }
    table.to_string() + &failures
}

fn bars(contenders: &[Box<dyn Contender>], totals: &[Total]) -> Vec<Timing> {
    let good = contenders.iter().map(|contender| &**contender).zip(totals);
    let good = good.filter(|(_, total)| total.failed.is_none());
    let bar = |(contender, total): (&dyn Contender, &Total)| Timing {
        group: "20 rounds, collected".to_owned(),
        name: contender.name().to_owned(),
        role: contender.role(),
        seconds: total.wall.as_secs_f64(),
    };
    good.map(bar).collect()
}
