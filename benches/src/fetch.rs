//! Modules over smart HTTP: cold, nothing changed, one changed, ten changed, or some of these steps.
//!
//! A round takes every contender through the steps, one contender after the other within a step, in another order
//! each round. After each step every live tree is compared with git's; a sample that failed, in itself or in the
//! comparison, is left out and counted.
//! Limits: modules that move in a round are always the first eleven; they move back before the next.

use std::collections::BTreeMap;
use std::path::Path;

use modstore_testbed::HttpServer;

use crate::compare;
use crate::contender::{Contender, Role, Step};
use crate::corpus::{Corpus, Served, Version};
use crate::measure::{Sample, Spread, drop_pages, sample};
use crate::report::{Table, Timing, mebibytes, middle, number, seconds};

/// Where contenders meet: what is served, by whom, and the file system they work on.
pub(crate) struct Site<'a> {
    pub(crate) corpus: &'a Corpus,
    pub(crate) server: &'a HttpServer,
    pub(crate) place: &'a Path,
    pub(crate) pages: Pages,
}

/// What the system has in memory of the files when a sample begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Pages {
    /// Whatever the steps before have left there.
    Warm,
    /// Nothing, neither of the contender's nor of the server's.
    Cold,
}

/// What is measured, by step and contender.
#[derive(Debug, Default)]
struct Results {
    good: BTreeMap<(Step, usize), Vec<Sample>>,
    failed: BTreeMap<(Step, usize), Vec<String>>,
}

