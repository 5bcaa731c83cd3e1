//! [`MirrorError`]: why the bare mirror of a repository could not be used.

use std::error::Error;

use modstore_core::disk::LockError;

/// The mirror could not be used. Nothing that is served comes from it.
#[derive(Debug, thiserror::Error)]
pub enum MirrorError {
    /// Another process works with it.
    #[error("cannot use the mirror of {url}")]
    Locked {
        /// Redacted.
        url: String,
        /// Who has it, or why the lock cannot be taken.
        source: LockError,
    },
    /// It was made anew, and something in it was missing or damaged again.
    #[error("the mirror of {url} is damaged, and so is the one made anew")]
    Damaged {
        /// Redacted.
        url: String,
        /// What was found the second time.
        source: Box<dyn Error + Send + Sync>,
    },
}
