//! The blobs that are deltas: every chain from its root down, chains in parallel.
//!
//! A *chain* is a root with all its descendants: deltas of it, deltas of those, and so on; it may branch. Its root is a
//! whole blob of the pack or a file of the previous entry.
//!
//! Only making a delta shows which blob it is. So deltas are made until no file waits for a blob, in the order of the
//! pack unless there is a reason for another, and the rest is never made.
//!
//! A base is made once, however many deltas it has, and dropped when the last of them has been made. Of the deltas of one
//! base, the one with the largest chain comes last. Then every base that is held has a delta waiting whose chain is at
//! least as large as the one in progress: each held base halves the rest, and a chain of `n` objects holds no more than
//! log2 `n` bases at once, whatever its shape. Bases that memory has no room for are held in scratch files.
//!
//! Limits: one chain is the work of one thread.

use std::{
    cmp::Reverse,
    io::{self, Read},
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
};

use gix::{ObjectId, objs::Kind};
use modstore_core::model::FileKind;
use rayon::prelude::*;

use super::checkout::Checkout;
use crate::{
    errors::{LimitError, PackError},
    limits::PackLimit,
    pack::{
        Allowance, Base, Content, DeltaReader, Inflated, Inflater, PackBytes, PackEntry,
        PackObjects, Room, Scratch, delta, drain, finish, from_stream, hash_of, hasher_of,
    },
};

/// See the module.
pub(crate) struct DeltaChains<'f, 'a> {
    pub(crate) objects: &'f PackObjects<'f>,
    pub(crate) bytes: &'f PackBytes,
    pub(crate) checkout: &'f Checkout<'a>,
    pub(crate) base: Option<&'f Base<'f>>,
    /// The ids of blobs that were looked at on arrival, by entry number; some may be wanted still.
    pub(crate) known_ids: &'f [Option<ObjectId>],
    pub(crate) allowance: &'f Allowance<'f>,
}

/// The entries that are still to be made, by number.
struct OpenEntries {
    /// Whether it is still to be made.
    open: Vec<AtomicBool>,
    /// How many are made from it, itself included, as far as offsets show. Deltas by id are not counted: which entry they
    /// descend from shows only when it is made.
    chain: Vec<u32>,
    /// Ids found out, for an index of the pack.
    found: Mutex<Vec<(u32, ObjectId)>>,
}

/// The root of a chain.
enum ChainRoot {
    /// A whole blob in the pack.
    PackEntry(u32),
    /// A file of the previous entry.
    BaseFile(ObjectId),
}

/// Deltas waiting for their turn, each with its base.
type WaitingDeltas<'f> = Vec<(u32, Arc<BaseObject<'f>>)>;

/// An object that others are made of.
struct BaseObject<'f> {
    content: Content<'f>,
    /// Whether it can be asked for again: it is in the pack with all that it is made of, and none of that is large.
    is_reusable: bool,
}

/// An object as it is being made: where it is, and how it is made again.
enum ObjectRecipe<'m, 'f> {
    Whole(PackEntry),
    Delta { entry: PackEntry, base: &'m BaseObject<'f>, size: u64 },
}

