//! [`Acquired`]: what a source has become, before anything leads to it.

use std::path::PathBuf;

use modstore_fetch::{find_part, unapplied_attributes};

use super::SourceError;
use crate::{
    disk::{Layout, Staged},
    model::{Digest, LinkedPath, Manifest, Subdirectory, TreePart},
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
    /// The commit's own pack, if git has just given it and it may be published.
    pub(crate) pack: Option<Vec<u8>>,
}

/// Where a tree was found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum TreeFrom {
    /// In this store; no network was used.
    Store,
    /// In another store of this user; no network was used.
    Neighbour,
    /// In the bare mirror of its repository; no network was used.
    Mirror,
    /// In a shared tier.
    Tier,
    /// In its repository.
    Git,
    /// In the archive, or whatever else its checksum names.
    Archive,
}

/// Who built what a module has become.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BuiltBy {
    /// This machine, now.
    ThisMachine,
    /// Another machine: a shared tier had the tree that the lock names.
    Other,
}

/// What one tree cost.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct FetchStats {
    /// Files written.
    pub(crate) written: u64,
    /// Files linked from another entry.
    pub(crate) linked: u64,
    /// How many of these were not read before.
    pub(crate) unread: u64,
    /// Bytes received.
    pub(crate) received: u64,
    /// Which place had it, if anything was looked for.
    pub(crate) from: Option<TreeFrom>,
    /// Who has built it, if that was now.
    pub(crate) built: Option<BuiltBy>,
}

impl AcquiredTree {
    /// The part of the tree that is wanted, when the tree is the one that is `locked` and has that part, whole.
    pub(crate) fn check(
        &self,
        layout: &Layout,
        locked: Option<Digest>,
        subdirectory: Option<&Subdirectory>,
    ) -> Result<TreePart, SourceError> {
        if let Some(locked) = locked.filter(|locked| *locked != self.digest) {
            return Err(SourceError::OtherTree { found: self.digest, locked });
        }
        Ok(find_part(&self.root(layout), &self.manifest, subdirectory)?)
    }

    /// What a person should know of the attributes of git in this part of it.
    pub(crate) fn attributes(&self, layout: &Layout, part: &TreePart) -> Option<String> {
        let unapplied = unapplied_attributes(&self.root(layout), &self.manifest, part)?;
        Some(unapplied.to_string())
    }

    /// Where it lies now.
    fn root(&self, layout: &Layout) -> PathBuf {
        self.staged
            .as_ref()
            .map_or_else(|| layout.entry(self.digest), |staged| staged.tree().to_owned())
    }
}
