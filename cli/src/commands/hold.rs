//! `hold`: updates leave modules as they are.

use std::io;

use clap::Args;
use modstore::ModuleName;
use schemars::JsonSchema;
use serde::Serialize;

use super::{Runnable, names};
use crate::{
    context::Context,
    json::{Held, held_of, texts},
    output::Answer,
    page::Page,
    report::Failure,
};

/// Leave modules as they are in every update
///
/// A held module keeps its current version: `update`, `scan` and `reset` do not change it, and report it as held,
/// which is no failure. `modstore update NAME` updates it and ends the hold, and so does `modstore unhold NAME`. A
/// rollback holds the modules that it takes back.
///
/// A hold belongs to this store. To fix a version for everyone who uses a modules.toml, use `modstore set NAME --ref`.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  modstore hold weather
  modstore hold weather tool-bash
  modstore unhold weather            (updates change it again)")]
pub(crate) struct HoldArgs {
    /// The modules
    #[arg(required = true, value_name = "NAME")]
    names: Vec<ModuleName>,
}

/// The answer of `hold`.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct HoldAnswer {
    generation: Option<u64>,
    /// The modules that are held now and were not before.
    added: Vec<String>,
    /// Every module that is held now.
    held: Vec<Held>,
}

impl Runnable for HoldArgs {
    type Answer = HoldAnswer;

    fn run(&self, context: &Context) -> Result<HoldAnswer, Failure> {
        let store = context.store()?;
        names::known(&store, &self.names)?;
        let added = store.hold(&self.names, &context.progress(), context.cancel())?;
        let generation = store.current().map(|generation| generation.number());
        Ok(HoldAnswer { generation, added: texts(&added), held: held_of(&store.state()?) })
    }
}

impl Answer for HoldAnswer {
    fn write(&self, to: &mut Page<'_>) -> io::Result<()> {
        for held in &self.held {
            let is_new = self.added.contains(&held.module);
            writeln!(to, "{} {}", if is_new { "held" } else { "held already:" }, held.summary())?;
        }
        Ok(())
    }
}
