//! The entry already in the store, as what a thin pack is thin against.
//!
//! Its files are git's blobs and its trees are made again. Where the entry has the content of a Git LFS pointer, the blob
//! is the pointer, which the list of git ids has. Content that is read is always checked
//! against its git id. What is linked is read before, and checked against the manifest, in a tree of up to 32 MiB; in a larger
//! one it is checked by size, mode and time, and counted as unread.
//!
//! Limits: trust in the manifest itself (that it belongs to the entry's digest) is the caller's.

use std::{
    collections::{HashMap, HashSet},
    error::Error as StdError,
    fs::File,
    io::{self, Read},
    os::unix::ffi::{OsStrExt, OsStringExt},
    path::{Path, PathBuf},
    sync::OnceLock,
};

use gix::{
    ObjectId,
    bstr::{BStr, BString, ByteSlice},
    hash::Hasher,
    objs::Kind,
};
use modstore_core::{
    disk::{OpenTree, READ_WHOLE, has_content, open_regular},
    model::{ContentHash, FileKind, GitTree, Manifest, TreeFile},
};

use super::rebuilt_trees::RebuiltTrees;
use crate::errors::PackError;

/// The previous entry of a module, for receiving only what changed since.
#[derive(Debug)]
pub struct Base<'a> {
    /// The entry's directory, `entries/<digest>`.
    pub root: PathBuf,
    /// The same, held open: its files are looked at, read and linked one after the other.
    pub(crate) tree: OpenTree,
    /// The commit it was made from: the one that a request names as ours.
    pub commit: ObjectId,
    /// Its files.
    pub manifest: &'a Manifest,
    /// Their git ids.
    pub git: &'a GitTree,
    /// Whether each of its files is read before it is linked, whatever its size.
    pub(crate) reads_all: bool,
    trees: OnceLock<Option<RebuiltTrees>>,
    blobs: OnceLock<HashMap<ObjectId, u32>>,
    /// By path, which of the list it is. Without borrows, or the base could not be passed down.
    pointers: OnceLock<HashMap<BString, usize>>,
}

/// What is known of a file of a base before it is linked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum BeforeLink {
    /// Its content is what was stored.
    Read,
    /// It was not its turn to be read.
    Unread,
    /// Its content is another.
    Damaged,
}

/// Whether the trees made from the manifest have the recorded root id. Only then may the request
/// say that we have the commit.
#[must_use]
pub fn base_is_usable(base: &Base<'_>) -> bool {
    base.trees().is_some_and(|trees| trees.root() == base.git.root)
}

