//! [`survey`]: which files of a tree that was just written are files of Git LFS.
//!
//! Limits: reads the files that were seen to be likely pointers while they were written, and no others.

use std::path::Path;

use gix::bstr::{BString, ByteSlice as _};
use modstore_core::{
    Cancel,
    disk::{DiskError, Verb},
    model::{FileKind, TreeFile},
};

use super::{attributes::LfsPaths, pointer::Pointer};
use crate::{
    errors::{AcquireError, LfsError},
    limits::{LfsLimit, LfsLimits},
    pack::{FetchMemory, contents, os_path},
    tree::WrittenTree,
};

/// What a likely pointer costs in tables, in bytes, with its path and its text.
const COST: u64 = 1024;

/// What one byte of attributes costs while they are in use.
const COST_OF_ATTRIBUTES: u64 = 40;

/// A file whose content is kept by Git LFS.
#[derive(Debug, Clone)]
pub(super) struct LargeFile {
    /// Which of the manifest's files it is.
    pub(super) number: usize,
    pub(super) pointer: Pointer,
    /// The pointer's bytes.
    pub(super) text: BString,
}

/// Finds them in the tree at `root`, by path.
///
/// # Errors
/// The tree cannot be read, or the limits on it are exceeded.
pub(super) fn survey(
    root: &Path,
    tree: &WrittenTree,
    (limits, memory): (&LfsLimits, &FetchMemory),
    cancel: &Cancel,
) -> Result<Vec<LargeFile>, AcquireError> {
    if tree.lfs_pointers.is_empty() {
        return Ok(Vec::new());
    }
    let likely = tree.lfs_pointers.len() as u64;
    memory.reserve(likely * COST).map_err(LfsError::from)?;
    let mut paths = LfsPaths::new(attributes(root, tree, limits, memory)?);
    let mut large = Vec::new();
    for path in &tree.lfs_pointers {
        if cancel.is_cancelled() {
            return Err(AcquireError::Cancelled);
        }
        let Some((number, file)) = tree.manifest.find(path.as_bstr()) else { continue };
        if !paths.contains(path.as_bstr()) {
            continue;
        }
        let text = read(root, file)?;
        if let Some(pointer) = Pointer::parse(&text) {
            large.push(LargeFile { number, pointer, text: text.into() });
            let count = large.len() as u64;
            LfsError::check(LfsLimit::Files, count, limits.files)?;
        }
    }
    Ok(large)
}

/// The paths and bytes of all files with attributes.
fn attributes(
    root: &Path,
    tree: &WrittenTree,
    limits: &LfsLimits,
    memory: &FetchMemory,
) -> Result<Vec<(BString, Vec<u8>)>, AcquireError> {
    let is_one = |file: &&TreeFile| {
        let path = file.path.as_slice();
        file.kind != FileKind::Symlink
            && path.strip_suffix(b".gitattributes").is_some_and(|up| matches!(up, [] | [.., b'/']))
    };
    let files: Vec<&TreeFile> = tree.manifest.files().iter().filter(is_one).collect();
    let size = files.iter().map(|file| file.size).fold(0, u64::saturating_add);
    LfsError::check(LfsLimit::Attributes, size, limits.attributes)?;
    memory.reserve(size * COST_OF_ATTRIBUTES).map_err(LfsError::from)?;
    files.into_iter().map(|file| Ok((file.path.clone(), read(root, file)?))).collect()
}

/// The bytes of a file of the tree.
pub(super) fn read(root: &Path, file: &TreeFile) -> Result<Vec<u8>, AcquireError> {
    let path = root.join(os_path(file.path.as_bstr()));
    contents(&path, file.kind, file.size)
        .map_err(|source| AcquireError::Write(DiskError::new(Verb::Read, &path, source)))
}
