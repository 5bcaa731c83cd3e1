//! [`LfsError`]: why the content of a Git LFS file is not there.
//!
//! Limits: a disk that cannot be written to is [`AcquireError::Write`](crate::AcquireError::Write).

use std::{path::PathBuf, time::Duration};

use modstore_core::model::{Class, FailureCode};

use super::{limit::LimitError, remote::RemoteError, transport::TransportError};
use crate::limits::LfsLimit;

/// The content of a Git LFS file could not be fetched. The tree is not in staging.
#[derive(Debug, thiserror::Error)]
pub enum LfsError {
    /// The exchange with a server failed.
    #[error("the content of {files} could not be fetched")]
    Exchange {
        /// One of the files, and how many more.
        files: String,
        /// Why.
        source: RemoteError,
    },
    /// The server answered that it does not give the content.
    #[error("{url} does not give the content of {files}: {said}")]
    Refused {
        /// One of the files, and how many more.
        files: String,
        /// Redacted.
        url: String,
        /// An HTTP status, of the answer or in it.
        status: u16,
        /// The server's words.
        said: String,
        /// How long the server asked us to stay away.
        retry_after: Option<Duration>,
    },
    /// The server's answer is not one of the Git LFS protocol.
    #[error("the answer of {url} about Git LFS files is not understood: {why}")]
    Answer {
        /// Redacted.
        url: String,
        /// What was expected.
        why: String,
    },
    /// Something else came than the pointer names.
    #[error("{url} gave other content for {files} than its pointer names: {found}")]
    WrongContent {
        /// The file.
        files: String,
        /// Redacted.
        url: String,
        /// What came, and what was expected.
        found: String,
    },
    /// The pointer names programs of its author's that make the content.
    #[error("the pointer `{path}` needs the Git LFS extension {name}, and extensions are not run")]
    Extension {
        /// The file.
        path: String,
        /// The extension.
        name: String,
    },
    /// The repository on this machine does not have the content.
    #[error("the content of {files} is not in the repository: there is no {}", at.display())]
    NotThere {
        /// The file.
        files: String,
        /// Where it was looked for.
        at: PathBuf,
    },
    /// Another place takes the place of the repository's own, and does not have the content.
    #[error("the content of {files} is not there, and its repository is not asked")]
    NotAsked {
        /// One of the files, and how many more.
        files: String,
        /// The SHA-256 of the first.
        sha256: String,
    },
    /// The repository names a server that is not asked.
    #[error("the Git LFS server {url} is not asked: {why}")]
    Place {
        /// Redacted.
        url: String,
        /// Why not.
        why: &'static str,
    },
    /// A setting decides about connections to the server, and only git's own transport knows it. Nothing was asked.
    #[error(
        "the content of {files} is not fetched from {url}: `{setting}` is set, and only git itself knows it"
    )]
    Setting {
        /// One of the files, and how many more.
        files: String,
        /// Redacted.
        url: String,
        /// The name of the setting.
        setting: String,
    },
    /// The machine gives content only by `git-lfs-transfer`.
    #[error(
        "{url} gives the content of {files} over ssh only (`git-lfs-transfer`), which is not supported"
    )]
    OverSsh {
        /// One of the files, and how many more.
        files: String,
        /// Redacted.
        url: String,
    },
    /// More than [`LfsLimits`](crate::LfsLimits) allow. Nothing was asked for.
    #[error("{what} of {size} is over the limit of {limit}")]
    TooLarge {
        /// The limit.
        what: LfsLimit,
        /// How much it is.
        size: u64,
        /// What is allowed.
        limit: u64,
    },
    /// More memory than there is for all fetches, or larger files than a tree may have.
    #[error(transparent)]
    Limit(#[from] LimitError),
}

/// Words by which servers say that a quota is used up. GitHub's two come with status 403.
const QUOTA: [&str; 4] = ["data quota", "lfs budget", "bandwidth limit", "quota exceeded"];

impl LfsError {
    /// Fails when `size` is over `limit`.
    pub(crate) const fn check(what: LfsLimit, size: u64, limit: u64) -> Result<(), Self> {
        if size > limit { Err(Self::TooLarge { what, size, limit }) } else { Ok(()) }
    }

