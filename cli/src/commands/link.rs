//! `link`: a directory of the user's own stands in for a module's source.

use std::{io, path::PathBuf};

use clap::Args;
use modstore::{AddError, Store, UpdateReport, model::ModuleName};

use super::{Run, update};
use crate::{
    context::Context, exit::Exit, json::Link, output::Answer, page::Page, report::Failure,
};

/// Let a directory of yours stand in for a module's source
///
/// The module's target then leads to that directory, live: what you change there is seen at once, and it
/// is never copied, updated or deleted. The source stays declared; `unlink` goes back to it.
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

impl Run for LinkArgs {
    type Answer = Link;

    fn run(&self, context: &Context) -> Result<Link, Failure> {
        let path = std::path::absolute(&self.path)
            .map_err(|error| Failure::of(Exit::Usage, &error).hint("give an absolute path"))?;
        let store = context.store()?;
        let done = store.link(&self.name, &path, &context.progress(), context.cancel());
        told(context, &store, self.name.as_str(), done)
    }
}

/// What linking or unlinking did.
pub(super) fn told(
    context: &Context,
    store: &Store,
    module: &str,
    done: Result<UpdateReport, AddError>,
) -> Result<Link, Failure> {
    let update = match done {
        Ok(report) => update::told(store, &report),
        Err(AddError::NotFetched(report)) => update::told(store, &report),
        Err(error) => return Err(error.into()),
    };
    update::warn(&context.output, &update);
    Ok(Link { generation: update.generation, module: module.to_owned(), update })
}

impl Answer for Link {
    fn write(&self, to: &mut Page<'_>) -> io::Result<()> {
        if !self.update.failed.is_empty() {
            writeln!(to, "nothing was changed")?;
        }
        update::write_update(to, &self.update)
    }

    fn troubles(&self) -> Vec<Failure> {
        update::troubles(&self.update)
    }

    fn failure(&self) -> Option<Failure> {
        update::failure(&self.update)
    }
}
