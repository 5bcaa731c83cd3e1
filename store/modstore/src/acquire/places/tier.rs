//! Shared tiers: packs at a place that needs no trust.

use crate::{
    acquire::{
        SourceError, Sources, TreeFrom, entry::BaseCommit, key::TreeKey, places::FoundTree,
        repository, tiered,
    },
    model::ModuleName,
};

/// The commit, if a tier has it and it proves to be that commit.
pub(super) fn find(
    sources: &Sources<'_>,
    key: &TreeKey,
    base: Option<BaseCommit>,
    module: &ModuleName,
) -> Result<Option<FoundTree>, SourceError> {
    // Archives are asked for where their address is known, which says whether they may be.
    let TreeKey::Commit { origin, revision, .. } = key else { return Ok(None) };
    let base = || repository::base(sources, origin, base);
    let planted = tiered::commit(sources, (origin, *revision), base, None, Some(module))?;
    Ok(planted.map(|planted| FoundTree::Own(Box::new(planted), TreeFrom::Tier)))
}
