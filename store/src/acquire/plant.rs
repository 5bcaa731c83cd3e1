//! A commit's tree into staging: from a pack as it arrives, or from an object database.
//!
//! git sends a tree before what is in it, and a delta after its base. So the tree is walked as it
//! becomes known, and blobs are written by rayon's threads while the calling thread receives; a delta
//! goes to the worker that has its base in hand. Whatever comes in another order is written after the
//! last byte.
//! There is no repository, pack file or index on disk.
//!
//! Limits: does not seal the tree, does not fetch submodules or LFS content, and on failure leaves
//! the staging directory to its owner.

use std::borrow::Cow;
use std::cell::RefCell;
use std::error::Error as StdError;
use std::io::BufRead;
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};

use gix::ObjectId;
use gix::bstr::BStr;
use gix::objs::Kind;
use rayon::Scope;
use rayon::prelude::*;

use crate::acquire::base::{Base, hash_of};
use crate::acquire::checkout::{Checkout, Kept, Planted};
use crate::acquire::delta;
use crate::acquire::delta_families::Families;
use crate::acquire::pack_bytes::PackBytes;
use crate::acquire::pack_error::{PackError, PackLimits};
use crate::acquire::pack_objects::{Filed, PackObjects};
use crate::acquire::pack_reader::{Encoding, PackReader};
use crate::acquire::tree_plan::{PlannedFile, Walk};
use crate::disk::{FoldsNames, Planting};

/// A batch of blobs is handed to a worker when it has this many bytes or blobs...
const BATCH_BYTES: usize = 256 << 10;
const BATCH_BLOBS: usize = 64;
/// ...but deltas of its blobs still join it up to here.
const FAMILY_BYTES: usize = 4 << 20;
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

/// Answers with an object's kind, its bytes in the buffer, or `None` when it is not there.
pub type FindObject<'f> = dyn Fn(&ObjectId, &mut Vec<u8>) -> Result<Option<Kind>, Box<dyn StdError + Send + Sync>>
    + Sync
    + 'f;

/// Plants the tree of `commit` from the pack that `pack` is about to give, up to and including the
/// pack's last byte. A pack too large for memory spills to a file at `spill`, unlinked while in use.
///
/// # Errors
/// The staging directory holds a part of the tree, or none of it, and must be thrown away.
pub fn plant_pack(
    pack: &mut dyn BufRead,
    commit: ObjectId,
    planting: &Planting,
    spill: &Path,
    options: &PlantOptions<'_>,
) -> Result<Planted, PackError> {
    let crew = Crew::new(planting, options);
    let received = rayon::in_place_scope(|scope| {
        let receiving = Receiving { crew: &crew, scope, commit, options, kept: RefCell::default() };
        let received = receiving.receive(pack, spill);
        crew.stop_unless(received.is_ok());
        received
    });
    if let Some(failure) = crew.take_failure() {
        return Err(failure);
    }
    let Received { objects, bytes, walk, length } = received?;
    let (root, extras) = walk.finish()?;
    let (checkout, planted) = crew.dismiss(objects.entries().len());
    if !checkout.wanted().is_empty() {
        let (base, cancel, largest) = (options.base, options.cancel, options.limits.object);
        let (objects, bytes, checkout, planted) = (&objects, &bytes, &checkout, &planted);
        Families { objects, bytes, checkout, base, planted, largest, cancel }.plant()?;
    }
    Ok(Planted { received_bytes: length, ..checkout.finish(root, extras, options.folds)? })
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
    let go_on = || if (options.cancel)() { Err(PackError::Cancelled) } else { Ok(()) };
    let checkout = Checkout::new(options.base, planting, &options.limits);
    let mut walk = Walk::new(options.folds, &options.limits);
    let mut kept = Vec::new();
    walk.start(tree, &find_tree, &mut |directory, files| {
        kept.extend(checkout.add(directory, files)?);
        go_on()
    })?;
    let (root, extras) = walk.finish()?;
    kept.into_par_iter().try_for_each(|kept| go_on().and_then(|()| checkout.keep(kept)))?;
    checkout.wanted().par_iter().try_for_each_init(Vec::new, |buffer, id| {
        go_on()?;
        match find_checked(find, id, Kind::Blob, buffer)? {
            true => checkout.plant(id, buffer),
            false => Ok(()),
        }
    })?;
    checkout.finish(root, extras, options.folds)
}

