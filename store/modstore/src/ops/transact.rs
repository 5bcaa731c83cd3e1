//! One transaction that fetches nothing: what `remove` and `rollback` share.

use crate::{
    Context, Store,
    commit::{CommitError, Transaction},
    disk::Staging,
    model::Generation,
    update::{self, Environments, TakenBack, UpdateError},
};

/// A transaction without a fetch did not end well.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TransactError {
    /// The transaction; its error says whether it has happened.
    #[error(transparent)]
    Update(#[from] UpdateError),
    /// The change has happened, and an environment could not follow it.
    #[error("the change has happened, but an environment does not follow it yet")]
    Environment(#[source] TakenBack),
}

impl TransactError {
    /// Whether the change has happened, or may have.
    #[must_use]
    pub const fn has_happened(&self) -> bool {
        match self {
            Self::Update(error) => error.has_happened(),
            Self::Environment(_) => true,
        }
    }
}

impl Store {
    /// Commits `change`; the environments that are bound follow it.
    pub(super) fn transact(
        &self,
        context: Context<'_>,
        mut environments: Environments,
        change: impl FnOnce(&mut Transaction) -> Result<(), CommitError>,
    ) -> Result<Option<Generation>, TransactError> {
        Staging::remove_dead(context.disk, context.layout).map_err(UpdateError::Leftovers)?;
        let staging = context.staging().map_err(UpdateError::from)?;
        let mut transaction = update::begin(context, staging)?;
        change(&mut transaction).map_err(UpdateError::from)?;
        let done = update::commit_if_changed(context, transaction)?;
        if let Some(after) = &done.after {
            environments.settle(context, after).map_err(TransactError::Environment)?;
        }
        self.sweep_briefly(context, done.after.as_ref());
        Ok(done.generation)
    }
}
