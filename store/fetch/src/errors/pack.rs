//! How receiving a pack can end badly, and the limits that keep a hostile one small.
//!
//! Limits: says nothing about trying again; the caller reads the variant and its sources.

use std::{error::Error as StdError, io, path::PathBuf};

use gix::{ObjectId, bstr::BString, objs::Kind};
use modstore_core::{
    disk::DiskError,
    model::{Class, ManifestError},
};
use thiserror::Error;

use crate::tree_rules::{Refusal, RefusedTree};

/// What one pack may cost. A pack that wants more is [`PackError::TooLarge`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PackLimits {
    /// Memory for all fetches of an update together, in bytes. What can be in a file as well is in a file beyond it.
    pub memory: usize,
    /// Largest single object, in bytes.
    pub object: u64,
    /// Largest commit, tree or tag, in bytes: these are looked at whole.
    pub listing: u64,
    /// Most objects in a pack.
    pub objects: u32,
    /// All commits and trees together, in bytes.
    pub trees: u64,
    /// Most files in a tree.
    pub files: usize,
    /// All files of a tree together, in bytes.
    pub tree: u64,
    /// What may be inflated and made by deltas, in bytes, and 64 more for each byte received.
    pub unpacked: u64,
    /// What may be written to the staging, in bytes, and 64 more for each byte received.
    pub staging: u64,
    /// What may be received that nothing asks for, in bytes.
    pub unwanted: u64,
    /// A pack with all its history, from a server that gives no less, in bytes.
    pub history: u64,
    /// Inflated files waiting for a worker, in bytes.
    pub in_flight: usize,
}

impl Default for PackLimits {
    fn default() -> PackLimits {
        PackLimits {
            memory: 256 << 20,
            object: 1 << 30,
            listing: 64 << 20,
            objects: 8_000_000,
            trees: 512 << 20,
            files: 2_000_000,
            tree: 64 << 30,
            unpacked: 2 << 30,
            staging: 768 << 20,
            unwanted: 512 << 20,
            history: 512 << 20,
            in_flight: 8 << 20,
        }
    }
}

/// One of [`PackLimits`], by name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PackLimit {
    /// [`PackLimits::memory`].
    Memory,
    /// [`PackLimits::object`].
    Object,
    /// [`PackLimits::listing`].
    Listing,
    /// [`PackLimits::objects`].
    Objects,
    /// [`PackLimits::trees`].
    Trees,
    /// [`PackLimits::files`].
    Files,
    /// [`PackLimits::tree`].
    Tree,
    /// [`PackLimits::unpacked`].
    Unpacked,
    /// [`PackLimits::staging`].
    Staging,
    /// [`PackLimits::unwanted`].
    Unwanted,
    /// [`PackLimits::history`].
    History,
}

impl PackLimit {
    /// All of them.
    pub const ALL: [PackLimit; 11] = [
        PackLimit::Memory,
        PackLimit::Object,
        PackLimit::Listing,
        PackLimit::Objects,
        PackLimit::Trees,
        PackLimit::Files,
        PackLimit::Tree,
        PackLimit::Unpacked,
        PackLimit::Staging,
        PackLimit::Unwanted,
        PackLimit::History,
    ];

    /// The environment variable that sets it.
    #[must_use]
    pub const fn variable(self) -> &'static str {
        match self {
            PackLimit::Memory => "MODSTORE_PACK_MEMORY",
            PackLimit::Object => "MODSTORE_PACK_OBJECT",
            PackLimit::Listing => "MODSTORE_PACK_LISTING",
            PackLimit::Objects => "MODSTORE_PACK_OBJECTS",
            PackLimit::Trees => "MODSTORE_PACK_TREES",
            PackLimit::Files => "MODSTORE_PACK_FILES",
            PackLimit::Tree => "MODSTORE_PACK_TREE",
            PackLimit::Unpacked => "MODSTORE_PACK_UNPACKED",
            PackLimit::Staging => "MODSTORE_PACK_STAGING",
            PackLimit::Unwanted => "MODSTORE_PACK_UNWANTED",
            PackLimit::History => "MODSTORE_PACK_HISTORY",
        }
    }

    const fn what(self) -> &'static str {
        match self {
            PackLimit::Memory => "the memory of all fetches together",
            PackLimit::Object => "an object",
            PackLimit::Listing => "a commit, tree or tag",
            PackLimit::Objects => "number of objects",
            PackLimit::Trees => "size of all commits and trees",
            PackLimit::Files => "number of files",
            PackLimit::Tree => "size of all files",
            PackLimit::Unpacked => "what the pack is inflated to",
            PackLimit::Staging => "what so small a pack writes to the disk",
            PackLimit::Unwanted => "size of what nothing asked for",
            PackLimit::History => "a pack with its history",
        }
    }
}

