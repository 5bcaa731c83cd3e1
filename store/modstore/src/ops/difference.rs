//! `diff`: two generations compared.

use crate::{
    Store,
    commit::JournalError,
    model::Generation,
    update::{self, Difference},
};

/// The generations cannot be compared.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DifferenceError {
    /// The journal cannot be read.
    #[error("the store cannot be read")]
    Journal(#[from] JournalError),
    /// There is no generation of that number.
    #[error("there is no generation {0}")]
    NoGeneration(Generation),
}

impl Store {
    /// The modules that differ between two generations.
    ///
    /// # Errors
    /// When the journal cannot be read or has no such generation.
    pub fn difference(
        &self,
        from: Generation,
        to: Generation,
    ) -> Result<Vec<Difference>, DifferenceError> {
        let state = self.state()?;
        let modules =
            |wanted| state.modules_of(wanted).ok_or(DifferenceError::NoGeneration(wanted));
        Ok(update::difference(self.layout(), &modules(from)?, &modules(to)?))
    }
}
