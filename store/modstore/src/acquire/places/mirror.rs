//! The bare mirror of a repository, which the store keeps for servers that do not give one commit alone.

use crate::{
    acquire::{
        AcquiredTree, FetchNews, SourceError, Sources, TreeFrom, commit_from_mirror, key::TreeKey,
        repository,
    },
    model::ModuleName,
};

/// The commit, if the mirror has all of it.
pub(super) fn find(
    sources: &Sources<'_>,
    key: &TreeKey,
    module: &ModuleName,
) -> Result<Option<AcquiredTree>, SourceError> {
    let TreeKey::Commit { origin, revision } = key else { return Ok(None) };
    // Only a mirror that is there is worth a staging and a lock.
    if !repository::mirror(sources.context.layout, origin).is_dir() {
        return Ok(None);
    }
    let (context, commit) = (sources.context, (*revision).into());
    let news = |news: FetchNews<'_>| repository::tell(context.events, module, news);
    let into = repository::destination(sources, origin)?;
    let found = commit_from_mirror(commit, into, &news, context.cancel)?;
    Ok(found.map(|fetched| repository::tree(fetched, TreeFrom::Mirror)))
}
