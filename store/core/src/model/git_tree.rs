//! What git called the files of an entry, so that the entry can serve as the base of the next fetch.
//!
//! Kept beside the manifest, in `manifests/<digest>.git`, and never part of the digest: the same tree
//! may come from an archive and have none. The bytes end in their own BLAKE3, so damage shows; a
//! missing or damaged file only costs a full fetch.

use gix::{
    ObjectId,
    bstr::{BString, ByteSlice as _},
};

use super::Manifest;

const MAGIC: &[u8; 8] = b"modsgit1";

/// The git ids of a tree and of the files in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GitTree {
    /// The id of the root tree.
    pub root: ObjectId,
    /// The blob ids, one for each of the manifest's files and in its order.
    pub blobs: Vec<ObjectId>,
    /// Paths whose mode in git is neither 100644 nor 100755 nor 120000, and that mode.
    pub odd_modes: Vec<(BString, u32)>,
    /// Submodules: where they lie, and the commit recorded there.
    pub gitlinks: Vec<(BString, ObjectId)>,
}

impl GitTree {
    /// The bytes kept on disk.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(64 + self.blobs.len() * 20);
        bytes.extend_from_slice(MAGIC);
        bytes.extend_from_slice(self.root.as_slice());
        push_length(&mut bytes, self.blobs.len());
        for blob in &self.blobs {
            bytes.extend_from_slice(blob.as_slice());
        }
        push_length(&mut bytes, self.odd_modes.len());
        for (path, mode) in &self.odd_modes {
            bytes.extend_from_slice(&mode.to_le_bytes());
            push_path(&mut bytes, path);
        }
        push_length(&mut bytes, self.gitlinks.len());
        for (path, commit) in &self.gitlinks {
            bytes.extend_from_slice(commit.as_slice());
            push_path(&mut bytes, path);
        }
        bytes.extend_from_slice(blake3::hash(&bytes).as_bytes());
        bytes
    }

    /// Reads the bytes back; `None` when they are damaged or do not fit `manifest`.
    #[must_use]
    pub fn from_bytes(bytes: &[u8], manifest: &Manifest) -> Option<Self> {
        let (body, check) = bytes.split_last_chunk::<32>()?;
        if blake3::hash(body) != blake3::Hash::from_bytes(*check) {
            return None;
        }
        let mut rest = body.strip_prefix(MAGIC)?;
        let root = take_id(&mut rest)?;
        let count = take_u32(&mut rest)? as usize;
        if count != manifest.files().len() {
            return None;
        }
        let blobs = (0..count).map(|_| take_id(&mut rest)).collect::<Option<_>>()?;
        let odd_modes = (0..take_u32(&mut rest)?)
            .map(|_| take_u32(&mut rest).and_then(|mode| Some((take_path(&mut rest)?, mode))))
            .collect::<Option<_>>()?;
        let gitlinks = (0..take_u32(&mut rest)?)
            .map(|_| take_id(&mut rest).and_then(|commit| Some((take_path(&mut rest)?, commit))))
            .collect::<Option<_>>()?;
        rest.is_empty().then_some(Self { root, blobs, odd_modes, gitlinks })
    }
}

fn push_length(bytes: &mut Vec<u8>, length: usize) {
    let length = u32::try_from(length).expect("a tree has fewer than 2^32 files");
    bytes.extend_from_slice(&length.to_le_bytes());
}

fn push_path(bytes: &mut Vec<u8>, path: &BString) {
    push_length(bytes, path.len());
    bytes.extend_from_slice(path);
}

fn take_u32(rest: &mut &[u8]) -> Option<u32> {
    let (chunk, after) = rest.split_first_chunk::<4>()?;
    *rest = after;
    Some(u32::from_le_bytes(*chunk))
}

fn take_id(rest: &mut &[u8]) -> Option<ObjectId> {
    let (chunk, after) = rest.split_first_chunk::<20>()?;
    *rest = after;
    Some(ObjectId::from_bytes_or_panic(chunk))
}

fn take_path(rest: &mut &[u8]) -> Option<BString> {
    let length = take_u32(rest)? as usize;
    let (path, after) = rest.split_at_checked(length)?;
    *rest = after;
    Some(path.as_bstr().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{ContentHash, FileKind, TreeFile};

    fn sample() -> (Manifest, GitTree) {
        let file = |path: &str| TreeFile {
            path: path.into(),
            kind: FileKind::File,
            size: 1,
            content: ContentHash::of(b"x"),
        };
        let id = |byte| ObjectId::from_bytes_or_panic(&[byte; 20]);
        let git = GitTree {
            root: id(1),
            blobs: vec![id(2), id(3)],
            odd_modes: vec![("b".into(), 0o100_664)],
            gitlinks: vec![("c".into(), id(4))],
        };
        (Manifest::new(vec![file("a"), file("b")]).unwrap(), git)
    }

    #[test]
    fn the_git_ids_read_back_from_their_bytes() {
        let (manifest, git) = sample();
        assert_eq!(GitTree::from_bytes(&git.to_bytes(), &manifest), Some(git));
    }

    #[test]
    fn any_flipped_bit_or_truncation_is_noticed() {
        let (manifest, git) = sample();
        let bytes = git.to_bytes();
        for at in 0..bytes.len() {
            assert_eq!(GitTree::from_bytes(&bytes[..at], &manifest), None, "cut at {at}");
            let mut flipped = bytes.clone();
            flipped[at] ^= 1;
            assert_eq!(GitTree::from_bytes(&flipped, &manifest), None, "flipped at {at}");
        }
    }

    #[test]
    fn the_ids_of_another_tree_are_not_taken() {
        let (_, git) = sample();
        assert_eq!(GitTree::from_bytes(&git.to_bytes(), &Manifest::default()), None);
    }
}
