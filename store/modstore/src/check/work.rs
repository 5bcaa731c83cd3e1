//! [`Work`]: what the repairs work with. And [`StoreInspection`], which ties it to the kit of findings.

use std::path::{Path, PathBuf};

use modstore_core::findings::{self, Inspection};

use super::{
    code::Repair,
    finding::About,
    report::{How, RepairError, RepairReport, Repaired},
    view::View,
};
use crate::{
    Context,
    acquire::Settings,
    commit::{BeginError, Locked, RepairLock, put_away},
    disk::{DiskError, LockError, Staging, StagingError},
};

/// The checks of a store.
pub(super) enum StoreInspection {}

impl Inspection for StoreInspection {
    type Repair = Repair;
    type About = About;
    type View<'a> = View<'a>;
    type Work<'a> = Work<'a>;
    type Error = RepairError;
}

/// A check of a store.
pub(super) type Check = findings::Check<StoreInspection>;
/// How a check of a store repairs.
pub(super) type RepairStep = findings::RepairStep<StoreInspection>;

/// What repairs work with.
pub(super) struct Work<'a> {
    pub(super) context: Context<'a>,
    /// How fetching is done.
    pub(super) settings: Settings,
    pub(super) report: RepairReport,
    /// Whether a repair has changed something since the last search.
    pub(super) is_outdated: bool,
}

impl<'a> Work<'a> {
    /// A private directory to work in.
    pub(super) fn staging(&self) -> Result<Staging, StagingError> {
        self.context.staging()
    }

    /// Takes the store's lock, whatever its journal says.
    pub(super) fn lock(&self, staging: Staging) -> Result<RepairLock<'a>, RepairError> {
        RepairLock::take(self.context, staging).map_err(not_begun)
    }

    /// Takes the store's lock, and finishes or removes what a crash left, as the next transaction would.
    pub(super) fn lock_sound(&self) -> Result<Locked, RepairError> {
        let staging = self.staging()?;
        Locked::take(self.context, staging).map_err(not_begun)
    }

    /// Reports a repair.
    pub(super) fn repaired(&mut self, path: PathBuf, how: How, aside: Option<PathBuf>) {
        self.report.repaired.push(Repaired::new(path, how, aside));
    }

    /// Moves a damaged thing to quarantine.
    pub(super) fn put_away(&self, path: &Path) -> Result<PathBuf, DiskError> {
        put_away(self.context.disk, self.context.layout, path)
    }
}

fn not_begun(error: BeginError) -> RepairError {
    match error {
        BeginError::Lock(LockError::Stopped) => RepairError::Cancelled,
        error => error.into(),
    }
}
