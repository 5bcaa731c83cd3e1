//! `unlink`: a linked module comes from its declared source again.

use modstore::model::ModuleName;

use super::Run;
use crate::{context::Context, json::Link, report::Failure};
use clap::Args;

/// Let a linked module come from its declared source again
///
/// What was fetched before is shown again at once where it is still there; otherwise the next update
/// fetches it.
#[derive(Debug, Args)]
#[command(after_help = "\
Example:
  modstore unlink weather")]
pub(crate) struct UnlinkArgs {
    /// The module
    #[arg(value_name = "NAME")]
    name: ModuleName,
}

impl Run for UnlinkArgs {
    type Answer = Link;

    fn run(&self, context: &Context) -> Result<Link, Failure> {
        let store = context.store()?;
        super::served::known(&store, std::slice::from_ref(&self.name))?;
        let done = store.unlink(&self.name, &context.progress(), context.cancel());
        super::link::told(context, &store, self.name.as_str(), done)
    }
}
