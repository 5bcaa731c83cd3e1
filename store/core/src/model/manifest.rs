//! The canonical list a tree's [`Digest`] is made of.
//!
//! ```text
//! digest  = BLAKE3.derive_key("modstore 2026 tree v1", list)
//! list    = record…             in byte order of the path, each path once
//! record  = kind u8 (0 file, 1 executable, 2 symlink)
//!         ‖ path length u32 LE ‖ path ‖ size u64 LE ‖ BLAKE3(content or link text)
//! ```
//!
//! The bytes of the list are the file `manifests/<digest>`, so a manifest proves itself. No time,
//! owner, commit or URL goes in: one tree has one digest, wherever it came from. Directories are
//! not listed; a tree without files is the empty list.
//!
//! Checks order and form only. Whether paths are safe to write is the concern of `acquire`.

use std::io::Write as _;

use gix::bstr::{BStr, BString, ByteSlice as _};

use super::{ContentHash, Digest};

/// The context string that keeps tree digests apart from every other use of BLAKE3.
pub const TREE_CONTEXT: &str = "modstore 2026 tree v1";

/// What a path in a tree is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum FileKind {
    /// A regular file, mode 0444 in the store.
    File,
    /// A regular file that may be run, mode 0555 in the store.
    Executable,
    /// A symbolic link; its content is its text.
    Symlink,
}

/// One file of a tree.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TreeFile {
    /// Where it lies, with `/` between components and none at the ends.
    pub path: BString,
    /// What it is.
    pub kind: FileKind,
    /// How many bytes its content has.
    pub size: u64,
    /// What its content hashes to.
    pub content: ContentHash,
}

/// All files of a tree, sorted by the bytes of their paths.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Manifest {
    files: Vec<TreeFile>,
}

/// A list that is not a manifest. Nothing was changed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ManifestError {
    /// Two files claim one path.
    #[error("the path {path:?} is listed twice")]
    Duplicate {
        /// The path.
        path: BString,
    },
    /// The bytes end within a record, or a field holds what no manifest has.
    #[error("the manifest is malformed at byte {at}")]
    Malformed {
        /// Offset of the record that cannot be read.
        at: usize,
    },
    /// The records are not in byte order of their paths.
    #[error("the manifest lists {path:?} out of order")]
    Order {
        /// The first path that comes too late.
        path: BString,
    },
}

impl Manifest {
    /// Sorts `files` into a manifest.
    ///
    /// # Errors
    /// When a path occurs twice.
    pub fn new(mut files: Vec<TreeFile>) -> Result<Self, ManifestError> {
        files.sort_by(|a, b| a.path.cmp(&b.path));
        let twice = files.windows(2).find_map(|pair| match pair {
            [a, b] if a.path == b.path => Some(a.path.clone()),
            _ => None,
        });
        match twice {
            Some(path) => Err(ManifestError::Duplicate { path }),
            None => Ok(Self { files }),
        }
    }

    /// The files in byte order of their paths.
    #[must_use]
    pub fn files(&self) -> &[TreeFile] {
        &self.files
    }

    /// The same, when the rest is not needed any more.
    #[must_use]
    pub fn into_files(self) -> Vec<TreeFile> {
        self.files
    }

    /// The file at `path`, and its place in [`files`](Self::files).
    #[must_use]
    pub fn find(&self, path: &BStr) -> Option<(usize, &TreeFile)> {
        let at = self.files.binary_search_by(|file| file.path.as_bstr().cmp(path)).ok()?;
        Some((at, self.files.get(at)?))
    }

    /// The files below the directory `path`, or all for the empty path.
    #[must_use]
    pub fn below(&self, path: &BStr) -> &[TreeFile] {
        if path.is_empty() {
            return &self.files;
        }
        let prefix = [path.as_bytes(), b"/"].concat();
        let start = self.files.partition_point(|file| file.path.as_slice() < prefix.as_slice());
        let rest = self.files.get(start..).unwrap_or_default();
        let len = rest.iter().take_while(|file| file.path.starts_with(&prefix)).count();
        rest.get(..len).unwrap_or_default()
    }

    /// Bytes of content, links' texts included.
    #[must_use]
    pub fn size(&self) -> u64 {
        self.files.iter().map(|file| file.size).sum()
    }

    /// The canonical bytes.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        canonical_bytes(&self.files)
    }

    /// Reads canonical bytes back. That they belong to a digest is checked by [`digest_of`].
    ///
    /// # Errors
    /// When the bytes are not what [`to_bytes`](Self::to_bytes) makes.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, ManifestError> {
        let mut files: Vec<TreeFile> = Vec::new();
        let mut rest = bytes;
        while !rest.is_empty() {
            let malformed = ManifestError::Malformed { at: bytes.len() - rest.len() };
            let (file, after) = read_record(rest).ok_or(malformed)?;
            if files.last().is_some_and(|last| last.path >= file.path) {
                return Err(ManifestError::Order { path: file.path });
            }
            files.push(file);
            rest = after;
        }
        Ok(Self { files })
    }

    /// The digest of the tree.
    #[must_use]
    pub fn digest(&self) -> Digest {
        digest_of(&self.to_bytes())
    }
}

