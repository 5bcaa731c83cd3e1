//! The commits that came between two versions of a repository: from its mirror, or asked of its server.
//!
//! Limits: no tier has them.

use modstore_fetch::{CommitLog, Wanted, fetch_log, log_in_mirror};
use modstore_tier::Key;

use super::{SourceError, Sources, Upstream, repository};
use crate::model::{Fetched, ModuleName, RemoteUrl, Revision};

/// What `new` has come from since `since`, at most `depth` commits deep. `module` wants to know.
pub(crate) fn log(
    sources: &Sources<'_>,
    url: &RemoteUrl,
    (new, since): (&Fetched, Revision),
    depth: usize,
    module: &ModuleName,
) -> Result<CommitLog, SourceError> {
    let Fetched { origin, revision, .. } = new;
    let (commit, since) = ((*revision).into(), Some(since.into()));
    let mirror = repository::mirror(sources.context.layout, origin);
    if let Some(log) = log_in_mirror(&mirror, commit, since, depth) {
        return Ok(log);
    }
    sources.may_ask(origin, || {
        (Key::commit(&revision.to_string()), format!("the log of {origin} up to {revision}"))
    })?;
    let mut upstream = Upstream::of_repository(url);
    let wanted = [Wanted::Commit(commit)];
    let session = repository::connected(sources, &mut upstream, &wanted, &[module])?;
    let on_step = repository::reporting(sources.context.events, Some(module));
    Ok(fetch_log(session, commit, since, depth, &on_step)?)
}
