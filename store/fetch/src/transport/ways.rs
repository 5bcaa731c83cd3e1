//! [`Ways`]: by which way each host is reached, and why.
//!
//! The way is decided for the first connection to a host, kept for the run, and part of the report. A setting for one
//! repository alone does not decide for its whole host.
//!
//! Limits: forgotten at the end of the run; whatever failed once is tried first again by the next.

use std::{
    collections::BTreeMap,
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
};

use gix::url::Scheme;

use super::git_config::{GitConfig, RemoteUrl};
use crate::errors::{ConnectError, LoginError, ServerError, TransferError, TransportError};

/// How a server is spoken to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Way {
    /// By this process.
    InProcess,
    /// By git's own transport, a child process.
    Git,
}

/// How a host was reached, over HTTP.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WayTaken {
    /// The host, and its port if that is written.
    pub host: String,
    /// How.
    pub way: Way,
    /// The setting that asks for it, or what failed before; nothing for the usual way.
    pub reason: Option<String>,
}

/// The ways taken so far.
#[derive(Debug, Default)]
pub(crate) struct Ways {
    /// Whether everything goes through git.
    forced: AtomicBool,
    taken: Mutex<BTreeMap<String, (Way, Option<String>)>>,
}

impl Ways {
    /// From now on everything goes through git.
    pub(crate) fn force_git(&self) {
        self.forced.store(true, Ordering::Relaxed);
    }

    /// The way to `remote`, with the reason why it is git's.
    pub(crate) fn to(&self, remote: &RemoteUrl, config: &GitConfig) -> (Way, Option<String>) {
        if !is_http(remote) {
            return (Way::InProcess, None);
        }
        if self.forced.load(Ordering::Relaxed) {
            return (Way::Git, Some("transport = \"git\"".to_owned()));
        }
        if let Some(setting) = config.needs_git(&remote.url) {
            return (Way::Git, Some(setting));
        }
        let taken = self.taken.lock().unwrap_or_else(PoisonError::into_inner);
        let known = taken.get(&host(remote)).filter(|(_, reason)| is_failure(reason.as_deref()));
        known.cloned().unwrap_or((Way::InProcess, None))
    }

    /// Remembers that `remote` was reached like this.
    pub(crate) fn remember(&self, remote: &RemoteUrl, way: Way, reason: Option<String>) {
        if is_http(remote) {
            let mut taken = self.taken.lock().unwrap_or_else(PoisonError::into_inner);
            let known = taken.entry(host(remote)).or_insert((way, reason.clone()));
            // Of two ways to one host, the unusual one is worth telling.
            if way == Way::Git {
                *known = (way, reason);
            }
        }
    }

    /// What was remembered.
    pub(crate) fn taken(&self) -> Vec<WayTaken> {
        let taken = self.taken.lock().unwrap_or_else(PoisonError::into_inner);
        let told = |(host, (way, reason)): (&String, &(Way, Option<String>))| WayTaken {
            host: host.clone(),
            way: *way,
            reason: reason.clone(),
        };
        taken.iter().map(told).collect()
    }
}

/// The beginning of each reason that is a failure of the usual way.
const FAILED: &str = "in this process: ";

/// What failed in the usual way, as a reason for the other.
pub(crate) fn because_of(error: &TransportError) -> String {
    let mut text = format!("{FAILED}{error}");
    let mut cause = std::error::Error::source(error);
    while let Some(error) = cause {
        text = format!("{text}: {error}");
        cause = error.source();
    }
    text
}

fn is_failure(reason: Option<&str>) -> bool {
    reason.is_some_and(|reason| reason.starts_with(FAILED))
}

/// Whether git may succeed where this process had `error` on its way to `remote`.
pub(crate) fn git_may_do_better(
    error: &TransportError,
    remote: &RemoteUrl,
    has_proxy: bool,
) -> bool {
    is_http(remote)
        && match error {
            TransportError::Connect(ConnectError::Tls { .. } | ConnectError::Proxy(_))
            | TransportError::Login(LoginError::UnknownKind(_))
            | TransportError::Server(ServerError::Protocol { .. }) => true,
            TransportError::Server(ServerError::Status { status: 407, .. })
            | TransportError::Connect(ConnectError::Refused { .. })
            | TransportError::Transfer(TransferError::Dropped { .. }) => {
                has_proxy || matches!(remote.url.scheme, Scheme::Https) && is_dropped(error)
            }
            _ => false,
        }
}

/// A server that hangs up in the middle of a TLS handshake may just dislike it.
pub(crate) const fn is_dropped(error: &TransportError) -> bool {
    matches!(error, TransportError::Transfer(TransferError::Dropped { .. }))
}

/// Which of two errors to tell: that of this process, unless git knows more.
pub(crate) fn truer(ours: TransportError, git: TransportError) -> TransportError {
    let knows_more = match (&ours, &git) {
        (_, TransportError::Cancelled) => true,
        // git came further: past the handshake of TLS, past the proxy.
        (
            TransportError::Connect(ConnectError::Tls { .. } | ConnectError::Proxy(_))
            | TransportError::Server(ServerError::Status { status: 407, .. }),
            TransportError::Login(_) | TransportError::Server(_),
        ) => !matches!(
            git,
            TransportError::Server(
                ServerError::Refused(_)
                    | ServerError::Said(_)
                    | ServerError::Status { status: 407, .. }
            )
        ),
        // A connection that broke off says less than any reason.
        (
            TransportError::Transfer(TransferError::Dropped { .. })
            | TransportError::Connect(ConnectError::Proxy(_)),
            TransportError::Connect(ConnectError::Tls { .. }),
        ) => true,
        (TransportError::Login(_), TransportError::Login(error)) => {
            !matches!(error, LoginError::Missing(_) | LoginError::Refused(_))
        }
        (
            TransportError::Server(ServerError::Protocol { .. }),
            TransportError::Login(_) | TransportError::Server(_),
        ) => !matches!(git, TransportError::Server(ServerError::Protocol { .. })),
        _ => false,
    };
    if knows_more { git } else { ours }
}

fn is_http(remote: &RemoteUrl) -> bool {
    matches!(remote.url.scheme, Scheme::Http | Scheme::Https)
}

/// As people write it: with a port where there is one.
fn host(remote: &RemoteUrl) -> String {
    let host = remote.url.host().unwrap_or_default().to_ascii_lowercase();
    remote.url.port.map_or(host.clone(), |port| format!("{host}:{port}"))
}
