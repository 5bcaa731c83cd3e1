//! Clones that an import was given: their commits are read from their own repositories.

use modstore_fetch::commit_from_clone;

use crate::{
    acquire::{
        SourceError, Sources, TreeFrom,
        entry::BaseCommit,
        key::TreeKey,
        places::FoundTree,
        repository::{self, MirrorPaths},
    },
    model::ModuleName,
};

/// The commit, if a clone has all of it.
pub(super) fn find(
    sources: &Sources<'_>,
    key: &TreeKey,
    _: Option<BaseCommit>,
    module: &ModuleName,
) -> Result<Option<FoundTree>, SourceError> {
    let TreeKey::Commit { origin, revision, .. } = key else { return Ok(None) };
    let Some(clone) = sources.clones.get(&(origin.clone(), *revision)) else { return Ok(None) };
    let context = sources.context;
    let on_step = repository::reporting(context.events, Some(module));
    let paths = MirrorPaths::of(context.layout, origin);
    let into = repository::destination(sources, origin, &paths, None)?;
    let planted = commit_from_clone(clone, (*revision).into(), into, &on_step, context.cancel)?;
    Ok(Some(FoundTree::Own(Box::new(planted), TreeFrom::Mirror)))
}
