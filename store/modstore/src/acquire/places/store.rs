//! The store itself: any entry that some generation made of this commit, or of this archive.

use modstore_fetch::PointersLeft;

use crate::{
    acquire::{
        AcquiredTree, FetchStats, SourceError, Sources, TreeFrom,
        entry::{BaseCommit, git_list},
        key::TreeKey,
        known::KnownTrees,
        places::FoundTree,
    },
    disk::{Layout, is_directory, is_usable, read_manifest},
    model::{Digest, ModuleName},
};

/// The newest entry that is this tree.
pub(super) fn find(
    sources: &Sources<'_>,
    key: &TreeKey,
    _: Option<BaseCommit>,
    _: &ModuleName,
) -> Result<Option<FoundTree>, SourceError> {
    let (layout, known) = (sources.context.layout, sources.known());
    let there = known.find(key).iter().filter(|digest| is_there(layout, known, **digest));
    let found = there.copied().find_map(|digest| open(layout, key, digest));
    Ok(found.map(|tree| FoundTree::Whole(Box::new(tree))))
}

/// What is current has been in use until now. Any other entry is looked at file by file before it is used again, and read
/// unless it is large.
fn is_there(layout: &Layout, known: &KnownTrees, digest: Digest) -> bool {
    if known.is_current(digest) {
        is_directory(&layout.entry(digest))
    } else {
        is_usable(layout, digest)
    }
}

fn open(layout: &Layout, key: &TreeKey, digest: Digest) -> Option<AcquiredTree> {
    let manifest = read_manifest(layout, digest)?;
    let mut warnings = Vec::new();
    if let TreeKey::Commit { contents, .. } = key {
        let git = git_list(layout, digest, &manifest).filter(|git| git.is_of(contents))?;
        let left = PointersLeft::of(&manifest, &git);
        warnings.extend(left.any().then(|| left.to_string()));
    }
    Some(AcquiredTree {
        digest,
        manifest,
        staged: None,
        warnings,
        stats: FetchStats::default(),
        pack: None,
        from: TreeFrom::Store,
    })
}