impl<'f> DeltaChains<'f, '_> {
    /// Writes all wanted blobs that were not written on arrival. Gives the ids that were found out.
    pub(crate) fn resolve(&self) -> Result<Vec<(u32, ObjectId)>, PackError> {
        let open = self.open();
        let roots = self.roots(&open);
        roots.par_iter().try_for_each_init(Inflater::new, |inflater, root| {
            self.resolve_chain(root, &open, inflater)
        })?;
        Ok(open.found.into_inner().unwrap_or_else(PoisonError::into_inner))
    }

    /// Marks the entries that are to be made: unknown or wanted, or needed for one that is.
    fn open(&self) -> OpenEntries {
        let wanted = |id: &Option<ObjectId>| id.is_none_or(|id| self.checkout.wants(&id));
        let open: Vec<AtomicBool> =
            self.known_ids.iter().map(|id| AtomicBool::new(wanted(id))).collect();
        let mut open = OpenEntries { chain: vec![1; open.len()], open, found: Mutex::default() };
        // A delta's base by offset comes before it, so from the end every answer is known.
        for number in (0..open.open.len()).rev() {
            let deltas = self.deltas_of_entry(number).iter();
            let below =
                deltas.filter(|delta| open.is(**delta)).map(|delta| open.chain_size(*delta));
            let below = below.fold(0u32, u32::saturating_add);
            let of_id = self.known_ids.get(number).copied().flatten();
            let needed =
                below > 0 || of_id.is_some_and(|id| !self.objects.deltas_of(&id).is_empty());
            if let Some(chain) = open.chain.get_mut(number) {
                *chain = below.saturating_add(1);
            }
            if let Some(slot) = open.open.get_mut(number).filter(|_| needed) {
                *slot.get_mut() = true;
            }
        }
        open
    }

    fn deltas_of_entry(&self, number: usize) -> &[u32] {
        let number = u32::try_from(number);
        number.map(|number| self.objects.deltas_of_entry(number)).unwrap_or_default()
    }

    fn roots(&self, open: &OpenEntries) -> Vec<ChainRoot> {
        let entries = (0u32..).zip(self.objects.entries());
        let whole = entries.filter(|(number, entry)| entry.is_blob && open.is(*number));
        let mut roots: Vec<ChainRoot> =
            whole.map(|(number, _)| ChainRoot::PackEntry(number)).collect();
        let kept = self
            .objects
            .delta_bases()
            .filter(|id| self.base.is_some_and(|base| base.file_of(id).is_some()));
        roots.extend(kept.map(|id| ChainRoot::BaseFile(*id)));
        roots
    }

    fn resolve_chain(
        &self,
        root: &ChainRoot,
        open: &OpenEntries,
        inflater: &mut Inflater,
    ) -> Result<(), PackError> {
        if self.checkout.is_complete() {
            return Ok(());
        }
        let mut waiting = WaitingDeltas::new();
        match root {
            ChainRoot::BaseFile(id) => {
                let made =
                    Arc::new(BaseObject { content: self.read_base_file(id)?, is_reusable: false });
                self.wait(self.objects.deltas_of(id), &made, open, &mut waiting);
            }
            ChainRoot::PackEntry(number) => {
                let recipe = ObjectRecipe::Whole(self.entry(*number)?);
                self.make(*number, &recipe, open, inflater, &mut waiting)?;
            }
        }
        while let Some((number, base)) = waiting.pop() {
            self.allowance.check_cancelled()?;
            if self.checkout.is_complete() {
                return Ok(());
            }
            // Two copies of one base in a pack both claim its deltas, perhaps on two threads: the swap decides.
            if !open.close(number) {
                continue;
            }
            let recipe = self.delta(number, &base)?;
            self.make(number, &recipe, open, inflater, &mut waiting)?;
        }
        Ok(())
    }

    /// Adds the open ones of `deltas` to those waiting, the largest chain at the bottom, else in the pack's order: the last one is
    /// taken first.
    fn wait(
        &self,
        deltas: &[u32],
        base: &Arc<BaseObject<'f>>,
        open: &OpenEntries,
        waiting: &mut WaitingDeltas<'f>,
    ) {
        let from = waiting.len();
        let deltas = deltas.iter().filter(|delta| open.is(**delta));
        waiting.extend(deltas.map(|delta| (*delta, base.clone())));
        if let Some(added) = waiting.get_mut(from..) {
            added.sort_by_key(|(number, _)| Reverse((open.chain_size(*number), *number)));
        }
    }

    /// The delta at `number` with what it copies from, when what it makes is not too large.
    fn delta<'m>(
        &self,
        number: u32,
        base: &'m BaseObject<'f>,
    ) -> Result<ObjectRecipe<'m, 'f>, PackError> {
        let entry = self.entry(number)?;
        let mut start = self.bytes.stream(entry.data..entry.end, entry.size);
        let (_, size) = delta::sizes(&mut start).map_err(|error| self.error(error, &entry))?;
        LimitError::check(PackLimit::Object, size, self.allowance.limits().object)?;
        self.allowance.count_unpacked(size)?;
        Ok(ObjectRecipe::Delta { entry, base, size })
    }

    /// Makes an object, writes it where it is waited for, and adds its deltas to those waiting.
    fn make(
        &self,
        number: u32,
        recipe: &ObjectRecipe<'_, 'f>,
        open: &OpenEntries,
        inflater: &mut Inflater,
        waiting: &mut WaitingDeltas<'f>,
    ) -> Result<(), PackError> {
        let known = self.known_ids.get(number as usize).copied().flatten();
        let below = self.objects.deltas_of_entry(number);
        let (id, content) = match self.allowance.room(recipe.weight()) {
            Some(room) => {
                let bytes = self.whole(recipe, inflater)?;
                let id = known.map_or_else(|| hash_of(Kind::Blob, &bytes), Ok)?;
                self.checkout.write_blob(&id, &bytes)?;
                (id, Some(Content::Memory { bytes, _room: room }))
            }
            None => self.make_streamed(recipe, known, !below.is_empty())?,
        };
        if known.is_none() && recipe.is_reusable() {
            open.found.lock().unwrap_or_else(PoisonError::into_inner).push((number, id));
        }
        let same = self.objects.deltas_of(&id);
        if below.is_empty() && same.is_empty() {
            return Ok(());
        }
        let content = match content {
            Some(content) => content,
            None => Content::Scratch(self.to_scratch(recipe)?.1),
        };
        let made = Arc::new(BaseObject { content, is_reusable: recipe.is_reusable() });
        self.wait(same, &made, open, waiting);
        self.wait(below, &made, open, waiting);
        Ok(())
    }

    /// Makes an object that memory has no room for: once for its id, once more for each file that waits for it,
    /// and in a scratch file if it is `needed`.
    fn make_streamed(
        &self,
        recipe: &ObjectRecipe<'_, 'f>,
        known: Option<ObjectId>,
        needed: bool,
    ) -> Result<(ObjectId, Option<Content<'f>>), PackError> {
        let (id, scratch) = match (needed, known) {
            (true, _) => {
                let (id, scratch) = self.to_scratch(recipe)?;
                (id, Some(scratch))
            }
            (false, Some(id)) => (id, None),
            (false, None) => (self.id_of(recipe)?, None),
        };
        let size = recipe.size();
        let content = scratch.map(Content::Scratch);
        match &content {
            Some(content) => {
                self.checkout.write_blob_from(&id, size, &mut || Ok(content.reader()))?
            }
            None => self.checkout.write_blob_from(&id, size, &mut || self.stream(recipe))?,
        }
        Ok((id, content))
    }

    fn id_of(&self, recipe: &ObjectRecipe<'_, 'f>) -> Result<ObjectId, PackError> {
        let mut hasher = hasher_of(Kind::Blob, recipe.size());
        drain(&mut self.stream(recipe)?, recipe.entry().data, self.allowance, &mut |piece| {
            hasher.update(piece);
            Ok(())
        })?;
        finish(hasher)
    }

    fn to_scratch(
        &self,
        recipe: &ObjectRecipe<'_, 'f>,
    ) -> Result<(ObjectId, Scratch<'f>), PackError> {
        let mut hasher = hasher_of(Kind::Blob, recipe.size());
        let mut scratch = Scratch::new(self.allowance)?;
        drain(&mut self.stream(recipe)?, recipe.entry().data, self.allowance, &mut |piece| {
            hasher.update(piece);
            scratch.append(piece)
        })?;
        Ok((finish(hasher)?, scratch))
    }

    fn stream<'m>(
        &'m self,
        recipe: &'m ObjectRecipe<'_, 'f>,
    ) -> Result<ObjectStream<'m>, PackError> {
        let entry = recipe.entry();
        let inflated = self.bytes.stream(entry.data..entry.end, entry.size);
        match recipe {
            ObjectRecipe::Whole(_) => Ok(ObjectStream::Whole(inflated)),
            ObjectRecipe::Delta { base, size, .. } => {
                let applied = DeltaReader::new(inflated, &base.content, *size);
                applied.map(ObjectStream::Delta).map_err(|error| self.error(error, entry))
            }
        }
    }

    fn whole(
        &self,
        recipe: &ObjectRecipe<'_, 'f>,
        inflater: &mut Inflater,
    ) -> Result<Vec<u8>, PackError> {
        let entry = recipe.entry();
        let inflated = self.bytes.inflate(entry.data..entry.end, entry.size, inflater)?;
        match recipe {
            ObjectRecipe::Whole(_) => Ok(inflated),
            ObjectRecipe::Delta {
                base: BaseObject { content: Content::Memory { bytes, .. }, .. },
                size,
                ..
            } => delta::apply(bytes, &inflated, *size)
                .map_err(|error| self.error(io::Error::other(error), entry)),
            ObjectRecipe::Delta { base, size, .. } => {
                let mut made = Vec::new();
                let applied = DeltaReader::new(inflated.as_slice(), &base.content, *size);
                let read = applied.and_then(|mut applied| applied.read_to_end(&mut made));
                read.map(|_| made).map_err(|error| self.error(error, entry))
            }
        }
    }

    fn entry(&self, number: u32) -> Result<PackEntry, PackError> {
        let entry = self.objects.entries().get(number as usize).copied();
        entry.ok_or_else(|| PackError::corrupt(0, "an entry is not in the table"))
    }

    fn error(&self, error: io::Error, entry: &PackEntry) -> PackError {
        from_stream(error, entry.data, self.allowance)
    }

    fn read_base_file(&self, id: &ObjectId) -> Result<Content<'f>, PackError> {
        let missing = || PackError::MissingObject { id: *id, path: "".into() };
        let base = self.base.ok_or_else(missing)?;
        let file = base.file_of(id).ok_or_else(missing)?;
        if file.kind == FileKind::Symlink || base.pointer_of(file).is_some() {
            let bytes = base.read(file, id)?;
            return Ok(Content::Memory { bytes, _room: Room::Uncounted });
        }
        if let Some(room) = self.allowance.room(file.size) {
            return Ok(Content::Memory { bytes: base.read(file, id)?, _room: room });
        }
        let mut opened = base.open(file)?;
        drain(&mut opened, 0, self.allowance, &mut |_| Ok(()))?;
        match opened.id()? {
            (found, opened) if found == *id => {
                Ok(Content::BaseFile { file: opened, size: file.size })
            }
            _ => Err(PackError::BaseDamaged { path: file.path.clone(), source: None }),
        }
    }
}

