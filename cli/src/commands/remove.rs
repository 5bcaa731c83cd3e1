//! `remove`: declares modules no more, and shows a generation without them.

use std::io;

use modstore::model::ModuleName;

use super::Run;
use crate::{context::Context, json::Remove, output::Answer, page::Page, report::Failure};
use clap::Args;

/// Declare modules no more and show a generation without them
///
/// Generations before still have them, so that a rollback brings them back.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  modstore remove weather
  modstore remove tool-bash tool-web")]
pub(crate) struct RemoveArgs {
    /// The modules
    #[arg(required = true, value_name = "NAME")]
    names: Vec<ModuleName>,
}

impl Run for RemoveArgs {
    type Answer = Remove;

    fn run(&self, context: &Context) -> Result<Remove, Failure> {
        let store = context.store()?;
        super::served::known(&store, &self.names)?;
        let mut names = self.names.clone();
        names.sort();
        names.dedup();
        let generation = store.remove(&names, &context.progress(), context.cancel())?;
        let removed = names.iter().map(ToString::to_string).collect();
        Ok(Remove { generation: generation.map(|generation| generation.number()), removed })
    }
}

impl Answer for Remove {
    fn write(&self, to: &mut Page<'_>) -> io::Result<()> {
        writeln!(to, "removed {}", self.removed.join(", "))?;
        match self.generation {
            Some(generation) => writeln!(to, "generation {generation} is shown"),
            None => Ok(()),
        }
    }
}