/// The canonical bytes of `files`, which are in byte order of their paths.
#[must_use]
pub fn canonical_bytes(files: &[TreeFile]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(files.iter().map(|file| 45 + file.path.len()).sum());
    for file in files {
        let length = u32::try_from(file.path.len()).expect("no path has 4 GiB");
        let kind = match file.kind {
            FileKind::File => 0_u8,
            FileKind::Executable => 1,
            FileKind::Symlink => 2,
        };
        bytes.push(kind);
        bytes.extend_from_slice(&length.to_le_bytes());
        bytes.extend_from_slice(&file.path);
        bytes.extend_from_slice(&file.size.to_le_bytes());
        bytes.extend_from_slice(file.content.as_bytes());
    }
    bytes
}

/// The digest that canonical bytes have.
#[must_use]
pub fn digest_of(canonical: &[u8]) -> Digest {
    let mut hasher = blake3::Hasher::new_derive_key(TREE_CONTEXT);
    hasher.write_all(canonical).expect("hashing does no I/O");
    Digest::from_bytes(hasher.finalize().into())
}

fn read_record(bytes: &[u8]) -> Option<(TreeFile, &[u8])> {
    let (kind, rest) = bytes.split_first()?;
    let kind = match kind {
        0 => FileKind::File,
        1 => FileKind::Executable,
        2 => FileKind::Symlink,
        _ => return None,
    };
    let (length, rest) = rest.split_first_chunk::<4>()?;
    let (path, rest) = rest.split_at_checked(u32::from_le_bytes(*length) as usize)?;
    let (size, rest) = rest.split_first_chunk::<8>()?;
    let (content, rest) = rest.split_first_chunk::<32>()?;
    let file = TreeFile {
        path: path.into(),
        kind,
        size: u64::from_le_bytes(*size),
        content: ContentHash::from_bytes(*content),
    };
    (!file.path.is_empty()).then_some((file, rest))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(path: &str, kind: FileKind, content: &[u8]) -> TreeFile {
        let size = content.len() as u64;
        TreeFile { path: path.into(), kind, size, content: ContentHash::of(content) }
    }

    fn sample() -> Manifest {
        Manifest::new(vec![
            file("run.sh", FileKind::Executable, b"#!/bin/sh\n"),
            file("a/b.txt", FileKind::File, b"hello\n"),
            file("a-b", FileKind::File, b""),
            file("link", FileKind::Symlink, b"a/b.txt"),
        ])
        .unwrap()
    }

    /// The vectors of docs/format.md: `b3sum --derive-key "modstore 2026 tree v1"` agrees.
    #[test]
    fn the_digest_of_known_trees_never_changes() {
        assert_eq!(
            Manifest::default().digest().to_string(),
            "5bad1831e3cd7444cdda3923f994f9198090e5cf963ed0b13461f6b9fcec9cf1"
        );
        assert_eq!(
            sample().digest().to_string(),
            "33b605bcfa012da8b6b7c07127e785935d290bc7bfe702e82a2f7dfb70d88851"
        );
    }

    #[test]
    fn a_manifest_reads_back_from_its_bytes() {
        assert_eq!(Manifest::from_bytes(&sample().to_bytes()), Ok(sample()));
    }

    #[test]
    fn every_truncation_is_an_error_or_a_shorter_list_with_another_digest() {
        let bytes = sample().to_bytes();
        for end in 0..bytes.len() {
            if let Ok(shorter) = Manifest::from_bytes(&bytes[..end]) {
                assert_ne!(shorter.digest(), sample().digest(), "cut at {end}");
            }
        }
    }

    #[test]
    fn any_difference_in_path_kind_or_content_is_another_digest() {
        let trees = [
            vec![file("a", FileKind::File, b"x")],
            vec![file("b", FileKind::File, b"x")],
            vec![file("a", FileKind::Executable, b"x")],
            vec![file("a", FileKind::Symlink, b"x")],
            vec![file("a", FileKind::File, b"y")],
            vec![file("a", FileKind::File, b"x"), file("b", FileKind::File, b"")],
        ];
        let digests: std::collections::HashSet<_> =
            trees.iter().map(|files| Manifest::new(files.clone()).unwrap().digest()).collect();
        assert_eq!(digests.len(), trees.len());
    }

    #[test]
    fn paths_are_ordered_by_bytes_and_not_by_component() {
        let paths: Vec<_> = sample().files().iter().map(|file| file.path.to_string()).collect();
        assert_eq!(paths, ["a-b", "a/b.txt", "link", "run.sh"]);
    }

    #[test]
    fn a_path_listed_twice_or_out_of_order_is_refused() {
        let twice = vec![file("a", FileKind::File, b""), file("a", FileKind::File, b"")];
        assert!(Manifest::new(twice).is_err());
        let a = Manifest::new(vec![file("a", FileKind::File, b"")]).unwrap().to_bytes();
        let b = Manifest::new(vec![file("b", FileKind::File, b"")]).unwrap().to_bytes();
        assert!(Manifest::from_bytes(&[b, a].concat()).is_err());
    }

    #[test]
    fn below_gives_a_directory_and_not_its_neighbours() {
        let manifest = sample();
        let below: Vec<_> = manifest.below("a".into()).iter().map(|f| f.path.to_string()).collect();
        assert_eq!(below, ["a/b.txt"]);
        assert_eq!(manifest.below("".into()).len(), 4);
        assert!(manifest.below("li".into()).is_empty());
    }
}
