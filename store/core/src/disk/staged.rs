//! [`Staging`]: a private directory in which a transaction is filled, and [`Staged`]: a tree in it that
//! is filled and named.
//!
//! A staging is owned by a live process, which holds the lock beside it. Whoever can take that lock
//! may remove the staging: its owner is dead. Nobody ever removes anything else, which is why one
//! process that fails cannot take away what another one made.

use std::{
    collections::BTreeSet,
    ffi::OsString,
    io::ErrorKind,
    path::{Path, PathBuf},
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
};

use rayon::prelude::*;

use super::{
    bounded::read_own,
    folding::folds_names,
    layout::Layout,
    lock::Lock,
    open_tree::OpenTree,
    planting::{Planting, is_unchanged},
    verbs::{Disk, DiskError, is_random_name, names_in, random_name},
};
use crate::model::{Digest, GitTree, KeptCommits, Manifest, Verified};

/// A private directory below `staging/`, removed when dropped.
#[derive(Debug)]
pub struct Staging {
    disk: Disk,
    directory: PathBuf,
    lock_path: PathBuf,
    next: AtomicU64,
    /// Whether names fold here, once that was asked.
    folds: Mutex<Option<bool>>,
    _lock: Lock,
}

/// No staging could be made. Nothing is left behind that the next writer does not remove.
#[derive(Debug, thiserror::Error)]
#[error("cannot prepare a transaction in {}", at.display())]
pub struct StagingError {
    at: PathBuf,
    source: DiskError,
}

/// A tree in a staging that is filled and named, and not yet durable.
#[derive(Debug)]
pub struct Staged {
    tree: PathBuf,
    list: PathBuf,
    git: Option<PathBuf>,
    commits: Option<PathBuf>,
    digest: Digest,
    files: u64,
    bytes: u64,
    verified: Option<Verified>,
    replaces: bool,
}

impl Staging {
    /// Makes a staging of a new random name.
    ///
    /// # Errors
    /// When the home cannot be written to.
    pub fn claim(disk: &Disk, layout: &Layout, command: &str) -> Result<Self, StagingError> {
        let at = layout.staging();
        Self::try_claim(disk, &at, command).map_err(|source| StagingError { at, source })
    }

    fn try_claim(disk: &Disk, at: &Path, command: &str) -> Result<Self, DiskError> {
        loop {
            let directory = at.join(random_name(at)?);
            let lock_path = directory.with_extension("lock");
            // Somebody who removes the dead may have had the lock first, and unlinked it.
            let Some(lock) = Lock::try_take(&lock_path, command)?.filter(Lock::is_named) else {
                continue;
            };
            disk.create_dir(&directory)?;
            return Ok(Self {
                disk: disk.clone(),
                directory,
                lock_path,
                next: AtomicU64::new(0),
                folds: Mutex::default(),
                _lock: lock,
            });
        }
    }

    /// The directory.
    #[must_use]
    pub fn directory(&self) -> &Path {
        &self.directory
    }

    /// A path in the staging that no other call gives.
    pub fn fresh(&self) -> PathBuf {
        self.directory.join(self.next.fetch_add(1, Ordering::Relaxed).to_string())
    }

    /// Whether the file system takes names for equal that differ, in the trees that are written here. The disk is asked
    /// once.
    ///
    /// # Errors
    /// It cannot be asked.
    pub fn folds_names(&self) -> Result<bool, DiskError> {
        let mut folds = self.folds.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(folds) = *folds {
            return Ok(folds);
        }
        let answer = folds_names(&self.disk, &self.lock_path, &self.fresh())?;
        *folds = Some(answer);
        Ok(answer)
    }

    /// Whether the owner of the staging that this path, or the lock beside it, belongs to is at work.
    #[must_use]
    pub fn is_live(path: &Path) -> bool {
        Lock::is_held(&path.with_extension("lock"))
    }

    /// Removes the stagings of processes that are no more, and says how many. One that cannot be removed is
    /// left to the next writer.
    ///
    /// # Errors
    /// The stagings cannot be listed.
    pub fn remove_dead(disk: &Disk, layout: &Layout) -> Result<usize, DiskError> {
        let at = layout.staging();
        let mut removed = 0;
        for name in claimed_names(&at)? {
            match Self::remove_if_dead(disk, &at.join(&name)) {
                Ok(true) => removed += 1,
                Ok(false) => {}
                Err(error) => disk.leave(error)?,
            }
        }
        Ok(removed)
    }

