//! [`TransportError`]: an exchange with a server that failed, and whether trying again helps.
//!
//! Limits: says nothing about objects; a pack that does not decode is the receiver's error.

mod words;
mod connect;
mod transfer;
mod login;
mod server;

use std::{error::Error, time::Duration};

use modstore_core::model::{Class, FailureCode};

pub use {
    connect::ConnectError, login::LoginError, server::ServerError, transfer::TransferError,
    words::Words,
};

/// An error of another library, kept for the chain.
pub type Cause = Box<dyn Error + Send + Sync>;

/// An exchange with a server failed. What came until then is of no use.
#[derive(Debug, thiserror::Error)]
pub enum TransportError {
    /// No connection was made.
    #[error(transparent)]
    Connect(#[from] ConnectError),
    /// The connection broke off, or took too long.
    #[error(transparent)]
    Transfer(#[from] TransferError),
    /// The login is missing, refused, or was not sent.
    #[error(transparent)]
    Login(#[from] LoginError),
    /// The server answered, but not with what it was asked for.
    #[error(transparent)]
    Server(#[from] ServerError),
    /// The user asked to stop.
    #[error("cancelled")]
    Cancelled,
}

impl TransportError {
    /// Whether trying again may help.
    #[must_use]
    pub fn class(&self) -> Class {
        match self {
            Self::Connect(error) => error.class(),
            Self::Transfer(TransferError::LargeCopy(_) | TransferError::GitMemory(_)) => {
                Class::Permanent
            }
            Self::Transfer(_) | Self::Cancelled => Class::Transient,
            Self::Login(error) => error.class(),
            Self::Server(error) => error.class(),
        }
    }

    /// The cause, as programs read it.
    #[must_use]
    pub const fn code(&self) -> FailureCode {
        match self {
            Self::Connect(error) => error.code(),
            Self::Transfer(error) => error.code(),
            Self::Login(error) => error.code(),
            Self::Server(error) => error.code(),
            Self::Cancelled => FailureCode::Cancelled,
        }
    }

    /// The next thing a person can do, if there is one.
    #[must_use]
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Connect(error) => Some(error.hint()),
            Self::Transfer(error) => Some(error.hint().to_owned()),
            Self::Login(error) => Some(error.hint().to_owned()),
            Self::Server(error) => Some(error.hint()),
            Self::Cancelled => None,
        }
    }

    /// Whether the way to the server, or the server as a whole, failed: not this repository of it.
    #[must_use]
    pub const fn is_network(&self) -> bool {
        match self {
            Self::Connect(error) => error.is_network(),
            Self::Transfer(error) => error.is_network(),
            Self::Login(error) => matches!(error, LoginError::Helper(_)),
            Self::Server(error) => error.is_network(),
            Self::Cancelled => false,
        }
    }

    /// How long the server asked us to stay away.
    #[must_use]
    pub const fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::Server(ServerError::Status { retry_after: wait, .. })
            | Self::Server(ServerError::RateLimited { wait, .. }) => *wait,
            _ => None,
        }
    }
}

/// A time in the words of an error.
fn seconds(duration: &Duration) -> String {
    if duration.subsec_millis() == 0 {
        format!("{} s", duration.as_secs())
    } else {
        format!("{} ms", duration.as_millis())
    }
}