impl std::fmt::Display for PackLimit {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.what())
    }
}

impl PackLimits {
    /// Sets one of them by name, to the largest that it can be where `value` is larger.
    pub fn set(&mut self, limit: PackLimit, value: u64) {
        let size = usize::try_from(value).unwrap_or(usize::MAX);
        match limit {
            PackLimit::Memory => self.memory = size,
            PackLimit::Object => self.object = value,
            PackLimit::Listing => self.listing = value,
            PackLimit::Objects => self.objects = u32::try_from(value).unwrap_or(u32::MAX),
            PackLimit::Trees => self.trees = value,
            PackLimit::Files => self.files = size,
            PackLimit::Tree => self.tree = value,
            PackLimit::Unpacked => self.unpacked = value,
            PackLimit::Staging => self.staging = value,
            PackLimit::Unwanted => self.unwanted = value,
            PackLimit::History => self.history = value,
        }
    }
}

/// Why a pack did not become a tree. The staging directory may hold a part of it and is worthless.
#[derive(Debug, Error)]
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
        /// The limit.
        what: PackLimit,
        /// How large it is, or how large it had become when reading stopped.
        size: u64,
        /// What is allowed.
        limit: u64,
    },
    /// Other fetches have taken the memory that it needs now.
    #[error("other fetches hold {taken} of the {limit} bytes of memory that all of them share")]
    Crowded {
        /// What is taken.
        taken: u64,
        /// What can be.
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
            | Self::Malformed { .. }
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
    pub fn hint(&self) -> Option<String> {
        let text = match self {
            Self::Truncated { .. } | Self::Stream { .. } => "try again",
            Self::Corrupt { .. } | Self::MissingObject { .. } | Self::Find { .. } => {
                "try again; if it stays so, the server or something on the way to it damages what it sends"
            }
            Self::Refused(_) | Self::Manifest(_) | Self::Malformed { .. } => {
                "only the repository's owner can change that; another commit can be named in the module's source"
            }
            Self::NotACommit { .. }
            | Self::TagOfNoCommit { .. }
            | Self::TagChain { .. }
            | Self::BadTag { .. } => {
                "name a commit, or a branch or tag of one, in the module's source"
            }
            Self::TagLeadsElsewhere { .. } => {
                "the server contradicts itself; name the commit in the module's source"
            }
            Self::Spill { .. } | Self::Write(_) => {
                "free some space, and see that the store can be written to"
            }
            Self::TooLarge { what, size, .. } => {
                let variable = what.variable();
                return Some(format!(
                    "if the repository is meant to be like that, set {variable} to {size} or more; else name a smaller one"
                ));
            }
            Self::Crowded { limit, .. } => {
                let variable = PackLimit::Memory.variable();
                return Some(format!(
                    "run it again, with fewer --jobs, or set {variable} to more than {limit}"
                ));
            }
            Self::BaseDamaged { .. } | Self::Cancelled => return None,
        };
        Some(text.to_owned())
    }

    pub(crate) fn corrupt(at: u64, what: impl Into<String>) -> PackError {
        PackError::Corrupt { at, what: what.into() }
    }

    pub(crate) fn refused(path: impl Into<BString>, reason: Refusal) -> PackError {
        PackError::Refused(RefusedTree { path: path.into(), reason })
    }

    /// Fails when `size` is over `limit`.
    pub(crate) fn check_limit(what: PackLimit, size: u64, limit: u64) -> Result<(), PackError> {
        if size > limit { Err(PackError::TooLarge { what, size, limit }) } else { Ok(()) }
    }
}
