//! [`Report`]: the findings of a doctor, and the fixes that it made.

use std::path::PathBuf;

use modstore_core::{
    findings::{self, Severity},
    in_json,
};
use serde::Serialize;

use crate::finding::Finding;

/// The findings, and the fixes if they were asked for.
#[derive(Debug, Clone, Default, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Report {
    /// The environments that were inspected, in the order in which they were named or found.
    pub environments: Vec<Examined>,
    /// The root directories of the caches that were inspected.
    #[serde(serialize_with = "in_json::paths")]
    #[cfg_attr(feature = "schema", schemars(with = "Vec<String>"))]
    pub caches: Vec<PathBuf>,
    /// What is wrong now, by environment, then by how much it matters; with `--fix`, what is still wrong.
    pub findings: Vec<Finding>,
    /// What was wrong and is fixed.
    pub fixed: Vec<Fixed>,
    /// What was tried and failed.
    pub failed_fixes: Vec<FailedFix>,
    /// Files that could not be read or parsed, and so were not judged and left alone.
    pub unparsed: Vec<UnparsedFile>,
    /// Why the store cannot be read; null if it can, or if there is none.
    pub store_error: Option<String>,
}

/// An environment that was inspected.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(
    feature = "schema",
    derive(schemars::JsonSchema),
    schemars(rename = "InspectedEnvironment")
)]
pub struct Examined {
    /// The environment's directory.
    #[serde(rename = "environment", serialize_with = "in_json::path")]
    #[cfg_attr(feature = "schema", schemars(with = "String"))]
    pub prefix: PathBuf,
    /// Its interpreter.
    #[serde(serialize_with = "in_json::path")]
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
    /// Why nothing of it was run; null if its Python was asked, or was not to be.
    pub not_run: Option<String>,
}

/// Something that was fixed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Fixed {
    /// What was wrong.
    #[serde(flatten)]
    pub finding: Finding,
    /// By which means: `uv`, `pip`, or `hand` for files that doctor rewrote itself.
    pub how: String,
}

/// A file that could not be read or parsed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct UnparsedFile {
    /// The file.
    #[serde(serialize_with = "in_json::path")]
    #[cfg_attr(feature = "schema", schemars(with = "String"))]
    pub path: PathBuf,
    /// Why.
    pub why: String,
}

/// An attempt to fix something that failed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct FailedFix {
    /// The environment's directory.
    #[serde(serialize_with = "in_json::path")]
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