impl<'a> Base<'a> {
    /// Describes an entry. Nothing in it is read yet.
    #[must_use]
    pub fn new(
        root: PathBuf,
        commit: ObjectId,
        manifest: &'a Manifest,
        git: &'a GitTree,
    ) -> Base<'a> {
        Base {
            tree: OpenTree::new(&root),
            root,
            commit,
            manifest,
            git,
            reads_all: manifest.size() <= READ_WHOLE,
            trees: OnceLock::new(),
            blobs: OnceLock::new(),
            pointers: OnceLock::new(),
        }
    }

    /// The pointer that git has for this file, where the entry has its content instead.
    pub(crate) fn pointer_of(&self, file: &TreeFile) -> Option<&'a BString> {
        let pointers = self.pointers.get_or_init(|| {
            let numbered = self.git.pointers.iter().zip(0..);
            numbered.map(|((path, _), number)| (path.clone(), number)).collect()
        });
        let (_, pointer) = self.git.pointers.get(*pointers.get(&file.path)?)?;
        // Of a file that was not wanted, the pointer itself lies there.
        let is_left = file.size == pointer.len() as u64 && file.content == ContentHash::of(pointer);
        (!is_left).then_some(pointer)
    }

    /// The files that have the content of a pointer, and the pointers.
    pub(crate) fn replaced(&self) -> impl Iterator<Item = (&'a TreeFile, &'a BString)> {
        self.git.pointers.iter().filter_map(|(path, _)| {
            let (_, file) = self.manifest.find(path.as_bstr())?;
            Some((file, self.pointer_of(file)?))
        })
    }

    fn trees(&self) -> Option<&RebuiltTrees> {
        self.trees.get_or_init(|| RebuiltTrees::new(self.manifest, self.git)).as_ref()
    }

    /// The id of the root as the list of files makes it, whatever is recorded of it.
    pub(crate) fn rebuilt_root(&self) -> Option<ObjectId> {
        self.trees().map(RebuiltTrees::root)
    }

    /// How many objects its trees and files are, each once, and how many bytes they have.
    pub(crate) fn extent(&self) -> Option<(usize, u64)> {
        let (trees, of_trees) = self.trees()?.extent();
        let mut seen = HashSet::new();
        let files = self.manifest.files().iter().zip(&self.git.blobs);
        let once = files.filter(|(_, id)| seen.insert(**id)).map(|(file, _)| file.size);
        let of_files = once.sum::<u64>();
        Some((trees + seen.len(), of_trees + of_files))
    }

    /// The bytes of one of its trees.
    pub(crate) fn tree(&self, id: &ObjectId) -> Option<&[u8]> {
        self.trees()?.get(id)
    }

    /// The first file with this content.
    pub(crate) fn file_of(&self, id: &ObjectId) -> Option<&'a TreeFile> {
        let blobs = self.blobs.get_or_init(|| {
            let numbered = self.git.blobs.iter().zip(0u32..);
            let mut blobs = HashMap::with_capacity(self.git.blobs.len());
            numbered.for_each(|(id, number)| {
                blobs.entry(*id).or_insert(number);
            });
            blobs
        });
        self.manifest.files().get(*blobs.get(id)? as usize)
    }

    /// The file at `path` when it has this content, else any file that has.
    pub(crate) fn file_at(&self, path: &BStr, id: &ObjectId) -> Option<&'a TreeFile> {
        let here = self.manifest.find(path);
        here.filter(|(number, _)| self.git.blobs.get(*number) == Some(id))
            .map(|(_, file)| file)
            .or_else(|| self.file_of(id))
    }

    /// Reads a file that is about to be linked to `path`, where that is due, so that one whose bytes have changed by
    /// themselves is not taken on. A file that moves is always read: the slices in which a large tree is read go by paths.
    pub(crate) fn look_at(&self, file: &TreeFile, path: &BStr) -> BeforeLink {
        if !self.reads_all && file.path == path {
            BeforeLink::Unread
        } else if has_content(&self.tree, file) {
            BeforeLink::Read
        } else {
            BeforeLink::Damaged
        }
    }

    /// Opens a file whose blob is too large to be read whole, as a stream that finds out what it is.
    pub(crate) fn open(&self, file: &TreeFile) -> Result<HashingReader<File>, PackError> {
        let damaged = |source: io::Error| PackError::BaseDamaged {
            path: file.path.clone(),
            source: Some(source.into()),
        };
        let opened = open_regular(&self.root.join(os_path(file.path.as_bstr())));
        let opened = opened.map_err(damaged)?;
        if opened.metadata().map_err(damaged)?.len() == file.size {
            Ok(HashingReader::new(opened, Kind::Blob, file.size))
        } else {
            Err(PackError::BaseDamaged { path: file.path.clone(), source: None })
        }
    }

    /// Reads the blob of a file, or a link's text, and checks that it is the blob `id`.
    pub(crate) fn read(&self, file: &TreeFile, id: &ObjectId) -> Result<Vec<u8>, PackError> {
        let path = file.path.clone();
        let contents = match self.pointer_of(file) {
            Some(pointer) => pointer.to_vec(),
            None => contents(&self.root.join(os_path(path.as_bstr())), file.kind, file.size)
                .map_err(|source| PackError::BaseDamaged {
                    path: path.clone(),
                    source: Some(source.into()),
                })?,
        };
        if hash_of(Kind::Blob, &contents)? == *id {
            Ok(contents)
        } else {
            Err(PackError::BaseDamaged { path, source: None })
        }
    }
}

/// Reads a file of at most `size` bytes (one more shows that it has grown), or a link's text.
pub(crate) fn contents(path: &Path, kind: FileKind, size: u64) -> std::io::Result<Vec<u8>> {
    if kind == FileKind::Symlink {
        return Ok(std::fs::read_link(path)?.into_os_string().into_vec());
    }
    // Opening a pipe that took the file's place would wait for ever.
    let meta = std::fs::symlink_metadata(path)?;
    if !meta.is_file() {
        return Err(std::io::Error::other("not a regular file"));
    }
    let room = meta.len().min(size).saturating_add(1);
    let mut contents = Vec::with_capacity(usize::try_from(room).unwrap_or(0));
    File::open(path)?.take(size.saturating_add(1)).read_to_end(&mut contents)?;
    Ok(contents)
}

/// A reader that finds out the id of the object it reads.
pub(crate) struct HashingReader<R> {
    inner: R,
    hasher: Hasher,
}

impl<R> HashingReader<R> {
    /// The object has `size` bytes.
    pub(crate) fn new(inner: R, kind: Kind, size: u64) -> HashingReader<R> {
        HashingReader { inner, hasher: hasher_of(kind, size) }
    }

    /// What was read, if that was all, and the reader.
    pub(crate) fn id(self) -> Result<(ObjectId, R), PackError> {
        Ok((finish(self.hasher)?, self.inner))
    }
}

impl<R: Read> Read for HashingReader<R> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        let read = self.inner.read(out)?;
        self.hasher.update(out.get(..read).unwrap_or_default());
        Ok(read)
    }
}

