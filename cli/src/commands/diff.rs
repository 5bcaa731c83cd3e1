//! `diff`: what differs between two generations, down to the files.

use std::io;

use clap::Args;
use modstore::{Difference, Generation, internals::ops::FileChanges};
use schemars::JsonSchema;
use serde::Serialize;

use super::Runnable;
use crate::{
    context::Context, effect::Effect, exit::Exit, json::Change, output::Answer, page::Page,
    report::Failure,
};

/// Compare two generations
///
/// Prints the modules that differ, and the files in them. `modstore history` lists the generations.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  modstore diff 16                   (from generation 16 to the current one)
  modstore diff 12 16")]
pub(crate) struct DiffArgs {
    /// The first generation
    #[arg(value_name = "G1")]
    from: Generation,
    /// The second generation [default: the current one]
    #[arg(value_name = "G2")]
    to: Option<Generation>,
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
}

/// A module that differs, down to its files.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub(crate) struct ModuleDifference {
    #[serde(flatten)]
    change: Change,
    /// The files that differ; null if a side is linked, or the list of its files is gone.
    files: Option<FileChanges>,
}

impl Runnable for DiffArgs {
    type Answer = DiffAnswer;
    const EFFECT: Effect = Effect::Reads;

    fn run(&self, context: &Context) -> Result<DiffAnswer, Failure> {
        let store = context.store()?;
        let current = store.current();
        let none = || {
            Failure::new(Exit::Usage, "there is no generation yet")
                .hint("`modstore update` makes the first")
        };
        let to = self.to.or(current).ok_or_else(none)?;
        let differences = store.difference(self.from, to)?;
        Ok(DiffAnswer {
            generation: current.map(|current| current.number()),
            from: self.from.number(),
            to: to.number(),
            modules: differences.into_iter().map(ModuleDifference::from).collect(),
        })
    }
}

impl From<Difference> for ModuleDifference {
    fn from(difference: Difference) -> Self {
        let Difference { module, from, to, files } = difference;
        Self { change: Change::new(module, from.as_ref(), to.as_ref()), files }
    }
}

impl Answer for DiffAnswer {
    fn write(&self, to: &mut Page<'_>) -> io::Result<()> {
        if self.modules.is_empty() {
            return writeln!(to, "generations {} and {} have the same modules", self.from, self.to);
        }
        for ModuleDifference { change, files } in &self.modules {
            writeln!(to, "{}  {}", change.module, change.step())?;
            let Some(FileChanges { added, changed, removed }) = files else { continue };
            for (mark, paths) in [("+", added), ("~", changed), ("-", removed)] {
                paths.iter().try_for_each(|path| writeln!(to, "  {mark} {path}"))?;
            }
        }
        Ok(())
    }
}
