//! The store itself: any entry that some generation made of this commit, or of this archive.

use crate::{
    acquire::{
        AcquiredTree, FetchStats, SourceError, Sources, TreeFrom,
        entry::{BaseCommit, git_list},
        key::TreeKey,
        known::KnownTrees,
    },
    disk::{Layout, is_directory, is_whole, read_manifest},
    model::{Digest, ModuleName},
};

/// The newest entry that is this tree.
pub(super) fn find(
    sources: &Sources<'_>,
    key: &TreeKey,
    _: Option<BaseCommit>,
    _: &ModuleName,
) -> Result<Option<AcquiredTree>, SourceError> {
    let (layout, known) = (sources.context.layout, sources.known());
    let there = known.find(key).iter().filter(|digest| is_there(layout, known, **digest));
    Ok(there.copied().find_map(|digest| open(layout, key, digest)))
}

/// What is current has been in use until now. Any other entry is looked at file by file before it is used again.
fn is_there(layout: &Layout, known: &KnownTrees, digest: Digest) -> bool {
    if known.is_current(digest) {
        is_directory(&layout.entry(digest))
    } else {
        is_whole(layout, digest)
    }
}

fn open(layout: &Layout, key: &TreeKey, digest: Digest) -> Option<AcquiredTree> {
    let manifest = read_manifest(layout, digest)?;
    let submodules = match key {
        TreeKey::Commit { .. } => {
            let git = git_list(layout, digest, &manifest)?;
            git.gitlinks.into_iter().map(|(path, _)| path).collect()
        }
        TreeKey::Checksum { .. } => Vec::new(),
    };
    Some(AcquiredTree {
        digest,
        manifest,
        submodules,
        staged: None,
        warnings: Vec::new(),
        stats: FetchStats::default(),
        from: TreeFrom::Store,
    })
}