    fn remove_if_dead(disk: &Disk, directory: &Path) -> Result<bool, DiskError> {
        let lock_path = directory.with_extension("lock");
        // On a file system without a journal, a name that was not synced may stand for anything after a
        // power cut: a directory, or a link that leads out of the store.
        if lock_path.symlink_metadata().is_ok_and(|found| !found.is_file()) {
            disk.remove_tree(&lock_path)?;
        }
        let Some(_lock) = Lock::try_take(&lock_path, "removal of a dead staging")? else {
            return Ok(false);
        };
        if let Err(error) = disk.remove_tree(directory) {
            // An installer that outlived the process that started it still works there: the next writer removes it.
            return match error.source.kind() {
                ErrorKind::DirectoryNotEmpty | ErrorKind::NotFound => Ok(false),
                _ => Err(error),
            };
        }
        disk.remove_file(&lock_path).map(|()| true)
    }
}

impl Drop for Staging {
    fn drop(&mut self) {
        // What cannot be removed now, the next writer removes: the lock goes with this process.
        if self.disk.remove_tree(&self.directory).is_ok() {
            let _ = self.disk.remove_file(&self.lock_path);
        }
    }
}

/// The names that stagings have claimed in `at`, whether directory, lock or both are there.
fn claimed_names(at: &Path) -> Result<BTreeSet<OsString>, DiskError> {
    let names = names_in(at)?.into_iter().map(|name| match Path::new(&name).extension() {
        Some(extension) if extension == "lock" => {
            Path::new(&name).with_extension("").into_os_string()
        }
        _ => name,
    });
    Ok(names.filter(|name| is_random_name(name)).collect())
}

impl Staged {
    /// Seals a planted tree and writes its manifest beside it.
    ///
    /// # Errors
    /// The tree is not to be used.
    pub fn seal(
        disk: &Disk,
        planting: Planting,
        manifest: &Manifest,
        git: Option<&GitTree>,
    ) -> Result<Self, DiskError> {
        planting.seal(manifest)?;
        let tree = planting.root().to_owned();
        let beside = |extension: &str| tree.with_extension(extension);
        let list = beside("list");
        let canonical = manifest.to_bytes();
        disk.create_file(&list, &canonical)?;
        let git = match git {
            Some(git) => {
                disk.create_file(&beside("git"), &git.to_bytes())?;
                Some(beside("git"))
            }
            None => None,
        };
        let digest = crate::model::digest_of(&canonical);
        Ok(Self {
            list,
            git,
            commits: None,
            digest,
            files: manifest.files().len() as u64,
            bytes: manifest.size(),
            tree,
            verified: None,
            replaces: false,
        })
    }

    /// Keeps commit objects beside it.
    ///
    /// # Errors
    /// The tree is not to be used.
    pub fn keep_commits(self, disk: &Disk, commits: &KeptCommits) -> Result<Self, DiskError> {
        if commits.is_empty() {
            return Ok(self);
        }
        let path = self.tree.with_extension("commits");
        disk.create_file(&path, &commits.to_bytes())?;
        Ok(Self { commits: Some(path), ..self })
    }

    /// The same, with the commit objects of another that has the same tree. Without those that cannot be kept, an entry is
    /// not published, and that is all.
    #[must_use]
    pub fn with_commits_of(self, disk: &Disk, other: &Self) -> Self {
        let read = |path: Option<&Path>| {
            let bytes = path.and_then(|path| read_own(path).ok()).unwrap_or_default();
            KeptCommits::from_bytes(&bytes).unwrap_or_default()
        };
        let mut commits = read(self.commits());
        commits.extend(read(other.commits()));
        let path = self.tree.with_extension("commits");
        let kept =
            disk.remove_file(&path).and_then(|()| disk.create_file(&path, &commits.to_bytes()));
        Self { commits: kept.ok().map(|()| path), ..self }
    }

    /// The same, of which not every file was read or written now.
    #[must_use]
    pub fn read_earlier(self, verified: Verified) -> Self {
        Self { verified: Some(verified), ..self }
    }

