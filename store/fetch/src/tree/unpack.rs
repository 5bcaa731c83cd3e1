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
use modstore_core::disk::{FoldsNames, Planting};
use rayon::{Scope, prelude::*};

use super::{
    checkout::{Checkout, Kept, Planted},
    delta_chains::{Families, MODEST},
    plan::{PlannedFile, Walk},
};
use crate::{
    errors::{PackError, PackLimit, PackLimits},
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
const FAMILY_BYTES: usize = 4 << 20;
/// Blobs up to this size are held for a worker, larger ones when the budget has room.
const HELD: u64 = 1 << 20;
/// Files of the previous entry are taken this many at a time.
const BATCH_KEPT: usize = 256;
/// Bytes between two reports of progress.
const REPORT_EVERY: u64 = 128 << 10;

/// How far receiving has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PackNews {
    /// Bytes of the pack received.
    pub bytes: u64,
    /// Objects received.
    pub objects: u32,
    /// Objects in the pack.
    pub total: u32,
}

/// What planting is done with, besides the tree itself.
#[derive(Clone, Copy)]
pub struct PlantOptions<'a> {
    /// The previous entry, if there is one and [`base_is_usable`](super::base_is_usable).
    pub base: Option<&'a Base<'a>>,
    /// Whether the target file system takes names for equal that differ in case or normalisation. Asked only when a tree
    /// has names for which it matters.
    pub folds: &'a FoldsNames<'a>,
    /// What the pack may cost.
    pub limits: PackLimits,
    /// The memory of all fetches that run now.
    pub memory: &'a MemoryBudget,
    /// Told about progress, on the calling thread.
    pub progress: &'a (dyn Fn(PackNews) + Sync),
    /// Asked often, on any thread; `true` ends the work with [`PackError::Cancelled`].
    pub cancel: &'a (dyn Fn() -> bool + Sync),
}

impl std::fmt::Debug for PlantOptions<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("PlantOptions").field("limits", &self.limits).finish_non_exhaustive()
    }
}

/// Plants the tree of the commit of `tip` from the pack that `pack` is about to give, up to and including the pack's last
/// byte; where the commit was asked for by a tag, the tag in the pack must lead to it. A pack too large for memory spills
/// to a file at `spill`, unlinked while in use.
///
/// # Errors
/// The staging directory holds a part of the tree, or none of it, and must be thrown away.
pub fn plant_pack(
    pack: &mut dyn BufRead,
    tip: impl Into<Tip>,
    planting: &Planting,
    spill: &Path,
    options: &PlantOptions<'_>,
) -> Result<Planted, PackError> {
    let bytes = PackBytes::new(options.memory, spill);
    let (planted, _) = plant(pack, tip.into(), planting, (bytes, spill), options, None)?;
    Ok(planted)
}

