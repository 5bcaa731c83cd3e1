//! What a doctor has to say.

use std::path::PathBuf;

use crate::{code::Severity, finding::Finding};

/// What came of looking, and of mending if that was wanted.
#[derive(Debug, Clone, Default)]
pub struct Report {
    /// The environments that were looked at, in the order in which they were named or found.
    pub environments: Vec<Examined>,
    /// The caches that were looked at, by their roots.
    pub caches: Vec<PathBuf>,
    /// What is wrong now: by environment, then by how much it matters.
    pub findings: Vec<Finding>,
    /// What was wrong and is not any more.
    pub mended: Vec<Mended>,
    /// What was tried and did not work.
    pub trials: Vec<Trial>,
    /// Files that were not understood, or could not be read, and why. Nothing is said of them, and nothing was done.
    pub unclear: Vec<(PathBuf, String)>,
    /// Why the store could not be read, if there is one that cannot.
    pub store: Option<String>,
}

/// An environment that was looked at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Examined {
    /// Its directory.
    pub prefix: PathBuf,
    /// Its interpreter.
    pub python: PathBuf,
    /// The tool that `uv tool` has installed in it.
    pub tool: Option<String>,
    /// What mends it, if anything is there to.
    pub installer: Option<String>,
    /// How many distributions are installed.
    pub distributions: usize,
    /// How many of them lie elsewhere.
    pub editables: usize,
    /// Why nothing was imported in it, if it should have been.
    pub untried: Option<String>,
}

/// Something that was wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mended {
    /// What.
    pub finding: Finding,
    /// By what: `uv`, `pip`, or `hand`.
    pub how: String,
}

/// Something that was tried and did not work.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Trial {
    /// Where.
    pub environment: PathBuf,
    /// What was to be mended; empty, if it is all of it.
    pub distributions: Vec<String>,
    /// By what.
    pub how: String,
    /// What went wrong, outermost first.
    pub causes: Vec<String>,
    /// Whether somebody else was at work.
    pub is_busy: bool,
}

impl Report {
    /// How many findings matter so much.
    #[must_use]
    pub fn count(&self, severity: Severity) -> usize {
        self.findings.iter().filter(|finding| finding.severity == severity).count()
    }
}