fn find_checked(
    find: &FindObject<'_>,
    id: &ObjectId,
    kind: Kind,
    buffer: &mut Vec<u8>,
) -> Result<bool, PackError> {
    let found = find(id, buffer).map_err(|source| PackError::Find { id: *id, source })?;
    match found {
        None => Ok(false),
        Some(found) if found == kind && hash_of(kind, buffer)? == *id => Ok(true),
        Some(_) => Err(PackError::corrupt(0, format!("object {id} is not what its id says"))),
    }
}

/// What the receiving thread and the workers share.
struct Crew<'a> {
    checkout: Checkout<'a>,
    cancel: &'a (dyn Fn() -> bool + Sync),
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
}

impl Batch {
    fn add(&mut self, number: u32, at: u64, data: Vec<u8>) {
        self.bytes += data.len();
        self.items.push(Item { number, at, data, base: None });
    }

    fn is_full(&self) -> bool {
        self.bytes >= BATCH_BYTES || self.items.len() >= BATCH_BLOBS
    }

    /// Takes a delta when its base is here and the result small. What is not taken waits for the end.
    fn add_delta(&mut self, number: u32, at: u64, delta: Vec<u8>, base: u32) {
        let Ok(base) = self.items.binary_search_by_key(&base, |item| item.number) else { return };
        let made = delta::result_size(&delta).and_then(|size| usize::try_from(size).ok());
        let Some(bytes) = made.and_then(|made| made.checked_add(self.bytes + delta.len())) else {
            return;
        };
        if bytes <= FAMILY_BYTES {
            self.bytes = bytes;
            self.items.push(Item { number, at, data: delta, base: Some(base) });
        }
    }
}

