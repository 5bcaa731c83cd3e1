//! How to look, and why it may come to nothing.

use crate::{
    Cancel,
    disk::{LockError, LockWait},
    model::ModuleName,
};

use super::finding::Depth;

/// How a store is looked at.
#[derive(Clone, Copy)]
pub(crate) struct Looking<'a> {
    /// How closely.
    pub(crate) depth: Depth,
    /// Only the entries these modules lead to; all when there are none.
    pub(crate) names: &'a [ModuleName],
    /// The command, for those who wait for the lock meanwhile.
    pub(crate) command: &'a str,
    /// How to wait for the lock, which is taken only when something seems wrong.
    pub(crate) patience: LockWait<'a>,
    /// Whether it may be taken at all: whoever takes it writes to the home.
    pub(crate) may_lock: bool,
    /// Hears how many bytes are hashed, and of how many.
    pub(crate) progress: &'a (dyn Fn(u64, u64) + Sync),
    /// Ends it.
    pub(crate) cancel: &'a Cancel,
}

/// The store was not looked at, or not to the end. Nothing was changed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum VerifyError {
    /// No kept generation has such a module.
    #[error("no generation has a module `{name}`")]
    Unknown {
        /// Its name.
        name: ModuleName,
    },
    /// What seemed wrong could be a writer at work, and that one does not come to an end.
    #[error("what seems wrong cannot be looked at again")]
    Lock(#[from] LockError),
    /// It was to stop.
    #[error("interrupted")]
    Cancelled,
}
