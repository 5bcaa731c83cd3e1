//! [`ArchiveError`]: why an archive did not become a tree, and the limits that keep a hostile one small.

use std::{io, path::PathBuf};

use super::refusal::RefusedTree;
use crate::model::{ArchiveKind, Class};

/// What one archive may cost. One that wants more is [`ArchiveError::TooLarge`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ArchiveLimits {
    /// The archive itself, in bytes.
    pub archive: u64,
    /// All its files together, in bytes; hard links count, since they become copies.
    pub files: u64,
    /// Most files, links and directories.
    pub entries: u64,
    /// All its paths together, in bytes.
    pub paths: u64,
    /// What describes one file of a tar archive, or all files of a zip archive, in bytes.
    pub headers: u64,
}

impl Default for ArchiveLimits {
    fn default() -> Self {
        Self {
            archive: 2 << 30,
            files: 8 << 30,
            entries: 1_000_000,
            paths: 128 << 20,
            headers: 64 << 20,
        }
    }
}

/// An archive did not become a tree. What is in staging goes with it.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ArchiveError {
    /// The archive is a local file, and cannot be read.
    #[error("cannot read the archive {}", path.display())]
    Open {
        /// The file.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// It is not the archive that was named. Nothing was unpacked.
    #[error("the archive's SHA-256 is {found}, and the source says {expected}")]
    WrongSum {
        /// What the source says, in hex.
        expected: String,
        /// What the bytes received have, in hex.
        found: String,
    },
    /// More than [`ArchiveLimits`] allow.
    #[error("{what} over the limit of {limit}")]
    TooLarge {
        /// What is too large, and the verb: `the archive is`.
        what: &'static str,
        /// The limit.
        limit: u64,
    },
    /// It has the right sum, and is not what its name says, or damaged, or of an unknown variety.
    #[error("it cannot be read as a {} archive", ending(*.kind))]
    Malformed {
        /// What its name says.
        kind: ArchiveKind,
        /// What does not fit.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// It has something that no entry may have.
    #[error("the archive is not accepted")]
    Refused(#[source] RefusedTree),
}

fn ending(kind: ArchiveKind) -> &'static str {
    match kind {
        ArchiveKind::TarGz => "tar.gz",
        ArchiveKind::TarZst => "tar.zst",
        ArchiveKind::Zip => "zip",
    }
}

impl ArchiveError {
    /// When it is worth trying again. The sum names the bytes, so only what kept us from reading
    /// them can change by itself.
    #[must_use]
    pub fn class(&self) -> Class {
        use io::ErrorKind::{
            InvalidInput, IsADirectory, NotADirectory, NotFound, PermissionDenied,
        };
        match self {
            Self::Open { source, .. } => match source.kind() {
                NotFound | PermissionDenied | NotADirectory | IsADirectory | InvalidInput => {
                    Class::Permanent
                }
                _ => Class::Transient,
            },
            Self::WrongSum { .. }
            | Self::TooLarge { .. }
            | Self::Malformed { .. }
            | Self::Refused(_) => Class::Permanent,
        }
    }

    /// The next thing to do.
    #[must_use]
    pub fn hint(&self) -> Option<String> {
        let text = match self {
            Self::Open { .. } => "check the path in the module's source",
            Self::WrongSum { .. } => {
                "compare with the checksum its publisher gives; correct `sha256=` only if the change is meant"
            }
            Self::Malformed { .. } => {
                "name a tar.gz, tar.zst or zip archive that `tar` or `unzip` can list"
            }
            Self::TooLarge { .. } | Self::Refused(_) => return None,
        };
        Some(text.to_owned())
    }
}