impl<'a> Crew<'a> {
    fn new(planting: &'a Planting, options: &PlantOptions<'a>) -> Crew<'a> {
        Crew {
            checkout: Checkout::new(options.base, planting, &options.limits),
            cancel: options.cancel,
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
        if self.stopped.load(Ordering::Relaxed) || (self.cancel)() {
            return Err(PackError::Cancelled);
        }
        Ok(())
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
            for Item { number, at, data, base } in batch.items {
                self.go_on()?;
                let data = match base.map(|base| made.get(base).map_or(&[][..], Vec::as_slice)) {
                    None => data,
                    Some(base) => delta::apply(base, &data, FAMILY_BYTES as u64)
                        .map_err(|error| PackError::corrupt(at, error.to_string()))?,
                };
                let id = hash_of(Kind::Blob, &data)?;
                checkout.plant(&id, &data)?;
                ids.push((number, id));
                made.push(data);
            }
            self.planted.lock().unwrap_or_else(PoisonError::into_inner).extend(ids);
            Ok(())
        });
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
    commit: ObjectId,
    options: &'r PlantOptions<'a>,
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
    fn receive(&self, pack: &mut dyn BufRead, spill: &Path) -> Result<Received<'a>, PackError> {
        let limits = &self.options.limits;
        let (mut reader, total) =
            PackReader::open(pack, PackBytes::new(limits.memory, spill), limits)?;
        let mut objects = PackObjects::new(self.options.base, limits);
        let mut walk = Walk::new(self.options.folds, limits);
        let mut batch = Batch::default();
        let mut reported = 0;
        for received in 0..total {
            self.crew.go_on()?;
            if received == 0 || reader.position() - reported >= REPORT_EVERY {
                reported = reader.position();
                self.report(reported, received, total);
            }
            match self.entry(&mut reader, &mut objects)? {
                Arrival::Small => self.grow(&mut walk, &mut objects)?,
                arrival => self.distribute(arrival, &mut batch),
            }
        }
        self.hand_over(batch);
        let length = reader.position();
        let bytes = reader.finish()?;
        self.report(length, total, total);
        if !walk.has_root() {
            self.start(&mut walk, &objects)?;
        }
        self.take_over(self.kept.take());
        Ok(Received { objects, bytes, walk, length })
    }

    /// Walks on with the trees that have just become known.
    fn grow(&self, walk: &mut Walk<'_>, objects: &mut PackObjects<'a>) -> Result<(), PackError> {
        for id in objects.take_arrived() {
            if id == self.commit && !walk.has_root() {
                self.start(walk, objects)?;
            } else {
                walk.go_on(&id, &|id| Ok(objects.tree(id)), &mut |at, files| self.add(at, files))?;
            }
        }
        Ok(())
    }

    fn start(&self, walk: &mut Walk<'_>, objects: &PackObjects<'a>) -> Result<(), PackError> {
        let root = objects.root_of(&self.commit)?;
        walk.start(root, &|id| Ok(objects.tree(id)), &mut |at, files| self.add(at, files))
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

    fn report(&self, bytes: u64, objects: u32, total: u32) {
        (self.options.progress)(PackNews { bytes, objects, total });
    }

    /// Gives what arrived to the batch, and a full batch to a worker.
    fn distribute(&self, arrival: Arrival, batch: &mut Batch) {
        match arrival {
            Arrival::Blob { number, at, data } => {
                if batch.is_full() {
                    self.hand_over(std::mem::take(batch));
                }
                batch.add(number, at, data);
            }
            Arrival::Delta { number, at, delta, base } => batch.add_delta(number, at, delta, base),
            Arrival::Small | Arrival::Waits => {}
        }
    }

    fn entry(
        &self,
        reader: &mut PackReader<'_>,
        objects: &mut PackObjects<'_>,
    ) -> Result<Arrival, PackError> {
        let header = reader.header()?;
        let number = objects.enter(&header);
        match header.encoding {
            Encoding::Whole(Kind::Blob) => {
                Ok(Arrival::Blob { number, at: header.start, data: reader.inflate(&header)? })
            }
            Encoding::Whole(kind) => {
                objects.check_room(header.size)?;
                let data = reader.inflate(&header)?;
                objects.keep(number, kind, data, reader.bytes())?;
                Ok(Arrival::Small)
            }
            Encoding::DeltaOf(_) | Encoding::DeltaOfOffset(_) => {
                let delta = reader.inflate(&header)?;
                Ok(match objects.delta(number, &header, &delta, reader.bytes())? {
                    Filed::Resolved => Arrival::Small,
                    Filed::UnderId => Arrival::Waits,
                    Filed::UnderEntry(base) => {
                        Arrival::Delta { number, at: header.start, delta, base }
                    }
                })
            }
        }
    }

    /// Gives a batch to the pool, or does it here when the pool is behind: nothing waits, and memory
    /// stays bounded.
    fn hand_over(&self, batch: Batch) {
        let (crew, bytes) = (self.crew, batch.bytes);
        if crew.in_flight.load(Ordering::Relaxed) + bytes > self.options.limits.in_flight {
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

/// What came out of one entry.
enum Arrival {
    /// A commit, tree or tag, already put away.
    Small,
    /// A delta that waits for an object of which only the id is known.
    Waits,
    /// A delta of an entry that is no commit or tree.
    Delta { number: u32, at: u64, delta: Vec<u8>, base: u32 },
    /// A whole blob.
    Blob { number: u32, at: u64, data: Vec<u8> },
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::disk::Disk;

    #[test]
    fn a_worker_that_gives_up_does_not_hide_why() {
        let dir = tempfile::tempdir().unwrap();
        let planting = Planting::create(&Disk::default(), &dir.path().join("tree")).unwrap();
        let limits = PackLimits::default();
        let (progress, cancel) = (&|_| {}, &|| false);
        let options = PlantOptions { base: None, folds: &|| Ok(false), limits, progress, cancel };
        let crew = Crew::new(&planting, &options);
        crew.work(|_| {
            crew.stop_unless(false);
            crew.go_on()
        });
        assert!(crew.take_failure().is_none());
    }
}
