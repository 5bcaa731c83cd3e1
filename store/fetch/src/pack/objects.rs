//! What is in a pack: a table of entries, and the commits and trees themselves.
//!
//! Commits, trees and tags are small and asked for in the order of the tree walk, so they are kept
//! inflated, in memory or, where the budget has none left, in a file, and a delta of one is resolved as soon as its
//! base is known, in whatever order the pack has them. All other deltas are filed under their base for later.
//!
//! A server chooses the ids that it names, and the tables here are hashed with a key.
//!
//! Limits: blobs are never held here.

use std::{borrow::Cow, collections::HashMap};

use gix::{
    ObjectId,
    objs::{CommitRefIter, Kind},
};

use super::{
    allowance::Allowance,
    base::{Base, FindObject, find_checked, hash_of},
    bytes::{Inflater, PackBytes},
    content::Scratch,
    delta,
    memory_budget::Share,
    reader::{Encoding, EntryHeader},
};
use crate::{
    errors::{LimitError, PackError},
    limits::PackLimit,
};

/// What an entry costs in the tables here and of those who work with them, in bytes.
const ENTRY: u64 = 192;
/// What a commit, tree or tag costs besides.
const SMALL: u64 = 160;
/// Memory for commits, trees and tags is taken in steps of this.
const STEP: u64 = 1 << 20;

/// Where an entry's inflated bytes are, and whether they are a blob.
#[derive(Debug, Clone, Copy)]
pub(crate) struct PackEntry {
    /// Offset of the zlib stream.
    pub(crate) data: u64,
    /// Where it ends at the latest.
    pub(crate) end: u64,
    /// Bytes when inflated.
    pub(crate) size: u64,
    /// Whether it is a blob, whole.
    pub(crate) is_blob: bool,
}

/// What became of a delta.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Filed {
    /// It was of a commit, tree or tag, and is resolved.
    Resolved,
    /// It waits for this entry.
    UnderEntry(u32),
    /// It waits for an object known by its id.
    UnderId,
}

/// A commit, tree or tag.
struct SmallObject {
    kind: Kind,
    place: SmallPlace,
}

enum SmallPlace {
    Memory(Vec<u8>),
    /// In the scratch file.
    File {
        at: u64,
        size: usize,
    },
}

/// A commit, tree or tag, wherever it is.
type KindAndBytes<'p> = (Kind, Cow<'p, [u8]>);

/// See the module.
pub(crate) struct PackObjects<'b> {
    base: Option<&'b Base<'b>>,
    /// What came earlier from the same server and is still at hand.
    earlier: Option<&'b FindObject<'b>>,
    allowance: &'b Allowance<'b>,
    starts: Vec<u64>,
    entries: Vec<PackEntry>,
    small: HashMap<ObjectId, SmallObject>,
    small_bytes: u64,
    /// Memory for the small objects, and how much of it is not used yet.
    shares: Vec<Share>,
    room: u64,
    scratch: Option<Scratch<'b>>,
    ids: HashMap<u32, ObjectId>,
    /// Unresolved deltas by the number of their base.
    by_entry: HashMap<u32, Vec<u32>>,
    /// Unresolved deltas by the id of their base.
    by_id: HashMap<ObjectId, Vec<u32>>,
    /// Kept since [`PackObjects::take_arrived`] was last asked.
    arrived: Vec<ObjectId>,
    inflater: Inflater,
}

