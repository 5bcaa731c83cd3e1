//! [`LabError`]: why a run of the laboratory came to no end.

use std::io;

use crate::repositories::GitError;

/// Why a run of the laboratory came to no end. It worked in directories of its own, and changed nothing else.
#[derive(Debug, thiserror::Error)]
pub enum LabError {
    /// A repository could not be made or changed.
    #[error(transparent)]
    Git(#[from] GitError),
    /// The system did not let it do this.
    #[error("could not {what}")]
    System {
        /// What, in a few words: `start this program`.
        what: &'static str,
        /// Why.
        source: io::Error,
    },
    /// The program that serves repositories ended at once.
    #[error("the server did not start")]
    NoServer,
}

impl LabError {
    /// Makes an error about this.
    pub fn cannot(what: &'static str) -> impl FnOnce(io::Error) -> Self {
        move |source| Self::System { what, source }
    }
}