/// The steps, each with what we want to need of somebody's time.
pub(crate) type Aims<'a> = &'a [(Step, &'a str)];

/// Runs all rounds; gives the table with what failed, and what a plot shows of it.
pub(crate) fn compare(
    site: &Site<'_>,
    contenders: &[Box<dyn Contender>],
    aims: Aims<'_>,
    rounds: usize,
    say: &dyn Fn(&str),
) -> Result<(String, Vec<Timing>), String> {
    let mut results = Results::default();
    for round in 0..rounds {
        say(&format!("round {} of {rounds}", round + 1));
        all_at(site, Version::Base)?;
        contenders.iter().try_for_each(|contender| contender.clear())?;
        for (step, _) in aims {
            for module in moving(site.corpus, *step) {
                site.corpus.serve(module, Version::Next)?;
            }
            one_step(site, contenders, *step, round, &mut results);
        }
    }
    all_at(site, Version::Base)?;
    contenders.iter().try_for_each(|contender| contender.clear())?;
    let table = table(&results, contenders, aims, site.corpus.modules.len());
    Ok((table, bars(&results, contenders, aims)))
}

fn bars(results: &Results, contenders: &[Box<dyn Contender>], aims: Aims<'_>) -> Vec<Timing> {
    let mut bars = Vec::new();
    for (step, _) in aims {
        for (at, contender) in contenders.iter().enumerate() {
            let walls = results.good.get(&(*step, at)).into_iter().flatten().map(|it| it.wall);
            bars.extend(middle(walls).map(|seconds| Timing {
                group: step.to_string(),
                name: contender.name().to_owned(),
                role: contender.role(),
                seconds,
            }));
        }
    }
    bars
}

/// The modules that move before a step.
pub(crate) fn moving(corpus: &Corpus, step: Step) -> &[Served] {
    let first = if step == Step::Ten { Step::One.moved() } else { 0 };
    let modules = corpus.modules.get(first..).unwrap_or_default();
    modules.get(..step.moved().min(modules.len())).unwrap_or_default()
}

/// Serves one version of every module.
pub(crate) fn all_at(site: &Site<'_>, version: Version) -> Result<(), String> {
    site.corpus.modules.iter().try_for_each(|module| site.corpus.serve(module, version))
}

fn one_step(
    site: &Site<'_>,
    contenders: &[Box<dyn Contender>],
    step: Step,
    round: usize,
    results: &mut Results,
) {
    let count = contenders.len();
    for (at, contender) in contenders.iter().enumerate().cycle().skip(round % count).take(count) {
        let pages = if site.pages == Pages::Cold { drop_pages() } else { Ok(()) };
        let measured = pages.and_then(|()| sample(site.server, site.place, || contender.run(step)));
        match measured.and_then(|sample| check(site, &**contender, step).map(|()| sample)) {
            Ok(sample) => results.good.entry((step, at)).or_default().push(sample),
            Err(error) => results.failed.entry((step, at)).or_default().push(error),
        }
    }
}

/// Compares every live tree with what git makes of the commit served.
fn check(site: &Site<'_>, contender: &dyn Contender, step: Step) -> Result<(), String> {
    let corpus = site.corpus;
    let moved = |module: &Served| {
        let so_far = Step::ALL.iter().filter(|&&earlier| earlier <= step);
        so_far.flat_map(|&earlier| moving(corpus, earlier)).any(|it| it.name == module.name)
    };
    corpus.modules.iter().try_for_each(|module| {
        let version = if moved(module) { Version::Next } else { Version::Base };
        same(corpus, contender, module, version)
    })
}

/// Compares one live tree with what git makes of a commit.
pub(crate) fn same(
    corpus: &Corpus,
    contender: &dyn Contender,
    module: &Served,
    version: Version,
) -> Result<(), String> {
    let expected = corpus.expected(module, version).join(contender.part(&module.name));
    compare::same(&expected, &contender.tree(&module.name))
}

const COLUMNS: [&str; 14] = [
    "step",
    "contender",
    "wall s, median [min..max]",
    "× git",
    "× sheldon",
    "aim",
    "requests /module",
    "connections /module",
    "user s",
    "system s",
    "server CPU s",
    "peak MiB",
    "sync after s",
    "good /runs",
];

fn table(
    results: &Results,
    contenders: &[Box<dyn Contender>],
    aims: Aims<'_>,
    modules: usize,
) -> String {
    let mut table = Table::new(2, &COLUMNS);
    for &(step, aim) in aims {
        let git = reference(results, contenders, step, |it| it.role() == Role::Reference);
        let sheldon = reference(results, contenders, step, |it| it.name() == "sheldon");
        for (at, contender) in contenders.iter().enumerate() {
            let good = results.good.get(&(step, at)).map_or(&[][..], Vec::as_slice);
            let failed = results.failed.get(&(step, at)).map_or(0, Vec::len);
            let wall = Spread::of(good.iter().map(|it| it.wall.as_secs_f64()));
            let times = |of: Option<f64>| number(wall.zip(of).map(|(it, of)| it.median / of), 2);
            let aim = if contender.role() == Role::Ours { aim } else { "" };
            let mut row = vec![step.to_string(), contender.name().to_owned(), seconds(wall)];
            row.extend([times(git), times(sheldon), aim.to_owned()]);
            row.extend(cells(good, modules));
            row.push(format!("{}/{}", good.len(), good.len() + failed));
            table.row(row);
        }
    }
    table.to_string() + &failures(results, contenders)
}

/// The quickest of these, in seconds.
fn reference(
    results: &Results,
    contenders: &[Box<dyn Contender>],
    step: Step,
    is_one: impl Fn(&dyn Contender) -> bool,
) -> Option<f64> {
    let them = contenders.iter().enumerate().filter(|(_, it)| is_one(&***it));
    let wall = |(at, _)| middle(results.good.get(&(step, at))?.iter().map(|it| it.wall));
    them.filter_map(wall).min_by(f64::total_cmp)
}

fn cells(good: &[Sample], modules: usize) -> Vec<String> {
    let per_module = |count: fn(&Sample) -> usize| {
        let counts = Spread::of(good.iter().map(|it| count(it) as f64));
        number(counts.map(|it| it.median / modules.max(1) as f64), 2)
    };
    let peak = Spread::of(good.iter().map(|it| it.used.peak as f64));
    vec![
        per_module(|it| it.requests),
        per_module(|it| it.connections),
        number(middle(good.iter().map(|it| it.used.user)), 2),
        number(middle(good.iter().map(|it| it.used.system)), 2),
        number(middle(good.iter().map(|it| it.server_cpu)), 2),
        peak.map_or_else(String::new, |it| mebibytes(it.most)),
        number(middle(good.iter().map(|it| it.sync)), 3),
    ]
}

fn failures(results: &Results, contenders: &[Box<dyn Contender>]) -> String {
    let mut text = String::new();
    for ((step, at), errors) in &results.failed {
        let name = contenders.get(*at).map_or("?", |it| it.name());
        // Some programs say the same for each module.
        let first: String =
            errors.first().into_iter().flat_map(|it| it.chars()).take(300).collect();
        text += &format!("\nLeft out: {name}, {step}, {} times. First: {first}\n", errors.len());
    }
    text
}
