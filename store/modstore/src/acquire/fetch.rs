//! [`fetch`]: the tree that a resolution means, from wherever it is nearest.

mod archive;

use super::{
    Acquired, AcquiredTree, Resolution, SourceError, Sources, Upstream, entry::BaseCommit, places,
    repository,
};
use crate::model::ModuleName;

/// The tree, from the first place that has it, or else from `upstream`. `base` is an entry that is likely to be
/// similar; progress is reported of the `modules`, which all want this tree.
///
/// # Errors
/// What was written stays in the staging, under names of its own, and goes with it.
pub(crate) fn fetch(
    sources: &Sources<'_>,
    upstream: &mut Upstream,
    resolution: &Resolution,
    base: Option<BaseCommit>,
    modules: &[&ModuleName],
) -> Result<Acquired, SourceError> {
    let found = match (resolution.key(), modules.first()) {
        (Some(key), Some(module)) => places::find(sources, &key, base, module)?,
        _ => None,
    };
    let tree: AcquiredTree = match (found, resolution) {
        (Some(tree), _) => tree,
        (None, Resolution::Commit(commit)) => {
            repository::fetch(sources, upstream, commit, base, modules)?
        }
        (None, Resolution::Archive(archive)) => archive::fetch(sources, upstream, archive)?,
        (None, Resolution::Directory(path)) => return Ok(Acquired::Directory(path.clone())),
    };
    Ok(Acquired::Tree(Box::new(tree)))
}
