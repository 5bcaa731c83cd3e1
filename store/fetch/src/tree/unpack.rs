//! A commit's tree into staging: from a pack as it arrives, or from an object database.
//!
//! git sends a tree before what is in it, and a delta after its base. So the tree is walked as it
//! becomes known, and blobs are written by rayon's threads while the calling thread receives; a delta
//! goes to the worker that has its base in hand. Whatever comes in another order is written after the
//! last byte.
//! There is no repository, pack file or index on disk, but where a mirror keeps the pack.
//!
//! What is large, or finds no room in the budget, is not held in memory: it is streamed, and what deltas copy from
//! lies in scratch files. What nothing asks for is not written, and not resolved once everything asked for is there.
//!
//! Limits: does not seal the tree, does not fetch submodules or LFS content, and on failure leaves
//! the staging directory to its owner.

use std::{
    borrow::Cow,
    cell::RefCell,
    fs::File,
    io::BufRead,
    path::Path,
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
};

use gix::{ObjectId, bstr::BStr, objs::Kind};
use modstore_core::{
    Cancel,
    disk::{FoldsNames, Planting},
    events::Step,
};
use rayon::{Scope, prelude::*};

use super::{
    checkout::{BaseFile, Checkout, WrittenTree},
    delta_chains::{DeltaChains, LARGEST_REUSABLE},
    plan::{PlannedFile, TreeWalk},
};
use crate::{
    errors::{LimitError, PackError},
    limits::{PackLimit, PackLimits},
    pack::{
        Allowance, Base, Encoding, EntryHeader, Filed, FindObject, MemoryBudget, PackBytes,
        PackObjects, PackReader, Room, check_tag, delta, find_checked, finish, hash_of, hasher_of,
    },
    protocol::Tip,
};

/// A batch of blobs is handed to a worker when it has this many bytes or blobs...
const BATCH_BYTES: usize = 256 << 10;
const BATCH_BLOBS: usize = 64;
/// ...but deltas of its blobs still join it up to here.
const CHAIN_BYTES: usize = 4 << 20;
/// Blobs up to this size are held for a worker, larger ones when the budget has room.
const HELD: u64 = 1 << 20;
/// Files of the previous entry are taken this many at a time.
const BATCH_KEPT: usize = 256;
/// Bytes between two reports of progress.
const REPORT_EVERY: u64 = 128 << 10;

/// What writer is done with, besides the tree itself.
#[derive(Clone, Copy)]
pub struct UnpackOptions<'a> {
    /// The previous entry, if there is one and [`base_is_usable`](super::base_is_usable).
    pub base: Option<&'a Base<'a>>,
    /// Whether the target file system takes names for equal that differ in case or normalisation. Asked only when a tree
    /// has names for which it matters.
    pub folds: &'a FoldsNames<'a>,
    /// What the pack may cost.
    pub limits: PackLimits,
    /// The memory of all fetches that run now.
    pub memory: &'a MemoryBudget,
    /// Receives [`Step::Receiving`], on the calling thread.
    pub on_step: &'a (dyn Fn(Step<'_>) + Sync),
    /// Looked at often, on any thread; ends the work with [`PackError::Cancelled`].
    pub cancel: &'a Cancel,
}

impl std::fmt::Debug for UnpackOptions<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("UnpackOptions").field("limits", &self.limits).finish_non_exhaustive()
    }
}

/// Plants the tree of the commit of `tip` from the pack that `pack` is about to give, up to and including the pack's last
/// byte; where the commit was asked for by a tag, the tag in the pack must lead to it. A pack too large for memory spills
/// to a file at `spill`, unlinked while in use.
///
/// # Errors
/// The staging directory holds a part of the tree, or none of it, and must be thrown away.
pub fn unpack_into(
    pack: &mut dyn BufRead,
    tip: impl Into<Tip>,
    writer: &Planting,
    spill: &Path,
    options: &UnpackOptions<'_>,
) -> Result<WrittenTree, PackError> {
    let bytes = PackBytes::new(options.memory, spill);
    let (written, _) = receive_tree(pack, tip.into(), writer, (bytes, spill), options, None)?;
    Ok(written)
}

