//! What git called the files of an entry, so that the entry can serve as the base of the next fetch.
//!
//! Kept beside the manifest, in `manifests/<digest>.git`, and never part of the digest: the same tree
//! may come from an archive and have none. The bytes end in their own BLAKE3, so damage shows; a
//! missing or damaged file only costs a full fetch.
//!
//! A tree that has nothing beyond the repository's own files has the first form of the bytes, which every version
//! reads; one with fetched submodules or content of Git LFS has the second. Paths are those of the whole tree.

use gix::{
    ObjectId,
    bstr::{BString, ByteSlice as _},
};

use super::{Contents, Manifest, Submodules};

/// The form without anything beyond the repository's own files.
const PLAIN: &[u8; 8] = b"modsgit1";
/// The form with it.
const FULL: &[u8; 8] = b"modsgit2";

/// The git ids of a tree and of the files in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GitTree {
    /// The id of the root tree.
    pub root: ObjectId,
    /// The blob ids, one for each of the manifest's files and in its order.
    pub blobs: Vec<ObjectId>,
    /// Paths whose mode in git is neither 100644 nor 100755 nor 120000, and that mode.
    pub odd_modes: Vec<(BString, u32)>,
    /// Submodules: where they lie, and the commit recorded there; also those in submodules that were fetched.
    pub gitlinks: Vec<(BString, ObjectId)>,
    /// The submodules that were fetched: where they lie, and the id of the root tree of their commit.
    pub submodules: Vec<(BString, ObjectId)>,
    /// Files whose content Git LFS keeps, and the pointer that stands for it in git. Where the pointer itself lies in the
    /// tree, because its content was not wanted, the file's hash is that of the pointer.
    pub pointers: Vec<(BString, BString)>,
    /// What was wanted beyond the tree when it was made.
    pub contents: Contents,
}

impl GitTree {
    /// A tree without anything beyond the repository's own files.
    #[must_use]
    pub fn plain(
        root: ObjectId,
        blobs: Vec<ObjectId>,
        odd_modes: Vec<(BString, u32)>,
        gitlinks: Vec<(BString, ObjectId)>,
    ) -> Self {
        let (submodules, pointers) = (Vec::new(), Vec::new());
        Self { root, blobs, odd_modes, gitlinks, submodules, pointers, contents: NOTHING_BEYOND }
    }

    /// Whether the tree is the one that a module has that wants this.
    #[must_use]
    pub fn is_of(&self, wanted: &Contents) -> bool {
        // Where there is none, those that are named are missing, and that is an error.
        let is_any = self.gitlinks.is_empty() && !matches!(wanted.submodules, Submodules::At(_));
        let same_submodules = is_any || self.contents.submodules == wanted.submodules;
        // Where Git LFS was looked for and nothing found, the tree is the same either way.
        let same_lfs =
            self.contents.lfs == wanted.lfs || (self.contents.lfs && self.pointers.is_empty());
        same_submodules && same_lfs
    }

    /// Whether these bytes have anything beyond the repository's own files. Their beginning shows it.
    #[must_use]
    pub fn has_more(bytes: &[u8]) -> bool {
        bytes.starts_with(FULL)
    }

    /// Whether the first form of the bytes says it all.
    fn is_plain(&self) -> bool {
        self.submodules.is_empty()
            && self.pointers.is_empty()
            && !self.contents.lfs
            && (self.gitlinks.is_empty() || self.contents.submodules == Submodules::None)
    }

    /// The bytes kept on disk.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        let is_plain = self.is_plain();
        let mut bytes = Vec::with_capacity(64 + self.blobs.len() * 20);
        bytes.extend_from_slice(if is_plain { PLAIN } else { FULL });
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
        if !is_plain {
            self.push_beyond(&mut bytes);
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
        let (magic, mut rest) = body.split_first_chunk::<8>()?;
        let is_plain = magic == PLAIN;
        if !is_plain && magic != FULL {
            return None;
        }
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
        let mut tree = Self::plain(root, blobs, odd_modes, gitlinks);
        if !is_plain {
            tree.take_beyond(&mut rest)?;
        }
        (rest.is_empty() && is_plain == tree.is_plain()).then_some(tree)
    }

    /// What the second form has more than the first.
    fn push_beyond(&self, bytes: &mut Vec<u8>) {
        push_length(bytes, self.submodules.len());
        for (path, root) in &self.submodules {
            bytes.extend_from_slice(root.as_slice());
            push_path(bytes, path);
        }
        push_length(bytes, self.pointers.len());
        for (path, pointer) in &self.pointers {
            push_path(bytes, path);
            push_path(bytes, pointer);
        }
        push_path(bytes, &self.contents.submodules.to_string().into());
        bytes.push(self.contents.lfs.into());
    }

