//! `unlink`: a linked module returns to its declared source.

use clap::Args;
use modstore::ModuleName;

use super::{Runnable, link::LinkAnswer, names};
use crate::{context::Context, report::Failure};

/// Return a linked module to its declared source
///
/// If the store still has what it fetched before, that is current again at once; otherwise the next update
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

impl Runnable for UnlinkArgs {
    type Answer = LinkAnswer;

    fn run(&self, context: &Context) -> Result<LinkAnswer, Failure> {
        let store = context.store()?;
        names::known(&store, std::slice::from_ref(&self.name))?;
        let done = store.unlink(&self.name, &context.progress(), context.cancel());
        LinkAnswer::new(context, &store, &self.name, done)
    }
}
