//! [`Severity`]: how much a finding matters.

use modstore::check::Severity as StoreSeverity;
use schemars::JsonSchema;
use serde::Serialize;

/// How much a finding matters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Severity {
    /// Of `verify`: something is lost or wrong, and the store is not sound.
    Damage,
    /// Of `doctor`: something cannot be used, and the exit code is 1.
    Broken,
    /// Everything works, but a person should know this: it may not last, or not be as they think.
    Warning,
    /// Of `verify`: a crash left it; it does no harm.
    Leftover,
    /// Good to know; never changed by a repair.
    Note,
}

impl From<StoreSeverity> for Severity {
    fn from(severity: StoreSeverity) -> Self {
        match severity {
            StoreSeverity::Damage => Self::Damage,
            StoreSeverity::Broken => Self::Broken,
            StoreSeverity::Warning => Self::Warning,
            StoreSeverity::Leftover => Self::Leftover,
            StoreSeverity::Note => Self::Note,
        }
    }
}

impl Severity {
    /// The word.
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Damage => "damage",
            Self::Broken => "broken",
            Self::Warning => "warning",
            Self::Leftover => "leftover",
            Self::Note => "note",
        }
    }
}
