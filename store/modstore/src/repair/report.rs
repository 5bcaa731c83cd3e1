//! What came of a repair: values only, for the command line and for hosts.

use std::{error::Error, path::PathBuf};

use crate::{commit::Rebuilt, verify::Verification};

/// What a repair did.
#[derive(Debug, Default)]
pub struct RepairReport {
    /// What was mended, in the order in which it was.
    pub mended: Vec<Mended>,
    /// What could not be; it is as it was.
    pub unmended: Vec<Unmended>,
    /// What became of the history, when the journal was made anew.
    pub journal: Option<Rebuilt>,
    /// What is found now, all contents read.
    pub after: Verification,
}

impl RepairReport {
    /// Whether all is as it should be now.
    #[must_use]
    pub fn is_sound(&self) -> bool {
        self.unmended.is_empty() && self.after.is_sound()
    }
}

/// Something that was damaged and is not any more.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mended {
    /// What, below the home as it was given.
    pub path: PathBuf,
    /// How.
    pub how: How,
    /// Where the damaged thing is now, if anything was there that had to go.
    pub aside: Option<PathBuf>,
    /// The modules that lead to it in any kept generation. Sorted.
    pub modules: Vec<String>,
}

/// How something was mended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum How {
    /// A directory or file that every store has was made.
    Made,
    /// Permissions, or times, were set right; the content was right.
    SetRight,
    /// A file was written anew from what the store knows.
    Rewritten,
    /// Links were made anew as the journal says.
    Relinked,
    /// An entry was put together or had anew, under the same digest.
    Rebuilt(Origin),
    /// It was put aside, and nothing needs it.
    PutAside,
}

/// Where the content of a rebuilt entry came from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Origin {
    /// From the same files in this store; no network was used.
    Store,
    /// From the bare mirror; no network was used.
    Mirror,
    /// From the commit it was made of.
    Git,
    /// From the archive it was made of.
    Archive,
}

/// Something that is still damaged.
#[derive(Debug)]
pub struct Unmended {
    /// What, below the home as it was given.
    pub path: PathBuf,
    /// Why it could not be mended, with its causes behind it; holds no secret.
    pub error: Box<dyn Error + Send + Sync>,
    /// The next thing to do.
    pub hint: Option<String>,
    /// The modules that lead to it in any kept generation. Sorted.
    pub modules: Vec<String>,
}

impl How {
    /// One clause: what was done.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Made => "made",
            Self::SetRight => "permissions and times set right",
            Self::Rewritten => "written anew",
            Self::Relinked => "linked anew",
            Self::Rebuilt(Origin::Store) => "rebuilt from other files of the store",
            Self::Rebuilt(Origin::Mirror) => "rebuilt from its mirror",
            Self::Rebuilt(Origin::Git) => "fetched anew",
            Self::Rebuilt(Origin::Archive) => "unpacked anew",
            Self::PutAside => "put aside",
        }
    }
}

impl Mended {
    pub(super) const fn new(path: PathBuf, how: How, aside: Option<PathBuf>) -> Self {
        Self { path, how, aside, modules: Vec::new() }
    }
}
