//! `link`: a directory of the user's own stands in for a module's source.

use std::{io, path::PathBuf};

use clap::Args;
use modstore::{AddError, ModuleName, Store, UpdateReport};
use schemars::JsonSchema;
use serde::Serialize;

use super::{Runnable, changes::Update};
use crate::{context::Context, exit::Exit, output::Answer, page::Page, report::Failure};

/// Use a directory of yours in place of a module's source
///
/// The module's target then leads to that directory, live: changes in it take effect at once, and it is never
/// copied, updated or deleted. modules.toml keeps the source; `unlink` returns to it.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  modstore link weather ~/src/weather
  modstore link weather .")]
pub(crate) struct LinkArgs {
    /// The module
    #[arg(value_name = "NAME")]
    name: ModuleName,
    /// Your directory
    #[arg(value_name = "PATH")]
    path: PathBuf,
}

/// The answer of `link` and `unlink`.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct LinkAnswer {
    generation: Option<u64>,
    /// The module.
    module: String,
    /// The update that followed.
    update: Update,
}

impl Runnable for LinkArgs {
    type Answer = LinkAnswer;

    fn run(&self, context: &Context) -> Result<LinkAnswer, Failure> {
        let path = std::path::absolute(&self.path)
            .map_err(|error| Failure::of(Exit::Usage, &error).hint("give an absolute path"))?;
        let store = context.store()?;
        let done = store.link(&self.name, &path, &context.progress(), context.cancel());
        LinkAnswer::new(context, &store, &self.name, done)
    }
}

impl LinkAnswer {
    /// What linking or unlinking did.
    pub(super) fn new(
        context: &Context,
        store: &Store,
        module: &ModuleName,
        done: Result<UpdateReport, AddError>,
    ) -> Result<Self, Failure> {
        let update = match done {
            Ok(report) => Update::new(store, &report),
            Err(AddError::NotFetched(report)) => Update::new(store, &report),
            Err(error) => return Err(error.into()),
        };
        update.warn(&context.output);
        Ok(Self { generation: update.generation, module: module.to_string(), update })
    }
}

impl Answer for LinkAnswer {
    fn write(&self, to: &mut Page<'_>) -> io::Result<()> {
        if !self.update.failed.is_empty() {
            writeln!(to, "nothing was changed")?;
        }
        self.update.write(to)
    }

    fn troubles(&self) -> Vec<Failure> {
        self.update.troubles()
    }

    fn failure(&self) -> Option<Failure> {
        self.update.failure()
    }
}
