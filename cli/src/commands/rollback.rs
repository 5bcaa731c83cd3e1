//! `rollback`: switches to the modules of an earlier generation, as a new one.

use std::io;

use clap::Args;
use modstore::Generation;
use schemars::JsonSchema;
use serde::Serialize;

use super::Runnable;
use crate::{context::Context, json::Change, output::Answer, page::Page, report::Failure};

/// Switch back to the modules of an earlier generation
///
/// Every module becomes what it was then, in one switch. The result is a new generation, so a rollback can be
/// rolled back. modules.toml stays as it is: the next update moves forward again.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  modstore rollback                  (to the previous generation)
  modstore rollback 12               (to generation 12; so does --to 12)")]
pub(crate) struct RollbackArgs {
    /// The generation to return to [default: the previous one]
    #[arg(value_name = "G")]
    generation: Option<Generation>,
    /// The same, as an option
    #[arg(long, value_name = "G", conflicts_with = "generation")]
    to: Option<Generation>,
}

/// The answer of `rollback`.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct RollbackAnswer {
    generation: Option<u64>,
    /// The generation that was current before.
    from: Option<u64>,
    /// The generation whose modules are current again.
    restores: Option<u64>,
    /// What changed.
    changes: Vec<Change>,
}

impl Runnable for RollbackArgs {
    type Answer = RollbackAnswer;

    fn run(&self, context: &Context) -> Result<RollbackAnswer, Failure> {
        let store = context.store()?;
        let from = store.current();
        let generation =
            store.rollback(self.generation.or(self.to), &context.progress(), context.cancel())?;
        let differences = match from {
            Some(from) => store.difference(from, generation)?,
            None => Vec::new(),
        };
        let changes = differences
            .iter()
            .map(|it| Change::new(it.module.as_str(), it.from.as_ref(), it.to.as_ref()));
        let state = store.state()?;
        let info = state.generations().iter().find(|info| info.number == generation);
        let restores = info.and_then(|info| info.restores);
        Ok(RollbackAnswer {
            generation: Some(generation.number()),
            from: from.map(|from| from.number()),
            restores: restores.map(|restores| restores.number()),
            changes: changes.collect(),
        })
    }
}

impl Answer for RollbackAnswer {
    fn write(&self, to: &mut Page<'_>) -> io::Result<()> {
        let generation = self.generation.unwrap_or_default();
        if self.generation == self.from {
            return writeln!(to, "generation {generation} has the same modules already");
        }
        self.changes.iter().try_for_each(|change| writeln!(to, "{}", change.brief()))?;
        match self.restores {
            Some(restores) => {
                writeln!(to, "generation {generation} is current, with the modules of {restores}")
            }
            None => writeln!(to, "generation {generation} is current"),
        }
    }
}
