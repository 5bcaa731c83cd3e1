//! [`ArchiveError`]: why an archive did not become a tree.

use std::{io, path::PathBuf};

use modstore_core::model::{ArchiveKind, Class, FailureCode};

use crate::{limits::ArchiveLimit, tree_rules::RefusedTree};

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
    /// The archive is not the one that the source names. Nothing was unpacked.
    #[error("the archive's SHA-256 is {found}, and the source says {expected}{}", if *.is_page { "; the server sent a page" } else { "" })]
    WrongSum {
        /// What the source says, in hex.
        expected: String,
        /// What the bytes received have, in hex.
        found: String,
        /// Whether the server said that it is a page, as when it wants a login.
        is_page: bool,
    },
    /// More than [`ArchiveLimits`](crate::ArchiveLimits) allow.
    #[error("{what} over the limit of {limit}")]
    TooLarge {
        /// The limit.
        what: ArchiveLimit,
        /// What is allowed.
        limit: u64,
    },
    /// The archive has the right sum, and is not of the kind that its name says, or damaged, or of an unknown variety.
    #[error("the archive cannot be read as {}", ending(*.kind))]
    Malformed {
        /// The kind that its name says.
        kind: ArchiveKind,
        /// What does not fit.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// The archive has something that no tree may have.
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
    /// When it is worth trying again. The sum names the bytes, so only what prevented us from reading
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

    /// The cause, as programs read it.
    #[must_use]
    pub const fn code(&self) -> FailureCode {
        match self {
            Self::Open { .. } => FailureCode::Source,
            Self::WrongSum { .. } | Self::Malformed { .. } => FailureCode::Corrupt,
            Self::TooLarge { .. } => FailureCode::Limit,
            Self::Refused(_) => FailureCode::RefusedTree,
        }
    }

    /// The next thing to do.
    #[must_use]
    pub fn hint(&self) -> Option<String> {
        let text = match self {
            Self::Open { .. } => "check the path in the module's source",
            Self::WrongSum { is_page: true, .. } => {
                "open the address in a browser: it may want a login, or be a page about the archive"
            }
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
