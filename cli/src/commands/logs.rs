//! [`logs`]: the commits of several changes, for the commands that have `--log`.

use modstore::{
    Store,
    internals::{ops::Logged, update::CommitRange},
};
use modstore_core::model::causes;

use crate::{context::Context, json::Log, report::Failure};

/// The log of each of these ranges. Where a repository could not be asked, a warning says why.
pub(super) fn logs(
    context: &Context,
    store: &Store,
    ranges: &[Option<CommitRange>],
) -> Result<Vec<Option<Log>>, Failure> {
    let known: Vec<CommitRange> = ranges.iter().flatten().cloned().collect();
    let logged = store.log(&known, &context.progress(), context.cancel())?;
    for (range, logged) in known.iter().zip(&logged) {
        if let Some(error) = &logged.failure {
            let (module, why) = (range.module(), causes(error).join(": "));
            context.output.warn(&format!("{module}: its commits could not be listed: {why}"));
        }
    }
    let mut logs = logged.into_iter().map(|Logged { subjects, .. }| Log::from(subjects));
    Ok(ranges.iter().map(|range| range.as_ref().and_then(|_| logs.next())).collect())
}
