//! [`LoginError`]: why a server did not let us in.

use modstore_core::model::{Class, FailureCode};

use super::Words;

/// The server did not let us in.
#[derive(Debug, thiserror::Error)]
pub enum LoginError {
    /// The server wants a login, and this host's configuration gives none.
    #[error("the server wants a login, and none is configured{0}")]
    Missing(Words),
    /// The server wants a login, and the credential helpers that were asked gave none and said why.
    #[error("the server wants a login, and the credential helpers gave none{0}")]
    NoneGiven(Words),
    /// The server refused the login.
    #[error("the login was not accepted{0}")]
    Refused(Words),
    /// The server wants a login of a kind that is not known here.
    #[error("the server wants a login by {0}, and only Basic is supported")]
    UnknownKind(String),
    /// The server knows who asks, and that one may not read this repository.
    #[error("this login may not read the repository{0}")]
    NoRights(Words),
    /// The login is good, and must first be authorized for the organization.
    #[error("the organization wants a single sign-on{0}")]
    SingleSignOn(Words),
    /// The account is suspended, or something must be done about it first.
    #[error("the account may not be used now{0}")]
    Account(Words),
    /// A program that knows logins did not answer in time, or printed too much.
    #[error("a credential helper could not be used: {0}")]
    Helper(String),
}

impl LoginError {
    /// Whether trying again may help.
    pub(super) const fn class(&self) -> Class {
        match self {
            Self::Helper(_) => Class::Transient,
            Self::Missing(_)
            | Self::NoneGiven(_)
            | Self::Refused(_)
            | Self::UnknownKind(_)
            | Self::NoRights(_)
            | Self::SingleSignOn(_)
            | Self::Account(_) => Class::Permanent,
        }
    }

    /// The cause, as programs read it.
    pub(super) const fn code(&self) -> FailureCode {
        match self {
            Self::Missing(_)
            | Self::NoneGiven(_)
            | Self::Refused(_)
            | Self::UnknownKind(_)
            | Self::NoRights(_)
            | Self::SingleSignOn(_)
            | Self::Account(_) => FailureCode::Authentication,
            Self::Helper(_) => FailureCode::Program,
        }
    }

    /// The next thing a person can do.
    pub(super) const fn hint(&self) -> &'static str {
        match self {
            Self::Missing(_) => {
                "configure a git credential helper, a line in ~/.netrc or an ssh key for this host"
            }
            Self::NoneGiven(_) => {
                "correct credential.helper in the git configuration; `git credential fill` shows what it gives"
            }
            Self::Refused(_) => "renew the token or key this host's git configuration gives",
            Self::UnknownKind(_) => "let the server offer Basic over https, or use ssh",
            Self::NoRights(_) => {
                "ask the repository's owner for the right to read it, or use another login"
            }
            Self::SingleSignOn(_) => {
                "authorize this token or key for the organization at the forge, and run it again"
            }
            Self::Account(_) => "log in to the forge with a browser, which says what to do",
            Self::Helper(_) => {
                "run `git credential fill` to see what it does, or allow more time with MODSTORE_PROGRESS_TIMEOUT"
            }
        }
    }
}
