//! What one pack may cost while it becomes a tree: memory, work, and room in the staging.
//!
//! A pack of a kilobyte can say that it is many gigabytes, and be right. So what is made of a pack is counted, and
//! what may be made grows with the bytes received: [`GROWTH`] bytes for each, above a start that every pack has.
//!
//! Limits: the time that a server takes to send is not counted here.

use std::{
    fs::File,
    path::{Path, PathBuf},
    sync::atomic::{AtomicU64, Ordering},
};

use modstore_core::{Cancel, disk::unnamed_file};

use super::memory_budget::{FetchMemory, MemoryBudget, Share};
use crate::{
    errors::{LimitError, PackError},
    limits::{PackLimit, PackLimits},
};

/// Bytes that may be made of one byte of a pack. Text of honest repositories deflates to a tenth, and as deltas of its
/// like to a fiftieth.
const GROWTH: u64 = 64;
/// Objects up to this size are not counted one by one while they are worked on.
const UNCOUNTED: u64 = 64 << 10;

/// The same of commits, trees and tags, which the receiving thread has one of in hand.
const UNHELD: u64 = 1 << 20;

/// See the module. Shared by all threads of a fetch.
pub(crate) struct Allowance<'a> {
    limits: PackLimits,
    memory: FetchMemory,
    cancel: &'a Cancel,
    scratch: PathBuf,
    scratches: AtomicU64,
    received: AtomicU64,
    made: AtomicU64,
    staged: AtomicU64,
    unwanted: AtomicU64,
    /// What nothing asks for and is no surprise: the server may send what the previous entry has.
    spare: u64,
}

/// Memory for an object that is being worked on.
pub(crate) enum Room {
    /// So small that it is not counted.
    Uncounted,
    /// Counted until this is dropped.
    Counted {
        /// Holds the memory.
        _share: Share,
    },
}

impl<'a> Allowance<'a> {
    /// Scratch files are made beside `scratch`, which is in the transaction's own staging. The server may well send
    /// `spare` bytes that nothing asks for.
    pub(crate) fn new(
        limits: &PackLimits,
        memory: &MemoryBudget,
        scratch: &Path,
        spare: u64,
        cancel: &'a Cancel,
    ) -> Allowance<'a> {
        Allowance {
            limits: *limits,
            memory: FetchMemory::new(memory),
            cancel,
            scratch: scratch.to_owned(),
            scratches: AtomicU64::new(0),
            received: AtomicU64::new(0),
            made: AtomicU64::new(0),
            staged: AtomicU64::new(0),
            unwanted: AtomicU64::new(0),
            spare,
        }
    }

    pub(crate) fn limits(&self) -> &PackLimits {
        &self.limits
    }

    pub(crate) fn budget(&self) -> &MemoryBudget {
        self.memory.budget()
    }

    /// Bytes that may wait for a worker.
    pub(crate) fn in_flight(&self) -> usize {
        let own = usize::try_from(self.memory.in_flight()).unwrap_or(usize::MAX);
        self.limits.in_flight.min(own)
    }

    /// Whether to go on.
    pub(crate) fn check_cancelled(&self) -> Result<(), PackError> {
        if self.cancel.is_cancelled() { Err(PackError::Cancelled) } else { Ok(()) }
    }

    /// Counts memory that stays until the fetch ends.
    pub(crate) fn reserve(&self, bytes: u64) -> Result<(), LimitError> {
        self.memory.reserve(bytes)
    }

    /// Memory for `bytes` that an object which must be looked at whole takes for a while.
    pub(crate) fn hold(&self, bytes: u64) -> Result<Room, LimitError> {
        if bytes <= UNHELD {
            Ok(Room::Uncounted)
        } else {
            Ok(Room::Counted { _share: self.memory.hold(bytes)? })
        }
    }

    /// Memory for `bytes` of an object; `None` when they are to be in a file, or to be streamed.
    pub(crate) fn room(&self, bytes: u64) -> Option<Room> {
        if bytes <= UNCOUNTED {
            Some(Room::Uncounted)
        } else {
            self.budget().offer(bytes).map(|share| Room::Counted { _share: share })
        }
    }

    /// An empty file that has no name, and whose room ends with it.
    pub(crate) fn scratch(&self) -> Result<File, PackError> {
        let number = self.scratches.fetch_add(1, Ordering::Relaxed);
        let path = self.scratch.with_extension(format!("scratch-{number}"));
        unnamed_file(&path).map_err(|source| PackError::Spill { path, source })
    }

    /// What an error about a scratch file names.
    pub(crate) fn scratch_error(&self, source: std::io::Error) -> PackError {
        PackError::Spill { path: self.scratch.clone(), source }
    }

    /// Takes note of how far receiving has come.
    pub(crate) fn set_received(&self, bytes: u64) {
        self.received.store(bytes, Ordering::Relaxed);
    }

    /// Counts bytes that are inflated, or made by deltas.
    pub(crate) fn count_unpacked(&self, bytes: u64) -> Result<(), LimitError> {
        let made = self.made.fetch_add(bytes, Ordering::Relaxed).saturating_add(bytes);
        self.check(PackLimit::Unpacked, made, self.limits.unpacked)
    }

    /// Counts bytes that the staging is about to hold.
    pub(crate) fn count_staged(&self, bytes: u64) -> Result<(), LimitError> {
        let staged = self.staged.fetch_add(bytes, Ordering::Relaxed).saturating_add(bytes);
        self.check(PackLimit::Staging, staged, self.limits.staging)
    }

    /// The staging holds them no longer.
    pub(crate) fn release_staged(&self, bytes: u64) {
        self.staged.fetch_sub(bytes, Ordering::Relaxed);
    }

    /// Counts bytes of what nothing has asked for, as far as known.
    pub(crate) fn count_unwanted(&self, bytes: u64) -> Result<(), LimitError> {
        let unwanted = self.unwanted.fetch_add(bytes, Ordering::Relaxed).saturating_add(bytes);
        let most = self.limits.unwanted.saturating_add(self.spare);
        LimitError::check(PackLimit::Unwanted, unwanted, most)
    }

    fn check(&self, what: PackLimit, size: u64, start: u64) -> Result<(), LimitError> {
        let received = self.received.load(Ordering::Relaxed);
        LimitError::check(what, size, start.saturating_add(received.saturating_mul(GROWTH)))
    }
}
