//! A [`Finding`]: one thing that is wrong with a store, and who is concerned. A [`Verification`]: all of them, and how
//! much was checked.

use modstore_core::{
    findings::{self, Severity, count},
    in_json,
};

use serde::Serialize;

use super::code::Repair;
use crate::model::{Digest, Generation};

/// One thing that is wrong with a store. The path lies below the home as that was given.
pub type Finding = findings::Finding<Repair, About>;

/// Who is concerned by a finding.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema), schemars(rename = "Store"))]
pub struct About {
    /// The entry it is about; null if it is about no entry.
    #[serde(serialize_with = "in_json::text_or_null")]
    pub entry: Option<Digest>,
    /// The modules that lead to the entry in any kept generation, or the module whose link it is. Sorted.
    pub modules: Vec<String>,
    /// The kept generations in which they do. Sorted.
    #[cfg_attr(feature = "schema", schemars(with = "Vec<u64>"))]
    pub generations: Vec<Generation>,
}

/// How thoroughly a store is checked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema), schemars(rename = "VerifyDepth"))]
pub enum Depth {
    /// Without reading files: names, kinds, sizes, times and permissions; the whole journal; every link and its text.
    Quick,
    /// Every file is read and hashed.
    Full,
}

/// How much was checked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema), schemars(rename = "CheckedAmounts"))]
pub struct Checked {
    /// Frames of the journal.
    pub frames: u64,
    /// Kept generations.
    pub generations: u64,
    /// Links of these generations.
    pub links: u64,
    /// Entries.
    pub entries: u64,
    /// Files and links in the entries.
    pub files: u64,
    /// Bytes that were read and hashed; a file that entries share is read once.
    pub bytes: u64,
}

/// What a check of a store found.
#[derive(Debug, Clone, Default)]
pub struct Verification {
    /// The findings about the store, then those about entries, each by path.
    pub findings: Vec<Finding>,
    /// How much was checked.
    pub checked: Checked,
}

impl Verification {
    /// Whether there is no damage. Warnings and leftovers may be there.
    #[must_use]
    pub fn is_sound(&self) -> bool {
        self.count(Severity::Damage) == 0
    }

    /// How many findings matter this much.
    #[must_use]
    pub fn count(&self, severity: Severity) -> usize {
        count(&self.findings, severity)
    }
}
