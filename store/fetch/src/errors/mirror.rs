//! [`MirrorError`]: why the bare mirror of a repository could not be used.

use std::error::Error;

use modstore_core::{disk::LockError, model::FailureCode};

/// The mirror could not be used. No module is served from it.
#[derive(Debug, thiserror::Error)]
pub enum MirrorError {
    /// Another process works with it.
    #[error("cannot use the mirror of {url}")]
    Locked {
        /// Redacted.
        url: String,
        /// The process that has it, or why the lock cannot be taken.
        source: LockError,
    },
    /// Something in it was missing or damaged, and again after it was rebuilt.
    #[error("the mirror of {url} is damaged, and was damaged again after it was rebuilt")]
    Damaged {
        /// Redacted.
        url: String,
        /// The damage found the second time.
        source: Box<dyn Error + Send + Sync>,
    },
}

impl MirrorError {
    /// The cause, as programs read it.
    pub(super) const fn code(&self) -> FailureCode {
        match self {
            Self::Locked { .. } => FailureCode::Store,
            Self::Damaged { .. } => FailureCode::Corrupt,
        }
    }
}