    /// Whether trying again may help.
    #[must_use]
    pub fn class(&self) -> Class {
        match self {
            Self::Exchange { source, .. } => source.class(),
            Self::Limit(error) => error.class(),
            // A person has to act.
            _ if self.is_quota() => Class::Permanent,
            Self::Refused { status: 408 | 425 | 429 | 500..=599, .. } | Self::NotAsked { .. } => {
                Class::Transient
            }
            Self::Refused { .. }
            | Self::Answer { .. }
            | Self::WrongContent { .. }
            | Self::Extension { .. }
            | Self::NotThere { .. }
            | Self::Place { .. }
            | Self::Setting { .. }
            | Self::OverSsh { .. }
            | Self::TooLarge { .. } => Class::Permanent,
        }
    }

    /// The cause, as programs read it.
    #[must_use]
    pub fn code(&self) -> FailureCode {
        match self {
            Self::Exchange { source, .. } => source.code(),
            _ if self.is_quota() => FailureCode::Quota,
            Self::Refused { status: 401 | 403, .. } => FailureCode::Authentication,
            Self::Refused { status: 404 | 410, .. } | Self::NotThere { .. } => {
                FailureCode::NoSuchContent
            }
            Self::NotAsked { .. } => FailureCode::NotInTier,
            Self::Refused { status: 408, .. } => FailureCode::Timeout,
            Self::Refused { status: 425 | 429 | 503, .. } => FailureCode::RateLimited,
            Self::Refused { .. } => FailureCode::Server,
            Self::Answer { .. } => FailureCode::Protocol,
            Self::WrongContent { .. } => FailureCode::Corrupt,
            Self::Extension { .. }
            | Self::Place { .. }
            | Self::Setting { .. }
            | Self::OverSsh { .. } => FailureCode::Source,
            Self::TooLarge { .. } | Self::Limit(_) => FailureCode::Limit,
        }
    }

    fn is_quota(&self) -> bool {
        let Self::Refused { status, said, .. } = self else { return false };
        let said = said.to_ascii_lowercase();
        *status == 509 || QUOTA.iter().any(|words| said.contains(words))
    }

    /// The next thing to do.
    #[must_use]
    pub fn hint(&self) -> Option<String> {
        let text = match self {
            Self::Exchange { source, .. } => return source.hint(),
            Self::Limit(error) => return Some(error.hint()),
            _ if self.is_quota() => "wait until the quota is renewed, or ask who pays for it",
            Self::Refused { status: 401 | 403, .. } => {
                "this login may not read the repository's Git LFS files"
            }
            Self::Refused { status: 404 | 410, .. } | Self::NotThere { .. } => {
                "ask the repository's owner to run `git lfs push --all`, or set lfs = false"
            }
            Self::Refused { retry_after: Some(wait), .. } => {
                return Some(format!("the server asks to wait {} s", wait.as_secs()));
            }
            Self::Refused { .. } => "that is what the server says; its operator may know more",
            Self::Answer { .. } => "check lfs.url, and that the server knows Git LFS",
            Self::WrongContent { .. } => "tell the server's operator; nothing of it was kept",
            Self::Extension { .. } => "set lfs = false",
            Self::NotAsked { .. } => return None,
            Self::Place { .. } => "set lfs.url in your own git configuration if it is meant",
            Self::Setting { setting, .. } => {
                return Some(format!(
                    "set lfs = false to keep the pointers, or remove {setting} for this address"
                ));
            }
            Self::OverSsh { .. } => {
                "set lfs.url to the http address of the server's Git LFS, if it has one, or lfs = false to keep the pointers"
            }
            Self::TooLarge { what, size, .. } => {
                let variable = what.variable();
                return Some(format!(
                    "if the repository is meant to be like that, set {variable} to {size} or more; else set lfs = false"
                ));
            }
        };
        Some(text.to_owned())
    }

    /// How long the server asked us to stay away.
    pub(super) fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::Refused { retry_after, .. } => *retry_after,
            Self::Exchange { source, .. } => {
                source.transport().and_then(TransportError::retry_after)
            }
            _ => None,
        }
    }

    /// Whether the way to the server failed.
    pub(super) fn is_network(&self) -> bool {
        match self {
            Self::Exchange { source, .. } => {
                source.transport().is_some_and(TransportError::is_network)
            }
            _ => false,
        }
    }

    pub(super) fn is_cancelled(&self) -> bool {
        matches!(self, Self::Exchange { source, .. }
            if matches!(source.transport(), Some(TransportError::Cancelled)))
    }

    pub(super) const fn is_offline(&self) -> bool {
        matches!(self, Self::Exchange { source: RemoteError::Offline { .. }, .. })
    }
}
