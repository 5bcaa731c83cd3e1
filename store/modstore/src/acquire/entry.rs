//! What the store keeps of an entry beside its files, read for those who fetch.

use modstore_fetch::{BaseEntry, PointersLeft};

use crate::{
    disk::{Layout, read_manifest, read_own},
    model::{Digest, GitTree, KeptCommits, Manifest, Revision},
};

/// The entry of a commit, against which another commit of the same repository may be fetched.
pub(crate) type BaseCommit = (Digest, Revision);

/// What git called the files of an entry, if that is known.
pub(super) fn git_list(layout: &Layout, digest: Digest, manifest: &Manifest) -> Option<GitTree> {
    GitTree::from_bytes(&read_own(&layout.git_tree(digest)).ok()?, manifest)
}

/// The files of an entry that are Git LFS pointers, as far as known.
pub(crate) fn pointers_left(layout: &Layout, digest: Digest) -> PointersLeft {
    let git = read_own(&layout.git_tree(digest)).ok().filter(|bytes| GitTree::has_more(bytes));
    let left = git.and_then(|bytes| {
        let manifest = read_manifest(layout, digest)?;
        Some(PointersLeft::of(&manifest, &GitTree::from_bytes(&bytes, &manifest)?))
    });
    left.unwrap_or_default()
}

/// The entry, if the store has all that a base needs.
pub(crate) fn open_base(layout: &Layout, (digest, commit): BaseCommit) -> Option<BaseEntry> {
    let manifest = read_manifest(layout, digest)?;
    let git = git_list(layout, digest, &manifest)?;
    let commits = kept_commits(layout, digest);
    Some(BaseEntry::new(layout.entry(digest), commit.into(), manifest, git).with_commits(commits))
}

/// The commit objects that were kept of an entry; none, where they are damaged.
pub(crate) fn kept_commits(layout: &Layout, digest: Digest) -> KeptCommits {
    let bytes = read_own(&layout.commits(digest)).ok();
    bytes.and_then(|bytes| KeptCommits::from_bytes(&bytes)).unwrap_or_default()
}
