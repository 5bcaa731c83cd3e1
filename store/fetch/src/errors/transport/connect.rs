//! [`ConnectError`]: why no connection to a server was made.

use std::{io, time::Duration};

use modstore_core::model::{Class, FailureCode};
use rustix::io::Errno;

use super::{Cause, seconds};

/// No connection to the server was made. Nothing was asked.
#[derive(Debug, thiserror::Error)]
pub enum ConnectError {
    /// The resolver does not know the host name.
    #[error("the host name could not be resolved")]
    UnknownHost {
        /// What the resolver said.
        source: Option<Cause>,
    },
    /// No program listens there, or there is no route.
    #[error("the connection was refused")]
    Refused {
        /// What the system said.
        source: Option<Cause>,
    },
    /// No connection within [`Limits::connect`](crate::limits::Limits::connect).
    #[error("no connection within {}", seconds(.0))]
    Timeout(Duration),
    /// No trust, or no TLS at all on that port.
    #[error("a secure connection could not be made")]
    Tls {
        /// What the TLS library said.
        source: Cause,
    },
    /// The ssh client does not trust the server's key.
    #[error("the server's key is not trusted: {0}")]
    HostKey(String),
    /// The proxy did not let us through.
    #[error("the proxy refused: {0}")]
    Proxy(String),
    /// A program of this host that talks to the server could not be started.
    #[error("could not start {program}")]
    Start {
        /// Its name.
        program: String,
        /// What the system said.
        source: io::Error,
    },
    /// A setting of this host can be done by git's own transport only, and there is no git program.
    #[error("git is needed for {reason}, and could not be started")]
    NeedsGit {
        /// The setting, or what failed without git.
        reason: String,
        /// What the system said.
        source: io::Error,
    },
}

impl ConnectError {
    /// Whether trying again may help.
    pub(super) fn class(&self) -> Class {
        match self {
            Self::UnknownHost { .. } | Self::Refused { .. } | Self::Timeout(_) => Class::Transient,
            Self::Start { source, .. } if is_shortage(source) => Class::Transient,
            Self::Tls { .. }
            | Self::HostKey(_)
            | Self::Proxy(_)
            | Self::Start { .. }
            | Self::NeedsGit { .. } => Class::Permanent,
        }
    }

    /// The cause, as programs read it.
    pub(super) const fn code(&self) -> FailureCode {
        match self {
            Self::UnknownHost { .. } => FailureCode::NameResolution,
            Self::Refused { .. } => FailureCode::Connection,
            Self::Timeout(_) => FailureCode::Timeout,
            Self::Tls { .. } | Self::HostKey(_) => FailureCode::Untrusted,
            Self::Proxy(_) => FailureCode::Proxy,
            Self::Start { .. } | Self::NeedsGit { .. } => FailureCode::Program,
        }
    }

    /// The next thing a person can do.
    pub(super) fn hint(&self) -> String {
        let text = match self {
            Self::UnknownHost { .. } => "check the host name and that this machine is online",
            Self::Refused { .. } => "check that the server runs, and the port in the address",
            Self::Timeout(_) => {
                "check the network and try again, or allow more time with MODSTORE_CONNECT_TIMEOUT"
            }
            Self::Tls { .. } => {
                "check that the port speaks TLS, and http.sslCAInfo in the git configuration"
            }
            Self::HostKey(_) => "connect once with ssh by hand, and compare the key",
            Self::Proxy(_) => {
                "check http.proxy in the git configuration, and http_proxy and no_proxy"
            }
            Self::Start { source, .. } if is_shortage(source) => {
                "raise the limits of this machine on open files, processes and memory (`ulimit -a`)"
            }
            Self::NeedsGit { reason, .. } => {
                return format!("install git, or remove {reason}, which only git can do");
            }
            Self::Start { program, .. } => {
                return format!(
                    "install {program}, or correct the git configuration that names it"
                );
            }
        };
        text.to_owned()
    }

    /// Whether the way to the server failed.
    pub(super) const fn is_network(&self) -> bool {
        matches!(self, Self::UnknownHost { .. } | Self::Refused { .. } | Self::Timeout(_))
    }
}

/// Whether the machine lacks open files, processes or memory, which other programs may give back.
fn is_shortage(error: &io::Error) -> bool {
    let short = [Errno::MFILE, Errno::NFILE, Errno::AGAIN, Errno::NOMEM];
    error.raw_os_error().is_some_and(|code| short.iter().any(|errno| errno.raw_os_error() == code))
}
