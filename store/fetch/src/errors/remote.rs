//! Why a commit could not be named or received, in words, in a class and in a code.
//!
//! Nothing here holds a secret: URLs are redacted before they come in, and the words of a server are cut to a few
//! lines.

use std::{error::Error, io, path::PathBuf};

use gix::ObjectId;
use modstore_core::model::{Class, FailureCode};

use super::transport::{Cause, ServerError, TransferError, TransportError};

/// How far a connection had come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RemoteStage {
    /// No server has answered yet.
    Connect,
    /// The server was asked for its refs.
    List,
    /// The server was asked for a pack.
    Fetch,
}

/// The git configuration of this host could not be read. No server was asked.
#[derive(Debug, thiserror::Error)]
pub enum NetworkError {
    /// The minimal repository could not be made in the scratch directory.
    #[error("could not prepare {path} to read the host's git configuration")]
    Scratch {
        /// The scratch directory.
        path: PathBuf,
        /// What the file system said.
        source: io::Error,
    },
    /// A git configuration file of this host does not parse.
    #[error("could not read the host's git configuration")]
    Configuration {
        /// The complaint of the parser.
        source: Cause,
    },
}

/// A commit could not be named, or its repository not reached. Nothing is kept of what was received.
#[derive(Debug, thiserror::Error)]
pub enum RemoteError {
    /// This is not an address to fetch from.
    #[error("{url} is not an address git can fetch from")]
    Address {
        /// Redacted.
        url: String,
        /// What is wrong with it, where the reason does not repeat the address.
        source: Option<Cause>,
    },
    /// The host's git configuration says never.
    #[error("this host's git configuration does not allow fetching from {url}")]
    Forbidden {
        /// Redacted.
        url: String,
        /// As in `protocol.<scheme>.allow`.
        scheme: String,
    },
    /// The host's git configuration says that no address may have a password (`transfer.credentialsInUrl`).
    #[error("this host's git configuration does not allow a password in {url}")]
    SecretInAddress {
        /// Redacted.
        url: String,
    },
    /// What is wanted is named by the id of a commit of another kind of repository. Nothing was asked.
    #[error("{id} has 64 digits, as a commit of a SHA-256 repository, and those are not supported")]
    Sha256Id {
        /// What was asked for.
        id: String,
    },
    /// The user asked to stay off the network.
    #[error("{url} was not asked, because the network is not to be used")]
    Offline {
        /// Redacted.
        url: String,
    },
    /// The exchange with the server failed.
    #[error("{} {url}", match .stage { RemoteStage::Connect => "could not reach", RemoteStage::List => "could not list", RemoteStage::Fetch => "could not fetch from" })]
    Failed {
        /// How far it had come.
        stage: RemoteStage,
        /// Redacted.
        url: String,
        /// Why.
        source: TransportError,
    },
    /// The repository has neither a branch nor a tag of that name.
    #[error("{url} has no branch or tag named {name}{}", near_names(.near))]
    NoSuchRef {
        /// Redacted.
        url: String,
        /// What was asked for.
        name: String,
        /// Up to ten that exist, the nearest spelling first.
        near: Vec<String>,
    },
    /// The text is no name, and several commits that the server lists have ids that begin with it.
    #[error("{digits} begins the ids of several commits in {url}: {}", ids(.commits))]
    AmbiguousId {
        /// Redacted.
        url: String,
        /// What was asked for.
        digits: String,
        /// The commits, in order.
        commits: Vec<ObjectId>,
    },
    /// The repository has no commit yet.
    #[error("{url} has no commits")]
    Empty {
        /// Redacted.
        url: String,
    },
}

impl RemoteError {
    /// Whether trying again may help.
    #[must_use]
    pub fn class(&self) -> Class {
        match self {
            Self::Failed { source, .. } => source.class(),
            Self::Offline { .. } => Class::Transient,
            Self::Address { .. }
            | Self::Forbidden { .. }
            | Self::SecretInAddress { .. }
            | Self::Sha256Id { .. }
            | Self::NoSuchRef { .. }
            | Self::AmbiguousId { .. }
            | Self::Empty { .. } => Class::Permanent,
        }
    }

