//! Everything that a doctor knows to be wrong, by codes that never change.
//!
//! D16, an upstream that cannot be reached, needs a network and is not among them.

use std::fmt;

/// How much a finding matters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Severity {
    /// Something cannot be used.
    Broken,
    /// All works, and will not for long, or not as its user thinks.
    Warning,
    /// Worth knowing.
    Note,
}

/// What kind of thing is wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[expect(missing_docs, reason = "each is described by `title`, which is also what a person reads")]
pub enum Code {
    D01,
    D02,
    D03,
    D04,
    D05,
    D06,
    D07,
    D08,
    D09,
    D10,
    D11,
    D12,
    D13,
    D14,
    D15,
    D17,
    D18,
    D19,
}

impl Code {
    /// All of them, in order.
    pub const ALL: [Self; 18] = [
        Self::D01,
        Self::D02,
        Self::D03,
        Self::D04,
        Self::D05,
        Self::D06,
        Self::D07,
        Self::D08,
        Self::D09,
        Self::D10,
        Self::D11,
        Self::D12,
        Self::D13,
        Self::D14,
        Self::D15,
        Self::D17,
        Self::D18,
        Self::D19,
    ];

    /// As it is written.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::D01 => "D01",
            Self::D02 => "D02",
            Self::D03 => "D03",
            Self::D04 => "D04",
            Self::D05 => "D05",
            Self::D06 => "D06",
            Self::D07 => "D07",
            Self::D08 => "D08",
            Self::D09 => "D09",
            Self::D10 => "D10",
            Self::D11 => "D11",
            Self::D12 => "D12",
            Self::D13 => "D13",
            Self::D14 => "D14",
            Self::D15 => "D15",
            Self::D17 => "D17",
            Self::D18 => "D18",
            Self::D19 => "D19",
        }
    }

    /// What it is about, in a few words.
    #[must_use]
    pub const fn title(self) -> &'static str {
        match self {
            Self::D01 => "a path that Python follows does not exist",
            Self::D02 => "Python and the tools follow different paths",
            Self::D03 => "installed from another place than its source says",
            Self::D04 => "files recorded at installation are missing or changed",
            Self::D05 => "one repository or one distribution is cached twice",
            Self::D06 => "a cached checkout is at another commit than recorded or pinned",
            Self::D07 => "a cached checkout is incomplete",
            Self::D08 => "a cached checkout was edited",
            Self::D09 => {
                "a requirement is not met, or the project has changed since it was installed"
            }
            Self::D10 => "a path leads into the cache of another home",
            Self::D11 => "a distribution that needs compiling is used from its source",
            Self::D12 => "the interpreter cannot be run, or is not the recorded one",
            Self::D13 => "a registry names a directory that does not exist",
            Self::D14 => "a cached directory that nothing uses, or that has an obsolete layout",
            Self::D15 => "a file contains a secret",
            Self::D17 => "a lock or lease of a process that no longer exists",
            Self::D18 => "a repository is cached a second time for skills",
            Self::D19 => "the import fails although its paths are right",
        }
    }

    /// How much it matters, unless a finding says otherwise.
    #[must_use]
    pub const fn severity(self) -> Severity {
        match self {
            Self::D01 | Self::D04 | Self::D09 | Self::D12 | Self::D19 => Severity::Broken,
            Self::D02
            | Self::D03
            | Self::D05
            | Self::D06
            | Self::D07
            | Self::D08
            | Self::D10
            | Self::D11
            | Self::D13
            | Self::D15
            | Self::D17 => Severity::Warning,
            Self::D14 | Self::D18 => Severity::Note,
        }
    }
}

impl Severity {
    /// As it is written.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Broken => "broken",
            Self::Warning => "warning",
            Self::Note => "note",
        }
    }
}

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_in_order_and_the_manual_describes_each_by_its_title() {
        assert!(Code::ALL.is_sorted());
        let manual = include_str!("../../../docs/doctor.md");
        for code in Code::ALL {
            let heading = format!("### {code}: {}", code.title());
            assert!(manual.contains(&heading), "docs/doctor.md lacks {heading:?}");
        }
    }
}