/// The same for a pack with its history that a mirror is to keep: `kept` is where it lies, whole when this returns;
/// scratch files lie beside `scratch`.
/// What the server does not send comes from `earlier`. Gives the objects by which the pack can be used again: all
/// commits and trees, and the blobs that were looked at.
pub(crate) fn unpack_history_into(
    pack: &mut dyn BufRead,
    tip: Tip,
    writer: &Planting,
    kept: KeptPack<'_>,
    scratch: &Path,
    options: &UnpackOptions<'_>,
) -> Result<(WrittenTree, Vec<KnownObject>), PackError> {
    let KeptPack { file, path, earlier } = kept;
    let bytes = PackBytes::kept(options.memory, file, path);
    let limits = PackLimits { unwanted: u64::MAX, ..options.limits };
    let options = UnpackOptions { limits, ..*options };
    receive_tree(pack, tip, writer, (bytes, scratch), &options, Some(earlier))
}

/// Where a mirror keeps a pack, and what it had before.
pub(crate) struct KeptPack<'k> {
    /// Empty.
    pub(crate) file: File,
    /// Where it lies.
    pub(crate) path: &'k Path,
    /// The objects of the mirror.
    pub(crate) earlier: &'k FindObject<'k>,
}

/// An object of a pack, and where its entry lies.
pub(crate) struct KnownObject {
    pub(crate) id: ObjectId,
    pub(crate) offset: u64,
    pub(crate) crc32: u32,
}

fn receive_tree(
    pack: &mut dyn BufRead,
    tip: Tip,
    writer: &Planting,
    (bytes, scratch): (PackBytes, &Path),
    options: &UnpackOptions<'_>,
    earlier: Option<&FindObject<'_>>,
) -> Result<(WrittenTree, Vec<KnownObject>), PackError> {
    let spare = options.base.map_or(0, |base| base.manifest.size());
    let allowance = Allowance::new(&options.limits, options.memory, scratch, spare, options.cancel);
    let workers = Workers::new(writer, options.base, &allowance);
    let received = rayon::in_place_scope(|scope| {
        let workers = &workers;
        let kept = RefCell::default();
        let receiver = PackReceiver { workers, scope, tip, options, earlier, kept };
        let received = receiver.receive(pack, bytes);
        workers.stop_unless(received.is_ok());
        received
    });
    if let Some(failure) = workers.take_failure() {
        return Err(failure);
    }
    let Received { objects, bytes, walk, length } = received?;
    let (root, extras) = walk.finish()?;
    let (checkout, mut known_ids) = workers.finish(objects.entries().len());
    if !checkout.is_complete() {
        let base = options.base;
        let objects = &objects;
        let bytes = &bytes;
        let checkout = &checkout;
        let allowance = &allowance;
        let chains =
            DeltaChains { objects, bytes, checkout, base, known_ids: &known_ids, allowance };
        for (number, id) in chains.resolve()? {
            if let Some(slot) = known_ids.get_mut(number as usize) {
                *slot = Some(id);
            }
        }
    }
    let known = match earlier {
        None => Vec::new(),
        Some(find) => {
            write_found(find, &checkout)?;
            known_objects(&objects, &bytes, &known_ids)?
        }
    };
    drop(objects);
    Ok((
        WrittenTree { received_bytes: length, ..checkout.finish(root, extras, options.folds)? },
        known,
    ))
}

/// Plants the tree with id `tree` from an object database. Every object is checked against its id.
///
/// # Errors
/// As [`unpack_into`].
pub fn checkout_into(
    find: &FindObject<'_>,
    tree: ObjectId,
    writer: &Planting,
    options: &UnpackOptions<'_>,
) -> Result<WrittenTree, PackError> {
    let find_tree = |id: &ObjectId| -> Result<Option<Cow<'_, [u8]>>, PackError> {
        if let Some(bytes) = options.base.and_then(|base| base.tree(id)) {
            return Ok(Some(Cow::Borrowed(bytes)));
        }
        let mut bytes = Vec::new();
        Ok(find_checked(find, id, Kind::Tree, &mut bytes)?.then_some(Cow::Owned(bytes)))
    };
    // What a database gives was received before, and was small for its pack then.
    let limits = PackLimits { staging: u64::MAX, ..options.limits };
    let allowance = Allowance::new(&limits, options.memory, writer.root(), 0, options.cancel);
    let checkout = Checkout::new(options.base, writer, &allowance);
    let mut walk = TreeWalk::new(options.folds, &allowance);
    let mut kept = Vec::new();
    walk.start(tree, &find_tree, &mut |directory, files| {
        kept.extend(checkout.add(directory, files)?);
        allowance.check_cancelled()
    })?;
    let (root, extras) = walk.finish()?;
    let keep = |kept| allowance.check_cancelled().and_then(|()| checkout.take_from_base(kept));
    kept.into_par_iter().try_for_each(keep)?;
    write_found(find, &checkout)?;
    checkout.finish(root, extras, options.folds)
}

