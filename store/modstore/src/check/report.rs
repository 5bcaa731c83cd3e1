//! The report of a repair: values only, for the command line and for hosts. And why a repair came to no report.

use std::{collections::BTreeSet, error::Error, path::PathBuf};

use modstore_core::in_json;
use serde::{Serialize, Serializer};

use super::{finding::Verification, view::VerifyError};
use crate::{
    access::AccessError,
    acquire::TreeFrom,
    commit::{BeginError, DecodeError, JournalError},
    disk::{DiskError, FormatError, LockError, StagingError},
    model::{Generation, ModuleName},
};

/// What a repair did.
#[derive(Debug, Default)]
pub struct RepairReport {
    /// What was repaired, in that order.
    pub repaired: Vec<Repaired>,
    /// What could not be repaired; it is as it was.
    pub not_repaired: Vec<NotRepaired>,
    /// The history, when the journal had to be rebuilt.
    pub journal: Option<RebuiltJournal>,
    /// The findings after the repair, with every byte read.
    pub after: Verification,
}

impl RepairReport {
    /// Whether all is as it should be now.
    #[must_use]
    pub fn is_sound(&self) -> bool {
        self.not_repaired.is_empty() && self.after.is_sound()
    }
}

/// Something that was repaired.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Repaired {
    /// Where it is, below the home as that was given.
    #[serde(serialize_with = "in_json::path")]
    #[cfg_attr(feature = "schema", schemars(with = "String"))]
    pub path: PathBuf,
    /// How it was repaired, in words.
    #[cfg_attr(feature = "schema", schemars(with = "String"))]
    pub how: How,
    /// Where the damaged copy is now; null if there was none to keep.
    #[serde(rename = "quarantine", serialize_with = "in_json::path_or_null")]
    #[cfg_attr(feature = "schema", schemars(with = "Option<String>"))]
    pub aside: Option<PathBuf>,
    /// The modules that lead to it in any kept generation. Sorted.
    pub modules: Vec<String>,
}

/// How something was repaired.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum How {
    /// A directory or file that every store has was created.
    Created,
    /// Permissions or times were set; the content was right.
    SetRight,
    /// A file was rewritten from what the store knows.
    Rewritten,
    /// Links were made again as the journal says.
    Relinked,
    /// An entry was put together or fetched, under the same digest.
    Rebuilt(TreeFrom),
    /// It was set aside, and nothing needs it.
    SetAside,
    /// It is remembered no longer.
    Forgotten,
}

/// Something that is still damaged.
#[derive(Debug)]
pub struct NotRepaired {
    /// Its path, below the home as that was given.
    pub path: PathBuf,
    /// Why it could not be repaired, with its causes behind it; holds no secret.
    pub error: Box<dyn Error + Send + Sync>,
    /// The next thing to do.
    pub hint: Option<String>,
    /// The modules that lead to it in any kept generation. Sorted.
    pub modules: Vec<String>,
}

/// The history that a rebuilt journal has.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RebuiltJournal {
    /// How many frames could still be read.
    pub frames: usize,
    /// The generations in the new journal.
    pub generations: Vec<Generation>,
    /// Generations that a frame or a directory names, and that the new journal lacks: their modules are not known.
    pub lost: Vec<Generation>,
    /// Modules of which only the tree is known, with the generation: their source or commit is not.
    pub unclear: BTreeSet<(Generation, ModuleName)>,
}

impl How {
    /// One clause: what was done.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Created => "created",
            Self::SetRight => "permissions and times set",
            Self::Rewritten => "rewritten",
            Self::Relinked => "links recreated",
            Self::Rebuilt(TreeFrom::Store) => "rebuilt from other files of the store",
            Self::Rebuilt(TreeFrom::Neighbour) => "taken from another store",
            Self::Rebuilt(TreeFrom::Mirror) => "rebuilt from its mirror",
            Self::Rebuilt(TreeFrom::Tier) => "taken from a shared tier",
            Self::Rebuilt(TreeFrom::Git) => "re-fetched",
            Self::Rebuilt(TreeFrom::Archive) => "unpacked again",
            Self::SetAside => "set aside",
            Self::Forgotten => "forgotten",
        }
    }
}

impl Serialize for How {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_str(self.as_str())
    }
}

impl Repaired {
    pub(super) const fn new(path: PathBuf, how: How, aside: Option<PathBuf>) -> Self {
        Self { path, how, aside, modules: Vec::new() }
    }
}

/// A repair came to no report. Repairs made until then stay, and running it again goes on.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RepairError {
    /// The store cannot be changed.
    #[error(transparent)]
    Access(#[from] AccessError),
    /// The marker is a newer version's, or cannot be made.
    #[error(transparent)]
    Format(#[from] FormatError),
    /// Another process is writing.
    #[error("cannot begin to repair")]
    Lock(#[from] LockError),
    /// There is no place to work in.
    #[error(transparent)]
    Staging(#[from] StagingError),
    /// The store cannot be locked, or what a crash left cannot be finished.
    #[error("cannot begin to repair")]
    Begin(#[from] BeginError),
    /// A whole frame of the journal holds records of a newer version. The journal is as it was.
    #[error("the journal was written by a newer version")]
    NewerJournal(#[source] DecodeError),
    /// The journal cannot be read or written.
    #[error(transparent)]
    Journal(#[from] JournalError),
    /// The store cannot be checked.
    #[error(transparent)]
    Verify(VerifyError),
    /// The disk failed. What it was about is as it was or as it should be.
    #[error("the repair did not finish")]
    Disk(#[from] DiskError),
    /// The user interrupted it.
    #[error("interrupted; what was repaired so far stays repaired")]
    Cancelled,
}

impl From<VerifyError> for RepairError {
    fn from(error: VerifyError) -> Self {
        match error {
            VerifyError::Cancelled => Self::Cancelled,
            error => Self::Verify(error),
        }
    }
}

impl RepairError {
    /// The lock that could not be taken, if that is why.
    #[must_use]
    pub const fn wait(&self) -> Option<&LockError> {
        match self {
            Self::Begin(BeginError::Lock(error)) | Self::Lock(error) => Some(error),
            _ => None,
        }
    }
}