/// The same for a pack with its history that a mirror is to keep: `kept` is where it lies, whole when this returns;
/// scratch files lie beside `scratch`.
/// What the server does not send comes from `earlier`. Gives the objects by which the pack can be used again: all
/// commits and trees, and the blobs that were looked at.
pub(crate) fn plant_history(
    pack: &mut dyn BufRead,
    tip: Tip,
    planting: &Planting,
    kept: KeptPack<'_>,
    scratch: &Path,
    options: &PlantOptions<'_>,
) -> Result<(Planted, Vec<KnownObject>), PackError> {
    let KeptPack { file, path, earlier } = kept;
    let bytes = PackBytes::kept(options.memory, file, path);
    let limits = PackLimits { unwanted: u64::MAX, ..options.limits };
    let options = PlantOptions { limits, ..*options };
    plant(pack, tip, planting, (bytes, scratch), &options, Some(earlier))
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

fn plant(
    pack: &mut dyn BufRead,
    tip: Tip,
    planting: &Planting,
    (bytes, scratch): (PackBytes, &Path),
    options: &PlantOptions<'_>,
    earlier: Option<&FindObject<'_>>,
) -> Result<(Planted, Vec<KnownObject>), PackError> {
    let spare = options.base.map_or(0, |base| base.manifest.size());
    let allowance = Allowance::new(&options.limits, options.memory, scratch, spare, options.cancel);
    let crew = Crew::new(planting, options.base, &allowance);
    let received = rayon::in_place_scope(|scope| {
        let (crew, kept) = (&crew, RefCell::default());
        let receiving = Receiving { crew, scope, tip, options, earlier, kept };
        let received = receiving.receive(pack, bytes);
        crew.stop_unless(received.is_ok());
        received
    });
    if let Some(failure) = crew.take_failure() {
        return Err(failure);
    }
    let Received { objects, bytes, walk, length } = received?;
    let (root, extras) = walk.finish()?;
    let (checkout, mut planted) = crew.dismiss(objects.entries().len());
    if !checkout.wants_nothing() {
        let base = options.base;
        let (objects, bytes, checkout, allowance) = (&objects, &bytes, &checkout, &allowance);
        let made = Families { objects, bytes, checkout, base, planted: &planted, allowance };
        for (number, id) in made.plant()? {
            if let Some(slot) = planted.get_mut(number as usize) {
                *slot = Some(id);
            }
        }
    }
    let known = match earlier {
        None => Vec::new(),
        Some(find) => {
            plant_found(find, &checkout)?;
            known_objects(&objects, &bytes, &planted)?
        }
    };
    drop(objects);
    Ok((Planted { received_bytes: length, ..checkout.finish(root, extras, options.folds)? }, known))
}

/// Plants the tree with id `tree` from an object database. Every object is checked against its id.
///
/// # Errors
/// As [`plant_pack`].
pub fn plant_tree(
    find: &FindObject<'_>,
    tree: ObjectId,
    planting: &Planting,
    options: &PlantOptions<'_>,
) -> Result<Planted, PackError> {
    let find_tree = |id: &ObjectId| -> Result<Option<Cow<'_, [u8]>>, PackError> {
        if let Some(bytes) = options.base.and_then(|base| base.tree(id)) {
            return Ok(Some(Cow::Borrowed(bytes)));
        }
        let mut bytes = Vec::new();
        Ok(find_checked(find, id, Kind::Tree, &mut bytes)?.then_some(Cow::Owned(bytes)))
    };
    // What a database gives was received before, and was small for its pack then.
    let limits = PackLimits { staging: u64::MAX, ..options.limits };
    let allowance = Allowance::new(&limits, options.memory, planting.root(), 0, options.cancel);
    let checkout = Checkout::new(options.base, planting, &allowance);
    let mut walk = Walk::new(options.folds, &allowance);
    let mut kept = Vec::new();
    walk.start(tree, &find_tree, &mut |directory, files| {
        kept.extend(checkout.add(directory, files)?);
        allowance.go_on()
    })?;
    let (root, extras) = walk.finish()?;
    let keep = |kept| allowance.go_on().and_then(|()| checkout.keep(kept));
    kept.into_par_iter().try_for_each(keep)?;
    plant_found(find, &checkout)?;
    checkout.finish(root, extras, options.folds)
}

/// Plants what is still waited for, as far as it is found.
fn plant_found(find: &FindObject<'_>, checkout: &Checkout<'_>) -> Result<(), PackError> {
    checkout.wanted().par_iter().try_for_each_init(Vec::new, |buffer, id| {
        match find_checked(find, id, Kind::Blob, buffer)? {
            true => checkout.plant(id, buffer).map(drop),
            false => Ok(()),
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
        let Some(offset) = objects.start_of(number).filter(|_| entry.size <= MODEST) else {
            continue;
        };
        known.push(KnownObject { id, offset, crc32: bytes.crc32(offset..entry.end)? });
    }
    known.sort_by_key(|object| (object.id, object.offset));
    known.dedup_by_key(|object| object.id);
    Ok(known)
}

/// What the receiving thread and the workers share.
struct Crew<'a> {
    checkout: Checkout<'a>,
    allowance: &'a Allowance<'a>,
    stopped: AtomicBool,
    failure: Mutex<Option<PackError>>,
    in_flight: AtomicUsize,
    /// Blobs that had their turn on arrival: entry number and id.
    planted: Mutex<Vec<(u32, ObjectId)>>,
}

/// Blobs and deltas of them, in the order of the pack, for one worker.
#[derive(Default)]
struct Batch {
    items: Vec<Item>,
    /// Bytes in the blobs, in the deltas, and in what these will make.
    bytes: usize,
}

struct Item {
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
        self.items.push(Item { number, at, data, base: None, _room: room });
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
        if bytes > FAMILY_BYTES {
            return None;
        }
        self.bytes = bytes;
        self.items.push(Item { number, at, data: delta, base: Some(base), _room: None });
        Some(made)
    }
}

