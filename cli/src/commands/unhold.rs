//! `unhold`: updates change modules again that were held.

use std::io;

use clap::Args;
use modstore::ModuleName;
use schemars::JsonSchema;
use serde::Serialize;

use super::{Runnable, names};
use crate::{context::Context, json::texts, output::Answer, page::Page, report::Failure};

/// End the hold of modules, so that updates change them again
///
/// Changes nothing else: the next update brings what modules.toml declares. `modstore status` shows what is held.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  modstore unhold weather
  modstore unhold --all              (every module that is held)")]
pub(crate) struct UnholdArgs {
    /// The modules
    #[arg(required_unless_present = "all", conflicts_with = "all", value_name = "NAME")]
    names: Vec<ModuleName>,
    /// Every module that is held
    #[arg(long)]
    all: bool,
}

/// The answer of `unhold`.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct UnholdAnswer {
    generation: Option<u64>,
    /// The modules that were held until now.
    released: Vec<String>,
    /// The modules that were named.
    #[serde(skip)]
    named: Vec<String>,
}

impl Runnable for UnholdArgs {
    type Answer = UnholdAnswer;

    fn run(&self, context: &Context) -> Result<UnholdAnswer, Failure> {
        let store = context.store()?;
        let state = store.state()?;
        let is_unknown = |name: &&ModuleName| !state.holds().contains_key(*name);
        let unheld: Vec<ModuleName> = self.names.iter().filter(is_unknown).cloned().collect();
        names::known(&store, &unheld)?;
        let released = store.unhold(&self.names, &context.progress(), context.cancel())?;
        let generation = store.current().map(|generation| generation.number());
        Ok(UnholdAnswer { generation, released: texts(&released), named: texts(&self.names) })
    }
}

impl Answer for UnholdAnswer {
    fn write(&self, to: &mut Page<'_>) -> io::Result<()> {
        if self.released.is_empty() {
            return match self.named.as_slice() {
                [] => writeln!(to, "no module was held"),
                [one] => writeln!(to, "{one} was not held"),
                _ => writeln!(to, "none of these modules was held"),
            };
        }
        writeln!(to, "no longer held: {}", self.released.join(", "))?;
        writeln!(to, "`modstore update` brings what modules.toml declares")
    }
}
