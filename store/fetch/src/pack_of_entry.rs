//! The pack of an entry's commit, for others who want that commit: the commit, its trees and its blobs, each whole, and no
//! history.
//!
//! The trees are made again from the list of git's ids, and the blobs are read from the entry, each checked against its id.
//! So the pack proves to be of the commit, or is not written. The same entry gives the same bytes.
//!
//! Limits: an entry whose trees cannot be made again (a commit with a directory that has no file) has no pack. Submodules are
//! commits of their own and have packs of their own.

use std::{
    collections::HashSet,
    io::{self, Read, Write},
};

use flate2::{Compression, write::ZlibEncoder};
use gix::{
    ObjectId,
    hash::Hasher,
    objs::{Kind, TreeRefIter},
};
use modstore_core::{
    Cancel,
    model::{FileKind, TreeFile},
};

use crate::{
    errors::PackError,
    fetched_commit::BaseEntry,
    pack::{Base, HashingReader, base_is_usable, root_in},
};

/// Blobs of more bytes are read in pieces.
const HELD: u64 = 1 << 20;

/// Why there is no pack of an entry.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PackingError {
    /// The commit object was not kept: the entry is from an earlier version of modstore.
    #[error("the commit object of {0} was not kept; it is kept when the commit is next fetched")]
    NoCommit(ObjectId),
    /// The trees of the commit cannot be made again from what is known of the entry.
    #[error("the trees of commit {0} cannot be made again from its files")]
    Untold(ObjectId),
    /// A file of the entry is not what it should be.
    #[error(transparent)]
    Damaged(PackError),
    /// The pack cannot be written.
    #[error("the pack cannot be written")]
    Write(#[source] io::Error),
    /// The command was asked to stop.
    #[error("stopped before it was finished")]
    Cancelled,
}

/// Writes the pack of the entry's commit.
///
/// # Errors
/// What was written so far is not a pack.
pub fn write_pack(
    entry: &BaseEntry,
    to: &mut dyn Write,
    cancel: &Cancel,
) -> Result<(), PackingError> {
    let base = entry.as_base();
    let commit = commit_object(entry, &base)?;
    let untold = || PackingError::Untold(base.commit);
    let contents = PackedObjects::of(&base).ok_or_else(untold)?;
    let count = contents.count().and_then(|count| count.checked_add(1));
    let mut pack = PackWriter::begin(to, count.ok_or_else(untold)?)?;
    pack.object(Kind::Commit, commit)?;
    contents.write(&base, &mut pack, cancel)?;
    pack.finish()
}

/// The commit object of an entry whose trees can be made again.
pub(crate) fn commit_object<'e>(
    entry: &'e BaseEntry,
    base: &Base<'_>,
) -> Result<&'e [u8], PackingError> {
    let commit = entry.commits.find(&base.commit).ok_or(PackingError::NoCommit(base.commit))?;
    let root = root_in(&base.commit, commit).map_err(PackingError::Damaged)?;
    match root == base.git.root && base_is_usable(base) {
        true => Ok(commit),
        false => Err(PackingError::Untold(base.commit)),
    }
}

/// Whether the trees and blobs of an entry's commit have more bytes than this before they are deflated. No, if the trees cannot
/// be made again, so that nothing can be fetched against them.
#[must_use]
pub fn is_longer_than(entry: &BaseEntry, bytes: u64) -> bool {
    // A file's lines in the trees have less bytes than its path and 64; a pointer has at most 1,024.
    let at_most = |file: &TreeFile| file.size.max(1024) + file.path.len() as u64 + 64;
    if entry.manifest.files().iter().map(at_most).sum::<u64>() <= bytes {
        return false;
    }
    let base = entry.as_base();
    if !base_is_usable(&base) {
        return false;
    }
    let Some(contents) = PackedObjects::of(&base) else { return false };
    contents.bytes(&base) > bytes
}

/// The objects of a commit's tree, each once, in the order in which a walk from the root comes by them.
#[derive(Default)]
pub(crate) struct PackedObjects<'b> {
    trees: Vec<(ObjectId, &'b [u8])>,
    blobs: Vec<(ObjectId, &'b TreeFile)>,
    pub(crate) seen: HashSet<ObjectId>,
}

impl<'b> PackedObjects<'b> {
    pub(crate) fn of(base: &'b Base<'_>) -> Option<Self> {
        let mut contents = Self::default();
        contents.walk(base, base.git.root)?;
        Some(contents)
    }

    /// How many they are; none, if a pack cannot have so many.
    pub(crate) fn count(&self) -> Option<u32> {
        u32::try_from(self.trees.len() + self.blobs.len()).ok()
    }

    /// How many bytes they have, before they are deflated.
    fn bytes(&self, base: &Base<'_>) -> u64 {
        let trees = self.trees.iter().map(|(_, tree)| tree.len() as u64);
        let pointer = |file| base.pointer_of(file).map(|pointer| pointer.len() as u64);
        let blobs = self.blobs.iter().map(|(_, file)| pointer(file).unwrap_or(file.size));
        trees.chain(blobs).sum()
    }

    /// Writes them, the root first.
    pub(crate) fn write(
        &self,
        base: &Base<'_>,
        pack: &mut PackWriter<'_>,
        cancel: &Cancel,
    ) -> Result<(), PackingError> {
        for (_, tree) in &self.trees {
            pack.object(Kind::Tree, tree)?;
        }
        for (id, file) in &self.blobs {
            if cancel.is_cancelled() {
                return Err(PackingError::Cancelled);
            }
            pack.blob(base, file, id)?;
        }
        Ok(())
    }

    // As deep as the trees were that were made again, which has a limit.
    fn walk(&mut self, base: &'b Base<'_>, tree: ObjectId) -> Option<()> {
        if !self.seen.insert(tree) {
            return Some(());
        }
        let bytes = base.tree(&tree)?;
        self.trees.push((tree, bytes));
        for entry in TreeRefIter::from_bytes(bytes, gix::hash::Kind::Sha1) {
            let entry = entry.ok()?;
            let id = entry.oid.to_owned();
            if entry.mode.is_tree() {
                self.walk(base, id)?;
            } else if !entry.mode.is_commit() && self.seen.insert(id) {
                self.blobs.push((id, base.file_of(&id)?));
            }
        }
        Some(())
    }
}

/// Writes a pack, and its hash at the end.
pub(crate) struct PackWriter<'w> {
    to: &'w mut dyn Write,
    hasher: Hasher,
}