/// Begins the id of an object that comes in pieces.
pub(crate) fn hasher_of(kind: Kind, size: u64) -> Hasher {
    let mut hasher = gix::hash::hasher(gix::hash::Kind::Sha1);
    hasher.update(&gix::objs::encode::loose_header(kind, size));
    hasher
}

/// Ends it.
pub(crate) fn finish(hasher: Hasher) -> Result<ObjectId, PackError> {
    hasher.try_finalize().map_err(|error| PackError::corrupt(0, error.to_string()))
}

/// Answers with an object's kind, its bytes in the buffer, or `None` when it is not there.
pub type FindObject<'f> = dyn Fn(&ObjectId, &mut Vec<u8>) -> Result<Option<Kind>, Box<dyn StdError + Send + Sync>>
    + Sync
    + 'f;

/// Finds an object and checks that it is what its id says; `false` when it is not there.
pub(crate) fn find_checked(
    find: &FindObject<'_>,
    id: &ObjectId,
    kind: Kind,
    buffer: &mut Vec<u8>,
) -> Result<bool, PackError> {
    let found = find(id, buffer).map_err(|source| PackError::Find { id: *id, source })?;
    match found {
        None => Ok(false),
        Some(found) if found == kind && hash_of(kind, buffer)? == *id => Ok(true),
        Some(_) => Err(PackError::corrupt(0, format!("object {id} has another id"))),
    }
}

/// The path below an entry's directory.
pub(crate) fn os_path(path: &BStr) -> &Path {
    Path::new(std::ffi::OsStr::from_bytes(path))
}

/// The git id of an object.
pub(crate) fn hash_of(kind: Kind, data: &[u8]) -> Result<ObjectId, PackError> {
    gix::objs::compute_hash(gix::hash::Kind::Sha1, kind, data)
        .map_err(|error| PackError::corrupt(0, error.to_string()))
}

/// The last name of a path.
pub(crate) fn name_of(path: &BString) -> &BStr {
    path.rsplit_once_str("/").map_or(path.as_bstr(), |(_, name)| name.as_bstr())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The first 320 bytes of the two files that were published in 2017 as the first collision of SHA-1 (<https://shattered.io>).
    fn colliding() -> [Vec<u8>; 2] {
        let start = b"%PDF-1.3\n%\xe2\xe3\xcf\xd3\n\n\n1 0 obj\n<</Width 2 0 R/Height 3 0 R/Type 4 0 R/Subtype 5 0 R\
            /Filter 6 0 R/ColorSpace 7 0 R/Length 8 0 R/BitsPerComponent 8>>\nstream\n\xff\xd8\xff\xfe\x00$SHA-1 is dead\
            !!!!!\x85/\xec\t#9u\x9c9\xb1\xa1\xc6<L\x97\xe1\xff\xfe\x01";
        COLLIDING.map(|end| [&start[..], &hex::<128>(end)].concat())
    }

    const COLLIDING: [&str; 2] = [
        "7f46dc93a6b67e013b029aaa1db2560b45ca67d688c7f84b8c4c791fe02b3df614f86db1690901c56b45c1530afedfb7\
         6038e972722fe7ad728f0e4904e046c230570fe9d41398abe12ef5bc942be33542a4802d98b5d70f2a332ec37fac3514\
         e74ddc0f2cc1a874cd0c78305a21566461309789606bd0bf3f98cda8044629a1",
        "7346dc9166b67e118f029ab621b2560ff9ca67cca8c7f85ba84c79030c2b3de218f86db3a90901d5df45c14f26fedfb3\
         dc38e96ac22fe7bd728f0e45bce046d23c570feb141398bb552ef5a0a82be331fea48037b8b5d71f0e332edf93ac3500\
         eb4ddc0decc1a864790c782c76215660dd309791d06bd0af3f98cda4bc4629b1",
    ];

    fn hex<const N: usize>(digits: &str) -> [u8; N] {
        std::array::from_fn(|at| u8::from_str_radix(&digits[2 * at..2 * at + 2], 16).unwrap())
    }

    #[test]
    fn a_collision_of_sha_1_is_an_error_and_never_an_id() {
        for bytes in colliding() {
            let mut hasher = gix::hash::hasher(gix::hash::Kind::Sha1);
            hasher.update(&bytes);
            let error = finish(hasher).unwrap_err();
            assert!(matches!(error, PackError::Corrupt { .. }), "{error}");
        }
        // Up to the blocks that collide it is the beginning of a file like any other.
        let [one, other] = colliding().map(|bytes| bytes[..192].to_vec());
        assert_eq!(one, other);
        let mut hasher = gix::hash::hasher(gix::hash::Kind::Sha1);
        hasher.update(&one);
        finish(hasher).unwrap();
    }

    #[test]
    fn as_blobs_of_git_the_two_published_files_do_not_collide() {
        // Git hashes the size before the content, which moves the blocks out of their place.
        let [one, other] = colliding().map(|bytes| hash_of(Kind::Blob, &bytes).unwrap());
        assert_ne!(one, other);
    }
}
