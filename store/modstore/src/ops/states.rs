//! What is wrong with the directories in `state/` that modules write to, and repairing it.

use std::path::PathBuf;

use crate::{
    Cancel, Store,
    access::AccessError,
    check::{self, Finding},
    commit::{BeginError, JournalError, Locked},
    disk::{DiskError, LockError, StagingError},
    events::Events,
};

/// What modules write to was not made usable. Nothing of what they have written was changed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StateError {
    /// The store cannot be changed.
    #[error(transparent)]
    Access(#[from] AccessError),
    /// There is no place to work in.
    #[error(transparent)]
    Staging(#[from] StagingError),
    /// The store cannot be locked.
    #[error(transparent)]
    Begin(#[from] BeginError),
    /// The disk failed; doing it again goes on.
    #[error("the directories that modules write to cannot be made again")]
    Disk(#[from] DiskError),
    /// A wish to stop.
    #[error("interrupted; doing it again goes on")]
    Cancelled,
}

impl Store {
    /// What is wrong with what modules keep: the directories in `state/` that the newest generation leads to.
    ///
    /// # Errors
    /// When the journal cannot be read.
    pub fn faulty_states(&self) -> Result<Vec<Finding>, JournalError> {
        Ok(check::kept(self.layout(), &self.state()?))
    }

    /// Makes what modules keep usable again: a directory that is gone is made, with what upstream ships there, and what took
    /// the place of one is kept beside it. Gives the paths that were repaired.
    ///
    /// # Errors
    /// See [`StateError`]. Those before the one that failed are repaired.
    pub fn repair_states(
        &self,
        events: &dyn Events,
        cancel: &Cancel,
    ) -> Result<Vec<PathBuf>, StateError> {
        let (context, _leftovers) = self.begin(events, cancel)?;
        let locked = Locked::take(context, context.staging()?).map_err(|error| match error {
            BeginError::Lock(LockError::Stopped) => StateError::Cancelled,
            error => error.into(),
        })?;
        let mut repaired = Vec::new();
        for module in locked.state().modules().keys() {
            repaired.extend(locked.repair_state(module)?.into_iter().map(|it| it.path));
        }
        Ok(repaired)
    }
}
