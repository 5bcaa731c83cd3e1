//! Failures of `bench` and `demo` outside of the store.

use std::io;

use modstore_testbed::GitError;

use crate::{causes::causes, exit::Exit, report::Failure};

/// The system did not let the command do this.
pub(super) fn cannot(what: &str, error: &io::Error) -> Failure {
    Failure::new(Exit::Failed, format!("could not {what}")).because(vec![error.to_string()])
}

impl From<GitError> for Failure {
    fn from(error: GitError) -> Self {
        let why = match &error {
            GitError::Failed { said, .. } => vec![said.clone()],
            GitError::Start { .. } | GitError::File { .. } => causes(&error),
        };
        let failure = Self::new(Exit::Failed, error.to_string()).because(why);
        match error {
            GitError::Start { .. } => failure.hint("install git, and run it again"),
            GitError::Failed { .. } | GitError::File { .. } => failure,
        }
    }
}
