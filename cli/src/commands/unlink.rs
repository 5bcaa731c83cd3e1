//! `unlink`: a linked module comes from its declared source again.

use crate::{args::UnlinkArgs, context::Context, json::Link, report::Failure};

/// Unlinks.
pub(crate) fn run(context: &Context, args: &UnlinkArgs) -> Result<Link, Failure> {
    let store = context.store()?;
    super::served::known(&store, std::slice::from_ref(&args.name))?;
    let done = store.unlink(&args.name, &context.progress(), context.cancel());
    super::link::told(context, &store, args.name.as_str(), done)
}
