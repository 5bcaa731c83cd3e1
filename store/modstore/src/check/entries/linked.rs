//! The tree of a module that keeps something, made again from the one that came: its journal entry says which and how.

use std::path::{Path, PathBuf};

use crate::{
    disk::{Disk, DiskError, Layout, Staged, Staging, part_of, read_manifest},
    keep::{AssembleError, LinkedTree},
    model::{Binding, Bound, Digest, Kept, Manifest, ModuleName},
};

/// What one of these bindings says of how the entry `digest` was made by links.
pub(super) fn kept_of(
    digest: Digest,
    bindings: &[(ModuleName, Binding)],
) -> Option<(&ModuleName, &Kept)> {
    bindings.iter().find_map(|(module, binding)| match &binding.bound {
        Bound::Kept(kept) if kept.digest == digest => Some((module, &**kept)),
        _ => None,
    })
}

/// Stages it from the tree that came, which is one of those that are `ready` or lies in the store; nothing, if that is
/// damaged.
pub(super) fn stage<'s>(
    (disk, layout): (&Disk, &Layout),
    staging: &Staging,
    ready: impl Iterator<Item = &'s Staged>,
    (module, kept): (&ModuleName, &Kept),
) -> Result<Option<Staged>, DiskError> {
    let Some((root, source)) = source(layout, ready, kept.source) else { return Ok(None) };
    let Some(part) = part(&root, &source, kept) else { return Ok(None) };
    let tree = LinkedTree::of((&source, &part), module, &kept.paths);
    if tree.manifest.digest() != kept.digest {
        return Ok(None);
    }
    match tree.stage(disk, staging, &root) {
        Ok(staged) => Ok(Some(staged)),
        Err(AssembleError::Source(_)) => Ok(None),
        Err(AssembleError::Disk(error)) => Err(error),
    }
}

fn source<'s>(
    layout: &Layout,
    mut ready: impl Iterator<Item = &'s Staged>,
    digest: Digest,
) -> Option<(PathBuf, Manifest)> {
    match ready.find(|staged| staged.digest() == digest) {
        Some(staged) => Some((staged.tree().to_owned(), staged.manifest()?)),
        None => Some((layout.entry(digest), read_manifest(layout, digest)?)),
    }
}

fn part(root: &Path, source: &Manifest, kept: &Kept) -> Option<String> {
    match &kept.subdirectory {
        Some(part) => Some(part_of(root, source, part).ok()?.path().to_owned()),
        None => Some(String::new()),
    }
}
