//! [`ServerError`]: an answer that is not the one asked for.

use std::time::Duration;

use modstore_core::model::{Class, FailureCode};

use super::{Cause, Words, seconds};

/// The server answered, but not with what it was asked for.
#[derive(Debug, thiserror::Error)]
pub enum ServerError {
    /// An HTTP status that is not success.
    #[error("the server answered with HTTP status {status}{said}")]
    Status {
        /// The status.
        status: u16,
        /// How long the server asked us to stay away.
        retry_after: Option<Duration>,
        /// What the server said.
        said: Words,
    },
    /// Too many requests, the server says by a status, a header or its words.
    #[error("{}the server limits the rate of requests{}{said}", by(*.status), asked(.wait.as_ref()))]
    RateLimited {
        /// The HTTP status, if there was one.
        status: Option<u16>,
        /// How long the server asked us to stay away.
        wait: Option<Duration>,
        /// What the server said.
        said: Words,
    },
    /// The redirect leads to another kind of place, or to less security.
    #[error("the server redirects, and the redirect is not followed: {0}")]
    Redirect(String),
    /// The server has no such repository, or does not show it to us.
    #[error("the server has no such repository, or does not show it{0}")]
    NoRepository(Words),
    /// The repository is there, and the server does not give it out: disabled, archived, taken down.
    #[error("the server does not give out the repository{0}")]
    Unavailable(Words),
    /// A quota of the repository or its owner is used up.
    #[error("a quota is used up{0}")]
    Quota(Words),
    /// git does not read a repository on this machine that belongs to another user.
    #[error("the repository belongs to another user{0}")]
    Owner(Words),
    /// The server refused before it gave anything, in words that are not known here.
    #[error("the server refused{0}")]
    Refused(Words),
    /// The server refuses to give that commit.
    #[error("the server does not give that commit: {0}")]
    NotGiven(String),
    /// The branch was pushed over between its listing and its fetch.
    #[error("the branch was moved while it was fetched")]
    Moved,
    /// The server stopped with a message.
    #[error("the server stopped{0}")]
    Said(Words),
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
            Self::Status { status: 507 | 509, .. } => Class::Permanent,
            Self::Status { status: 408 | 425 | 429 | 500..=599, .. }
            | Self::RateLimited { .. }
            | Self::Moved
            | Self::Said(_) => Class::Transient,
            Self::Status { .. }
            | Self::Redirect(_)
            | Self::NoRepository(_)
            | Self::Unavailable(_)
            | Self::Quota(_)
            | Self::Owner(_)
            | Self::Refused(_)
            | Self::NotGiven(_)
            | Self::Protocol { .. } => Class::Permanent,
        }
    }

    /// The cause, as programs read it.
    pub(super) const fn code(&self) -> FailureCode {
        match self {
            Self::Status { status: 404 | 410, .. } | Self::NoRepository(_) => {
                FailureCode::NoSuchRepository
            }
            Self::Status { status: 402 | 423 | 451, .. } | Self::Unavailable(_) => {
                FailureCode::Unavailable
            }
            Self::Status { status: 507 | 509, .. } | Self::Quota(_) => FailureCode::Quota,
            Self::Status { status: 403, .. } => FailureCode::Authentication,
            Self::Status { status: 407, .. } => FailureCode::Proxy,
            Self::Status { status: 408, .. } => FailureCode::Timeout,
            Self::Status { status: 425 | 429 | 503, .. } | Self::RateLimited { .. } => {
                FailureCode::RateLimited
            }
            Self::Status { status: 500..=599, .. } | Self::Said(_) | Self::Refused(_) => {
                FailureCode::Server
            }
            Self::Owner(_) => FailureCode::Untrusted,
            Self::NotGiven(_) | Self::Moved => FailureCode::NoSuchCommit,
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
            Self::Status { retry_after: Some(wait), .. }
            | Self::RateLimited { wait: Some(wait), .. } => {
                return format!("the server asks to wait {}", seconds(wait));
            }
            Self::Status { status: 429, .. } | Self::RateLimited { .. } => {
                "the server has too many requests; try again later, or log in, which many servers allow more"
            }
            Self::Status { status: 402 | 423 | 451, .. } | Self::Unavailable(_) => {
                "only its owner or the server's operator can change that; name another source"
            }
            Self::Status { status: 507 | 509, .. } | Self::Quota(_) => {
                "the repository's owner has to raise the quota or wait until it begins again"
            }
            Self::Owner(said) => return trust_command(said.text()),
            Self::Refused(_) => "that is what the server says; a person has to act on it",
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
            Self::Moved => "try again",
            Self::Said(_) => "that is what the server says; its operator may know more",
        };
        text.to_owned()
    }

    /// Whether the server as a whole failed, and not this repository of it.
    pub(super) const fn is_network(&self) -> bool {
        match self {
            Self::Status { status, .. } => {
                matches!(status, 408 | 429 | 500..=599) && !matches!(status, 507 | 509)
            }
            Self::RateLimited { .. } => true,
            _ => false,
        }
    }
}

fn by(status: Option<u16>) -> String {
    status.map(|status| format!("HTTP status {status}: ")).unwrap_or_default()
}

fn asked(wait: Option<&Duration>) -> String {
    wait.map(|wait| format!(", and asks to wait {}", seconds(wait))).unwrap_or_default()
}

/// The command in git's message that says that the owner of a repository is trusted. Which path it must name depends on
/// the version of git, so the path is git's.
fn trust_command(said: &str) -> String {
    let command = said.lines().find_map(|line| {
        let at = line.find("git config --global --add safe.directory ")?;
        line.get(at..)
    });
    let command = command.unwrap_or("git config --global --add safe.directory PATH");
    format!("if you trust its owner, run `{command}`")
}
