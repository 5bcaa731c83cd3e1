//! [`ArchiveError`]: why an archive did not become a tree, and the limits that keep a hostile one small.

use std::{io, path::PathBuf};

use modstore_core::model::{ArchiveKind, Class};

use super::pack::PackLimit;
use crate::tree_rules::RefusedTree;

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
    /// What all its files may have whatever its own size is, in bytes, and [`ArchiveLimits::GROWTH`] more for each of
    /// its own.
    pub unpacked: u64,
}

/// One of [`ArchiveLimits`], by name, or the memory that archives share with packs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ArchiveLimit {
    /// [`ArchiveLimits::archive`].
    Archive,
    /// [`ArchiveLimits::files`].
    Files,
    /// [`ArchiveLimits::entries`].
    Entries,
    /// [`ArchiveLimits::paths`].
    Paths,
    /// [`ArchiveLimits::headers`].
    Headers,
    /// [`ArchiveLimits::unpacked`].
    Unpacked,
    /// The memory of all fetches together.
    Memory,
}

impl ArchiveLimit {
    /// Those of [`ArchiveLimits`].
    pub const ALL: [ArchiveLimit; 6] = [
        ArchiveLimit::Archive,
        ArchiveLimit::Files,
        ArchiveLimit::Entries,
        ArchiveLimit::Paths,
        ArchiveLimit::Headers,
        ArchiveLimit::Unpacked,
    ];

    /// The environment variable that sets it.
    #[must_use]
    pub const fn variable(self) -> &'static str {
        match self {
            ArchiveLimit::Archive => "MODSTORE_ARCHIVE_SIZE",
            ArchiveLimit::Files => "MODSTORE_ARCHIVE_FILES",
            ArchiveLimit::Entries => "MODSTORE_ARCHIVE_ENTRIES",
            ArchiveLimit::Paths => "MODSTORE_ARCHIVE_PATHS",
            ArchiveLimit::Headers => "MODSTORE_ARCHIVE_HEADERS",
            ArchiveLimit::Unpacked => "MODSTORE_ARCHIVE_UNPACKED",
            ArchiveLimit::Memory => PackLimit::Memory.variable(),
        }
    }
}

impl std::fmt::Display for ArchiveLimit {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            ArchiveLimit::Archive => "the archive has bytes",
            ArchiveLimit::Files => "the archive's files have bytes",
            ArchiveLimit::Entries => "the archive lists entries",
            ArchiveLimit::Paths => "the archive's paths have bytes",
            ArchiveLimit::Headers => "the archive's headers have bytes",
            ArchiveLimit::Unpacked => "the files of so small an archive have bytes",
            ArchiveLimit::Memory => "all fetches together need memory",
        })
    }
}

impl ArchiveLimits {
    /// Bytes of files that may be made of one byte of the archive.
    pub const GROWTH: u64 = 64;

    /// Sets one of them by name.
    pub fn set(&mut self, limit: ArchiveLimit, value: u64) {
        match limit {
            ArchiveLimit::Archive => self.archive = value,
            ArchiveLimit::Files => self.files = value,
            ArchiveLimit::Entries => self.entries = value,
            ArchiveLimit::Paths => self.paths = value,
            ArchiveLimit::Headers => self.headers = value,
            ArchiveLimit::Unpacked => self.unpacked = value,
            ArchiveLimit::Memory => {}
        }
    }

    /// What the files of an archive of `size` bytes may have, and the limit that says so.
    pub(crate) fn files_of(&self, size: u64) -> (ArchiveLimit, u64) {
        let grown = self.unpacked.saturating_add(size.saturating_mul(Self::GROWTH));
        match grown < self.files {
            true => (ArchiveLimit::Unpacked, grown),
            false => (ArchiveLimit::Files, self.files),
        }
    }
}

impl Default for ArchiveLimits {
    fn default() -> Self {
        Self {
            archive: 768 << 20,
            files: 8 << 30,
            entries: 1_000_000,
            paths: 128 << 20,
            headers: 16 << 20,
            unpacked: 768 << 20,
        }
    }
}

/// An archive did not become a tree. What is in staging goes with it.
#[derive(Debug, thiserror::Error)]
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
        /// The limit.
        what: ArchiveLimit,
        /// What is allowed.
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
            // Others may have taken it.
            Self::TooLarge { what: ArchiveLimit::Memory, .. } => Class::Transient,
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
            Self::TooLarge { what, limit } => {
                let variable = what.variable();
                return Some(format!(
                    "if the archive is meant to be like that, set {variable} to more than {limit}"
                ));
            }
            Self::Refused(_) => return None,
        };
        Some(text.to_owned())
    }
}
