//! [`PackError`]: why a pack did not become a tree.

use std::{error::Error as StdError, io, path::PathBuf};

use gix::{ObjectId, bstr::BString};
use modstore_core::{
    disk::DiskError,
    model::{Class, Digest, FailureCode, ManifestError},
};

use super::{limit::LimitError, tag::TagError};
use crate::tree_rules::{RefusedTree, RejectReason};

/// A pack did not become a tree. The staging may hold a part of it, which is worthless.
#[derive(Debug, thiserror::Error)]
pub enum PackError {
    /// The stream ended before the pack did.
    #[error("the pack ended early, after {at} bytes")]
    Truncated {
        /// Bytes of the pack received.
        at: u64,
        /// What the stream said, when it said anything.
        source: Option<io::Error>,
    },
    /// The stream failed.
    #[error("the pack could not be received beyond {at} bytes")]
    Stream {
        /// Bytes of the pack received.
        at: u64,
        /// The stream's own error.
        source: io::Error,
    },
    /// The bytes are not a pack, or not the one that the server sent.
    #[error("the pack is damaged near byte {at}: {what}")]
    Corrupt {
        /// Offset in the pack.
        at: u64,
        /// What does not fit.
        what: String,
    },
    /// Neither the pack nor the previous entry has an object that the tree needs.
    #[error("object {id} is missing, needed for {path:?}")]
    MissingObject {
        /// The object.
        id: ObjectId,
        /// What needs it; empty for the commit and the root.
        path: BString,
    },
    /// The pack wants more than it may have.
    #[error(transparent)]
    Limit(#[from] LimitError),
    /// A file is larger than any may be.
    #[error("{path:?} is too large")]
    LargeFile {
        /// The file.
        path: BString,
        /// The limit.
        source: LimitError,
    },
    /// The tree has something that no entry may have.
    #[error("the tree is not accepted")]
    Refused(#[source] RefusedTree),
    /// The file for data that memory should not hold.
    #[error("spill file {path:?} cannot be used")]
    Spill {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The tree could not be written.
    #[error("the tree could not be written")]
    Write(#[source] DiskError),
    /// A file of the previous entry is not what its manifest says. Fetch again without `have`.
    #[error("{path:?} of the previous entry is damaged")]
    BaseDamaged {
        /// The file in the previous entry.
        path: BString,
        /// How it was noticed, when the content alone did not tell.
        source: Option<Box<dyn StdError + Send + Sync>>,
    },
    /// The object database failed.
    #[error("object {id} could not be read")]
    Find {
        /// The object.
        id: ObjectId,
        /// What the database said.
        source: Box<dyn StdError + Send + Sync>,
    },
    /// The user asked to stop.
    #[error("receiving was cancelled")]
    Cancelled,
    /// An object is what its id says, and not what git makes: it will be the same the next time.
    #[error("{kind} {id} is malformed")]
    Malformed {
        /// What it should be.
        kind: &'static str,
        /// The object.
        id: ObjectId,
    },
    /// The id names an object, but no commit.
    #[error("{id} is not a commit")]
    NotACommit {
        /// The object.
        id: ObjectId,
    },
    /// The tag does not lead to the commit.
    #[error(transparent)]
    Tag(#[from] TagError),
    /// What came is a tree, and not the one that was asked for.
    #[error("it is another tree: {found}, and not {expected}")]
    OtherTree {
        /// The tree that was asked for.
        expected: Digest,
        /// The tree that came.
        found: Digest,
    },
    /// The files received do not make a manifest.
    #[error("the tree has no manifest")]
    Manifest(#[source] ManifestError),
}

/// What to do about a name that the file system does not take.
pub(super) const REFUSED_NAME: &str = "the file system of the store does not take this name; the repository's owner can change it, or the store can be put on another file system";

impl PackError {
    /// When it is worth trying again. A damaged pack may come whole the next time.
    #[must_use]
    pub fn class(&self) -> Class {
        match self {
            Self::Limit(error) | Self::LargeFile { source: error, .. } => error.class(),
            Self::Write(error) if error.refuses_name() => Class::Permanent,
            Self::Refused(_)
            | Self::Malformed { .. }
            | Self::NotACommit { .. }
            | Self::Tag(_)
            | Self::Manifest(_) => Class::Permanent,
            Self::Truncated { .. }
            | Self::Stream { .. }
            | Self::Corrupt { .. }
            | Self::MissingObject { .. }
            | Self::Spill { .. }
            | Self::Write(_)
            | Self::BaseDamaged { .. }
            | Self::Find { .. }
            | Self::OtherTree { .. }
            | Self::Cancelled => Class::Transient,
        }
    }

    /// The cause, as programs read it.
    #[must_use]
    pub fn code(&self) -> FailureCode {
        match self {
            Self::Write(error) if error.refuses_name() => FailureCode::RefusedTree,
            Self::Stream { .. } => FailureCode::Connection,
            Self::Truncated { .. }
            | Self::Corrupt { .. }
            | Self::MissingObject { .. }
            | Self::BaseDamaged { .. }
            | Self::Find { .. }
            | Self::OtherTree { .. }
            | Self::Malformed { .. } => FailureCode::Corrupt,
            Self::Limit(_) | Self::LargeFile { .. } => FailureCode::Limit,
            Self::Refused(_) | Self::Manifest(_) => FailureCode::RefusedTree,
            Self::Spill { .. } | Self::Write(_) => FailureCode::Store,
            Self::NotACommit { .. } => FailureCode::NoSuchCommit,
            Self::Tag(error) => error.code(),
            Self::Cancelled => FailureCode::Cancelled,
        }
    }

    /// The next thing to do.
    #[must_use]
    pub fn hint(&self) -> Option<String> {
        let text = match self {
            Self::Truncated { .. } | Self::Stream { .. } => "try again",
            Self::Corrupt { .. }
            | Self::MissingObject { .. }
            | Self::OtherTree { .. }
            | Self::Find { .. } => {
                "try again; if it stays so, the server or something on the way to it damages what it sends"
            }
            Self::Limit(error) | Self::LargeFile { source: error, .. } => {
                return Some(error.hint());
            }
            Self::Refused(_) | Self::Manifest(_) | Self::Malformed { .. } => {
                "only the repository's owner can change that; another commit can be named in the module's source"
            }
            Self::NotACommit { .. } => {
                "name a commit, or a branch or tag of one, in the module's source"
            }
            Self::Tag(error) => error.hint(),
            Self::Write(error) if error.refuses_name() => REFUSED_NAME,
            Self::Spill { .. } | Self::Write(_) => {
                "free some space, and see that the store can be written to"
            }
            Self::BaseDamaged { .. } | Self::Cancelled => return None,
        };
        Some(text.to_owned())
    }

    pub(crate) fn corrupt(at: u64, what: impl Into<String>) -> Self {
        Self::Corrupt { at, what: what.into() }
    }

    pub(crate) fn refused(path: impl Into<BString>, reason: RejectReason) -> Self {
        Self::Refused(RefusedTree { path: path.into(), reason })
    }
}
