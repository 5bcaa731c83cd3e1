//! [`Report`]: the findings of a doctor, and the fixes that it made.

use std::path::PathBuf;

use modstore_core::{
    findings::{self, Severity},
    lossy,
};
use serde::Serialize;

use crate::finding::Finding;

/// The findings, and the fixes if they were asked for.
#[derive(Debug, Clone, Default)]
pub struct Report {
    /// The environments that were inspected, in the order in which they were named or found.
    pub environments: Vec<Examined>,
    /// The caches that were inspected, by their roots.
    pub caches: Vec<PathBuf>,
    /// The faults that exist now: by environment, then by how much they matter.
    pub findings: Vec<Finding>,
    /// The faults that were fixed.
    pub fixed: Vec<Fixed>,
    /// The fixes that failed.
    pub failed_fixes: Vec<FailedFix>,
    /// Files that could not be parsed or read, and why. They were not judged, and nothing was changed in them.
    pub unparsed: Vec<(PathBuf, String)>,
    /// Why the store cannot be read, if there is one that cannot.
    pub store_error: Option<String>,
}

/// An environment that was inspected.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema), schemars(rename = "InspectedEnvironment"))]
pub struct Examined {
    /// The environment's directory.
    #[serde(rename = "environment", serialize_with = "lossy::path")]
    #[cfg_attr(feature = "schema", schemars(with = "String"))]
    pub prefix: PathBuf,
    /// Its interpreter.
    #[serde(serialize_with = "lossy::path")]
    #[cfg_attr(feature = "schema", schemars(with = "String"))]
    pub python: PathBuf,
    /// The tool that `uv tool` installed in it; null if it is not such an environment.
    pub tool: Option<String>,
    /// The installer that can fix it, `uv` or `pip`; null if there is none.
    pub installer: Option<String>,
    /// How many distributions it has.
    pub distributions: usize,
    /// How many of them are editable: their code lies elsewhere.
    pub editables: usize,
    /// Why nothing was imported in it; null if the imports were tried or not asked for.
    pub import_skipped: Option<String>,
}

/// A fault that was fixed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fixed {
    /// The fault.
    pub finding: Finding,
    /// How: `uv`, `pip`, or `hand`.
    pub how: String,
}

/// An attempt to fix something that failed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct FailedFix {
    /// The environment's directory.
    #[serde(serialize_with = "lossy::path")]
    #[cfg_attr(feature = "schema", schemars(with = "String"))]
    pub environment: PathBuf,
    /// The distributions that were to be fixed; empty for all of them.
    pub distributions: Vec<String>,
    /// By which means: `uv`, `pip`, `hand`, or `lock` if the environment was in use.
    pub how: String,
    /// Why it failed, outermost first.
    pub causes: Vec<String>,
    /// Whether another process was changing the environment.
    #[serde(rename = "busy")]
    pub is_busy: bool,
}

impl Report {
    /// How many findings matter this much.
    #[must_use]
    pub fn count(&self, severity: Severity) -> usize {
        findings::count(&self.findings, severity)
    }
}