    /// The cause, as programs read it.
    #[must_use]
    pub const fn code(&self) -> FailureCode {
        match self {
            Self::Address { .. } | Self::Forbidden { .. } | Self::SecretInAddress { .. } => {
                FailureCode::Source
            }
            Self::Sha256Id { .. } => FailureCode::ObjectFormat,
            Self::Offline { .. } => FailureCode::Offline,
            Self::Failed { source, .. } => source.code(),
            Self::NoSuchRef { .. } => FailureCode::NoSuchReference,
            Self::AmbiguousId { .. } => FailureCode::AmbiguousReference,
            Self::Empty { .. } => FailureCode::EmptyRepository,
        }
    }

    /// How far the connection had come.
    #[must_use]
    pub const fn stage(&self) -> RemoteStage {
        match self {
            Self::Failed { stage, .. } => *stage,
            Self::Address { .. }
            | Self::Forbidden { .. }
            | Self::SecretInAddress { .. }
            | Self::Sha256Id { .. }
            | Self::Offline { .. } => RemoteStage::Connect,
            Self::NoSuchRef { .. } | Self::AmbiguousId { .. } | Self::Empty { .. } => {
                RemoteStage::List
            }
        }
    }

    /// The exchange that failed, if one did.
    #[must_use]
    pub const fn transport(&self) -> Option<&TransportError> {
        match self {
            Self::Failed { source, .. } => Some(source),
            _ => None,
        }
    }

    /// Whether the server may not give the commit by its id: it says so, or where it is not git's own, it only broke off.
    pub(crate) const fn may_be_refusal(&self, is_git: bool) -> bool {
        match self.transport() {
            Some(TransportError::Server(ServerError::NotGiven(_))) => true,
            Some(TransportError::Server(ServerError::Status { status: 500..=599, .. }))
            | Some(TransportError::Server(ServerError::Said(_)))
            | Some(TransportError::Transfer(TransferError::Dropped { .. })) => !is_git,
            _ => false,
        }
    }

    /// Whether the server says that it does not give the commit.
    pub(crate) const fn is_not_given(&self) -> bool {
        matches!(self.transport(), Some(TransportError::Server(ServerError::NotGiven(_))))
    }

    /// The next thing a person can do, if there is one.
    #[must_use]
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Failed { source, .. } => source.hint(),
            Self::Forbidden { scheme, .. } => {
                Some(format!("see protocol.{scheme}.allow in the git configuration"))
            }
            Self::SecretInAddress { .. } => Some(
                "give the password to a credential helper, or see transfer.credentialsInUrl in the git configuration"
                    .into(),
            ),
            Self::Sha256Id { .. } => {
                Some("name a branch, a tag, or all 40 digits of the id of a commit".into())
            }
            Self::Offline { .. } => Some("try again without --offline".into()),
            Self::AmbiguousId { .. } => Some("write all 40 digits of the commit's id".into()),
            Self::Address { .. } => Some("correct the module's source".into()),
            Self::NoSuchRef { name, .. } if name == "HEAD" => Some(
                "the repository has no default branch; name one as @BRANCH in the module's source"
                    .into(),
            ),
            Self::NoSuchRef { name, .. } => Some(hint_for_name(name)),
            Self::Empty { .. } => Some("push a first commit to it".into()),
        }
    }
}

/// A pack was not received. The receiver removes what it has written so far.
#[derive(Debug, thiserror::Error)]
pub enum FetchError<E: Error + 'static> {
    /// The exchange with the server failed.
    #[error(transparent)]
    Remote(RemoteError),
    /// The pack came, and the receiver could not use it.
    #[error("could not use the pack from {url}")]
    Receive {
        /// Redacted.
        url: String,
        /// What the receiver said.
        source: E,
    },
}

/// The next thing to do about a name that is not there. What looks like a commit id was meant as one.
fn hint_for_name(name: &str) -> String {
    let is_hex = name.bytes().all(|digit| digit.is_ascii_hexdigit());
    match name.len() {
        4..40 if is_hex => format!(
            "a commit that no branch or tag names now needs all 40 digits of its id; in a clone, `git rev-parse {name}` prints them"
        ),
        _ => "correct what stands behind @ in the module's source".into(),
    }
}

/// Up to five ids.
fn ids(commits: &[ObjectId]) -> String {
    let shown: Vec<String> = commits.iter().take(5).map(ToString::to_string).collect();
    let more = if commits.len() > shown.len() { ", …" } else { "" };
    format!("{}{more}", shown.join(", "))
}

fn near_names(near: &[String]) -> String {
    match near {
        [] => String::new(),
        near => format!("; it has {}", near.join(", ")),
    }
}
