//! What really lies in an entry, and how that differs from what should.
//!
//! Links are never followed. Directories that may not be looked into are opened up on the way: their right
//! permissions are known without knowing their content.

use std::{
    collections::{BTreeMap, BTreeSet},
    os::unix::{ffi::OsStrExt as _, fs::MetadataExt as _},
    path::{Path, PathBuf},
};

use gix::bstr::{BStr, BString, ByteSlice as _};
use rayon::prelude::*;

use crate::{
    commit::{content_of, has_content, place},
    disk::{Disk, DiskError, Layout, Verb, directory_time, names_in},
    environment::variant_faults,
    model::{FileKind, Manifest, TreeFile},
};

/// What was found at a path.
#[derive(Debug, Clone, Copy)]
struct Seen {
    is_file: bool,
    is_link: bool,
    mode: u32,
    mtime: (i64, i64),
}

/// A tree as it lies on the disk.
#[derive(Debug, Default)]
pub(super) struct Tree {
    root: PathBuf,
    files: BTreeMap<BString, Seen>,
    directories: BTreeMap<BString, Seen>,
    /// Directories of the store's own in it.
    own: Vec<PathBuf>,
}

/// How a tree differs from its manifest, once permissions are set right.
#[derive(Debug, Default)]
pub(super) struct Differences {
    /// Files that are missing, of another kind, or of another content.
    pub(super) bad: BTreeSet<BString>,
    /// Whether there is anything that should not be.
    pub(super) has_more: bool,
    /// What has the right content and another time than that gives it.
    late: Vec<(PathBuf, i64)>,
}

impl Tree {
    /// Looks at everything below `root`; `None` when that is no directory. `top` is what a new directory beside
    /// it would have, which tells the umask the store was made with.
    pub(super) fn read(disk: &Disk, root: &Path) -> Result<Option<Self>, DiskError> {
        if !root.symlink_metadata().is_ok_and(|meta| meta.is_dir()) {
            return Ok(None);
        }
        let mut tree = Self { root: root.to_owned(), ..Self::default() };
        tree.walk(disk, BString::default())?;
        Ok(Some(tree))
    }

    fn walk(&mut self, disk: &Disk, path: BString) -> Result<(), DiskError> {
        let directory = place(&self.root, path.as_bstr());
        let seen = see(&directory)?;
        if seen.mode & 0o500 != 0o500 {
            disk.set_mode(&directory, 0o555)?;
        }
        self.directories.insert(path.clone(), seen);
        for name in names_in(&directory)? {
            let mut below = path.clone();
            if !below.is_empty() {
                below.push(b'/');
            }
            below.extend_from_slice(name.as_bytes());
            let child = directory.join(&name);
            if name == Layout::OWN {
                self.own.push(child);
                continue;
            }
            let seen = see(&child)?;
            match child.symlink_metadata().is_ok_and(|meta| meta.is_dir()) {
                true => self.walk(disk, below)?,
                false => drop(self.files.insert(below, seen)),
            }
        }
        Ok(())
    }

    /// What was made from the tree for some Python and is not what was made.
    pub(super) fn damaged_variants(&self) -> Vec<PathBuf> {
        let inodes: BTreeSet<(u64, u64)> = self
            .files
            .keys()
            .filter_map(|path| place(&self.root, path.as_bstr()).symlink_metadata().ok())
            .map(|meta| (meta.dev(), meta.ino()))
            .collect();
        let is_own = |device, number| inodes.contains(&(device, number));
        let variants = self.own.iter().flat_map(|own| {
            names_in(own).unwrap_or_default().into_iter().map(|name| own.join(name))
        });
        variants.filter(|variant| !variant_faults(variant, &is_own, true).is_empty()).collect()
    }

    /// The manifest of the tree as it is, every byte read; `None` when something in it has no place in a tree.
    pub(super) fn manifest(&self) -> Option<Manifest> {
        let listed = self.files.par_iter().map(|(path, seen)| {
            let kind = match (seen.is_link, seen.is_file, seen.mode & 0o100 != 0) {
                (true, ..) => FileKind::Symlink,
                (_, true, false) => FileKind::File,
                (_, true, true) => FileKind::Executable,
                _ => return None,
            };
            let (content, size) = content_of(&place(&self.root, path.as_bstr()), kind).ok()?;
            Some(TreeFile { path: path.clone(), kind, size, content })
        });
        Manifest::new(listed.collect::<Option<_>>()?).ok()
    }