impl OpenEntries {
    fn is(&self, number: u32) -> bool {
        self.open.get(number as usize).is_some_and(|open| open.load(Ordering::Relaxed))
    }

    /// Whether it was open.
    fn close(&self, number: u32) -> bool {
        self.open.get(number as usize).is_some_and(|open| open.swap(false, Ordering::Relaxed))
    }

    fn chain_size(&self, number: u32) -> u32 {
        self.chain.get(number as usize).copied().unwrap_or(1)
    }
}

/// Objects up to this size may be asked for again, and then they are held in memory.
pub(crate) const LARGEST_REUSABLE: u64 = 32 << 20;

impl ObjectRecipe<'_, '_> {
    fn entry(&self) -> &PackEntry {
        match self {
            ObjectRecipe::Whole(entry) | ObjectRecipe::Delta { entry, .. } => entry,
        }
    }

    /// Bytes of the object.
    fn size(&self) -> u64 {
        match self {
            ObjectRecipe::Whole(entry) => entry.size,
            ObjectRecipe::Delta { size, .. } => *size,
        }
    }

    /// Bytes that are in memory while it is made there.
    fn weight(&self) -> u64 {
        match self {
            ObjectRecipe::Whole(entry) => entry.size,
            ObjectRecipe::Delta { entry, size, .. } => entry.size.saturating_add(*size),
        }
    }

    /// See [`BaseObject`].
    fn is_reusable(&self) -> bool {
        match self {
            ObjectRecipe::Whole(entry) => entry.size <= LARGEST_REUSABLE,
            ObjectRecipe::Delta { base, size, .. } => *size <= LARGEST_REUSABLE && base.is_reusable,
        }
    }
}

enum ObjectStream<'m> {
    Whole(Inflated<'m>),
    Delta(DeltaReader<'m, Inflated<'m>>),
}

impl Read for ObjectStream<'_> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        match self {
            ObjectStream::Whole(inflated) => inflated.read(out),
            ObjectStream::Delta(applied) => applied.read(out),
        }
    }
}
