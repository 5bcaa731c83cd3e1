//! [`ServerError`]: an answer that is not the one asked for.

use std::time::Duration;

use modstore_core::model::{Class, FailureCode};

use super::{Cause, seconds};

/// The server answered, but not with what it was asked for.
#[derive(Debug, thiserror::Error)]
pub enum ServerError {
    /// An HTTP status that is not success.
    #[error("the server answered with HTTP status {status}")]
    Status {
        /// The status.
        status: u16,
        /// How long the server asked us to stay away.
        retry_after: Option<Duration>,
    },
    /// The redirect leads to another kind of place, or to less security.
    #[error("the server redirects, and the redirect is not followed: {0}")]
    Redirect(String),
    /// The server has no such repository, or does not show it to us.
    #[error("the server has no such repository, or does not show it: {0}")]
    NoRepository(String),
    /// The server refuses to give that commit.
    #[error("the server does not give that commit: {0}")]
    NotGiven(String),
    /// The repository has ids of another kind than SHA-1.
    #[error("the repository is in {0} format, and only SHA-1 repositories are supported")]
    ObjectFormat(String),
    /// The branch was pushed over between its listing and its fetch.
    #[error("the branch was moved while it was fetched")]
    Moved,
    /// The server stopped with a message.
    #[error("the server says: {0}")]
    Said(String),
    /// The server does not speak git or HTTP, or not as much of it as is needed.
    #[error("the server's answer is not understood")]
    Protocol {
        /// What was expected.
        source: Cause,
    },
}

impl ServerError {
    /// Whether trying again may help.
    pub(super) const fn class(&self) -> Class {
        match self {
            Self::Status { status: 408 | 425 | 429 | 500..=599, .. }
            | Self::Moved
            | Self::Said(_) => Class::Transient,
            Self::Status { .. }
            | Self::Redirect(_)
            | Self::NoRepository(_)
            | Self::NotGiven(_)
            | Self::ObjectFormat(_)
            | Self::Protocol { .. } => Class::Permanent,
        }
    }

    /// The cause, as programs read it.
    pub(super) const fn code(&self) -> FailureCode {
        match self {
            Self::Status { status: 404 | 410, .. } | Self::NoRepository(_) => {
                FailureCode::NoSuchRepository
            }
            Self::Status { status: 403, .. } => FailureCode::Authentication,
            Self::Status { status: 407, .. } => FailureCode::Proxy,
            Self::Status { status: 408, .. } => FailureCode::Timeout,
            Self::Status { status: 425 | 429 | 503, .. } => FailureCode::RateLimited,
            Self::Status { status: 500..=599, .. } | Self::Said(_) => FailureCode::Server,
            Self::NotGiven(_) | Self::Moved => FailureCode::NoSuchCommit,
            Self::ObjectFormat(_) => FailureCode::ObjectFormat,
            Self::Status { .. } | Self::Redirect(_) | Self::Protocol { .. } => {
                FailureCode::Protocol
            }
        }
    }

    /// The next thing a person can do.
    pub(super) fn hint(&self) -> String {
        let text = match self {
            Self::Status { status: 404 | 410, .. } | Self::NoRepository(_) => {
                "check the spelling; a private repository looks the same to someone who is not logged in"
            }
            Self::Status { status: 403, .. } => "this login may not read the repository",
            Self::Status { status: 429, retry_after: Some(wait) } => {
                return format!("the server asks to wait {}", seconds(wait));
            }
            Self::Status { status: 429, retry_after: None } => {
                "the server has too many requests; try again later"
            }
            Self::Status { status: 500..=599, .. } => "the server is in trouble; try again later",
            Self::Status { .. } | Self::Protocol { .. } => {
                "check that the address is that of a git repository, and not of a page about one"
            }
            Self::Redirect(_) => {
                "find out where the repository is now, and correct the module's source"
            }
            Self::NotGiven(_) => {
                "check the commit id; some servers give only commits that a branch or tag reaches"
            }
            Self::ObjectFormat(_) => {
                "name a SHA-1 repository of it, or clone it with git and link the clone: modstore link NAME PATH"
            }
            Self::Moved => "try again",
            Self::Said(said) if said.contains("dubious ownership") => {
                "add the repository to git's safe.directory"
            }
            Self::Said(_) => "that is what the server says; its operator may know more",
        };
        text.to_owned()
    }

    /// Whether the server as a whole failed, and not this repository of it.
    pub(super) const fn is_network(&self) -> bool {
        matches!(self, Self::Status { status: 408 | 429 | 500..=599, .. })
    }
}
