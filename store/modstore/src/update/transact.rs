//! One transaction, begun and committed as every change of a store is.

use super::error::UpdateError;
use crate::{
    Context,
    commit::{BeginError, State, Transaction},
    disk::{LockError, Staging},
    events::Event,
    model::Generation,
};

/// Begins a transaction.
pub(crate) fn begin(context: Context<'_>, staging: Staging) -> Result<Transaction, UpdateError> {
    Transaction::begin(context, staging).map_err(|error| match error {
        BeginError::Lock(LockError::Stopped) => UpdateError::Cancelled,
        error => UpdateError::Begin(error),
    })
}

/// What a transaction came to.
pub(crate) struct Committed {
    /// The current generation.
    pub(crate) generation: Option<Generation>,
    /// What the store adds up to, if this transaction changed that.
    pub(crate) after: Option<State>,
}

/// Commits, unless that would change nothing. `modules.lock` goes along.
pub(crate) fn commit_if_changed(
    context: Context<'_>,
    transaction: Transaction,
) -> Result<Committed, UpdateError> {
    if !transaction.changes_anything() {
        let generation = transaction.state().head().map(|head| head.number);
        if transaction.notes_anything() {
            transaction.commit_notes().map_err(UpdateError::Remember)?;
        }
        return Ok(Committed { generation, after: None });
    }
    context.events.happened(Event::Committing);
    let after = transaction.commit(context.command)?;
    let generation = after.head().map(|head| head.number);
    if let Some(generation) = generation {
        context.events.happened(Event::Shown { generation });
    }
    Ok(Committed { generation, after: Some(after) })
}