impl<'a> Crew<'a> {
    fn new(
        planting: &'a Planting,
        base: Option<&'a Base<'a>>,
        allowance: &'a Allowance<'a>,
    ) -> Crew<'a> {
        Crew {
            checkout: Checkout::new(base, planting, allowance),
            allowance,
            stopped: AtomicBool::new(false),
            failure: Mutex::default(),
            in_flight: AtomicUsize::new(0),
            planted: Mutex::default(),
        }
    }

    fn stop_unless(&self, ok: bool) {
        if !ok {
            self.stopped.store(true, Ordering::Relaxed);
        }
    }

    fn go_on(&self) -> Result<(), PackError> {
        if self.stopped.load(Ordering::Relaxed) {
            return Err(PackError::Cancelled);
        }
        self.allowance.go_on()
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

    fn plant(&self, batch: Batch) {
        self.work(|checkout| {
            let mut made: Vec<Vec<u8>> = Vec::with_capacity(batch.items.len());
            let mut ids = Vec::with_capacity(batch.items.len());
            for Item { number, at, data, base, _room } in batch.items {
                self.go_on()?;
                let data = match base.map(|base| made.get(base).map_or(&[][..], Vec::as_slice)) {
                    None => data,
                    Some(base) => delta::apply(base, &data, FAMILY_BYTES as u64)
                        .map_err(|error| PackError::corrupt(at, error.to_string()))?,
                };
                let id = hash_of(Kind::Blob, &data)?;
                if !checkout.plant(&id, &data)? {
                    self.allowance.unwanted(data.len() as u64)?;
                }
                ids.push((number, id));
                made.push(data);
            }
            self.has(ids);
            Ok(())
        });
    }

    /// Takes note of blobs that had their turn.
    fn has(&self, ids: Vec<(u32, ObjectId)>) {
        self.planted.lock().unwrap_or_else(PoisonError::into_inner).extend(ids);
    }

    fn take_failure(&self) -> Option<PackError> {
        self.failure.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    /// The checkout, and the ids of the pack's blobs as far as known.
    fn dismiss(self, entries: usize) -> (Checkout<'a>, Vec<Option<ObjectId>>) {
        let mut ids = vec![None; entries];
        for (number, id) in self.planted.into_inner().unwrap_or_else(PoisonError::into_inner) {
            if let Some(slot) = ids.get_mut(number as usize) {
                *slot = Some(id);
            }
        }
        (self.checkout, ids)
    }
}

/// The receiving side: one thread, front to back.
struct Receiving<'r, 'scope, 'a> {
    crew: &'scope Crew<'a>,
    scope: &'r Scope<'scope>,
    tip: Tip,
    options: &'r PlantOptions<'a>,
    /// What a mirror had before; with it, the pack has more than the commit.
    earlier: Option<&'a FindObject<'a>>,
    /// Files of the previous entry on their way to a worker.
    kept: RefCell<Vec<Kept<'a>>>,
}

/// What is left when the last byte is in.
struct Received<'a> {
    objects: PackObjects<'a>,
    bytes: PackBytes,
    walk: Walk<'a>,
    length: u64,
}