    fn take_beyond(&mut self, rest: &mut &[u8]) -> Option<()> {
        self.submodules = (0..take_u32(rest)?)
            .map(|_| take_id(rest).and_then(|root| Some((take_path(rest)?, root))))
            .collect::<Option<_>>()?;
        self.pointers = (0..take_u32(rest)?)
            .map(|_| take_path(rest).and_then(|path| Some((path, take_path(rest)?))))
            .collect::<Option<_>>()?;
        let text = take_path(rest)?;
        let submodules = Submodules::read(text.to_str().ok()?)?;
        if submodules.to_string() != text {
            return None;
        }
        let (lfs, after) = rest.split_first()?;
        *rest = after;
        let lfs = match lfs {
            0 => false,
            1 => true,
            _ => return None,
        };
        self.contents = Contents { submodules, lfs };
        Some(())
    }
}

/// The contents of a tree that has only the repository's own files.
const NOTHING_BEYOND: Contents = Contents { submodules: Submodules::None, lfs: false };

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
        let odd_modes = vec![("b".into(), 0o100_664)];
        let git = GitTree::plain(id(1), vec![id(2), id(3)], odd_modes, vec![("c".into(), id(4))]);
        (Manifest::new(vec![file("a"), file("b")]).unwrap(), git)
    }

    /// The same with all that there can be beyond it.
    fn full() -> (Manifest, GitTree) {
        let (manifest, plain) = sample();
        let git = GitTree {
            submodules: vec![("c".into(), ObjectId::from_bytes_or_panic(&[5; 20]))],
            pointers: vec![("a".into(), "version 1\n".into())],
            contents: Contents { submodules: Submodules::All, lfs: true },
            ..plain
        };
        (manifest, git)
    }

    /// The bytes of the second form without the hash at their end; they may never change.
    const GOLDEN: [&str; 4] = [
        "6d6f647367697432010101010101010101010101010101010101010102000000020202020202020202020202",
        "0202020202020202030303030303030303030303030303030303030301000000b48100000100000062010000",
        "0004040404040404040404040404040404040404040100000063010000000505050505050505050505050505",
        "05050505050501000000630100000001000000610a00000076657273696f6e20310a040000007472756501",
    ];

    #[test]
    fn the_second_form_has_the_bytes_of_its_first_version() {
        let bytes = full().1.to_bytes();
        let hex: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
        let (body, _) = hex.split_at(hex.len() - 64);
        assert_eq!(body, GOLDEN.concat());
    }

    #[test]
    fn the_git_ids_read_back_from_their_bytes() {
        for (manifest, git) in [sample(), full()] {
            assert_eq!(GitTree::from_bytes(&git.to_bytes(), &manifest), Some(git));
        }
    }

    #[test]
    fn a_tree_without_anything_beyond_it_has_the_bytes_it_always_had() {
        let (manifest, git) = sample();
        let all = Contents::default();
        let without_links = GitTree { gitlinks: Vec::new(), contents: all.clone(), ..git.clone() };
        assert!(git.to_bytes().starts_with(PLAIN) && without_links.to_bytes().starts_with(PLAIN));
        let read = GitTree::from_bytes(&without_links.to_bytes(), &manifest).unwrap();
        assert!(read.is_of(&all) && read.is_of(&NOTHING_BEYOND));
        assert!(git.is_of(&NOTHING_BEYOND) && !git.is_of(&all));
        assert!(full().1.to_bytes().starts_with(FULL));
    }

    #[test]
    fn any_flipped_bit_or_truncation_is_noticed() {
        for (manifest, git) in [sample(), full()] {
            let bytes = git.to_bytes();
            for at in 0..bytes.len() {
                assert_eq!(GitTree::from_bytes(&bytes[..at], &manifest), None, "cut at {at}");
                let mut flipped = bytes.clone();
                flipped[at] ^= 1;
                assert_eq!(GitTree::from_bytes(&flipped, &manifest), None, "flipped at {at}");
            }
        }
    }

    #[test]
    fn the_ids_of_another_tree_are_not_taken() {
        let (_, git) = sample();
        assert_eq!(GitTree::from_bytes(&git.to_bytes(), &Manifest::default()), None);
    }
}
