//! The bare mirror of a repository, which the store keeps for servers that do not give one commit alone.

use modstore_fetch::commit_from_mirror;

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

/// The commit, if the mirror has all of it.
pub(super) fn find(
    sources: &Sources<'_>,
    key: &TreeKey,
    base: Option<BaseCommit>,
    module: &ModuleName,
) -> Result<Option<FoundTree>, SourceError> {
    let TreeKey::Commit { origin, revision, .. } = key else { return Ok(None) };
    // Only a mirror that is there is worth a staging and a lock.
    if !repository::mirror(sources.context.layout, origin).is_dir() {
        return Ok(None);
    }
    let (context, commit) = (sources.context, (*revision).into());
    let on_step = repository::reporting(context.events, Some(module));
    let paths = MirrorPaths::of(context.layout, origin);
    let base = repository::base(sources, origin, base);
    let into = repository::destination(sources, origin, &paths, None)?;
    let found = commit_from_mirror(commit, base.as_ref(), into, &on_step, context.cancel)?;
    Ok(found.map(|planted| FoundTree::Own(Box::new(planted), TreeFrom::Mirror)))
}
