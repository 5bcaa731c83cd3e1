//! `diff`: what differs between two generations, down to the lines.

use std::{error::Error, io};

use clap::Args;
use modstore::{
    Difference, Generation, ModuleName, Store,
    internals::{
        ops::{FileChanges, FileLines},
        update::CommitRange,
    },
};
use schemars::JsonSchema;
use serde::Serialize;

use super::{Runnable, logs::logs, names};
use crate::{
    context::Context,
    effect::Effect,
    exit::Exit,
    json::{Change, Log, texts},
    output::Answer,
    page::Page,
    report::Failure,
    table::Table,
};

/// Compare two generations
///
/// Prints the modules that differ, and the files in them; with --stat how many lines differ in each, and with
/// --patch the lines themselves, as `git diff` prints them. With --log it lists the commits instead. `modstore history`
/// lists the generations.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  modstore diff                      (from the previous generation to the current one)
  modstore diff 12 16 --stat
  modstore diff weather --patch      (what the last generation changed in it)
  modstore diff --log                (what the commits say that the last update brought)")]
pub(crate) struct DiffArgs {
    /// The generations, or only one, to compare with the current one, and the names of modules [default: the previous
    /// generation, all modules]
    #[arg(value_name = "GENERATION|NAME")]
    what: Vec<String>,
    /// Print how many lines differ in each file
    #[arg(long)]
    stat: bool,
    /// Print the lines that differ
    #[arg(long, short)]
    patch: bool,
    /// List the commits that came, at most 20 of each module; repositories are asked for those that the store has not
    #[arg(long, conflicts_with_all = ["stat", "patch"])]
    log: bool,
}

/// The answer of `diff`.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct DiffAnswer {
    generation: Option<u64>,
    /// The first generation.
    from: u64,
    /// The second generation.
    to: u64,
    /// The modules that differ.
    modules: Vec<ModuleDifference>,
    /// The modules that were asked about; empty for all.
    #[serde(skip)]
    asked: Vec<ModuleName>,
}

/// A module that differs, down to its files.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub(crate) struct ModuleDifference {
    #[serde(flatten)]
    change: Change,
    /// The files that differ; null if a side is linked, or the list of its files is gone.
    files: Option<FileChanges>,
    /// How many lines differ in each file, with `--stat`; null if a side is linked.
    lines: Option<Vec<FileLines>>,
    /// The lines that differ, with `--patch`; null if a side is linked.
    patch: Option<String>,
    /// The commits from one side to the other, with `--log`; null if the sides are not two commits of one repository.
    log: Option<Log>,
}

impl Runnable for DiffArgs {
    type Answer = DiffAnswer;
    const EFFECT: Effect = Effect::Reads;

    fn run(&self, context: &Context) -> Result<DiffAnswer, Failure> {
        // Only a log may need what a tier takes the place of.
        let store =
            if self.log { context.store_with(|_| ())? } else { context.store_without_tiers()? };
        let current = store.current();
        let (generations, names) = self.parsed()?;
        let (from, to) = ends(&store, current, &generations)?;
        let differences = store.difference(from, to)?;
        names::known(
            &store,
            &names
                .iter()
                .filter(|name| !differences.iter().any(|difference| difference.module == **name))
                .cloned()
                .collect::<Vec<_>>(),
        )?;
        let wanted = differences
            .into_iter()
            .filter(|difference| names.is_empty() || names.contains(&difference.module));
        let wanted: Vec<Difference> = wanted.collect();
        let logs = self.logs(context, &store, &wanted)?;
        let modules = wanted.into_iter().zip(logs);
        let modules = modules.map(|(difference, log)| self.one(context, &store, difference, log));
        Ok(DiffAnswer {
            generation: current.map(|current| current.number()),
            from: from.number(),
            to: to.number(),
            modules: modules.collect::<Result<_, _>>()?,
            asked: names.clone(),
        })
    }
}

impl DiffArgs {
    /// What was typed: numbers are generations, all else are modules.
    fn parsed(&self) -> Result<(Vec<Generation>, Vec<ModuleName>), Failure> {
        let is_number = |word: &&String| word.bytes().all(|byte| byte.is_ascii_digit());
        let (numbers, names): (Vec<&String>, Vec<&String>) = self.what.iter().partition(is_number);
        let wrong = |error: &dyn Error| Failure::of(Exit::Usage, error);
        let numbers = numbers.into_iter().map(|text| text.parse().map_err(|error| wrong(&error)));
        let names = names.into_iter().map(|text| text.parse().map_err(|error| wrong(&error)));
        Ok((numbers.collect::<Result<_, _>>()?, names.collect::<Result<_, _>>()?))
    }

