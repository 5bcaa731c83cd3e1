//! [`EnvironmentChanges`]: what was done in a Python environment.

use std::error::Error;

use modstore::ModuleName;
use modstore_python::{Exception, SyncReport};
use schemars::JsonSchema;
use serde::Serialize;

use super::texts;
use crate::causes::{causes, exception};

/// What was done in a Python environment that follows the store.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub(crate) struct EnvironmentChanges {
    /// The environment's directory.
    pub(crate) environment: String,
    /// Modules that were installed for the first time, or again because their metadata changed.
    pub(crate) installed: Vec<String>,
    /// Modules that had been uninstalled or replaced by others, and were installed again.
    pub(crate) reinstalled: Vec<String>,
    /// Modules that were uninstalled, because the store has them no longer or they are not bound.
    pub(crate) removed: Vec<String>,
    /// Modules whose current version the environment does not have, or cannot import.
    pub(crate) failed: Vec<EnvironmentFailure>,
}

/// A module that an environment does not have, or cannot import.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub(crate) struct EnvironmentFailure {
    /// The module.
    pub(crate) module: String,
    /// What went wrong, in one clause.
    pub(crate) message: String,
    /// Why, outermost first.
    pub(crate) causes: Vec<String>,
    /// What importing the module raised, if that is the cause.
    pub(crate) exception: Option<Exception>,
}

impl EnvironmentFailure {
    /// What `error` did to `module`.
    pub(crate) fn new(module: &ModuleName, error: &(dyn Error + 'static)) -> Self {
        Self {
            module: module.to_string(),
            message: error.to_string(),
            causes: causes(error),
            exception: exception(error),
        }
    }
}

impl From<&SyncReport> for EnvironmentChanges {
    fn from(settled: &SyncReport) -> Self {
        let failed = settled.failed.iter();
        Self {
            environment: settled.prefix.display().to_string(),
            installed: texts(&settled.installed),
            reinstalled: texts(&settled.reinstalled),
            removed: texts(&settled.removed),
            failed: failed.map(|(module, error)| EnvironmentFailure::new(module, error)).collect(),
        }
    }
}