/// Plants what is still waited for, as far as it is found.
fn write_found(find: &FindObject<'_>, checkout: &Checkout<'_>) -> Result<(), PackError> {
    checkout.wanted().par_iter().try_for_each_init(Vec::new, |buffer, id| {
        if find_checked(find, id, Kind::Blob, buffer)? {
            checkout.write_blob(id, buffer).map(drop)
        } else {
            Ok(())
        }
    })
}

/// The objects whose ids are known and that are not too large, nor made of such.
fn known_objects(
    objects: &PackObjects<'_>,
    bytes: &PackBytes,
    blobs: &[Option<ObjectId>],
) -> Result<Vec<KnownObject>, PackError> {
    let blobs = (0u32..).zip(blobs).filter_map(|(number, id)| Some((number, (*id)?)));
    let mut known = Vec::new();
    for (number, id) in objects.small_ids().chain(blobs) {
        let Some(entry) = objects.entries().get(number as usize) else { continue };
        let Some(offset) = objects.start_of(number).filter(|_| entry.size <= LARGEST_REUSABLE)
        else {
            continue;
        };
        known.push(KnownObject { id, offset, crc32: bytes.crc32(offset..entry.end)? });
    }
    known.sort_by_key(|object| (object.id, object.offset));
    known.dedup_by_key(|object| object.id);
    Ok(known)
}

/// What the receiver thread and the workers share.
struct Workers<'a> {
    checkout: Checkout<'a>,
    allowance: &'a Allowance<'a>,
    stopped: AtomicBool,
    failure: Mutex<Option<PackError>>,
    in_flight: AtomicUsize,
    /// Blobs that had their turn on arrival: entry number and id.
    ids: Mutex<Vec<(u32, ObjectId)>>,
}

/// Blobs and deltas of them, in the order of the pack, for one worker.
#[derive(Default)]
struct Batch {
    items: Vec<BatchItem>,
    /// Bytes in the blobs, in the deltas, and in what these will make.
    bytes: usize,
}

struct BatchItem {
    number: u32,
    /// Where the entry starts in the pack.
    at: u64,
    /// A blob, or a delta of an item before this one.
    data: Vec<u8>,
    base: Option<usize>,
    _room: Option<Room>,
}

impl Batch {
    fn add(&mut self, number: u32, at: u64, data: Vec<u8>, room: Option<Room>) {
        self.bytes += data.len();
        self.items.push(BatchItem { number, at, data, base: None, _room: room });
    }

    fn is_full(&self) -> bool {
        self.bytes >= BATCH_BYTES || self.items.len() >= BATCH_BLOBS
    }

    /// Takes a delta when its base is here and the result small, and says how large that is. What is not taken
    /// waits for the end.
    fn add_delta(&mut self, number: u32, at: u64, delta: Vec<u8>, base: u32) -> Option<u64> {
        let base = self.items.binary_search_by_key(&base, |item| item.number).ok()?;
        let made = delta::result_size(&delta)?;
        let bytes = usize::try_from(made).ok()?.checked_add(self.bytes + delta.len())?;
        if bytes > CHAIN_BYTES {
            return None;
        }
        self.bytes = bytes;
        self.items.push(BatchItem { number, at, data: delta, base: Some(base), _room: None });
        Some(made)
    }
}