    /// The log of each difference, if that was asked for.
    fn logs(
        &self,
        context: &Context,
        store: &Store,
        differences: &[Difference],
    ) -> Result<Vec<Option<Log>>, Failure> {
        let range = |Difference { module, from, to, .. }: &Difference| {
            CommitRange::between(module, from.as_ref()?, to.as_ref()?).filter(|_| self.log)
        };
        let ranges: Vec<Option<CommitRange>> = differences.iter().map(range).collect();
        logs(context, store, &ranges)
    }

    fn one(
        &self,
        context: &Context,
        store: &Store,
        difference: Difference,
        log: Option<Log>,
    ) -> Result<ModuleDifference, Failure> {
        let cancel = context.cancel();
        let lines = self.stat.then(|| store.lines(&difference, cancel)).transpose()?.flatten();
        let patch = self.patch.then(|| store.patch(&difference, cancel)).transpose()?.flatten();
        let Difference { module, from, to, files } = difference;
        let change = Change::new(module, from.as_ref(), to.as_ref());
        Ok(ModuleDifference { change, files, lines, patch, log })
    }
}

/// The two generations that are compared.
fn ends(
    store: &Store,
    current: Option<Generation>,
    given: &[Generation],
) -> Result<(Generation, Generation), Failure> {
    let none = || {
        Failure::new(Exit::Usage, "there is no generation yet")
            .hint("`modstore update` makes the first")
    };
    match given {
        [from, to] => Ok((*from, *to)),
        [from] => Ok((*from, current.ok_or_else(none)?)),
        [] => {
            let current = current.ok_or_else(none)?;
            let state = store.state()?;
            let earlier = state.generations().iter().map(|info| info.number);
            let before = earlier.filter(|number| *number < current).max().unwrap_or(current);
            Ok((before, current))
        }
        _ => Err(Failure::new(Exit::Usage, "at most two generations can be compared")),
    }
}

impl Answer for DiffAnswer {
    fn write(&self, to: &mut Page<'_>) -> io::Result<()> {
        if self.modules.is_empty() {
            return self.write_same(to);
        }
        self.modules.iter().try_for_each(|module| module.write(to))
    }
}

impl ModuleDifference {
    fn write(&self, to: &mut Page<'_>) -> io::Result<()> {
        writeln!(to, "{}  {}", self.change.module, self.change.step())?;
        if let Some(log) = &self.log {
            return log.lines().iter().try_for_each(|line| writeln!(to, "  {line}"));
        }
        match (&self.patch, &self.lines, &self.files) {
            (Some(patch), ..) => patch.lines().try_for_each(|line| writeln!(to, "{line}")),
            (None, Some(lines), _) => {
                let mut table = Table::default();
                lines.iter().for_each(|file| table.row(row(file)));
                table.write(to, 2)
            }
            (None, None, Some(FileChanges { added, changed, removed })) => {
                let marked = [("+", added), ("~", changed), ("-", removed)];
                marked.into_iter().try_for_each(|(mark, paths)| {
                    paths.iter().try_for_each(|path| writeln!(to, "  {mark} {path}"))
                })
            }
            (None, None, None) => Ok(()),
        }
    }
}

fn row(file: &FileLines) -> [String; 3] {
    match (file.added, file.removed) {
        (Some(added), Some(removed)) => {
            [file.path.clone(), format!("+{added}"), format!("-{removed}")]
        }
        _ => [file.path.clone(), "not text".into(), String::new()],
    }
}

impl DiffAnswer {
    /// Says that nothing differs, of what was asked about.
    fn write_same(&self, to: &mut Page<'_>) -> io::Result<()> {
        let generations = format!("generations {} and {}", self.from, self.to);
        match self.asked.as_slice() {
            [] => writeln!(to, "{generations} have the same modules"),
            [one] => writeln!(to, "{one} is the same in {generations}"),
            more => writeln!(to, "{} are the same in {generations}", texts(more).join(", ")),
        }
    }
}
