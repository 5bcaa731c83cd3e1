//! `remove`: modules leave `modules.toml` and the current generation together.

use crate::{
    Cancel, Store,
    access::AccessError,
    declare::{self, DeclareError},
    disk::{DiskError, LockError},
    environment::EnvironmentLockError,
    events::Events,
    keep,
    model::{self, Generation, ModuleName},
    ops::transact::TransactError,
    project,
    update::Environments,
};

/// Nothing was removed, and `modules.toml` is as it was, unless the transaction says that it has happened.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RemoveError {
    /// The store cannot be changed.
    #[error(transparent)]
    Access(#[from] AccessError),
    /// `modules.toml` cannot be read or changed.
    #[error(transparent)]
    Declare(#[from] DeclareError),
    /// An environment that is bound cannot be worked on.
    #[error(transparent)]
    Hold(#[from] EnvironmentLockError),
    /// The transaction failed.
    #[error(transparent)]
    Transact(#[from] TransactError),
    /// Another process is writing.
    #[error("what modules have written cannot be deleted now")]
    Lock(#[from] LockError),
    /// Some of what modules have written may be gone; doing it again goes on.
    #[error("what modules have written is only deleted in part")]
    State(#[source] DiskError),
}

impl RemoveError {
    /// Whether the change has happened, or may have.
    #[must_use]
    pub const fn has_happened(&self) -> bool {
        matches!(self, Self::Transact(error) if error.has_happened())
    }
}

impl Store {
    /// Removes modules from `modules.toml`, and switches to a generation without them.
    ///
    /// # Errors
    /// `modules.toml` is as it was, except where the error says that the change has happened.
    pub fn remove(
        &self,
        names: &[ModuleName],
        events: &dyn Events,
        cancel: &Cancel,
    ) -> Result<Option<Generation>, RemoveError> {
        let (context, _leftovers) = self.begin(events, cancel)?;
        let undeclare = |text: &str| {
            names.iter().try_fold(text.to_owned(), |text, name| model::remove_module(&text, name))
        };
        let unbind = || -> Result<_, RemoveError> {
            let environments = Environments::hold(context)?;
            Ok(self.transact(context, environments, |transaction| {
                let change = &mut transaction.change;
                change.bindings = names.iter().map(|name| (name.clone(), None)).collect();
                change.notes = names.iter().map(|name| (name.clone(), None)).collect();
                change.gone = names.iter().cloned().collect();
                change.holds = names.iter().map(|name| (name.clone(), None)).collect();
                Ok(())
            })?)
        };
        let nothing_happened = |error: &RemoveError| !error.has_happened();
        let removed =
            declare::edit_along(self.editing(cancel), undeclare, unbind, nothing_happened)?;
        project::relock_all(context, &self.declarations()?, &[]).map_err(TransactError::from)?;
        Ok(removed)
    }

    /// Deletes what these modules have written to the paths that they keep, for ever; a module that is
    /// still there begins again with what upstream ships. Gives those that had written something.
    ///
    /// # Errors
    /// Each [`RemoveError`] says what has happened.
    pub fn purge_states(
        &self,
        names: &[ModuleName],
        events: &dyn Events,
        cancel: &Cancel,
    ) -> Result<Vec<ModuleName>, RemoveError> {
        let there = keep::states(self.layout()).map_err(RemoveError::State)?;
        let names: Vec<ModuleName> =
            names.iter().filter(|name| there.contains(name)).cloned().collect();
        if names.is_empty() {
            return Ok(names);
        }
        let (context, _leftovers) = self.begin(events, cancel)?;
        let _lock = context.lock("store")?;
        let forget = |name| keep::forget(context.disk, context.layout, name);
        names.iter().try_for_each(forget).map_err(RemoveError::State)?;
        Ok(names)
    }
}
