//! A [`Finding`]: one thing that is wrong, where, and whom it concerns. A [`Verification`]: all of them,
//! and what was looked at.

use std::path::{Path, PathBuf};

use super::code::{Code, Mend, Severity};
use crate::model::{Digest, Generation};

/// One thing that is wrong with a store.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// What kind of thing.
    pub code: Code,
    /// Where, below the home as it was given.
    pub path: PathBuf,
    /// The entry concerned.
    pub entry: Option<Digest>,
    /// The modules concerned: those that lead to the entry in any kept generation, or whose link it is. Sorted.
    pub modules: Vec<String>,
    /// The kept generations concerned. Sorted.
    pub generations: Vec<Generation>,
    /// One clause in plain words, without the path.
    pub what: String,
}

impl Finding {
    pub(super) fn new(code: Code, path: impl Into<PathBuf>, what: impl Into<String>) -> Self {
        let (modules, generations) = (Vec::new(), Vec::new());
        Self { code, path: path.into(), entry: None, modules, generations, what: what.into() }
    }

    pub(super) fn of_entry(self, entry: Digest) -> Self {
        Self { entry: Some(entry), ..self }
    }

    pub(super) fn of_module(self, module: &str) -> Self {
        Self { modules: vec![module.to_owned()], ..self }
    }

    pub(super) fn of_generation(self, generation: Generation) -> Self {
        Self { generations: vec![generation], ..self }
    }

    /// How much it matters.
    #[must_use]
    pub const fn severity(&self) -> Severity {
        self.code.severity()
    }

    /// What a repair does about it.
    #[must_use]
    pub const fn mend(&self) -> Mend {
        self.code.mend()
    }

    /// The path as a person in the home would write it.
    #[must_use]
    pub fn path_in<'a>(&'a self, home: &Path) -> &'a Path {
        self.path.strip_prefix(home).unwrap_or(&self.path)
    }
}

/// How closely a store is looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Depth {
    /// Names, kinds, sizes, times and permissions; the whole journal; every link and its text.
    Quick,
    /// Also every byte of every file.
    Full,
}

/// How much was looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Checked {
    /// Frames of the journal.
    pub frames: u64,
    /// Kept generations.
    pub generations: u64,
    /// Links of kept generations.
    pub links: u64,
    /// Entries.
    pub entries: u64,
    /// Files and links in these entries.
    pub files: u64,
    /// Bytes that were read and hashed; a file that many entries share is read once. 0 for a quick look.
    pub bytes: u64,
}

/// What came of looking.
#[derive(Debug, Clone, Default)]
pub struct Verification {
    /// What is wrong: first what concerns the store, then by entry, then by path.
    pub findings: Vec<Finding>,
    /// How much was looked at.
    pub checked: Checked,
}

impl Verification {
    /// Whether there is no damage. Warnings and leftovers may be there.
    #[must_use]
    pub fn is_sound(&self) -> bool {
        self.count(Severity::Damage) == 0
    }

    /// How many findings matter so much.
    #[must_use]
    pub fn count(&self, severity: Severity) -> usize {
        self.findings.iter().filter(|finding| finding.severity() == severity).count()
    }
}
