//! Where the mirror of a repository lies, and the lock under which it is used.
//!
//! ```text
//! mirrors/<origin-hash>.git            the mirror; each fetched commit has a ref named by its id
//! mirrors/<origin-hash>.<random>       one being built, or an old one being deleted
//! ```
//!
//! Only the process that holds the lock of an origin touches these, so leftovers of a dead process cannot be mistaken for the
//! work of a living one.

use std::{
    path::{Path, PathBuf},
    time::Duration,
};

use gix::ObjectId;
use modstore_core::{
    Cancel,
    disk::{
        Disk, DiskError, Holder, Lock, LockError, LockWait, Verb, is_random_name, names_in,
        random_name,
    },
    model::Origin,
};

use super::objects::{ancestors, tips};
use crate::{
    errors::{AcquireError, MirrorError},
    transport::{is_plain_repository, minimal_repository},
};

/// Where the mirror of a repository lies, and how its lock is taken.
#[derive(Debug, Clone, Copy)]
pub struct MirrorPlace<'a> {
    /// The directory of all mirrors.
    pub directory: &'a Path,
    /// The lock file of this repository.
    pub lock: &'a Path,
    /// The repository.
    pub origin: &'a Origin,
    /// The command that processes waiting for the lock can read. Holds no secret.
    pub command: &'a str,
    /// How long to wait for the lock.
    pub lock_limit: Duration,
    /// Whether to replace a mirror that is there instead of using it.
    pub rebuild: bool,
}

/// The mirror of one origin, locked as long as this value lives.
pub(crate) struct Mirror<'a> {
    disk: &'a Disk,
    directory: PathBuf,
    hash: String,
    rebuild: bool,
    staging: PathBuf,
    _lock: Lock,
}

impl<'a> Mirror<'a> {
    /// Takes the lock of the origin, and removes the leftovers of dead processes. Packs lie in `staging` until they are
    /// whole.
    pub(crate) fn lock(
        disk: &'a Disk,
        place: &MirrorPlace<'_>,
        staging: &Path,
        url: &str,
        on_wait: &dyn Fn(Option<&Holder>),
        cancel: &Cancel,
    ) -> Result<Self, AcquireError> {
        let stop = || cancel.is_cancelled();
        let wait = LockWait { limit: place.lock_limit, stop: &stop, on_wait };
        let lock = Lock::take(place.lock, place.command, wait).map_err(|source| match source {
            LockError::Stopped => AcquireError::Cancelled,
            source => MirrorError::Locked { url: url.to_owned(), source }.into(),
        })?;
        let mirror = Mirror {
            disk,
            directory: place.directory.to_owned(),
            hash: place.origin.hash(),
            rebuild: place.rebuild,
            staging: staging.to_owned(),
            _lock: lock,
        };
        mirror.remove_leftovers().map_err(AcquireError::Write)?;
        Ok(mirror)
    }

    /// Whether there is a mirror of this origin.
    pub(crate) fn is_there(place: &MirrorPlace<'_>) -> bool {
        place.directory.join(format!("{}.git", place.origin.hash())).is_dir()
    }

    /// The repository.
    pub(super) fn path(&self) -> PathBuf {
        self.directory.join(format!("{}.git", self.hash))
    }

    /// Where a pack lies until it is whole. A killed process leaves it to the removal of dead stagings.
    pub(super) fn staging(&self) -> &Path {
        &self.staging
    }

    /// Whether the mirror that is there, if any, is to be replaced.
    pub(super) fn needs_rebuild(&self) -> bool {
        self.rebuild || !self.path().is_dir()
    }

    /// Makes an empty repository beside the mirror.
    pub(super) fn create_aside(&self) -> Result<PathBuf, DiskError> {
        let aside = self.aside()?;
        self.disk.ensure_dir(&aside.join("objects/pack"))?;
        self.disk.ensure_dir(&aside.join("refs/modstore"))?;
        minimal_repository(&aside)
            .map_err(|source| DiskError::new(Verb::CreateFile, &aside, source))?;
        Ok(aside)
    }

