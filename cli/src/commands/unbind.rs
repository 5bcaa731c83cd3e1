//! `unbind`: takes modules out of a Python environment.

use std::{io, path::PathBuf};

use clap::{Args, ValueHint};
use modstore::ModuleName;
use schemars::JsonSchema;
use serde::Serialize;

use super::Runnable;
use crate::{context::Context, json::texts, output::Answer, page::Page, report::Failure};

/// Uninstall modules from a Python environment
///
/// Uninstalls the stand-ins that `bind` installed. If none is left, the environment does not follow the store
/// any longer. The store keeps the modules.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  modstore unbind --python .venv
  modstore unbind --python .venv tool-bash")]
pub(crate) struct UnbindArgs {
    /// The environment: its interpreter, its directory, or a name in PATH
    #[arg(long, value_name = "PY", value_hint = ValueHint::AnyPath)]
    python: PathBuf,
    /// Only these modules [default: all]
    #[arg(value_name = "NAME")]
    names: Vec<ModuleName>,
}

/// The answer of `unbind`.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct UnbindAnswer {
    generation: Option<u64>,
    /// The environment's directory.
    environment: String,
    /// Modules that were uninstalled.
    removed: Vec<String>,
}

impl Runnable for UnbindArgs {
    type Answer = UnbindAnswer;

    fn run(&self, context: &Context) -> Result<UnbindAnswer, Failure> {
        let store = context.store()?;
        let progress = context.progress();
        let settled = store.unbind(&self.python, &self.names, &progress, context.cancel())?;
        Ok(UnbindAnswer {
            generation: store.current().map(|shown| shown.number()),
            environment: settled.prefix.display().to_string(),
            removed: texts(&settled.removed),
        })
    }
}

impl Answer for UnbindAnswer {
    fn write(&self, to: &mut Page<'_>) -> io::Result<()> {
        match self.removed.as_slice() {
            [] => writeln!(to, "{} had no module of the store", self.environment),
            removed => writeln!(to, "uninstalled in {}: {}", self.environment, removed.join(", ")),
        }
    }
}
