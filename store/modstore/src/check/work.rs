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
    commit::{BeginError, Locked, RepairLock, put_away},
    disk::{DiskError, LockError, Staging, StagingError},
    update::Ground,
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
    /// For what only the parts below can do: fetching, and environments.
    pub(super) ground: Ground<'a>,
    pub(super) context: Context<'a>,
    pub(super) report: RepairReport,
    /// Whether a repair has changed something since the last search.
    pub(super) is_outdated: bool,
}

impl Work<'_> {
    /// A private directory to work in.
    pub(super) fn staging(&self) -> Result<Staging, StagingError> {
        let Context { disk, layout, command, .. } = self.context;
        Staging::claim(disk, layout, command)
    }

    /// Takes the store's lock, whatever its journal says.
    pub(super) fn lock(&self, staging: Staging) -> Result<RepairLock, RepairError> {
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
