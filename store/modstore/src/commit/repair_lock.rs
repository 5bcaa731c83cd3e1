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
    disk::{DiskError, Lock, Staging},
};

/// The store, locked, whatever its journal says.
pub(crate) struct RepairLock<'a> {
    pub(crate) context: Context<'a>,
    /// Where to make what is to be put in place.
    pub(crate) staging: Staging,
    _lock: Lock,
}

impl<'a> RepairLock<'a> {
    /// Takes the store's lock and does nothing else.
    ///
    /// # Errors
    /// Nothing was changed.
    pub(crate) fn take(context: Context<'a>, staging: Staging) -> Result<Self, BeginError> {
        Ok(Self { context, staging, _lock: context.lock("store")? })
    }

    /// What the store adds up to now. A torn end counts as not there.
    ///
    /// # Errors
    /// When the journal is damaged.
    pub(crate) fn state(&self) -> Result<State, JournalError> {
        Journal::state(&self.context.layout.journal())
    }

    /// Makes all that is staged durable.
    ///
    /// # Errors
    /// Nothing may be put in place then.
    pub(crate) fn sync_staging(&self) -> Result<(), DiskError> {
        self.context.disk.sync_tree(self.staging.directory(), self.context.barrier)
    }

    /// Replaces the journal by this one frame, durably. A reader sees the old one or the new one.
    ///
    /// # Errors
    /// The journal is the old one or the new one.
    pub(crate) fn replace_journal(&self, frame: &Frame) -> Result<(), DiskError> {
        let bytes = frame.to_bytes().0;
        let Context { disk, layout, .. } = self.context;
        disk.replace_file(&layout.journal(), &self.staging.fresh(), &bytes)
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
        put_in_place(self.context.disk, self.context.layout, good, path)
    }

    /// Moves a file or directory of the store, which nothing needs, to the quarantine.
    ///
    /// # Errors
    /// It is where it was, unless a sync failed.
    pub(crate) fn put_away(&self, path: &Path) -> Result<PathBuf, DiskError> {
        put_away(self.context.disk, self.context.layout, path)
    }
}