impl<'b> PackObjects<'b> {
    pub(crate) fn new(
        base: Option<&'b Base<'b>>,
        earlier: Option<&'b FindObject<'b>>,
        allowance: &'b Allowance<'b>,
    ) -> PackObjects<'b> {
        PackObjects {
            base,
            earlier,
            allowance,
            starts: Vec::new(),
            entries: Vec::new(),
            small: HashMap::new(),
            small_bytes: 0,
            shares: Vec::new(),
            room: 0,
            scratch: None,
            ids: HashMap::new(),
            by_entry: HashMap::new(),
            by_id: HashMap::new(),
            arrived: Vec::new(),
            inflater: Inflater::new(),
        }
    }

    /// Enters an entry and returns its number.
    ///
    /// # Errors
    /// There is no memory for the table.
    pub(crate) fn enter(&mut self, header: &EntryHeader) -> Result<u32, PackError> {
        self.allowance.reserve(ENTRY)?;
        let number = u32::try_from(self.entries.len()).unwrap_or(u32::MAX);
        let is_blob = header.encoding == Encoding::Whole(Kind::Blob);
        self.starts.push(header.start);
        if let Some(before) = self.entries.last_mut() {
            before.end = header.start;
        }
        let data = header.data;
        let size = header.size;
        self.entries.push(PackEntry { data, end: u64::MAX, size, is_blob });
        Ok(number)
    }

    /// The last entry ends here.
    pub(crate) fn end_at(&mut self, end: u64) {
        if let Some(last) = self.entries.last_mut() {
            last.end = end;
        }
    }

    /// The commits, trees and tags that became known since this was last asked.
    pub(crate) fn take_arrived(&mut self) -> Vec<ObjectId> {
        std::mem::take(&mut self.arrived)
    }

    /// All entries, by number.
    pub(crate) fn entries(&self) -> &[PackEntry] {
        &self.entries
    }

    /// Unresolved deltas whose base is this entry.
    pub(crate) fn deltas_of_entry(&self, number: u32) -> &[u32] {
        self.by_entry.get(&number).map_or(&[], Vec::as_slice)
    }

    /// Unresolved deltas whose base is this object.
    pub(crate) fn deltas_of(&self, id: &ObjectId) -> &[u32] {
        self.by_id.get(id).map_or(&[], Vec::as_slice)
    }

    /// All ids under which unresolved deltas are filed.
    pub(crate) fn delta_bases(&self) -> impl Iterator<Item = &ObjectId> {
        self.by_id.keys()
    }

    /// The commits, trees and tags, by number.
    pub(crate) fn small_ids(&self) -> impl Iterator<Item = (u32, ObjectId)> {
        self.ids.iter().map(|(number, id)| (*number, *id))
    }

    /// Where an entry starts in the pack.
    pub(crate) fn start_of(&self, number: u32) -> Option<u64> {
        self.starts.get(number as usize).copied()
    }

    /// Fails when a commit, tree or tag of `size` would be too much, before it is inflated.
    pub(crate) fn check_room(&self, size: u64) -> Result<(), LimitError> {
        let limits = self.allowance.limits();
        LimitError::check(PackLimit::Listing, size, limits.listing)?;
        let sum = self.small_bytes.saturating_add(size);
        LimitError::check(PackLimit::Trees, sum, limits.trees)?;
        self.allowance.count_unpacked(size)
    }

    /// Keeps a commit, tree or tag, and resolves the deltas that waited for it.
    pub(crate) fn keep(
        &mut self,
        number: u32,
        kind: Kind,
        data: Vec<u8>,
        bytes: &PackBytes,
    ) -> Result<(), PackError> {
        let mut known = vec![(number, self.keep_one(number, kind, data)?)];
        while let Some((number, id)) = known.pop() {
            let mut waiting = self.by_entry.remove(&number).unwrap_or_default();
            waiting.extend(self.by_id.remove(&id).unwrap_or_default());
            for delta in waiting {
                self.allowance.check_cancelled()?;
                let inflated = self.inflate(delta, bytes)?;
                let (data, kind) = self.apply(delta, &id, &inflated)?;
                known.push((delta, self.keep_one(delta, kind, data)?));
            }
        }
        Ok(())
    }

    /// The inflated delta of a commit, tree or tag.
    fn inflate(&mut self, delta: u32, bytes: &PackBytes) -> Result<Vec<u8>, PackError> {
        let entry = self.entries.get(delta as usize);
        let entry = entry.ok_or_else(|| PackError::corrupt(0, "an entry is not in the table"))?;
        LimitError::check(PackLimit::Listing, entry.size, self.allowance.limits().listing)?;
        bytes.inflate(entry.data..entry.end, entry.size, &mut self.inflater)
    }

    fn keep_one(&mut self, number: u32, kind: Kind, data: Vec<u8>) -> Result<ObjectId, PackError> {
        self.allowance.reserve(SMALL)?;
        let id = hash_of(kind, &data)?;
        self.ids.insert(number, id);
        self.arrived.push(id);
        if !self.small.contains_key(&id) {
            self.small_bytes += data.len() as u64;
            let place = self.put(data)?;
            self.small.insert(id, SmallObject { kind, place });
        }
        Ok(id)
    }

    fn put(&mut self, data: Vec<u8>) -> Result<SmallPlace, PackError> {
        let size = data.len() as u64;
        if self.room < size
            && let Some(share) = self.allowance.budget().offer(size.max(STEP))
        {
            self.shares.push(share);
            self.room = size.max(STEP);
        }
        if let Some(left) = self.room.checked_sub(size) {
            self.room = left;
            return Ok(SmallPlace::Memory(data));
        }
        if self.scratch.is_none() {
            self.scratch = Some(Scratch::new(self.allowance)?);
        }
        let scratch = self.scratch.as_mut().expect("made above");
        let at = scratch.size();
        scratch.append(&data)?;
        Ok(SmallPlace::File { at, size: data.len() })
    }

    /// Resolves the delta entry `number` when its base is a known commit or tree, else files it. `inflated` is the
    /// delta, unless it was too large to be kept.
    pub(crate) fn delta(
        &mut self,
        number: u32,
        header: &EntryHeader,
        inflated: Option<&[u8]>,
        bytes: &PackBytes,
    ) -> Result<Filed, PackError> {
        let base = match header.encoding {
            Encoding::DeltaOf(id) if self.is_small(&id) => id,
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
        let (data, kind) = match inflated {
            Some(inflated) => self.apply(number, &base, inflated)?,
            None => {
                let inflated = self.inflate(number, bytes)?;
                self.apply(number, &base, &inflated)?
            }
        };
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
            .small_object(base)?
            .ok_or_else(|| PackError::corrupt(at, "a delta's base is no commit or tree"))?;
        let limits = self.allowance.limits();
        let size = delta::result_size(delta).unwrap_or_default();
        self.check_room(size)?;
        let _room = self.allowance.hold(size + base.len() as u64 + delta.len() as u64)?;
        let data = delta::apply(&base, delta, limits.listing)
            .map_err(|error| PackError::corrupt(at, error.to_string()))?;
        Ok((data, kind))
    }

    fn is_small(&self, id: &ObjectId) -> bool {
        self.small.contains_key(id) || self.base.is_some_and(|base| base.tree(id).is_some())
    }

    fn small_object(&self, id: &ObjectId) -> Result<Option<KindAndBytes<'_>>, PackError> {
        match self.small.get(id) {
            Some(small) => Ok(Some((small.kind, self.read(&small.place)?))),
            None => {
                let tree = self.base.and_then(|base| base.tree(id));
                Ok(tree.map(|tree| (Kind::Tree, Cow::Borrowed(tree))))
            }
        }
    }

    fn read<'p>(&self, place: &'p SmallPlace) -> Result<Cow<'p, [u8]>, PackError> {
        match (place, &self.scratch) {
            (SmallPlace::File { at, size }, Some(scratch)) => {
                Ok(Cow::Owned(scratch.read(*at, *size)?))
            }
            (SmallPlace::File { .. }, None) => Err(PackError::corrupt(0, "a scratch file is lost")),
            (SmallPlace::Memory(data), _) => Ok(Cow::Borrowed(data)),
        }
    }

    /// The bytes of a tree, from the pack, from the previous entry, or from what came earlier.
    pub(crate) fn tree(&self, id: &ObjectId) -> Result<Option<Cow<'_, [u8]>>, PackError> {
        if let Some((kind, data)) = self.small_object(id)? {
            return Ok((kind == Kind::Tree).then_some(data));
        }
        let Some(earlier) = self.earlier else { return Ok(None) };
        let mut data = Vec::new();
        Ok(find_checked(earlier, id, Kind::Tree, &mut data)?.then_some(Cow::Owned(data)))
    }

    /// A commit, tree or tag of the pack, and which of these it is.
    pub(crate) fn small(&self, id: &ObjectId) -> Result<Option<(Kind, Vec<u8>)>, PackError> {
        let Some(small) = self.small.get(id) else { return Ok(None) };
        Ok(Some((small.kind, self.read(&small.place)?.into_owned())))
    }

    /// Whether the pack has this commit.
    pub(crate) fn is_commit(&self, id: &ObjectId) -> bool {
        self.small.get(id).is_some_and(|small| small.kind == Kind::Commit)
    }

    /// The root tree of a commit.
    pub(crate) fn root_of(&self, commit: &ObjectId) -> Result<ObjectId, PackError> {
        match self.small_object(commit)? {
            Some((Kind::Commit, data)) => root_in(commit, &data),
            Some(_) => Err(PackError::NotACommit { id: *commit }),
            None => self
                .base
                .filter(|base| base.commit == *commit)
                .map(|base| base.git.root)
                .ok_or_else(|| PackError::MissingObject { id: *commit, path: "".into() }),
        }
    }
}

/// The root tree that the commit object `data` names.
pub(crate) fn root_in(commit: &ObjectId, data: &[u8]) -> Result<ObjectId, PackError> {
    let malformed = |_| PackError::Malformed { kind: "commit", id: *commit };
    CommitRefIter::from_bytes(data, gix::hash::Kind::Sha1).tree_id().map_err(malformed)
}