    /// Sets the permissions that differ from what `manifest` says, as far as `allowed` has them. Contents do
    /// not matter for that. Says whether any did.
    pub(super) fn set_modes(
        &self,
        disk: &Disk,
        manifest: &Manifest,
        allowed: u32,
    ) -> Result<bool, DiskError> {
        let files = manifest.files().iter().filter_map(|file| {
            let seen = self.files.get(&file.path).filter(|seen| seen.is_file)?;
            let wanted = match file.kind {
                FileKind::File => 0o444,
                FileKind::Executable => 0o555,
                FileKind::Symlink => return None,
            };
            Some((&file.path, seen, wanted))
        });
        let directories = self.directories.iter().map(|(path, seen)| (path, seen, 0o555));
        let mut any = false;
        for (path, seen, wanted) in files.chain(directories) {
            let wanted: u32 = wanted & allowed;
            let owner = wanted & 0o700;
            if seen.mode & 0o7222 != 0
                || seen.mode & 0o700 != owner
                || seen.mode & !wanted & 0o111 != 0
            {
                disk.set_mode(&place(&self.root, path.as_bstr()), wanted)?;
                any = true;
            }
        }
        Ok(any)
    }

    /// How it differs from `manifest`, every byte read.
    pub(super) fn differences(&self, manifest: &Manifest) -> Differences {
        let (bad, good): (Vec<_>, Vec<_>) =
            manifest.files().par_iter().partition(|file| !self.has(file));
        let late = good.into_iter().filter_map(|file| {
            let seen = self.files.get(&file.path)?;
            self.late(file.path.as_bstr(), seen, file.content.file_time())
        });
        let mut expected = BTreeSet::from([BString::default()]);
        expected.extend(manifest.files().iter().flat_map(|file| parents(file.path.as_bstr())));
        let late_directories = self.directories.iter().filter_map(|(path, seen)| {
            self.late(path.as_bstr(), seen, directory_time(manifest, path.as_bstr()))
        });
        Differences {
            late: late.chain(late_directories).collect(),
            bad: bad.into_iter().map(|file| file.path.clone()).collect(),
            has_more: self.files.keys().any(|path| manifest.find(path.as_bstr()).is_none())
                || self.directories.keys().any(|path| !expected.contains(path)),
        }
    }

    fn has(&self, file: &TreeFile) -> bool {
        let is_kind = |seen: &Seen| match file.kind {
            FileKind::Symlink => seen.is_link,
            FileKind::File | FileKind::Executable => seen.is_file,
        };
        self.files.get(&file.path).is_some_and(is_kind) && has_content(&self.root, file)
    }

    fn late(&self, path: &BStr, seen: &Seen, time: i64) -> Option<(PathBuf, i64)> {
        (seen.mtime != (time, 0)).then(|| (place(&self.root, path), time))
    }
}

impl Differences {
    /// Whether every file is there, with its content, and nothing else.
    pub(super) fn are_none(&self) -> bool {
        self.bad.is_empty() && !self.has_more
    }

    /// Sets the times of what has the right content; says whether any was wrong.
    pub(super) fn set_times(&self, disk: &Disk) -> Result<bool, DiskError> {
        self.late.iter().try_for_each(|(path, time)| disk.set_time(path, *time))?;
        Ok(!self.late.is_empty())
    }
}

/// The directories that lead to a path, the outermost first.
pub(super) fn parents(path: &BStr) -> impl Iterator<Item = BString> {
    path.find_iter(b"/")
        .filter_map(|end| path.get(..end).map(BString::from))
        .collect::<Vec<_>>()
        .into_iter()
}

fn see(path: &Path) -> Result<Seen, DiskError> {
    let meta = path.symlink_metadata().map_err(|error| DiskError::new(Verb::Read, path, error))?;
    Ok(Seen {
        is_file: meta.is_file(),
        is_link: meta.is_symlink(),
        mode: meta.mode() & 0o7777,
        mtime: (meta.mtime(), meta.mtime_nsec()),
    })
}