impl<'w> PackWriter<'w> {
    pub(crate) fn begin(to: &'w mut dyn Write, objects: u32) -> Result<Self, PackingError> {
        let mut pack = Self { to, hasher: gix::hash::hasher(gix::hash::Kind::Sha1) };
        let header = [*b"PACK", 2_u32.to_be_bytes(), objects.to_be_bytes()];
        pack.write_all(&header.concat()).map_err(PackingError::Write)?;
        Ok(pack)
    }

    /// An object that is held in memory.
    pub(crate) fn object(&mut self, kind: Kind, bytes: &[u8]) -> Result<(), PackingError> {
        self.stream(kind, bytes.len() as u64, &mut &*bytes)
    }

    /// The blob of a file, which must be the one that its id says.
    pub(crate) fn blob(
        &mut self,
        base: &Base<'_>,
        file: &TreeFile,
        id: &ObjectId,
    ) -> Result<(), PackingError> {
        let is_large = file.kind != FileKind::Symlink && file.size > HELD;
        if !is_large || base.pointer_of(file).is_some() {
            let bytes = base.read(file, id).map_err(PackingError::Damaged)?;
            return self.object(Kind::Blob, &bytes);
        }
        let mut bytes = base.open(file).map_err(PackingError::Damaged)?;
        self.stream(Kind::Blob, file.size, &mut bytes)?;
        let (found, _) = HashingReader::id(bytes).map_err(PackingError::Damaged)?;
        match found == *id {
            true => Ok(()),
            false => {
                let path = file.path.clone();
                Err(PackingError::Damaged(PackError::BaseDamaged { path, source: None }))
            }
        }
    }

    /// An object as a delta of one that the reader has: the size of the delta, and the delta deflated.
    pub(crate) fn delta(
        &mut self,
        base: &ObjectId,
        size: u64,
        deflated: &[u8],
    ) -> Result<(), PackingError> {
        let head = [&header_of(DELTA_OF_ID, size), base.as_slice()].concat();
        let written = self.write_all(&head).and_then(|()| self.write_all(deflated));
        written.map_err(PackingError::Write)
    }

    fn stream(&mut self, kind: Kind, size: u64, from: &mut dyn Read) -> Result<(), PackingError> {
        let mut write = || -> io::Result<()> {
            self.write_all(&header_of(number_of(kind), size))?;
            let mut deflating = ZlibEncoder::new(&mut *self, Compression::default());
            let copied = io::copy(&mut from.take(size), &mut deflating)?;
            deflating.finish()?;
            match copied == size {
                true => Ok(()),
                false => Err(io::ErrorKind::UnexpectedEof.into()),
            }
        };
        write().map_err(PackingError::Write)
    }

    pub(crate) fn finish(self) -> Result<(), PackingError> {
        let hash = self.hasher.try_finalize();
        let hash =
            hash.map_err(|error| PackingError::Write(io::Error::other(error.to_string())))?;
        self.to
            .write_all(hash.as_slice())
            .and_then(|()| self.to.flush())
            .map_err(PackingError::Write)
    }
}

impl Write for PackWriter<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = self.to.write(bytes)?;
        self.hasher.update(bytes.get(..written).unwrap_or_default());
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.to.flush()
    }
}

/// What a pack calls a delta of an object by its id.
const DELTA_OF_ID: u8 = 7;

/// What a pack calls an object that is whole.
const fn number_of(kind: Kind) -> u8 {
    match kind {
        Kind::Commit => 1,
        Kind::Tree => 2,
        Kind::Blob => 3,
        Kind::Tag => 4,
    }
}

/// The beginning of an object in a pack: three bits of its kind, and its size, the lowest bits first.
fn header_of(kind: u8, size: u64) -> Vec<u8> {
    let low = |bits: u64| u8::try_from(size & bits).unwrap_or_default();
    let mut header = vec![kind << 4 | low(0x0f)];
    let mut rest = size >> 4;
    while rest > 0 {
        if let Some(last) = header.last_mut() {
            *last |= 0x80;
        }
        header.push(u8::try_from(rest & 0x7f).unwrap_or_default());
        rest >>= 7;
    }
    header
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_size_is_written_with_its_lowest_bits_first() {
        assert_eq!(header_of(1, 0), [0x10]);
        assert_eq!(header_of(2, 15), [0x2f]);
        assert_eq!(header_of(3, 16), [0xb0, 0x01]);
        assert_eq!(header_of(3, 0x1234), [0xb4, 0xa3, 0x02]);
        assert_eq!(header_of(3, 1 << 32), [0xb0, 0x80, 0x80, 0x80, 0x80, 0x01]);
    }
}
