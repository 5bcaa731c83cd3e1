//! [`LoginError`]: why a server did not let us in.

use modstore_core::model::{Class, FailureCode};

/// The server did not let us in.
#[derive(Debug, thiserror::Error)]
pub enum LoginError {
    /// The server wants a login, and this host's configuration gives none.
    #[error("the server wants a login, and none is configured")]
    Missing,
    /// The server refused the login.
    #[error("the login was not accepted")]
    Refused,
    /// The server wants a login of a kind that only git's own transport knows, and git has none.
    #[error("the server wants a login by {0}, and none is configured")]
    UnknownKind(String),
    /// Any machine on the way could have read the login. It was not sent.
    #[error("the login was not sent over plain http")]
    ClearText,
    /// A program that knows logins did not answer in time, or printed too much.
    #[error("a credential helper could not be used: {0}")]
    Helper(String),
}

impl LoginError {
    /// Whether trying again may help.
    pub(super) const fn class(&self) -> Class {
        match self {
            Self::Helper(_) => Class::Transient,
            Self::Missing | Self::Refused | Self::UnknownKind(_) | Self::ClearText => {
                Class::Permanent
            }
        }
    }

    /// The cause, as programs read it.
    pub(super) const fn code(&self) -> FailureCode {
        match self {
            Self::Missing | Self::Refused | Self::UnknownKind(_) | Self::ClearText => {
                FailureCode::Authentication
            }
            Self::Helper(_) => FailureCode::Program,
        }
    }

    /// The next thing a person can do.
    pub(super) const fn hint(&self) -> &'static str {
        match self {
            Self::Missing => "configure a git credential helper or an ssh key for this host",
            Self::Refused => "renew the token or key this host's git configuration gives",
            Self::UnknownKind(_) => {
                "configure git for it: if `git ls-remote` succeeds, so does this"
            }
            Self::ClearText => {
                "use https; plain http with a login is accepted for this machine only"
            }
            Self::Helper(_) => {
                "run `git credential fill` to see what it does, or allow more time with MODSTORE_PROGRESS_TIMEOUT"
            }
        }
    }
}
