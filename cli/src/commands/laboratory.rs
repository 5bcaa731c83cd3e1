//! Failures of the laboratory, which `bench` and `demo` run.

use modstore_testbed::{DemoError, GitError, LabError};

use crate::{exit::Exit, report::Failure};

impl From<LabError> for Failure {
    fn from(error: LabError) -> Self {
        let failure = Self::of(Exit::Failed, &error);
        match error {
            LabError::Git(GitError::Failed { said, .. }) => failure.because(vec![said]),
            LabError::Git(GitError::Start { .. }) => failure.hint("install git, and run it again"),
            _ => failure,
        }
    }
}

impl From<GitError> for Failure {
    fn from(error: GitError) -> Self {
        LabError::Git(error).into()
    }
}

impl From<DemoError> for Failure {
    fn from(error: DemoError) -> Self {
        let failure = Self::of(Exit::Failed, &error);
        match error {
            DemoError::Lab(error) => error.into(),
            DemoError::Ended { said, .. } => failure.because(said),
            DemoError::Untrue { .. } => {
                failure.hint("run it again with --keep, and look at the directory it names")
            }
            DemoError::Output(_) => failure,
            DemoError::Cancelled => Self::of(Exit::Interrupted, &error),
        }
    }
}
