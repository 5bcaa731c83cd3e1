//! [`Attempt`]: the last failed try of a module.

use modstore_core::model::Attempt as StoreAttempt;
use schemars::JsonSchema;
use serde::Serialize;

use super::{Revision, Time};

/// The last try to bring a module to the state that modules.toml asks for, which failed.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub(crate) struct Attempt {
    /// When another try can succeed.
    #[schemars(schema_with = "super::failure_class")]
    pub(crate) class: String,
    /// How far it came.
    #[schemars(schema_with = "super::failure_stage")]
    pub(crate) stage: String,
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
    /// When `update --due` tries again; null if it waits for a change of an input, or for `update --retry`.
    pub(crate) next: Option<Time>,
}

impl From<&StoreAttempt> for Attempt {
    fn from(attempt: &StoreAttempt) -> Self {
        Self {
            class: attempt.class.to_string(),
            stage: attempt.stage.to_string(),
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
