//! [`fetch`]: the tree that a resolution means, from wherever it is nearest.

mod archive;

use std::time::Instant;

use modstore_fetch::{BaseEntry, PlantedCommit};

use super::{
    Acquired, AcquiredTree, Resolution, SourceError, Sources, TreeFrom, Upstream,
    beyond::complete,
    entry::{BaseCommit, open_base},
    places::{self, FoundTree},
    repository,
    slices::read_slice,
    submodules::Superproject,
};
use crate::{
    commit::now,
    disk::{Staged, read_verified},
    model::{Contents, Fetched, ModuleName, Revision},
};

/// The tree, with what is wanted beyond a commit's own, from the first place that has it, or else from `upstream`. `base`
/// is an entry that is likely to be similar; progress is reported of the `modules`, which all want this tree.
///
/// # Errors
/// What was written stays in the staging, under names of its own, and goes with it.
pub(crate) fn fetch(
    sources: &Sources<'_>,
    upstream: &mut Upstream,
    (resolution, contents): (&Resolution, &Contents),
    base: Option<BaseCommit>,
    modules: &[&ModuleName],
) -> Result<Acquired, SourceError> {
    let found = match (resolution.key(contents), modules.first()) {
        (Some(key), Some(module)) => places::find(sources, &key, base, module)?,
        _ => None,
    };
    let remark =
        resolution.revision().and_then(|revision| upstream.remarks.get(&revision)).cloned();
    let own = match found {
        Some(FoundTree::Whole(mut tree)) => {
            tree.warnings.extend(remark);
            return Ok(Acquired::Tree(tree));
        }
        Some(FoundTree::Own(planted, from)) => Some((*planted, from)),
        None => None,
    };
    let mut tree = match resolution {
        Resolution::Commit(commit) => {
            of_commit(sources, upstream, (commit, contents), (own, base), modules)?
        }
        Resolution::Archive(archive) => archive::fetch(sources, upstream, archive)?,
        Resolution::Directory(path) => return Ok(Acquired::Directory(path.clone())),
    };
    let is_new = matches!(tree.from, TreeFrom::Git | TreeFrom::Tier | TreeFrom::Archive);
    if let Some(key) = resolution.key(contents).filter(|_| is_new) {
        places::remember(sources, &key, &tree);
    }
    tree.warnings.extend(remark);
    Ok(Acquired::Tree(Box::new(tree)))
}

/// A commit's own tree, which a place may have had, with what is wanted beyond it. Where files of a large entry are linked, a
/// slice of them is read; one that is damaged costs a fetch of all.
fn of_commit(
    sources: &Sources<'_>,
    upstream: &mut Upstream,
    (commit, contents): (&Fetched, &Contents),
    (own, base): (Option<(PlantedCommit, TreeFrom)>, Option<BaseCommit>),
    modules: &[&ModuleName],
) -> Result<AcquiredTree, SourceError> {
    let begun = Instant::now();
    let base = repository::base_commit(sources, &commit.origin, base);
    let entry = base.and_then(|base| open_base(sources.context.layout, base));
    let wanted = (commit, contents, modules);
    let tree = against(sources, upstream, wanted, (own, entry.as_ref()))?;
    let Some(staged) = tree.staged.as_ref().filter(|_| tree.stats.unread > 0) else {
        return Ok(tree);
    };
    let noted =
        base.and_then(|(digest, _)| read_verified(sources.context.layout).0.remove(&digest));
    let before = noted.unwrap_or_default();
    match read_slice(staged.tree(), &tree.manifest, before, (begun.elapsed(), now())) {
        Ok(verified) => {
            Ok(AcquiredTree { staged: tree.staged.map(|it| it.read_earlier(verified)), ..tree })
        }
        Err(path) => {
            // What was linked from it for other modules is not to be taken from there either.
            let _ = sources.context.disk.remove_tree(staged.tree());
            let mut whole = against(sources, upstream, wanted, (None, None))?;
            whole.staged = whole.staged.map(Staged::replacing);
            whole.warnings.push(format!(
                "`{path}` of the previous entry is damaged; the whole tree was fetched"
            ));
            Ok(whole)
        }
    }
}

/// The tree of a commit, fetched against this entry unless it is there, with what is wanted beyond it.
fn against(
    sources: &Sources<'_>,
    upstream: &mut Upstream,
    (commit, contents, modules): (&Fetched, &Contents, &[&ModuleName]),
    (own, base): (Option<(PlantedCommit, TreeFrom)>, Option<&BaseEntry>),
) -> Result<AcquiredTree, SourceError> {
    let (planted, from) = match own {
        Some(own) => own,
        None => {
            // Of the very commit the server would leave out all of it, and an entry does not prove which commit it is of.
            let other = base.filter(|base| Revision::from(base.commit()) != commit.revision);
            let planted = repository::fetch(sources, upstream, commit, other, None, modules)?;
            (planted, TreeFrom::Git)
        }
    };
    let url = upstream.urls.first().expect("a commit comes from a repository");
    let of = Superproject { url, commit, base, modules };
    complete(sources, planted, contents, &of, from)
}
