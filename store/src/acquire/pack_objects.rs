//! What is in a pack: a table of entries, and the commits and trees themselves.
//!
//! Commits, trees and tags are small and asked for in the order of the tree walk, so they are kept
//! inflated, and a delta of one is resolved as soon as its base is known, in whatever order the pack
//! has them. All other deltas are filed under their base for later.
//!
//! Limits: blobs are never held here.

use std::borrow::Cow;
use std::collections::HashMap;

use gix::ObjectId;
use gix::objs::{CommitRefIter, Kind};

use crate::acquire::base::{Base, hash_of};
use crate::acquire::delta;
use crate::acquire::pack_bytes::{Inflater, PackBytes};
use crate::acquire::pack_error::{PackError, PackLimits};
use crate::acquire::pack_reader::{Encoding, EntryHeader};

/// Where an entry's inflated bytes are, and whether they are a blob.
#[derive(Debug, Clone, Copy)]
pub(super) struct Entry {
    /// Offset of the zlib stream.
    pub(super) data: u64,
    /// Where it ends at the latest.
    pub(super) end: u64,
    /// Bytes when inflated.
    pub(super) size: u64,
    /// Whether it is a blob, whole.
    pub(super) is_blob: bool,
}

/// What became of a delta.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Filed {
    /// It was of a commit, tree or tag, and is resolved.
    Resolved,
    /// It waits for this entry.
    UnderEntry(u32),
    /// It waits for an object known by its id.
    UnderId,
}

/// See the module.
pub(super) struct PackObjects<'b> {
    base: Option<&'b Base<'b>>,
    limits: PackLimits,
    starts: Vec<u64>,
    entries: Vec<Entry>,
    small: gix::hashtable::HashMap<ObjectId, (Kind, Vec<u8>)>,
    small_bytes: u64,
    ids: HashMap<u32, ObjectId>,
    /// Unresolved deltas by the number of their base.
    by_entry: HashMap<u32, Vec<u32>>,
    /// Unresolved deltas by the id of their base.
    by_id: gix::hashtable::HashMap<ObjectId, Vec<u32>>,
    /// Kept since [`PackObjects::take_arrived`] was last asked.
    arrived: Vec<ObjectId>,
    inflater: Inflater,
}

