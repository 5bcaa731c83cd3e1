//! [`KeptError`]: why the tree of a module that keeps something was not made.

use super::{points::KeepError, tree::AssembleError};
use crate::disk::{DiskError, StagingError};

/// The tree of a module that keeps something was not made. Nothing was changed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum KeptError {
    /// It cannot keep what it declares.
    #[error("the module cannot keep what `keep` names")]
    Refused(#[from] KeepError),
    /// Its files, or its state, cannot be read or written.
    #[error("the module's tree cannot be made")]
    Disk(#[from] DiskError),
    /// What it keeps is gone from `state/`, and cannot be made again.
    #[error("the directories that the module keeps cannot be made again")]
    State(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// There is nowhere to make it.
    #[error(transparent)]
    Staging(#[from] StagingError),
    /// Its files are damaged, or it cannot be written.
    #[error(transparent)]
    Assemble(#[from] AssembleError),
}
