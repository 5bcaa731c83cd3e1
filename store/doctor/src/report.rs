//! [`Report`]: the findings of a doctor, and the fixes that it made.

use std::path::PathBuf;

use modstore_core::findings::{self, Severity};

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
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Examined {
    /// Its directory.
    pub prefix: PathBuf,
    /// Its interpreter.
    pub python: PathBuf,
    /// The tool that `uv tool` installed in it.
    pub tool: Option<String>,
    /// The installer that can fix it, if there is one.
    pub installer: Option<String>,
    /// How many distributions are installed.
    pub distributions: usize,
    /// How many of them lie elsewhere.
    pub editables: usize,
    /// Why nothing was imported in it, if it should have been.
    pub not_run: Option<String>,
}

/// A fault that was fixed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fixed {
    /// The fault.
    pub finding: Finding,
    /// How: `uv`, `pip`, or `hand`.
    pub how: String,
}

/// A fix that failed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FailedFix {
    /// The environment's directory.
    pub environment: PathBuf,
    /// The distributions to be fixed; empty, if all of them.
    pub distributions: Vec<String>,
    /// How: `uv`, `pip`, `hand`, or `lock` if it did not begin.
    pub how: String,
    /// The errors, outermost first.
    pub causes: Vec<String>,
    /// Whether another process was at work.
    pub is_busy: bool,
}

impl Report {
    /// How many findings matter this much.
    #[must_use]
    pub fn count(&self, severity: Severity) -> usize {
        findings::count(&self.findings, severity)
    }
}
