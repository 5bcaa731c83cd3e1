//! The workers that write blobs while a pack is received, and the batches they are given.

use std::sync::{
    Mutex, PoisonError,
    atomic::{AtomicBool, AtomicUsize, Ordering},
};

use gix::{ObjectId, objs::Kind};
use modstore_core::disk::Planting;
use rayon::Scope;

use super::checkout::Checkout;
use crate::{
    errors::PackError,
    pack::{Allowance, Base, Room, delta, hash_of},
};

/// A batch of blobs is handed to a worker when it has this many bytes or blobs...
const BATCH_BYTES: usize = 256 << 10;
const BATCH_BLOBS: usize = 64;
/// ...but deltas of its blobs still join it up to here.
const CHAIN_BYTES: usize = 4 << 20;

/// The state that the receiving thread and the workers share.
///
/// The flags are relaxed: a worker that sees `stopped` late does one blob more, and nothing is published through
/// them. Blobs and ids travel through mutexes, and the end of the scope orders all of it before [`Workers::finish`].
pub(super) struct Workers<'a> {
    pub(super) checkout: Checkout<'a>,
    pub(super) allowance: &'a Allowance<'a>,
    stopped: AtomicBool,
    failure: Mutex<Option<PackError>>,
    /// Bytes in batches that wait in the pool.
    in_flight: AtomicUsize,
    /// Blobs that were looked at on arrival: entry number and id. Some may be wanted again by a directory that comes later.
    ids: Mutex<Vec<(u32, ObjectId)>>,
}

/// Blobs and deltas of them, in the order of the pack, for one worker. A worker makes the deltas from bases that it has
/// in hand, so most chains of small files are resolved while the pack arrives.
#[derive(Default)]
pub(super) struct Batch {
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
    pub(super) fn add(&mut self, number: u32, at: u64, data: Vec<u8>, room: Option<Room>) {
        self.bytes += data.len();
        self.items.push(BatchItem { number, at, data, base: None, _room: room });
    }

    pub(super) fn is_full(&self) -> bool {
        self.bytes >= BATCH_BYTES || self.items.len() >= BATCH_BLOBS
    }

    /// Takes a delta when its base is here and the result small, and says how large that is. A delta that is
    /// not taken waits for the end.
    pub(super) fn add_delta(
        &mut self,
        number: u32,
        at: u64,
        delta: Vec<u8>,
        base: u32,
    ) -> Option<u64> {
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
    pub(super) fn new(
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

    pub(super) fn stop_unless(&self, ok: bool) {
        if !ok {
            self.stopped.store(true, Ordering::Relaxed);
        }
    }

    pub(super) fn check_stopped(&self) -> Result<(), PackError> {
        if self.stopped.load(Ordering::Relaxed) {
            return Err(PackError::Cancelled);
        }
        self.allowance.check_cancelled()
    }

    /// Does a worker's job; the first failure stops all workers and is the one reported.
    pub(super) fn work(&self, job: impl FnOnce(&Checkout<'a>) -> Result<(), PackError>) {
        if self.stopped.load(Ordering::Relaxed) {
            return;
        }
        let Err(error) = job(&self.checkout) else { return };
        // A worker that gave up because others had stopped does not know why they did: its `Cancelled` must not hide
        // their failure, which the other thread may still be about to store.
        let others_stopped = self.stopped.swap(true, Ordering::Relaxed);
        if !(others_stopped && matches!(error, PackError::Cancelled)) {
            self.failure.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(error);
        }
    }

    /// Gives a batch to the pool, or writes it on the calling thread when the pool is behind. Nothing waits, so nothing
    /// can deadlock, and memory stays bounded: the receiving thread reads no further while it writes.
    pub(super) fn give<'scope>(&'scope self, scope: &Scope<'scope>, batch: Batch) {
        let bytes = batch.bytes;
        // Only the receiving thread adds, so the check and the addition need not be one step.
        if self.in_flight.load(Ordering::Relaxed) + bytes > self.allowance.in_flight() {
            self.write_blobs(batch);
            return;
        }
        self.in_flight.fetch_add(bytes, Ordering::Relaxed);
        scope.spawn(move |_| {
            self.write_blobs(batch);
            self.in_flight.fetch_sub(bytes, Ordering::Relaxed);
        });
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

    /// Keeps the ids of blobs that were looked at.
    pub(super) fn note_ids(&self, ids: Vec<(u32, ObjectId)>) {
        self.ids.lock().unwrap_or_else(PoisonError::into_inner).extend(ids);
    }

    pub(super) fn take_failure(&self) -> Option<PackError> {
        self.failure.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    /// The checkout, and the ids of the pack's blobs as far as known.
    pub(super) fn finish(self, entries: usize) -> (Checkout<'a>, Vec<Option<ObjectId>>) {
        let mut ids = vec![None; entries];
        for (number, id) in self.ids.into_inner().unwrap_or_else(PoisonError::into_inner) {
            if let Some(slot) = ids.get_mut(number as usize) {
                *slot = Some(id);
            }
        }
        (self.checkout, ids)
    }
}

#[cfg(test)]
mod tests {
    use modstore_core::{Cancel, disk::Disk};

    use super::*;
    use crate::{limits::PackLimits, pack::MemoryBudget};

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
