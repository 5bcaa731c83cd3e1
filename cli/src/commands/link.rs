//! `link`: a directory of the user's own stands in for a module's source.

use std::{io, path::PathBuf};

use clap::Args;
use modstore::{ModuleName, Store, UpdateReport, errors::AddError};
use modstore_core::model::nearest;
use schemars::JsonSchema;
use serde::Serialize;

use super::{Runnable, changes::Update};
use crate::{context::Context, exit::Exit, output::Answer, page::Page, report::Failure};

/// Use a directory of yours in place of a module's source
///
/// The module's target then leads to that directory, live: changes in it take effect at once, and it is never
/// copied, updated or deleted. modules.toml keeps the source; `unlink` returns to it.
///
/// A name that is not declared becomes a new module, whose source is the directory. One that is spelled nearly like
/// a declared one has to be confirmed with --new.
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
    /// Declare a new module, even if its name is spelled nearly like another
    #[arg(long)]
    new: bool,
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
        if !self.new {
            self.is_meant(&store)?;
        }
        let done = store.link(&self.name, &path, &context.progress(), context.cancel());
        LinkAnswer::new(context, &store, &self.name, done)
    }
}

impl LinkArgs {
    /// Refuses a name that may be a slip of the finger.
    fn is_meant(&self, store: &Store) -> Result<(), Failure> {
        let declared = store.declarations()?;
        let known = declared.modules.keys().map(ModuleName::as_str);
        let near = nearest(self.name.as_str(), known).filter(|near| *near != self.name.as_str());
        near.map_or(Ok(()), |near| {
            let message = format!("there is no module `{}`", self.name);
            let hint = format!("did you mean `{near}`? With --new it becomes a new module");
            Err(Failure::new(Exit::Usage, message).hint(hint))
        })
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
