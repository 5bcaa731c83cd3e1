//! `unbind`: takes modules out of a Python environment.

use std::{io, path::PathBuf};

use clap::{Args, ValueHint};
use modstore::model::ModuleName;

use super::Run;
use crate::{context::Context, json::Unbind, output::Answer, page::Page, report::Failure};

/// Take modules out of a Python environment
///
/// Uninstalls the stand-ins that `bind` has installed, of the modules that are named or of all, and looks
/// after the environment no more if none is left. The store keeps the modules.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  modstore unbind --python .venv
  modstore unbind --python .venv tool-bash")]
pub(crate) struct UnbindArgs {
    /// The environment: its interpreter, its directory, or a name in PATH
    #[arg(long, value_name = "PY", value_hint = ValueHint::AnyPath)]
    python: PathBuf,
    /// Only these modules; all when none is named
    #[arg(value_name = "NAME")]
    names: Vec<ModuleName>,
}

impl Run for UnbindArgs {
    type Answer = Unbind;

    fn run(&self, context: &Context) -> Result<Unbind, Failure> {
        let store = context.store()?;
        let settled =
            store.unbind(&self.python, &self.names, &context.progress(), context.cancel())?;
        Ok(Unbind {
            generation: store.current().map(|shown| shown.number()),
            environment: settled.prefix.display().to_string(),
            removed: settled.removed.iter().map(ToString::to_string).collect(),
        })
    }
}

impl Answer for Unbind {
    fn write(&self, to: &mut Page<'_>) -> io::Result<()> {
        match self.removed.as_slice() {
            [] => writeln!(to, "{} had nothing of the store", self.environment),
            removed => writeln!(to, "uninstalled in {}: {}", self.environment, removed.join(", ")),
        }
    }
}
