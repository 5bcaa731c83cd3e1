//! A [`Finding`]: one thing that is wrong, where, whom it concerns, and what mends it.

use std::path::{Path, PathBuf};

use modstore_core::model::DistributionName;
use modstore_python::Exception;

use crate::code::{Code, Severity};

/// One thing that is wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// What kind of thing.
    pub code: Code,
    /// How much it matters.
    pub severity: Severity,
    /// The environment it is in, by its directory; `None` for a cache.
    pub environment: Option<PathBuf>,
    /// The distribution concerned.
    pub distribution: Option<DistributionName>,
    /// What its host calls it: a module of the store, or the name of its entry point.
    pub module: Option<String>,
    /// The file or directory that is wrong.
    pub path: PathBuf,
    /// Where it leads.
    pub target: Option<PathBuf>,
    /// One clause in plain words that names the cause.
    pub what: String,
    /// What comes of importing it.
    pub exception: Option<Exception>,
    /// Where it is to lead.
    pub candidate: Option<Candidate>,
    /// Why nothing is mended, if something could have been expected to be.
    pub unmended: Option<String>,
    /// What a person types to mend it.
    pub fix: Option<String>,
}

/// A directory that holds a distribution, and why it is this one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Candidate {
    /// The project's directory.
    pub directory: PathBuf,
    /// One clause: how it was chosen.
    pub why: String,
    /// The directories that were not chosen.
    pub others: Vec<PathBuf>,
}

impl Finding {
    pub(crate) fn new(code: Code, path: impl Into<PathBuf>, what: impl Into<String>) -> Self {
        Self {
            code,
            severity: code.severity(),
            environment: None,
            distribution: None,
            module: None,
            path: path.into(),
            target: None,
            what: what.into(),
            exception: None,
            candidate: None,
            unmended: None,
            fix: None,
        }
    }

    pub(crate) fn at(self, severity: Severity) -> Self {
        Self { severity, ..self }
    }

    pub(crate) fn of(self, distribution: &DistributionName, module: Option<&str>) -> Self {
        let module = module.map(str::to_owned);
        Self { distribution: Some(distribution.clone()), module, ..self }
    }

    pub(crate) fn leading_to(self, target: &Path) -> Self {
        Self { target: Some(target.to_owned()), ..self }
    }

    pub(crate) fn mended_by(self, command: impl Into<String>) -> Self {
        Self { fix: Some(command.into()), ..self }
    }

    pub(crate) fn not_mended(self, why: impl Into<String>) -> Self {
        Self { unmended: Some(why.into()), ..self }
    }

    /// Whether it tells where something leads.
    pub const fn is_about_paths(&self) -> bool {
        matches!(self.code, Code::D01 | Code::D02 | Code::D03 | Code::D04)
    }

    /// Whether it is the same fault as another one: the same code at the same place.
    #[must_use]
    pub fn is_same(&self, other: &Self) -> bool {
        let key =
            |f: &Self| (f.code, f.environment.clone(), f.distribution.clone(), f.path.clone());
        key(self) == key(other)
    }
}
