//! `remove`: removes modules from modules.toml, and switches to a generation without them.

use std::io;

use clap::Args;
use modstore::ModuleName;
use schemars::JsonSchema;
use serde::Serialize;

use super::{Runnable, names};
use crate::{context::Context, json::texts, output::Answer, page::Page, report::Failure};

/// Remove modules and switch to a generation without them
///
/// Earlier generations still have them: a rollback brings them back.
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

/// The answer of `remove`.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct RemoveAnswer {
    generation: Option<u64>,
    /// The modules that were removed.
    removed: Vec<String>,
}

impl Runnable for RemoveArgs {
    type Answer = RemoveAnswer;

    fn run(&self, context: &Context) -> Result<RemoveAnswer, Failure> {
        let store = context.store()?;
        names::known(&store, &self.names)?;
        let mut names = self.names.clone();
        names.sort();
        names.dedup();
        let generation = store.remove(&names, &context.progress(), context.cancel())?;
        let generation = generation.map(|generation| generation.number());
        Ok(RemoveAnswer { generation, removed: texts(&names) })
    }
}

impl Answer for RemoveAnswer {
    fn write(&self, to: &mut Page<'_>) -> io::Result<()> {
        writeln!(to, "removed {}", self.removed.join(", "))?;
        match self.generation {
            Some(generation) => writeln!(to, "generation {generation} is current"),
            None => Ok(()),
        }
    }
}
