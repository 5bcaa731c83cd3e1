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
    commit::{
        BeginError, Beginning, Locked, RepairLock, Staging, StagingError, State, companion_of,
        put_away,
    },
    disk::{DiskError, LockError, LockWait},
    events::Event,
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
        self.begin(|how| RepairLock::take(self.context.disk, self.context.layout, staging, how))
    }

    /// Takes the store's lock, and finishes or removes what a crash left, as the next transaction would.
    pub(super) fn lock_sound(&self) -> Result<Locked, RepairError> {
        let staging = self.staging()?;
        self.begin(|how| Locked::take(self.context.disk, self.context.layout, staging, how))
    }

    fn begin<T>(
        &self,
        take: impl FnOnce(Beginning<'_>) -> Result<T, BeginError>,
    ) -> Result<T, RepairError> {
        let Context { layout, command, barrier, .. } = self.context;
        let companion = |state: &State| companion_of(layout, state);
        let begun = waiting(self.context, |wait| {
            take(Beginning { command, patience: wait, barrier, companion: &companion })
        });
        begun.map_err(|error| match error {
            BeginError::Lock(LockError::Stopped) => RepairError::Cancelled,
            error => error.into(),
        })
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

/// Waits for a lock as the context says, and reports which process holds it.
pub(super) fn waiting<T>(context: Context<'_>, take: impl FnOnce(LockWait<'_>) -> T) -> T {
    take(LockWait {
        limit: context.lock_limit,
        stop: &|| context.cancel.is_cancelled(),
        on_wait: &|holder| context.events.happened(Event::Waiting { holder }),
    })
}