impl<'b> PackObjects<'b> {
    pub(super) fn new(base: Option<&'b Base<'b>>, limits: &PackLimits) -> PackObjects<'b> {
        PackObjects {
            base,
            limits: *limits,
            starts: Vec::new(),
            entries: Vec::new(),
            small: gix::hashtable::HashMap::default(),
            small_bytes: 0,
            ids: HashMap::new(),
            by_entry: HashMap::new(),
            by_id: gix::hashtable::HashMap::default(),
            arrived: Vec::new(),
            inflater: Inflater::new(),
        }
    }

    /// Enters an entry and returns its number.
    pub(super) fn enter(&mut self, header: &EntryHeader) -> u32 {
        let number = u32::try_from(self.entries.len()).unwrap_or(u32::MAX);
        let is_blob = header.encoding == Encoding::Whole(Kind::Blob);
        self.starts.push(header.start);
        if let Some(before) = self.entries.last_mut() {
            before.end = header.start;
        }
        let (data, size) = (header.data, header.size);
        self.entries.push(Entry { data, end: u64::MAX, size, is_blob });
        number
    }

    /// The commits, trees and tags that became known since this was last asked.
    pub(super) fn take_arrived(&mut self) -> Vec<ObjectId> {
        std::mem::take(&mut self.arrived)
    }

    /// All entries, by number.
    pub(super) fn entries(&self) -> &[Entry] {
        &self.entries
    }

    /// Unresolved deltas whose base is this entry.
    pub(super) fn deltas_of_entry(&self, number: u32) -> &[u32] {
        self.by_entry.get(&number).map_or(&[], Vec::as_slice)
    }

    /// Unresolved deltas whose base is this object.
    pub(super) fn deltas_of(&self, id: &ObjectId) -> &[u32] {
        self.by_id.get(id).map_or(&[], Vec::as_slice)
    }

    /// All ids under which unresolved deltas are filed.
    pub(super) fn delta_bases(&self) -> impl Iterator<Item = &ObjectId> {
        self.by_id.keys()
    }

    /// Fails when a commit or tree of `size` would be too much, before it is inflated.
    pub(super) fn check_room(&self, size: u64) -> Result<(), PackError> {
        let sum = self.small_bytes.saturating_add(size);
        PackError::check_limit("size of all trees", sum, self.limits.trees)
    }

    /// Keeps a commit, tree or tag, and resolves the deltas that waited for it.
    pub(super) fn keep(
        &mut self,
        number: u32,
        kind: Kind,
        data: Vec<u8>,
        bytes: &PackBytes,
    ) -> Result<(), PackError> {
        let mut ready = vec![(number, kind, data)];
        while let Some((number, kind, data)) = ready.pop() {
            let id = self.keep_one(number, kind, data)?;
            let mut waiting = self.by_entry.remove(&number).unwrap_or_default();
            waiting.extend(self.by_id.remove(&id).unwrap_or_default());
            for delta in waiting {
                let Some(entry) = self.entries.get(delta as usize) else { continue };
                let inflated =
                    bytes.inflate(entry.data..entry.end, entry.size, &mut self.inflater)?;
                let (data, kind) = self.apply(delta, &id, &inflated)?;
                ready.push((delta, kind, data));
            }
        }
        Ok(())
    }

    fn keep_one(&mut self, number: u32, kind: Kind, data: Vec<u8>) -> Result<ObjectId, PackError> {
        self.check_room(data.len() as u64)?;
        let id = hash_of(kind, &data)?;
        self.small_bytes += data.len() as u64;
        self.ids.insert(number, id);
        self.arrived.push(id);
        self.small.entry(id).or_insert((kind, data));
        Ok(id)
    }

    /// Resolves the delta entry `number` when its base is a known commit or tree, else files it.
    pub(super) fn delta(
        &mut self,
        number: u32,
        header: &EntryHeader,
        inflated: &[u8],
        bytes: &PackBytes,
    ) -> Result<Filed, PackError> {
        let base = match header.encoding {
            Encoding::DeltaOf(id) if self.small_object(&id).is_some() => id,
            Encoding::DeltaOf(id) => {
                self.by_id.entry(id).or_default().push(number);
                return Ok(Filed::UnderId);
            }
            Encoding::DeltaOfOffset(start) => {
                let base = self.starting_at(start, header.start)?;
                match self.ids.get(&base) {
                    Some(id) => *id,
                    None => {
                        self.by_entry.entry(base).or_default().push(number);
                        return Ok(Filed::UnderEntry(base));
                    }
                }
            }
            Encoding::Whole(_) => return Ok(Filed::UnderId),
        };
        let (data, kind) = self.apply(number, &base, inflated)?;
        self.keep(number, kind, data, bytes)?;
        Ok(Filed::Resolved)
    }

    fn starting_at(&self, start: u64, of: u64) -> Result<u32, PackError> {
        let found = self.starts.binary_search(&start).ok().and_then(|at| u32::try_from(at).ok());
        found.ok_or_else(|| PackError::corrupt(of, "a delta's base is no entry"))
    }

    fn apply(
        &self,
        number: u32,
        base: &ObjectId,
        delta: &[u8],
    ) -> Result<(Vec<u8>, Kind), PackError> {
        let at = self.starts.get(number as usize).copied().unwrap_or_default();
        let (kind, base) = self
            .small_object(base)
            .ok_or_else(|| PackError::corrupt(at, "a delta's base is no commit or tree"))?;
        let room = self.limits.trees.saturating_sub(self.small_bytes);
        let data = delta::apply(base, delta, room.min(self.limits.object))
            .map_err(|error| PackError::corrupt(at, error.to_string()))?;
        Ok((data, kind))
    }

    fn small_object(&self, id: &ObjectId) -> Option<(Kind, &[u8])> {
        if let Some((kind, data)) = self.small.get(id) {
            return Some((*kind, data));
        }
        Some((Kind::Tree, self.base?.tree(id)?))
    }

    /// The bytes of a tree, from the pack or the previous entry.
    pub(super) fn tree(&self, id: &ObjectId) -> Option<Cow<'_, [u8]>> {
        let (kind, data) = self.small_object(id)?;
        (kind == Kind::Tree).then_some(Cow::Borrowed(data))
    }

    /// A commit, tree or tag of the pack, and which of these it is.
    pub(super) fn small(&self, id: &ObjectId) -> Option<(Kind, Vec<u8>)> {
        self.small.get(id).cloned()
    }

    /// Whether the pack has this commit.
    pub(super) fn is_commit(&self, id: &ObjectId) -> bool {
        self.small.get(id).is_some_and(|(kind, _)| *kind == Kind::Commit)
    }

    /// The root tree of a commit.
    pub(super) fn root_of(&self, commit: &ObjectId) -> Result<ObjectId, PackError> {
        match self.small.get(commit) {
            Some((Kind::Commit, data)) => CommitRefIter::from_bytes(data, gix::hash::Kind::Sha1)
                .tree_id()
                .map_err(|_| PackError::NotACommit { id: *commit }),
            Some(_) => Err(PackError::NotACommit { id: *commit }),
            None => self
                .base
                .filter(|base| base.commit == *commit)
                .map(|base| base.git.root)
                .ok_or_else(|| PackError::MissingObject { id: *commit, path: "".into() }),
        }
    }
}
