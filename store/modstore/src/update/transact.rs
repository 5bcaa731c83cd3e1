//! One transaction, begun and committed as every change of a store is: it tells when it has to wait, and `modules.lock`
//! goes along.

use super::{error::UpdateError, ground::Ground};
use crate::{
    commit::{BeginError, State, Transaction, lock_of},
    disk::{LockError, Staging},
    events::Event,
    model::Generation,
};

/// Begins a transaction, telling whoever listens when it has to wait.
pub(crate) fn begin(ground: Ground<'_>, staging: Staging) -> Result<Transaction, UpdateError> {
    Transaction::begin(ground.context(), staging).map_err(|error| match error {
        BeginError::Lock(LockError::Stopped) => UpdateError::Cancelled,
        error => UpdateError::Begin(error),
    })
}

/// What a transaction came to.
pub(crate) struct Committed {
    /// What is shown now.
    pub(crate) generation: Option<Generation>,
    /// What the store adds up to, if this transaction changed that.
    pub(crate) after: Option<State>,
}

/// Commits, unless that would show nothing else than what is shown. `modules.lock` goes along.
pub(crate) fn commit_if_changed(
    ground: Ground<'_>,
    mut transaction: Transaction,
) -> Result<Committed, UpdateError> {
    if !transaction.changes_anything() {
        let generation = transaction.state().head().map(|head| head.number);
        if transaction.notes_anything() {
            transaction.commit_notes().map_err(UpdateError::Remember)?;
        }
        return Ok(Committed { generation, after: None });
    }
    let lock = lock_of(transaction.modules_after()).print();
    transaction.also_write(ground.layout.modules_lock(), lock);
    ground.events.happened(Event::Committing);
    let after = transaction.commit(&ground.options.command)?;
    let generation = after.head().map(|head| head.number);
    if let Some(generation) = generation {
        ground.events.happened(Event::Shown { generation });
    }
    Ok(Committed { generation, after: Some(after) })
}
