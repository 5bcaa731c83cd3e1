//! How receiving a pack can end badly, and the limits that keep a hostile one small.
//!
//! Limits: says nothing about trying again; the caller reads the variant and its sources.

use std::error::Error as StdError;
use std::io;
use std::path::PathBuf;

use gix::ObjectId;
use gix::bstr::BString;
use gix::objs::Kind;
use thiserror::Error;

use crate::acquire::refusal::{Refusal, RefusedTree};
use crate::disk::DiskError;
use crate::model::{Class, ManifestError};

/// What one pack may cost. A pack that wants more is [`PackError::TooLarge`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PackLimits {
    /// Compressed bytes kept in memory; what comes after goes to the spill file.
    pub memory: usize,
    /// Largest single object, in bytes.
    pub object: u64,
    /// Most objects in a pack.
    pub objects: u32,
    /// All commits and trees together, in bytes.
    pub trees: u64,
    /// Most files in a tree.
    pub files: usize,
    /// All files of a tree together, in bytes.
    pub tree: u64,
    /// Inflated files waiting for a worker, in bytes.
    pub in_flight: usize,
}

impl Default for PackLimits {
    fn default() -> PackLimits {
        PackLimits {
            memory: 64 << 20,
            object: 1 << 30,
            objects: 8_000_000,
            trees: 512 << 20,
            files: 2_000_000,
            tree: 64 << 30,
            in_flight: 8 << 20,
        }
    }
}

/// Why a pack did not become a tree. The staging directory may hold a part of it and is worthless.
#[derive(Debug, Error)]
#[non_exhaustive]
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
    /// The bytes are not a pack, or not the one that was sent.
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
    /// More than [`PackLimits`] allow.
    #[error("{what} of {size} is over the limit of {limit}")]
    TooLarge {
        /// What is too large.
        what: &'static str,
        /// How large it is, or how large it had become when reading stopped.
        size: u64,
        /// The limit.
        limit: u64,
    },
    /// The tree has something that no entry may have.
    #[error("the tree is not accepted")]
    Refused(#[source] RefusedTree),
    /// The file for what memory should not hold.
    #[error("spill file {path:?} cannot be used")]
    Spill {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// Writing the tree.
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
    /// The caller asked to stop.
    #[error("receiving was cancelled")]
    Cancelled,
    /// The id names an object, but no commit.
    #[error("{id} is not a commit")]
    NotACommit {
        /// The object.
        id: ObjectId,
    },
    /// The tag names something that has no files in it, or no history.
    #[error("{tag} is the tag of a {kind}, and not of a commit")]
    TagOfNoCommit {
        /// The tag object that was asked for.
        tag: ObjectId,
        /// What it names.
        kind: Kind,
    },
    /// The listing said one thing of the tag, and the tag says another.
    #[error("the tag {tag} leads to {found}, and the server said that it leads to {listed}")]
    TagLeadsElsewhere {
        /// The tag object that was asked for.
        tag: ObjectId,
        /// The commit that it leads to.
        found: ObjectId,
        /// The commit that was listed.
        listed: ObjectId,
    },
    /// More tags of tags than are followed.
    #[error("the tag {tag} is the first of a chain of more than {limit} tags")]
    TagChain {
        /// The tag object that was asked for.
        tag: ObjectId,
        /// The limit.
        limit: usize,
    },
    /// A tag object that cannot be read.
    #[error("the tag {tag} is malformed")]
    BadTag {
        /// The tag object.
        tag: ObjectId,
    },
    /// The files received do not make a manifest.
    #[error("the tree has no manifest")]
    Manifest(#[source] ManifestError),
}

impl PackError {
    /// When it is worth trying again. A damaged pack may come whole the next time.
    #[must_use]
    pub const fn class(&self) -> Class {
        match self {
            Self::TooLarge { .. }
            | Self::Refused(_)
            | Self::NotACommit { .. }
            | Self::TagOfNoCommit { .. }
            | Self::TagLeadsElsewhere { .. }
            | Self::TagChain { .. }
            | Self::BadTag { .. }
            | Self::Manifest(_) => Class::Permanent,
            _ => Class::Transient,
        }
    }

    /// The next thing to do.
    #[must_use]
    pub const fn hint(&self) -> Option<&'static str> {
        match self {
            Self::Truncated { .. } | Self::Stream { .. } => Some("try again"),
            Self::Corrupt { .. } | Self::MissingObject { .. } | Self::Find { .. } => Some(
                "try again; if it stays so, the server or something on the way to it damages what it sends",
            ),
            Self::Refused(_) | Self::Manifest(_) => Some(
                "only the repository's owner can change that; another commit can be named in the module's source",
            ),
            Self::NotACommit { .. }
            | Self::TagOfNoCommit { .. }
            | Self::TagChain { .. }
            | Self::BadTag { .. } => {
                Some("name a commit, or a branch or tag of one, in the module's source")
            }
            Self::TagLeadsElsewhere { .. } => {
                Some("the server contradicts itself; name the commit in the module's source")
            }
            Self::Spill { .. } | Self::Write(_) => {
                Some("free some space, and see that the store can be written to")
            }
            Self::TooLarge { .. } => Some("name a smaller repository, or a commit before it grew"),
            Self::BaseDamaged { .. } | Self::Cancelled => None,
        }
    }

    pub(super) fn corrupt(at: u64, what: impl Into<String>) -> PackError {
        PackError::Corrupt { at, what: what.into() }
    }

    pub(super) fn refused(path: impl Into<BString>, reason: Refusal) -> PackError {
        PackError::Refused(RefusedTree { path: path.into(), reason })
    }

    /// Fails when `size` is over `limit`.
    pub(super) fn check_limit(what: &'static str, size: u64, limit: u64) -> Result<(), PackError> {
        if size > limit { Err(PackError::TooLarge { what, size, limit }) } else { Ok(()) }
    }
}
