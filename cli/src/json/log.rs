//! [`Log`]: the commits that a module gets by a change.

use modstore::internals::ops::Subjects;
use modstore_core::model::CommitSubject;
use schemars::JsonSchema;
use serde::Serialize;

use super::Revision;
use crate::text::cut;

/// How wide a line is.
const WIDE: usize = 72;

/// A commit, and what it says of itself.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub(crate) struct Commit {
    /// The commit.
    revision: Revision,
    /// The first line of its message, cut after 500 characters.
    subject: String,
}

/// The commits that a module gets by a change.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub(crate) struct Log {
    /// The commits, the newest first, at most 20.
    pub(crate) commits: Vec<Commit>,
    /// Whether these are all between the old commit and the new one.
    pub(crate) complete: bool,
}

impl From<CommitSubject> for Commit {
    fn from(commit: CommitSubject) -> Self {
        Self { revision: Revision::new(commit.revision), subject: commit.subject }
    }
}

impl From<Subjects> for Log {
    fn from(Subjects { commits, complete }: Subjects) -> Self {
        Self { commits: commits.into_iter().map(Commit::from).collect(), complete }
    }
}

impl Commit {
    /// `- Fix the forecast`.
    pub(crate) fn line(&self, mark: &str) -> String {
        format!("{mark} {}", cut(&self.subject, WIDE))
    }
}

impl Log {
    /// A line for each commit.
    pub(crate) fn lines(&self) -> Vec<String> {
        let last = match (self.complete, self.commits.is_empty()) {
            (true, true) => Some("- none: it goes back to an earlier commit"),
            (true, false) => None,
            (false, true) => Some("- not known"),
            (false, false) => Some("- … and earlier ones"),
        };
        let lines = self.commits.iter().map(|commit| commit.line("-"));
        lines.chain(last.map(str::to_owned)).collect()
    }
}
