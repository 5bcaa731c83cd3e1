//! The thin pack of an entry's commit, for others who have the tree of an earlier commit: the commit, and the trees and blobs
//! that the earlier tree does not have.
//!
//! What lies at the same path in the earlier tree is what a new object is written as a delta of, where that is shorter. The
//! receiver checks each object against its id, as of any thin pack. The same two entries give the same bytes.
//!
//! Limits: as of a whole pack, for both entries. Files that were renamed and changed, and long ones, are written whole.

use std::{
    collections::{HashMap, HashSet},
    io::Write,
};

use flate2::{Compression, write::ZlibEncoder};
use gix::{
    ObjectId,
    bstr::BStr,
    objs::{Kind, TreeRefIter},
};
use modstore_core::{Cancel, model::TreeFile};

use crate::{
    fetched_commit::BaseEntry,
    pack::{Base, base_is_usable, delta_of},
    pack_of_entry::{PackWriter, PackedObjects, PackingError, commit_object},
};

/// Objects of more bytes are not written as deltas, nor are deltas of them: both are held in memory for it.
const LONGEST: u64 = 4 << 20;

/// Writes the pack of the entry's commit that is thin against the commit of an `earlier` entry.
///
/// # Errors
/// What was written so far is not a pack.
pub fn write_thin_pack(
    entry: &BaseEntry,
    earlier: &BaseEntry,
    to: &mut dyn Write,
    cancel: &Cancel,
) -> Result<(), PackingError> {
    let (new, old) = (entry.as_base(), earlier.as_base());
    let commit = commit_object(entry, &new)?;
    if !base_is_usable(&old) {
        return Err(PackingError::Untold(old.commit));
    }
    let untold = || PackingError::Untold(new.commit);
    let changes = Changes::between(&old, &new).ok_or_else(untold)?;
    let count = u32::try_from(1 + changes.objects.len()).map_err(|_| untold())?;
    let mut pack = PackWriter::begin(to, count)?;
    pack.object(Kind::Commit, commit)?;
    for (id, object) in &changes.objects {
        if cancel.is_cancelled() {
            return Err(PackingError::Cancelled);
        }
        changes.write(id, object, &mut pack)?;
    }
    pack.finish()
}

/// What one tree has and an earlier one has not.
struct Changes<'b> {
    old: &'b Base<'b>,
    new: &'b Base<'b>,
    /// All objects of the earlier tree.
    known: HashSet<ObjectId>,
    seen: HashSet<ObjectId>,
    objects: Vec<(ObjectId, Changed<'b>)>,
}

/// An object that is new.
enum Changed<'b> {
    Tree {
        bytes: &'b [u8],
        /// The tree that was at its path.
        old: Option<(ObjectId, &'b [u8])>,
    },
    Blob {
        file: &'b TreeFile,
        /// The file that was at its path.
        old: Option<(ObjectId, &'b TreeFile)>,
    },
}

impl<'b> Changes<'b> {
    fn between(old: &'b Base<'b>, new: &'b Base<'b>) -> Option<Self> {
        let known = PackedObjects::of(old)?.seen;
        let (seen, objects) = (HashSet::new(), Vec::new());
        let mut changes = Self { old, new, known, seen, objects };
        changes.walk(new.git.root, Some(old.git.root))?;
        Some(changes)
    }

    // As deep as the trees were that were made again, which has a limit.
    fn walk(&mut self, id: ObjectId, old: Option<ObjectId>) -> Option<()> {
        if !self.is_new(id) {
            return Some(());
        }
        let (base, bytes) = (self.old, self.new.tree(&id)?);
        let old = old.and_then(|old| Some((old, base.tree(&old)?)));
        let before = old.map(|(_, bytes)| named(bytes)).unwrap_or_default();
        self.objects.push((id, Changed::Tree { bytes, old }));
        for entry in TreeRefIter::from_bytes(bytes, gix::hash::Kind::Sha1) {
            let entry = entry.ok()?;
            let (id, old) = (entry.oid.to_owned(), before.get(entry.filename).copied());
            if entry.mode.is_tree() {
                self.walk(id, old)?;
            } else if !entry.mode.is_commit() && self.is_new(id) {
                let (file, old) =
                    (self.new.file_of(&id)?, old.and_then(|old| Some((old, base.file_of(&old)?))));
                self.objects.push((id, Changed::Blob { file, old }));
            }
        }
        Some(())
    }

    fn is_new(&mut self, id: ObjectId) -> bool {
        !self.known.contains(&id) && self.seen.insert(id)
    }

    fn write(
        &self,
        id: &ObjectId,
        object: &Changed<'_>,
        pack: &mut PackWriter<'_>,
    ) -> Result<(), PackingError> {
        match object {
            Changed::Tree { bytes, old: None } => pack.object(Kind::Tree, bytes),
            Changed::Tree { bytes, old: Some((old, before)) } => {
                either(pack, Kind::Tree, bytes, (old, before))
            }
            Changed::Blob { file, old: Some((old, before)) }
                if file.size.max(before.size) <= LONGEST =>
            {
                let read = |base: &Base<'_>, file, id| base.read(file, id);
                let bytes = read(self.new, file, id).map_err(PackingError::Damaged)?;
                let before = read(self.old, before, old).map_err(PackingError::Damaged)?;
                either(pack, Kind::Blob, &bytes, (old, &before))
            }
            Changed::Blob { file, .. } => pack.blob(self.new, file, id),
        }
    }
}

/// The ids in a tree, by name.
fn named(tree: &[u8]) -> HashMap<&BStr, ObjectId> {
    let entries = TreeRefIter::from_bytes(tree, gix::hash::Kind::Sha1).filter_map(Result::ok);
    entries.map(|entry| (entry.filename, entry.oid.to_owned())).collect()
}

/// Writes an object whole, or as a delta of another, whichever is shorter.
fn either(
    pack: &mut PackWriter<'_>,
    kind: Kind,
    bytes: &[u8],
    (old, before): (&ObjectId, &[u8]),
) -> Result<(), PackingError> {
    if bytes.len().max(before.len()) as u64 > LONGEST {
        return pack.object(kind, bytes);
    }
    let delta = delta_of(before, bytes);
    let deflated = deflated(&delta)?;
    match deflated.len() + old.as_slice().len() < self::deflated(bytes)?.len() {
        true => pack.delta(old, delta.len() as u64, &deflated),
        false => pack.object(kind, bytes),
    }
}

fn deflated(bytes: &[u8]) -> Result<Vec<u8>, PackingError> {
    let mut deflating = ZlibEncoder::new(Vec::new(), Compression::default());
    let deflated = deflating.write_all(bytes).and_then(|()| deflating.finish());
    deflated.map_err(PackingError::Write)
}