impl<'a> Workers<'a> {
    fn new(
        writer: &'a Planting,
        base: Option<&'a Base<'a>>,
        allowance: &'a Allowance<'a>,
    ) -> Workers<'a> {
        Workers {
            checkout: Checkout::new(base, writer, allowance),
            allowance,
            stopped: AtomicBool::new(false),
            failure: Mutex::default(),
            in_flight: AtomicUsize::new(0),
            ids: Mutex::default(),
        }
    }

    fn stop_unless(&self, ok: bool) {
        if !ok {
            self.stopped.store(true, Ordering::Relaxed);
        }
    }

    fn check_stopped(&self) -> Result<(), PackError> {
        if self.stopped.load(Ordering::Relaxed) {
            return Err(PackError::Cancelled);
        }
        self.allowance.check_cancelled()
    }

    /// Does a worker's job; the first failure stops everybody and is the one reported.
    fn work(&self, job: impl FnOnce(&Checkout<'a>) -> Result<(), PackError>) {
        if self.stopped.load(Ordering::Relaxed) {
            return;
        }
        let Err(error) = job(&self.checkout) else { return };
        // Who gives up because others have stopped has nothing to say about why.
        let others_stopped = self.stopped.swap(true, Ordering::Relaxed);
        if !(others_stopped && matches!(error, PackError::Cancelled)) {
            self.failure.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(error);
        }
    }

    fn write_blobs(&self, batch: Batch) {
        self.work(|checkout| {
            let mut made: Vec<Vec<u8>> = Vec::with_capacity(batch.items.len());
            let mut ids = Vec::with_capacity(batch.items.len());
            for BatchItem { number, at, data, base, _room } in batch.items {
                self.check_stopped()?;
                let data = match base.map(|base| made.get(base).map_or(&[][..], Vec::as_slice)) {
                    None => data,
                    Some(base) => delta::apply(base, &data, CHAIN_BYTES as u64)
                        .map_err(|error| PackError::corrupt(at, error.to_string()))?,
                };
                let id = hash_of(Kind::Blob, &data)?;
                if !checkout.write_blob(&id, &data)? {
                    self.allowance.count_unwanted(data.len() as u64)?;
                }
                ids.push((number, id));
                made.push(data);
            }
            self.note_ids(ids);
            Ok(())
        });
    }

    /// Takes note of blobs that had their turn.
    fn note_ids(&self, ids: Vec<(u32, ObjectId)>) {
        self.ids.lock().unwrap_or_else(PoisonError::into_inner).extend(ids);
    }

    fn take_failure(&self) -> Option<PackError> {
        self.failure.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    /// The checkout, and the ids of the pack's blobs as far as known.
    fn finish(self, entries: usize) -> (Checkout<'a>, Vec<Option<ObjectId>>) {
        let mut ids = vec![None; entries];
        for (number, id) in self.ids.into_inner().unwrap_or_else(PoisonError::into_inner) {
            if let Some(slot) = ids.get_mut(number as usize) {
                *slot = Some(id);
            }
        }
        (self.checkout, ids)
    }
}

/// The receiver side: one thread, front to back.
struct PackReceiver<'r, 'scope, 'a> {
    workers: &'scope Workers<'a>,
    scope: &'r Scope<'scope>,
    tip: Tip,
    options: &'r UnpackOptions<'a>,
    /// What a mirror had before; with it, the pack has more than the commit.
    earlier: Option<&'a FindObject<'a>>,
    /// Files of the previous entry on their way to a worker.
    kept: RefCell<Vec<BaseFile<'a>>>,
}

/// What is left when the last byte is in.
struct Received<'a> {
    objects: PackObjects<'a>,
    bytes: PackBytes,
    walk: TreeWalk<'a>,
    length: u64,
}

