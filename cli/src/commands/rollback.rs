//! `rollback`: shows what an earlier generation showed, as a new one.

use std::io;

use modstore::model::Generation;

use super::{Run, diff, served::changes};
use crate::{context::Context, json::Rollback, output::Answer, page::Page, report::Failure};
use clap::Args;

/// Show what an earlier generation showed
///
/// Every module becomes what it was then, in one switch. That is a new generation, so a rollback can be
/// rolled back. modules.toml stays as it is: the next update moves forward again.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  modstore rollback                  (to the generation before)
  modstore rollback --to 12")]
pub(crate) struct RollbackArgs {
    /// The generation to go back to; when left out, the one before
    #[arg(long, value_name = "G")]
    to: Option<Generation>,
}

impl Run for RollbackArgs {
    type Answer = Rollback;

    fn run(&self, context: &Context) -> Result<Rollback, Failure> {
        let store = context.store()?;
        let from = store.current();
        let generation = store.rollback(self.to, &context.progress(), context.cancel())?;
        let changes = match from {
            Some(from) => store.difference(from, generation)?,
            None => Vec::new(),
        };
        let state = store.state()?;
        let restores = state
            .generations()
            .iter()
            .find(|info| info.number == generation)
            .and_then(|info| info.restores);
        Ok(Rollback {
            generation: Some(generation.number()),
            from: from.map(|from| from.number()),
            restores: restores.map(|restores| restores.number()),
            changes: changes
                .into_iter()
                .map(|difference| diff::differing(difference).change)
                .collect(),
        })
    }
}

impl Answer for Rollback {
    fn write(&self, to: &mut Page<'_>) -> io::Result<()> {
        let generation = self.generation.unwrap_or_default();
        if self.generation == self.from {
            return writeln!(to, "generation {generation} shows the same already");
        }
        if !self.changes.is_empty() {
            for each in &self.changes {
                writeln!(to, "{}", changes(std::slice::from_ref(each)))?;
            }
        }
        match self.restores {
            Some(restores) => {
                writeln!(to, "generation {generation} is shown, as generation {restores} was")
            }
            None => writeln!(to, "generation {generation} is shown"),
        }
    }
}