impl<'scope, 'a> Receiving<'_, 'scope, 'a> {
    fn receive(&self, pack: &mut dyn BufRead, bytes: PackBytes) -> Result<Received<'a>, PackError> {
        let (limits, allowance) = (&self.options.limits, self.crew.allowance);
        let (mut reader, total) = PackReader::open(pack, bytes, limits)?;
        let mut objects = PackObjects::new(self.options.base, self.earlier, allowance);
        let mut walk = Walk::new(self.options.folds, allowance);
        let mut batch = Batch::default();
        let mut reported = 0;
        for received in 0..total {
            self.crew.go_on()?;
            self.note(reader.position())?;
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
        self.hand_over(batch);
        let length = reader.position();
        objects.end_at(length);
        let bytes = reader.finish()?;
        self.report(length, total, total);
        check_tag(self.tip, |id| objects.small(id))?;
        if !walk.has_root() {
            self.start(&mut walk, &objects)?;
        }
        self.take_over(self.kept.take());
        Ok(Received { objects, bytes, walk, length })
    }

    /// Walks on with the trees that have just become known.
    fn grow(&self, walk: &mut Walk<'a>, objects: &mut PackObjects<'a>) -> Result<(), PackError> {
        for id in objects.take_arrived() {
            // What is no commit is named by its tag, if it has one, when all is there.
            let is_root = id == self.tip.commit && !walk.has_root();
            if is_root && (self.tip.tag.is_none() || objects.is_commit(&id)) {
                self.start(walk, objects)?;
            } else {
                walk.go_on(&id, &|id| objects.tree(id), &mut |at, files| self.add(at, files))?;
            }
        }
        Ok(())
    }

    /// The error for a pack of nothing but a blob: it may be the very thing that was asked for.
    fn no_commit(&self, blob: &[u8]) -> Result<PackError, PackError> {
        let (id, wanted) = (hash_of(Kind::Blob, blob)?, self.tip.commit);
        Ok(match id == wanted {
            true => PackError::NotACommit { id },
            false => PackError::MissingObject { id: wanted, path: "".into() },
        })
    }

    fn start(&self, walk: &mut Walk<'a>, objects: &PackObjects<'a>) -> Result<(), PackError> {
        let root = objects.root_of(&self.tip.commit)?;
        walk.start(root, &|id| objects.tree(id), &mut |at, files| self.add(at, files))
    }

    /// Adds a directory's files, and gives those that the previous entry has to workers.
    fn add(&self, directory: &BStr, files: Vec<PlannedFile>) -> Result<(), PackError> {
        let mut kept = self.kept.take();
        kept.extend(self.crew.checkout.add(directory, files)?);
        if kept.len() >= BATCH_KEPT {
            self.take_over(std::mem::take(&mut kept));
        }
        self.kept.replace(kept);
        Ok(())
    }

    fn take_over(&self, kept: Vec<Kept<'a>>) {
        let crew = self.crew;
        self.scope.spawn(move |_| {
            crew.work(|checkout| {
                kept.into_iter()
                    .try_for_each(|kept| crew.go_on().and_then(|()| checkout.keep(kept)))
            });
        });
    }

    /// Takes note of how far receiving has come.
    fn note(&self, bytes: u64) -> Result<(), PackError> {
        self.crew.allowance.received(bytes);
        match self.earlier.is_some() {
            true => {
                let most = self.options.limits.history;
                PackError::check_limit(PackLimit::History, bytes, most)
            }
            false => Ok(()),
        }
    }

    fn report(&self, bytes: u64, objects: u32, total: u32) {
        (self.options.progress)(PackNews { bytes, objects, total });
    }

    /// Gives what arrived to the batch, and a full batch to a worker.
    fn distribute(&self, arrival: Arrival, batch: &mut Batch) -> Result<(), PackError> {
        let allowance = self.crew.allowance;
        match arrival {
            Arrival::Blob { number, at, data, room } => {
                if batch.is_full() {
                    self.hand_over(std::mem::take(batch));
                }
                batch.add(number, at, data, room);
                Ok(())
            }
            Arrival::Delta { number, at, delta, base, packed } => {
                match batch.add_delta(number, at, delta, base) {
                    Some(made) => allowance.made(made),
                    None => allowance.unwanted(packed),
                }
            }
            Arrival::Large { number, id, size } => {
                if !self.crew.checkout.wants(&id) {
                    allowance.unwanted(size)?;
                }
                self.crew.has(vec![(number, id)]);
                Ok(())
            }
            Arrival::Waits { packed } => allowance.unwanted(packed),
            Arrival::Small => Ok(()),
        }
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
                let _room = self.crew.allowance.hold(header.size)?;
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
        let (at, size, allowance) = (header.start, header.size, self.crew.allowance);
        allowance.made(size)?;
        let room = if size <= HELD { None } else { allowance.room(size) };
        if size <= HELD || room.is_some() {
            return Ok(Arrival::Blob { number, at, data: reader.inflate(header)?, room });
        }
        let mut hasher = hasher_of(Kind::Blob, size);
        reader.skim(header, &mut |piece| {
            hasher.update(piece);
            self.crew.go_on()
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
        self.crew.allowance.made(header.size)?;
        let delta = match header.size <= HELD {
            true => Some(reader.inflate(header)?),
            false => {
                reader.skim(header, &mut |_| self.crew.go_on())?;
                None
            }
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
    fn hand_over(&self, batch: Batch) {
        let (crew, bytes) = (self.crew, batch.bytes);
        if crew.in_flight.load(Ordering::Relaxed) + bytes > crew.allowance.in_flight() {
            crew.plant(batch);
            return;
        }
        crew.in_flight.fetch_add(bytes, Ordering::Relaxed);
        self.scope.spawn(move |_| {
            crew.plant(batch);
            crew.in_flight.fetch_sub(bytes, Ordering::Relaxed);
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
        let planting = Planting::create(&Disk::default(), &dir.path().join("tree")).unwrap();
        let (limits, memory) = (PackLimits::default(), MemoryBudget::new(1 << 20, 1));
        let allowance = Allowance::new(&limits, &memory, dir.path(), 0, &|| false);
        let crew = Crew::new(&planting, None, &allowance);
        crew.work(|_| {
            crew.stop_unless(false);
            crew.go_on()
        });
        assert!(crew.take_failure().is_none());
    }
}
