//! One commit of a repository becomes a staged tree.
//!
//! The entry is the mirror: when the store has a tree of the same repository, the server is told so,
//! sends a thin pack, and unchanged files are linked. When that tree turns out to be damaged the
//! commit is fetched again, whole. Where a server cannot serve a single commit, the bare mirror is
//! the fall-back.

use std::path::PathBuf;

use gix::{ObjectId, bstr::BString};

use super::{
    acquire_error::AcquireError,
    base::Base,
    checkout::Planted,
    limits::Cancel,
    network_error::FetchError,
    pack_error::{PackError, PackLimits},
    plant::{PackNews, PlantOptions, plant_pack},
    session::{RemoteNews, Session},
};
use crate::{
    commit::{Staged, Staging, read_manifest},
    disk::{Disk, Layout, Planting},
    model::{Digest, GitTree, Manifest},
};

/// An entry that can be the base of a fetch.
#[derive(Debug)]
pub struct BaseEntry {
    root: PathBuf,
    commit: ObjectId,
    manifest: Manifest,
    git: GitTree,
}

/// What a fetch tells while it runs.
#[derive(Debug, Clone, Copy)]
pub enum FetchNews<'a> {
    /// The server says what it is doing.
    Says(&'a str),
    /// Part of a pack has come.
    Pack(PackNews),
    /// The entry that was to be the base has no good copy of this path, and the commit is fetched whole.
    BaseUnfit(&'a str),
}

/// A commit in staging.
#[derive(Debug)]
pub struct FetchedCommit {
    /// Its tree.
    pub staged: Staged,
    /// What is in it.
    pub manifest: Manifest,
    /// Submodules, which are not in the tree.
    pub submodules: Vec<BString>,
    /// Lines a person should read.
    pub warnings: Vec<String>,
    /// Files written and files linked.
    pub files: (u64, u64),
    /// Bytes of packs received.
    pub received: u64,
}

/// Where a fetch writes.
#[derive(Debug, Clone, Copy)]
pub struct Destination<'a> {
    /// The disk.
    pub disk: &'a Disk,
    /// The staging.
    pub staging: &'a Staging,
    /// What a pack may cost.
    pub packs: PackLimits,
}

impl BaseEntry {
    /// The entry `digest`, made of `commit`, if the store has all that a base needs.
    #[must_use]
    pub fn open(layout: &Layout, digest: Digest, commit: ObjectId) -> Option<Self> {
        let manifest = read_manifest(layout, digest)?;
        let git = GitTree::from_bytes(&std::fs::read(layout.git_tree(digest)).ok()?, &manifest)?;
        Some(Self { root: layout.entry(digest), commit, manifest, git })
    }

    /// Where the commit that `digest` was made of has submodules; `None` when that is not known.
    #[must_use]
    pub fn submodules(
        layout: &Layout,
        digest: Digest,
        manifest: &Manifest,
    ) -> Option<Vec<BString>> {
        let git = GitTree::from_bytes(&std::fs::read(layout.git_tree(digest)).ok()?, manifest)?;
        Some(git.gitlinks.into_iter().map(|(path, _)| path).collect())
    }
}

/// Fetches `commit` into the staging, against `base` where there is one.
///
/// # Errors
/// What was written stays in the staging, under names of its own, and goes with it.
pub fn fetch_commit(
    session: &mut Session,
    commit: ObjectId,
    base: Option<&BaseEntry>,
    into: Destination<'_>,
    news: &(dyn Fn(FetchNews<'_>) + Sync),
    cancel: &Cancel,
) -> Result<FetchedCommit, AcquireError> {
    if let Some(base) = base {
        match fetch_once(session, commit, Some(base), into, news, cancel) {
            Err(AcquireError::Fetch(FetchError::Receive {
                // Missing: the base has less than its commit, for what git holds is not all in a tree.
                source: PackError::BaseDamaged { path, .. } | PackError::MissingObject { path, .. },
                ..
            })) => news(FetchNews::BaseUnfit(&path.to_string())),
            done => return done,
        }
    }
    fetch_once(session, commit, None, into, news, cancel)
}

fn fetch_once(
    session: &mut Session,
    commit: ObjectId,
    base: Option<&BaseEntry>,
    into: Destination<'_>,
    news: &(dyn Fn(FetchNews<'_>) + Sync),
    cancel: &Cancel,
) -> Result<FetchedCommit, AcquireError> {
    let base =
        base.map(|base| Base::new(base.root.clone(), base.commit, &base.manifest, &base.git));
    let base = base.filter(super::base::base_is_usable);
    let planting =
        Planting::create(into.disk, &into.staging.fresh()).map_err(AcquireError::Write)?;
    let spill = into.staging.fresh();
    let told = |what: RemoteNews<'_>| {
        if let RemoteNews::Says(text) = what {
            news(FetchNews::Says(text));
        }
    };
    let options = PlantOptions {
        base: base.as_ref(),
        folds: FOLDS_NAMES,
        limits: into.packs,
        progress: &|progress| news(FetchNews::Pack(progress)),
        cancel: &|| cancel.is_cancelled(),
    };
    let planted = session
        .fetch(commit, base.as_ref().map(|base| base.commit), &told, |pack| {
            plant_pack(pack, commit, &planting, &spill, &options)
        })
        .map_err(AcquireError::Fetch)?;
    stage(into.disk, planting, planted)
}

/// macOS file systems take names for equal that differ only in case or normalisation.
pub(super) const FOLDS_NAMES: bool = cfg!(target_vendor = "apple");

/// Seals what was planted, and says what a person should know of it.
pub(super) fn stage(
    disk: &Disk,
    planting: Planting,
    planted: Planted,
) -> Result<FetchedCommit, AcquireError> {
    let staged = Staged::seal(disk, planting, &planted.manifest, Some(&planted.git))
        .map_err(AcquireError::Write)?;
    let pointers = planted
        .lfs_pointers
        .iter()
        .map(|path| format!("{path} is a Git LFS pointer, and its content is not fetched"));
    let collisions = planted.collisions.iter().map(ToString::to_string);
    Ok(FetchedCommit {
        staged,
        warnings: pointers.chain(collisions).collect(),
        submodules: planted.git.gitlinks.into_iter().map(|(path, _)| path).collect(),
        manifest: planted.manifest,
        files: (planted.written, planted.linked),
        received: planted.received_bytes,
    })
}
