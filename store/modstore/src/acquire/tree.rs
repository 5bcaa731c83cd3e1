//! [`Acquired`]: what a source has become, before anything leads to it.

use modstore_fetch::check_subdirectory;

use super::SourceError;
use crate::{
    disk::Staged,
    model::{Digest, LinkedPath, Manifest, Subdirectory},
};

/// What a source has become.
#[derive(Debug)]
pub(crate) enum Acquired {
    /// A tree, in the store already or in a staging.
    Tree(Box<AcquiredTree>),
    /// The user's own directory, which stays where it is.
    Directory(LinkedPath),
}

/// A tree, whole, with all that is known of it.
#[derive(Debug)]
pub(crate) struct AcquiredTree {
    /// Its name.
    pub(crate) digest: Digest,
    /// Its files.
    pub(crate) manifest: Manifest,
    /// The tree itself, unless it is an entry of the store already.
    pub(crate) staged: Option<Staged>,
    /// Lines that a person should read.
    pub(crate) warnings: Vec<String>,
    /// What it cost.
    pub(crate) stats: FetchStats,
    /// Which place had it.
    pub(crate) from: TreeFrom,
}

/// Where a tree was found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum TreeFrom {
    /// In this store; no network was used.
    Store,
    /// In the bare mirror of its repository; no network was used.
    Mirror,
    /// In its repository.
    Git,
    /// In the archive, or whatever else its checksum names.
    Archive,
}

/// What one tree cost.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct FetchStats {
    /// Files written.
    pub(crate) written: u64,
    /// Files linked from another entry.
    pub(crate) linked: u64,
    /// Bytes received.
    pub(crate) received: u64,
}

impl AcquiredTree {
    /// Checks that the tree is the one that is `locked`, and that it has the part that is wanted.
    pub(crate) fn check(
        &self,
        locked: Option<Digest>,
        subdirectory: Option<&Subdirectory>,
    ) -> Result<(), SourceError> {
        if let Some(locked) = locked.filter(|locked| *locked != self.digest) {
            return Err(SourceError::OtherTree { found: self.digest, locked });
        }
        Ok(check_subdirectory(&self.manifest, subdirectory)?)
    }
}
