//! `export`: modules with all that another store needs of them, as a directory or one tar.

use std::{io, path::PathBuf};

use clap::{Args, ValueHint};
use modstore::ModuleName;
use schemars::JsonSchema;
use serde::Serialize;

use super::Runnable;
use crate::{
    context::Context, exit::Exit, json::texts, output::Answer, page::Page, report::Failure,
    text::count,
};

/// Write modules to a directory or a tar, for stores that reach no git server
///
/// The directory is a shared tier with a modules.lock: each commit as one pack, which proves itself. A name that ends in
/// .tar makes one file of it. The same modules give the same bytes. `modstore import` takes either; with the
/// declarations and the lock there, so does `modstore update --locked --tier DIR --tier only`.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  modstore export /media/stick/modules
  modstore export modules.tar weather tool-bash")]
pub(crate) struct ExportArgs {
    /// A directory, or a file whose name ends in .tar
    #[arg(value_name = "DIR|FILE.tar", value_hint = ValueHint::AnyPath)]
    to: PathBuf,
    /// Only these modules [default: all]
    #[arg(value_name = "NAME")]
    names: Vec<ModuleName>,
}

/// The answer of `export`.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct ExportAnswer {
    generation: Option<u64>,
    /// Where they were written to.
    to: String,
    /// The modules.
    modules: Vec<String>,
    /// How many objects were written; the others were there already.
    written: u64,
}

impl Runnable for ExportArgs {
    type Answer = ExportAnswer;

    fn run(&self, context: &Context) -> Result<ExportAnswer, Failure> {
        let to = std::path::absolute(&self.to)
            .map_err(|error| Failure::of(Exit::Usage, &error).hint("give an absolute path"))?;
        let store = context.store()?;
        let exported = store.export(&self.names, &to, &context.progress(), context.cancel())?;
        Ok(ExportAnswer {
            generation: context.generation(),
            to: to.display().to_string(),
            modules: texts(&exported.modules),
            written: exported.written,
        })
    }
}

impl Answer for ExportAnswer {
    fn write(&self, to: &mut Page<'_>) -> io::Result<()> {
        writeln!(to, "{} exported to {}", count(self.modules.len(), "module"), self.to)
    }
}
