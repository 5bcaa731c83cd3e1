//! [`Attempt`]: the last failed try of a module.

use modstore_core::model::{Attempt as StoreAttempt, Class, Stage};
use schemars::JsonSchema;
use serde::Serialize;

use super::{Revision, Time};

/// The last try to bring a module to the state that modules.toml asks for, which failed.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub(crate) struct Attempt {
    /// When another try can succeed.
    pub(crate) class: Class,
    /// How far it came.
    pub(crate) stage: Stage,
    /// What went wrong, in one clause.
    pub(crate) message: String,
    /// Why, outermost first.
    pub(crate) causes: Vec<String>,
    /// The source that was tried.
    pub(crate) source: String,
    /// The commit that was tried; null if it was not found out.
    pub(crate) revision: Option<Revision>,
    /// How many tries of the same thing have failed.
    pub(crate) count: u64,
    /// When the first of them failed.
    pub(crate) first: Time,
    /// When the last of them failed.
    pub(crate) last: Time,
    /// When `update --due` tries again; null if it waits for a change. `update` tries at once, but for class
    /// `deterministic` without a time here, which needs `update --retry`.
    pub(crate) next: Option<Time>,
}

impl Attempt {
    /// `tried once, 3 min ago`, `tried 4 times, first 2 h ago`.
    pub(crate) fn tries(&self) -> String {
        let first = self.first.ago();
        match self.count {
            1 => format!("tried once, {first}"),
            tries => format!("tried {tries} times, first {first}"),
        }
    }

    /// Whether its source is on this machine, where a look costs nothing.
    fn is_local(&self) -> bool {
        self.source.starts_with('/') || self.source.starts_with("git+file:")
    }

    /// What tries it again, and when.
    pub(crate) fn next_try(&self) -> String {
        match (self.next, self.class) {
            (Some(at), _) => format!("a scan tries again {}, `modstore update` now", at.left()),
            (None, Class::Deterministic) => {
                "would fail again: change what it depends on, or use `modstore update --retry`"
                    .into()
            }
            (None, _) if self.stage == Stage::Resolve && self.is_local() => {
                "`modstore update` and every scan try again".into()
            }
            (None, _) => "`modstore update` tries again, a scan when something changes".into(),
        }
    }
}

impl From<&StoreAttempt> for Attempt {
    fn from(attempt: &StoreAttempt) -> Self {
        Self {
            class: attempt.class,
            stage: attempt.stage,
            message: attempt.error.clone(),
            causes: attempt.causes.clone(),
            source: attempt.source.to_string(),
            revision: attempt.revision.as_ref().map(Revision::new),
            count: attempt.count,
            first: Time::new(attempt.first),
            last: Time::new(attempt.last),
            next: attempt.next_scan().map(Time::new),
        }
    }
}
