//! `link`: a directory of the user's own stands in for a module's source.

use std::io;

use modstore::{ChangeError, Exit, Store, UpdateReport};

use super::update;
use crate::{
    args::LinkArgs, context::Context, json::Link, output::Answer, page::Page, report::Failure,
};

/// Links.
pub(crate) fn run(context: &Context, args: &LinkArgs) -> Result<Link, Failure> {
    let path = std::path::absolute(&args.path)
        .map_err(|error| Failure::of(Exit::Usage, &error).hint("give an absolute path"))?;
    let store = context.store()?;
    let done = store.link(&args.name, &path, &context.progress(), context.cancel());
    told(context, &store, args.name.as_str(), done)
}

/// What linking or unlinking did.
pub(super) fn told(
    context: &Context,
    store: &Store,
    module: &str,
    done: Result<UpdateReport, ChangeError>,
) -> Result<Link, Failure> {
    let update = match done {
        Ok(report) => update::told(store, &report),
        Err(ChangeError::NotAdded(report)) => update::told(store, &report),
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
