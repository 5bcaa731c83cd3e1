//! What an entry should hold, by its manifest, and what it holds: by kind and size, or every byte read.

use std::{
    ffi::OsStr,
    io::{self, Read as _},
    os::unix::ffi::OsStrExt as _,
    path::{Path, PathBuf},
};

use gix::bstr::{BStr, ByteSlice as _};
use rayon::prelude::*;

use super::{
    bounded::{open_in_tree, open_own_with_length, read_own},
    layout::Layout,
    open_tree::{OpenTree, TreeAt},
    planting::is_unchanged,
    verbs::is_directory,
};
use crate::model::{
    ContentHash, Digest, FileKind, Manifest, Subdirectory, TreeFile, TreePart, TreePartError,
    VerifiedEntries, digest_of,
};

/// The manifest of an entry, if it is there and proves itself.
#[must_use]
pub fn read_manifest(layout: &Layout, digest: Digest) -> Option<Manifest> {
    let bytes = read_own(&layout.manifest(digest)).ok()?;
    let proven = digest_of(&bytes) == digest;
    proven.then(|| Manifest::from_bytes(&bytes).ok())?
}

/// Whether an entry has every file of its manifest, by kind and size. Contents are not read.
#[must_use]
pub fn is_whole(layout: &Layout, digest: Digest) -> bool {
    let Some(manifest) = read_manifest(layout, digest) else { return false };
    let entry = layout.entry(digest);
    let tree = OpenTree::new(&entry);
    (tree.is_open() || is_directory(&entry))
        && manifest.files().iter().all(|file| is_unchanged(file, &tree))
}

/// Up to how many bytes of files a tree is read whole before any of them is used in another. A processor hashes that in a few
/// hundredths of a second; a larger tree is read in slices.
pub const READ_WHOLE: u64 = 32 << 20;

/// Whether an entry has every file of its manifest with its content.
#[must_use]
pub fn is_right(layout: &Layout, digest: Digest) -> bool {
    let Some(manifest) = read_manifest(layout, digest) else { return false };
    let tree = OpenTree::new(&layout.entry(digest));
    is_whole(layout, digest) && manifest.files().par_iter().all(|file| has_content(&tree, file))
}

/// Whether an entry may be used again: it [is right](is_right), or it is whole and too large to be read for that.
#[must_use]
pub fn is_usable(layout: &Layout, digest: Digest) -> bool {
    let size = read_manifest(layout, digest).map_or(0, |manifest| manifest.size());
    if size <= READ_WHOLE { is_right(layout, digest) } else { is_whole(layout, digest) }
}

/// What is known of when entries were read.
#[must_use]
pub fn read_verified(layout: &Layout) -> VerifiedEntries {
    read_own(&layout.verified()).map(|bytes| VerifiedEntries::read(&bytes)).unwrap_or_default()
}

/// The path of a tree's file below `root`.
pub fn place(root: &Path, path: &BStr) -> PathBuf {
    root.join(OsStr::from_bytes(path.as_bytes()))
}

/// What `subdirectory` leads to in the tree at `root`, which has these files: the texts of links are read from there.
///
/// # Errors
/// Names the link that leads nowhere, where there is one on the way.
pub fn part_of(
    root: &Path,
    manifest: &Manifest,
    subdirectory: &Subdirectory,
) -> Result<TreePart, TreePartError> {
    let text_of =
        |path: &str| std::fs::read_link(root.join(path)).ok()?.into_os_string().into_string().ok();
    TreePart::find(manifest, subdirectory, text_of)
}

/// Whether `file` of a tree has the content it should.
pub fn has_content<'t>(tree: impl Into<TreeAt<'t>>, file: &TreeFile) -> bool {
    let tree = tree.into();
    match file.kind {
        FileKind::Symlink => content_of(&tree.path(file.path.as_bstr()), file.kind)
            .is_ok_and(|(content, _)| content == file.content),
        FileKind::File | FileKind::Executable => is_content_of(tree, file).unwrap_or(false),
    }
}

/// Whether a regular file has this content. A small one takes four calls: it is opened, looked at, read and closed.
fn is_content_of(tree: TreeAt<'_>, file: &TreeFile) -> io::Result<bool> {
    let (mut opened, length) = open_in_tree(tree, file.path.as_bstr())?;
    // A giant in its place is not read.
    if length != file.size {
        return Ok(false);
    }
    let (mut hasher, mut chunk, mut left) = (blake3::Hasher::new(), [0; 32 << 10], length);
    while left > 0 {
        let most = usize::try_from(left).map_or(chunk.len(), |left| left.min(chunk.len()));
        match opened.read(chunk.split_at_mut(most).0) {
            Ok(0) => return Ok(false),
            Ok(read) => {
                hasher.update(chunk.get(..read).unwrap_or_default());
                left -= read as u64;
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(ContentHash::from_bytes(hasher.finalize().into()) == file.content)
}

/// The hash and size of a file's content, or of a link's text.
pub fn content_of(path: &Path, kind: FileKind) -> io::Result<(ContentHash, u64)> {
    if kind == FileKind::Symlink {
        let text = std::fs::read_link(path)?;
        let text = text.as_os_str().as_bytes();
        return Ok((ContentHash::of(text), text.len() as u64));
    }
    let (mut file, length) = open_own_with_length(path)?;
    // Most files are small, and to make a larger buffer takes a fifth as long as to read one of them.
    let (mut hasher, mut chunk) = (blake3::Hasher::new(), [0; 32 << 10]);
    loop {
        match file.read(&mut chunk) {
            Ok(0) => break,
            Ok(read) => {
                hasher.update(chunk.get(..read).unwrap_or_default());
                // No call is spent on seeing the end that the length has told.
                if read < chunk.len() && hasher.count() == length {
                    break;
                }
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok((ContentHash::from_bytes(hasher.finalize().into()), hasher.count()))
}
