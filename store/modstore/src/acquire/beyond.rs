//! What is wanted beyond a commit's own tree: its submodules, and the content that Git LFS keeps for files. Added to the
//! tree before it is sealed, so that it is one entry.

use modstore_fetch::PlantedCommit;

use super::{
    AcquiredTree, FetchStats, SourceError, Sources, TreeFrom, lfs,
    submodules::{self, Superproject},
};
use crate::model::Contents;

/// Adds what is wanted to a tree, and seals it.
///
/// # Errors
/// The tree is removed.
pub(super) fn complete(
    sources: &Sources<'_>,
    mut planted: PlantedCommit,
    contents: &Contents,
    of: &Superproject<'_>,
    from: TreeFrom,
) -> Result<AcquiredTree, SourceError> {
    let disk = sources.context.disk;
    let place = (of.url, of.commit.reference.as_ref());
    let large = lfs::fill(sources, &mut planted, place, of.base, (contents, of.modules));
    let added = large.and_then(|()| submodules::add(sources, &mut planted, contents, of));
    added.inspect_err(|_| {
        // Other fetches may need the room before the staging goes.
        let _ = disk.remove_tree(planted.writer.root());
    })?;
    planted.written.git.contents = contents.clone();
    let fetched = planted.seal(disk)?;
    let (written, linked) = fetched.files;
    Ok(AcquiredTree {
        digest: fetched.staged.digest(),
        manifest: fetched.manifest,
        staged: Some(fetched.staged),
        warnings: fetched.warnings,
        stats: FetchStats {
            written,
            linked,
            unread: fetched.unread,
            received: fetched.received,
            built: None,
            from: None,
        },
        pack: fetched.pack.filter(|_| from == TreeFrom::Git),
        from,
    })
}
