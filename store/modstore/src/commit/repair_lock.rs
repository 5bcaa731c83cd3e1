//! [`RepairLock`]: the store's lock, for a repair of what a [`Locked`](super::Locked) store refuses.
//!
//! It is taken whatever the journal says, and nothing is finished or removed. Which acts a repair needs is for the checks,
//! each of which knows what it may replace; only with this lock can it replace the journal.

use std::path::{Path, PathBuf};

use super::{
    frame::Frame,
    journal::{Journal, JournalError},
    locked::BeginError,
    quarantine::{put_away, put_in_place},
    state::State,
};
use crate::{
    Context,
    disk::{Barrier, Disk, DiskError, Layout, Lock, Staging},
};

/// The store, locked, whatever its journal says.
#[derive(Debug)]
pub(crate) struct RepairLock {
    disk: Disk,
    layout: Layout,
    barrier: Barrier,
    staging: Staging,
    _lock: Lock,
}

impl RepairLock {
    /// Takes the store's lock and does nothing else.
    ///
    /// # Errors
    /// Nothing was changed.
    pub(crate) fn take(context: Context<'_>, staging: Staging) -> Result<Self, BeginError> {
        let lock = context.lock("store")?;
        Ok(Self {
            disk: context.disk.clone(),
            layout: context.layout.clone(),
            barrier: context.barrier,
            staging,
            _lock: lock,
        })
    }

    /// What the store adds up to now. A torn end counts as not there.
    ///
    /// # Errors
    /// When the journal is damaged.
    pub(crate) fn state(&self) -> Result<State, JournalError> {
        Journal::state(&self.layout.journal())
    }

    pub(crate) const fn disk(&self) -> &Disk {
        &self.disk
    }

    pub(crate) const fn layout(&self) -> &Layout {
        &self.layout
    }

    /// Where to make what is to be put in place.
    pub(crate) const fn staging(&self) -> &Staging {
        &self.staging
    }

    /// Makes all that is staged durable.
    ///
    /// # Errors
    /// Nothing may be put in place then.
    pub(crate) fn sync_staging(&self) -> Result<(), DiskError> {
        self.disk.sync_tree(self.staging.directory(), self.barrier)
    }

    /// Replaces the journal by this one frame, durably. A reader sees the old one or the new one.
    ///
    /// # Errors
    /// The journal is the old one or the new one.
    pub(crate) fn replace_journal(&self, frame: &Frame) -> Result<(), DiskError> {
        let bytes = frame.to_bytes().0;
        self.disk.replace_file(&self.layout.journal(), &self.staging.fresh(), &bytes)
    }

    /// Puts `good`, durable by now, in the place of `path`, and returns where the damaged thing is now.
    ///
    /// # Errors
    /// `path` is what it was or what it should be.
    pub(crate) fn put_in_place(
        &self,
        good: &Path,
        path: &Path,
    ) -> Result<Option<PathBuf>, DiskError> {
        put_in_place(&self.disk, &self.layout, good, path)
    }

    /// Moves a file or directory of the store, which nothing needs, to the quarantine.
    ///
    /// # Errors
    /// It is where it was, unless a sync failed.
    pub(crate) fn put_away(&self, path: &Path) -> Result<PathBuf, DiskError> {
        put_away(&self.disk, &self.layout, path)
    }
}