impl<'scope, 'a> PackReceiver<'_, 'scope, 'a> {
    fn receive(&self, pack: &mut dyn BufRead, bytes: PackBytes) -> Result<Received<'a>, PackError> {
        let limits = &self.options.limits;
        let allowance = self.workers.allowance;
        let (mut reader, total) = PackReader::open(pack, bytes, limits)?;
        let mut objects = PackObjects::new(self.options.base, self.earlier, allowance);
        let mut walk = TreeWalk::new(self.options.folds, allowance);
        let mut batch = Batch::default();
        let mut reported = 0;
        for received in 0..total {
            self.workers.check_stopped()?;
            self.count_received(reader.position())?;
            if received == 0 || reader.position() - reported >= REPORT_EVERY {
                reported = reader.position();
                self.report(reported, received, total);
            }
            match self.entry(&mut reader, &mut objects)? {
                Arrival::Small => self.grow(&mut walk, &mut objects)?,
                Arrival::Blob { data, .. } if total == 1 => return Err(self.no_commit(&data)?),
                arrival => self.distribute(arrival, &mut batch)?,
            }
        }
        self.give_batch(batch);
        let length = reader.position();
        objects.end_at(length);
        let bytes = reader.finish()?;
        self.report(length, total, total);
        check_tag(self.tip, |id| objects.small(id))?;
        if !walk.has_root() {
            self.start(&mut walk, &objects)?;
        }
        self.give_base_files(self.kept.take());
        Ok(Received { objects, bytes, walk, length })
    }

    /// Walks on with the trees that have just become known.
    fn grow(
        &self,
        walk: &mut TreeWalk<'a>,
        objects: &mut PackObjects<'a>,
    ) -> Result<(), PackError> {
        for id in objects.take_arrived() {
            // What is no commit is named by its tag, if it has one, when all is there.
            let is_root = id == self.tip.commit && !walk.has_root();
            if is_root && (self.tip.tag.is_none() || objects.is_commit(&id)) {
                self.start(walk, objects)?;
            } else {
                walk.resume(&id, &|id| objects.tree(id), &mut |at, files| self.add(at, files))?;
            }
        }
        Ok(())
    }

    /// The error for a pack of nothing but a blob: it may be the very thing that was asked for.
    fn no_commit(&self, blob: &[u8]) -> Result<PackError, PackError> {
        let id = hash_of(Kind::Blob, blob)?;
        let wanted = self.tip.commit;
        Ok(if id == wanted {
            PackError::NotACommit { id }
        } else {
            PackError::MissingObject { id: wanted, path: "".into() }
        })
    }

    fn start(&self, walk: &mut TreeWalk<'a>, objects: &PackObjects<'a>) -> Result<(), PackError> {
        let root = objects.root_of(&self.tip.commit)?;
        walk.start(root, &|id| objects.tree(id), &mut |at, files| self.add(at, files))
    }

    /// Adds a directory's files, and gives those that the previous entry has to workers.
    fn add(&self, directory: &BStr, files: Vec<PlannedFile>) -> Result<(), PackError> {
        let mut kept = self.kept.take();
        kept.extend(self.workers.checkout.add(directory, files)?);
        if kept.len() >= BATCH_KEPT {
            self.give_base_files(std::mem::take(&mut kept));
        }
        self.kept.replace(kept);
        Ok(())
    }

    fn give_base_files(&self, kept: Vec<BaseFile<'a>>) {
        let workers = self.workers;
        self.scope.spawn(move |_| {
            workers.work(|checkout| {
                kept.into_iter().try_for_each(|kept| {
                    workers.check_stopped().and_then(|()| checkout.take_from_base(kept))
                })
            });
        });
    }

    /// Takes note of how far receiver has come.
    fn count_received(&self, bytes: u64) -> Result<(), LimitError> {
        self.workers.allowance.set_received(bytes);
        if self.earlier.is_some() {
            let most = self.options.limits.history;
            LimitError::check(PackLimit::History, bytes, most)
        } else {
            Ok(())
        }
    }

    fn report(&self, bytes: u64, objects: u32, total: u32) {
        let of = Some(total.into()).filter(|of| *of > 0);
        let objects = objects.into();
        (self.options.on_step)(Step::Receiving { bytes, objects, of });
    }

    /// Gives what arrived to the batch, and a full batch to a worker.
    fn distribute(&self, arrival: Arrival, batch: &mut Batch) -> Result<(), PackError> {
        let allowance = self.workers.allowance;
        match arrival {
            Arrival::Blob { number, at, data, room } => {
                if batch.is_full() {
                    self.give_batch(std::mem::take(batch));
                }
                batch.add(number, at, data, room);
            }
            Arrival::Delta { number, at, delta, base, packed } => {
                match batch.add_delta(number, at, delta, base) {
                    Some(made) => allowance.count_unpacked(made)?,
                    None => allowance.count_unwanted(packed)?,
                }
            }
            Arrival::Large { number, id, size } => {
                if !self.workers.checkout.wants(&id) {
                    allowance.count_unwanted(size)?;
                }
                self.workers.note_ids(vec![(number, id)]);
            }
            Arrival::Waits { packed } => allowance.count_unwanted(packed)?,
            Arrival::Small => {}
        }
        Ok(())
    }

    fn entry(
        &self,
        reader: &mut PackReader<'_>,
        objects: &mut PackObjects<'_>,
    ) -> Result<Arrival, PackError> {
        let header = reader.header()?;
        let number = objects.enter(&header)?;
        match header.encoding {
            Encoding::Whole(Kind::Blob) => self.blob(number, &header, reader),
            Encoding::Whole(kind) => {
                objects.check_room(header.size)?;
                let _room = self.workers.allowance.hold(header.size)?;
                let data = reader.inflate(&header)?;
                objects.keep(number, kind, data, reader.bytes())?;
                Ok(Arrival::Small)
            }
            Encoding::DeltaOf(_) | Encoding::DeltaOfOffset(_) => {
                self.delta(number, &header, reader, objects)
            }
        }
    }

    fn blob(
        &self,
        number: u32,
        header: &EntryHeader,
        reader: &mut PackReader<'_>,
    ) -> Result<Arrival, PackError> {
        let at = header.start;
        let size = header.size;
        let allowance = self.workers.allowance;
        allowance.count_unpacked(size)?;
        let room = if size <= HELD { None } else { allowance.room(size) };
        if size <= HELD || room.is_some() {
            return Ok(Arrival::Blob { number, at, data: reader.inflate(header)?, room });
        }
        let mut hasher = hasher_of(Kind::Blob, size);
        reader.skim(header, &mut |piece| {
            hasher.update(piece);
            self.workers.check_stopped()
        })?;
        Ok(Arrival::Large { number, id: finish(hasher)?, size })
    }

    fn delta(
        &self,
        number: u32,
        header: &EntryHeader,
        reader: &mut PackReader<'_>,
        objects: &mut PackObjects<'_>,
    ) -> Result<Arrival, PackError> {
        self.workers.allowance.count_unpacked(header.size)?;
        let delta = if header.size <= HELD {
            Some(reader.inflate(header)?)
        } else {
            reader.skim(header, &mut |_| self.workers.check_stopped())?;
            None
        };
        let packed = reader.position() - header.start;
        let filed = objects.delta(number, header, delta.as_deref(), reader.bytes())?;
        Ok(match (filed, delta) {
            (Filed::Resolved, _) => Arrival::Small,
            (Filed::UnderEntry(base), Some(delta)) => {
                Arrival::Delta { number, at: header.start, delta, base, packed }
            }
            (Filed::UnderEntry(_) | Filed::UnderId, _) => Arrival::Waits { packed },
        })
    }

    /// Gives a batch to the pool, or does it here when the pool is behind: nothing waits, and memory
    /// stays bounded.
    fn give_batch(&self, batch: Batch) {
        let workers = self.workers;
        let bytes = batch.bytes;
        if workers.in_flight.load(Ordering::Relaxed) + bytes > workers.allowance.in_flight() {
            workers.write_blobs(batch);
            return;
        }
        workers.in_flight.fetch_add(bytes, Ordering::Relaxed);
        self.scope.spawn(move |_| {
            workers.write_blobs(batch);
            workers.in_flight.fetch_sub(bytes, Ordering::Relaxed);
        });
    }
}