    /// Puts the repository at `aside` in the place of the mirror.
    pub(super) fn replace_by(&self, aside: &Path) -> Result<(), DiskError> {
        if self.path().symlink_metadata().is_ok() {
            // A directory of an overlay's lower layer cannot be renamed; a mirror may be deleted at any time.
            let moved = self.disk.rename(&self.path(), &self.aside()?);
            moved.or_else(|_stays| self.disk.remove_tree(&self.path()))?;
        }
        self.disk.rename(aside, &self.path())
    }

    /// Removes a repository that was made aside. The next process to take the lock removes what stays.
    pub(super) fn discard(&self, aside: &Path) {
        let _ = self.disk.remove_tree(aside);
    }

    /// Gives `commit` a ref, so that no `git gc` deletes it, and removes the refs of its ancestors among `had`.
    pub(super) fn add_ref(
        &self,
        path: &Path,
        commit: ObjectId,
        had: &[ObjectId],
    ) -> Result<(), DiskError> {
        let refs = path.join("refs/modstore");
        self.disk.ensure_dir(&refs)?;
        let name = refs.join(commit.to_string());
        self.disk.remove_file(&name)?;
        self.disk.create_file(&name, format!("{commit}\n").as_bytes())?;
        let tips = tips(path)?;
        for passed in ancestors(path, &[commit]).unwrap_or_default() {
            if passed != commit && tips.contains(&passed) && had.contains(&passed) {
                self.disk.remove_file(&refs.join(passed.to_string()))?;
            }
        }
        Ok(())
    }

    /// Removes repositories aside, locks and half-written packs. No other process can be using them: this origin's
    /// lock is ours. A file that cannot be removed is left.
    pub(super) fn remove_leftovers(&self) -> Result<(), DiskError> {
        let path = self.path();
        if path.symlink_metadata().is_ok() && !is_our_own(&path) {
            self.disk.rename(&path, &self.aside()?)?;
        }
        for name in names_in(&self.directory)? {
            let suffix =
                name.to_str().and_then(|name| name.strip_prefix(&self.hash)?.strip_prefix('.'));
            if suffix.is_some_and(|suffix| is_random_name(suffix.as_ref())) {
                self.remove_or_leave(&self.directory.join(name))?;
            }
        }
        for below in ["", "objects/pack", "refs/modstore"] {
            let directory = path.join(below);
            // A damaged mirror may have anything in a directory's place.
            for name in names_in(&directory).unwrap_or_default() {
                let text = name.to_string_lossy();
                let is_unfinished_pack = below == "objects/pack"
                    && (text.starts_with(".tmp") || text.ends_with(".keep"));
                if is_unfinished_pack || text.ends_with(".lock") {
                    self.remove_or_leave(&directory.join(&name))?;
                }
            }
        }
        Ok(())
    }

    fn remove_or_leave(&self, path: &Path) -> Result<(), DiskError> {
        self.disk.remove_tree(path).or_else(|error| self.disk.leave(error))
    }

    fn aside(&self) -> Result<PathBuf, DiskError> {
        let name = format!("{}.{}", self.hash, random_name(&self.directory)?);
        Ok(self.directory.join(name))
    }
}

/// Whether a mirror is one that we made: with our configuration and no other, and without links or alternates. We
/// would write, delete and read wherever those lead.
fn is_our_own(path: &Path) -> bool {
    let leads_nowhere = |below: &&str| {
        let found = path.join(below).symlink_metadata();
        found.map_or(true, |found| found.is_dir())
    };
    let is_absent = |below: &&str| path.join(below).symlink_metadata().is_err();
    is_plain_repository(path)
        && ["objects/pack", "objects/info", "refs/modstore"].iter().all(leads_nowhere)
        && ["commondir", "objects/info/alternates", "shallow"].iter().all(is_absent)
}