    /// The same, which takes the place of an entry of this name, whether that looks whole or not.
    #[must_use]
    pub fn replacing(self) -> Self {
        Self { replaces: true, ..self }
    }

    /// Whether it takes the place of an entry of this name that looks whole.
    #[must_use]
    pub const fn replaces(&self) -> bool {
        self.replaces
    }

    /// When its files were read or written; nothing, if all of them were now.
    #[must_use]
    pub const fn verified(&self) -> Option<&Verified> {
        self.verified.as_ref()
    }

    /// Whether it is still what was written: no other program should write here, but a cleaner of caches
    /// may. Contents are not read.
    #[must_use]
    pub fn is_whole(&self) -> bool {
        let tree = OpenTree::new(&self.tree);
        self.manifest().is_some_and(|manifest| {
            manifest.files().par_iter().all(|file| is_unchanged(file, &tree))
        })
    }

    /// Where the tree is.
    #[must_use]
    pub fn tree(&self) -> &Path {
        &self.tree
    }

    /// Where its list is.
    #[must_use]
    pub fn list(&self) -> &Path {
        &self.list
    }

    /// Where the list of what git called its files is, for a tree from git.
    #[must_use]
    pub fn git(&self) -> Option<&Path> {
        self.git.as_deref()
    }

    /// Where its commit objects are, for a tree from git.
    #[must_use]
    pub fn commits(&self) -> Option<&Path> {
        self.commits.as_deref()
    }

    /// The list of the tree, if it is still what was written.
    #[must_use]
    pub fn manifest(&self) -> Option<Manifest> {
        let list = read_own(&self.list).ok()?;
        let proven = crate::model::digest_of(&list) == self.digest;
        Manifest::from_bytes(&list).ok().filter(|_| proven)
    }

    /// The tree's name.
    #[must_use]
    pub const fn digest(&self) -> Digest {
        self.digest
    }

    /// How many files it has.
    #[must_use]
    pub const fn files(&self) -> u64 {
        self.files
    }

    /// How many bytes they have.
    #[must_use]
    pub const fn bytes(&self) -> u64 {
        self.bytes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn store(home: &Path) -> (Disk, Layout) {
        std::fs::create_dir(home.join("staging")).unwrap();
        (Disk::default(), Layout::new(home))
    }

    #[test]
    fn a_dead_staging_is_removed_and_a_live_or_unknown_one_never() {
        let home = tempfile::tempdir().unwrap();
        let (disk, layout) = store(home.path());
        let live = Staging::claim(&disk, &layout, "test").unwrap();
        let dead = layout.staging().join("0123456789abcdef");
        disk.ensure_dir(&dead.join("0")).unwrap();
        let unknown = layout.staging().join("notes.txt");
        disk.create_file(&unknown, b"mine").unwrap();
        assert_eq!(Staging::remove_dead(&disk, &layout).unwrap(), 1);
        assert!(live.directory().exists() && unknown.exists() && !dead.exists());
    }

    #[test]
    fn a_lock_of_a_staging_that_is_no_file_is_nobodys() {
        let home = tempfile::tempdir().unwrap();
        let (disk, layout) = store(home.path());
        let outside = tempfile::tempdir().unwrap();
        let [directory, link] = ["0123456789abcdef.lock", "fedcba9876543210.lock"]
            .map(|name| layout.staging().join(name));
        disk.ensure_dir(&directory.join("deep")).unwrap();
        disk.symlink(&outside.path().join("new"), &link).unwrap();
        assert_eq!(Staging::remove_dead(&disk, &layout).unwrap(), 2);
        assert!(names_in(&layout.staging()).unwrap().is_empty());
        assert!(names_in(outside.path()).unwrap().is_empty(), "a link was followed");
    }

    #[test]
    fn a_dropped_staging_leaves_nothing() {
        let home = tempfile::tempdir().unwrap();
        let (disk, layout) = store(home.path());
        let staging = Staging::claim(&disk, &layout, "test").unwrap();
        disk.create_dir(&staging.fresh()).unwrap();
        drop(staging);
        assert!(names_in(&layout.staging()).unwrap().is_empty());
    }
}
