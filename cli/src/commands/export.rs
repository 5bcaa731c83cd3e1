//! `export`: modules with all that another store needs of them, as a directory or one tar.

use std::{io, path::PathBuf};

use clap::{Args, ValueHint};
use modstore::{ModuleName, internals::ops::ExportError};
use schemars::JsonSchema;
use serde::Serialize;

use super::{Runnable, push::ModuleNotPublished};
use crate::{
    context::Context, exit::Exit, json::texts, output::Answer, page::Page, report::Failure,
    text::count,
};

/// What to do where a module is never exported.
const NAME_OTHERS: &str = "name the modules to export: those from git or an archive";

/// Write modules to a directory or a tar, for stores that reach no git server
///
/// The directory is a shared tier with a modules.lock: each commit as one pack, which proves itself, those of submodules
/// too; archives and what Git LFS keeps as they are. A name that ends in .tar makes one file of it. Linked modules cannot be
/// exported: all that cannot are named, and then there is no closure. The same modules give the same bytes. `modstore import` takes either; with the
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
    /// The modules; none, where one of them cannot be exported.
    modules: Vec<String>,
    /// The modules that cannot be exported, and why.
    not_exported: Vec<ModuleNotPublished>,
    /// How many objects were written; the others were there already.
    written: u64,
}

impl Runnable for ExportArgs {
    type Answer = ExportAnswer;

    fn run(&self, context: &Context) -> Result<ExportAnswer, Failure> {
        let to = std::path::absolute(&self.to)
            .map_err(|error| Failure::of(Exit::Usage, &error).hint("give an absolute path"))?;
        let store = context.store()?;
        let exported = store.export(&self.names, &to, &context.progress(), context.cancel());
        let (exported, not_exported) = match exported {
            Err(ExportError::Modules(not)) => (
                None,
                not.iter().map(|(module, why)| ModuleNotPublished::new(module, why)).collect(),
            ),
            exported => (Some(exported?), Vec::new()),
        };
        Ok(ExportAnswer {
            generation: context.generation(),
            to: to.display().to_string(),
            modules: exported.as_ref().map(|it| texts(&it.modules)).unwrap_or_default(),
            not_exported,
            written: exported.map_or(0, |it| it.written),
        })
    }
}

impl ExportAnswer {
    /// Whether the modules that were named are what was wrong.
    fn exit(&self) -> Exit {
        match self.not_exported.iter().any(|not| not.failed) {
            true => Exit::Failed,
            false => Exit::Usage,
        }
    }
}

impl Answer for ExportAnswer {
    fn write(&self, to: &mut Page<'_>) -> io::Result<()> {
        match self.not_exported.is_empty() {
            true => writeln!(to, "{} exported to {}", count(self.modules.len(), "module"), self.to),
            false => Ok(()),
        }
    }

    fn troubles(&self) -> Vec<Failure> {
        let trouble = |not: &ModuleNotPublished| {
            let why = [std::slice::from_ref(&not.message), &not.causes].concat();
            let failure = Failure::new(self.exit(), format!("`{}` cannot be exported", not.module));
            match not.failed {
                true => failure.because(why),
                false => failure.because(why).hint(NAME_OTHERS),
            }
        };
        self.not_exported.iter().map(trouble).collect()
    }

    fn failure(&self) -> Option<Failure> {
        let names: Vec<String> =
            self.not_exported.iter().map(|not| format!("`{}`", not.module)).collect();
        let message = format!("{} cannot be exported", names.join(", "));
        (!names.is_empty()).then(|| Failure::new(self.exit(), message))
    }
}