/// What came out of one entry. `packed` is what it takes of the pack.
enum Arrival {
    /// A commit, tree or tag, already put away.
    Small,
    /// A delta that waits for an object of which only the id is known, or is large itself.
    Waits { packed: u64 },
    /// A delta of an entry that is no commit or tree.
    Delta { number: u32, at: u64, delta: Vec<u8>, base: u32, packed: u64 },
    /// A whole blob.
    Blob { number: u32, at: u64, data: Vec<u8>, room: Option<Room> },
    /// A whole blob that was not kept.
    Large { number: u32, id: ObjectId, size: u64 },
}

#[cfg(test)]
mod tests {
    use modstore_core::disk::Disk;

    use super::*;

    #[test]
    fn a_worker_that_gives_up_does_not_hide_why() {
        let dir = tempfile::tempdir().unwrap();
        let writer = Planting::create(&Disk::default(), &dir.path().join("tree")).unwrap();
        let limits = PackLimits::default();
        let memory = MemoryBudget::new(1 << 20, 1);
        let cancel = Cancel::new();
        let allowance = Allowance::new(&limits, &memory, dir.path(), 0, &cancel);
        let workers = Workers::new(&writer, None, &allowance);
        workers.work(|_| {
            workers.stop_unless(false);
            workers.check_stopped()
        });
        assert!(workers.take_failure().is_none());
    }
}
