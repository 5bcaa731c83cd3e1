//! The home itself: its directories, lock files, marker and permissions, without which nothing else can be
//! looked at.
//!
//! `modules.toml` and names that are none of ours are never touched. The new marker gives the store a new
//! identity, since the old one can be read nowhere else.

use std::{
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
};

use super::report::{How, Mended};
use crate::{
    commit::put_away,
    disk::{
        Disk, DiskError, Format, FormatError, Layout, Lock, LockError, LockWait, names_in,
        random_name,
    },
};

/// The home cannot be mended. Some of it may have been.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum HomeError {
    /// The marker is a newer version's, or cannot be made.
    #[error(transparent)]
    Format(#[from] FormatError),
    /// Somebody else is writing.
    #[error("cannot begin to repair")]
    Lock(#[from] LockError),
    /// The disk failed.
    #[error("the home cannot be repaired")]
    Disk(#[from] DiskError),
}

/// Whether there is anything of a store.
pub(crate) fn is_there(layout: &Layout) -> bool {
    let parts = [layout.format(), layout.journal(), layout.current(), layout.generations()];
    parts.iter().any(|path| path.symlink_metadata().is_ok())
}

/// Mends what every command needs.
pub(super) fn mend_home(
    disk: &Disk,
    layout: &Layout,
    command: &str,
    patience: LockWait<'_>,
) -> Result<Vec<Mended>, HomeError> {
    let mut mending = MendingHome { disk, layout, mended: Vec::new() };
    mending.open_up(layout.home(), 0o700)?;
    mending.open_up(&layout.format(), 0o600)?;
    if let Err(newer @ FormatError::Newer { .. }) = Format::read(layout) {
        return Err(newer.into());
    }
    // Whoever takes the lock needs these.
    mending.quarantine()?;
    mending.directory(&layout.home().join("locks"))?;
    mending.locks()?;
    let lock = Lock::take(&layout.lock("store"), command, patience)?;
    for name in Layout::DIRECTORIES {
        mending.directory(&layout.home().join(name))?;
    }
    mending.later()?;
    mending.files()?;
    let is_marked = mending.marker()?;
    drop(lock);
    Format::ensure(disk, layout, patience)?;
    if !is_marked {
        mending.mended.push(Mended::new(layout.format(), How::Made, None));
    }
    Ok(mending.mended)
}

struct MendingHome<'a> {
    disk: &'a Disk,
    layout: &'a Layout,
    mended: Vec<Mended>,
}

impl MendingHome<'_> {
    /// Gives the owner these rights, if the path is there and lacks them.
    fn open_up(&mut self, path: &Path, rights: u32) -> Result<(), DiskError> {
        let Ok(meta) = path.symlink_metadata() else { return Ok(()) };
        let mode = meta.permissions().mode();
        if meta.is_symlink() || mode & rights == rights {
            return Ok(());
        }
        self.disk.set_mode(path, (mode | rights) & 0o777)?;
        self.mended.push(Mended::new(path.to_owned(), How::SetRight, None));
        Ok(())
    }

    /// What stands where the quarantine should be cannot be put into it.
    fn quarantine(&mut self) -> Result<(), DiskError> {
        let path = self.layout.quarantine();
        if path.symlink_metadata().is_ok_and(|meta| !meta.is_dir()) {
            let aside = self.beside(&path)?;
            self.mended.push(Mended::new(path, How::PutAside, Some(aside)));
            return Ok(());
        }
        self.open_up(&path, 0o700)
    }

    /// Gives a thing of the home a name beside its own, `<name>.damaged-<random>`.
    fn beside(&self, path: &Path) -> Result<PathBuf, DiskError> {
        let mut name = path.file_name().unwrap_or_default().to_owned();
        name.push(format!(".damaged-{}", random_name(path)?));
        let aside = path.with_file_name(name);
        self.disk.move_tree(path, &aside)?;
        self.disk.sync_dir(self.layout.home())?;
        Ok(aside)
    }

    /// A directory that every store has. A link to one elsewhere is none: what the store deletes would be there.
    fn directory(&mut self, path: &Path) -> Result<(), DiskError> {
        let there = path.symlink_metadata().ok();
        if there.as_ref().is_some_and(|meta| meta.is_dir()) {
            return self.open_up(path, 0o700);
        }
        let is_there = there.is_some();
        let aside = is_there.then(|| put_away(self.disk, self.layout, path)).transpose()?;
        self.disk.create_dir(path)?;
        self.disk.sync_dir(self.layout.home())?;
        self.mended.push(Mended::new(path.to_owned(), How::Made, aside));
        Ok(())
    }

    /// Directories that are made when they are needed: what stands in their place goes.
    fn later(&mut self) -> Result<(), DiskError> {
        for path in Layout::LATER.map(|name| self.layout.home().join(name)) {
            if path.symlink_metadata().is_ok_and(|meta| !meta.is_dir()) {
                let aside = put_away(self.disk, self.layout, &path)?;
                self.mended.push(Mended::new(path, How::PutAside, Some(aside)));
            }
        }
        Ok(())
    }

    /// Lock files, which the next one to take them makes.
    fn locks(&mut self) -> Result<(), DiskError> {
        let locks = self.layout.home().join("locks");
        for name in names_in(&locks)? {
            let path = locks.join(name);
            if path.symlink_metadata().is_ok_and(|meta| meta.is_file()) {
                self.open_up(&path, 0o600)?;
            } else if name_is_ours(&path) {
                let aside = put_away(self.disk, self.layout, &path)?;
                self.mended.push(Mended::new(path, How::Made, Some(aside)));
            }
        }
        Ok(())
    }

    /// The rights to files and to directories of links.
    fn files(&mut self) -> Result<(), DiskError> {
        for path in [self.layout.journal(), self.layout.modules_lock()] {
            self.open_up(&path, 0o600)?;
        }
        for (directory, rights) in
            [(self.layout.generations(), 0o700), (self.layout.manifests(), 0o400)]
        {
            for name in names_in(&directory)? {
                self.open_up(&directory.join(name), rights)?;
            }
        }
        Ok(())
    }

    /// Puts a marker that is none aside; says whether there is a good one.
    fn marker(&mut self) -> Result<bool, HomeError> {
        let path = self.layout.format();
        match Format::read(self.layout) {
            Ok(None) => Ok(false),
            Ok(Some(format)) if format.is_plausible() => Ok(true),
            Err(newer @ FormatError::Newer { .. }) => Err(newer.into()),
            Ok(Some(_)) | Err(_) => {
                let aside = self.beside(&path)?;
                self.mended.push(Mended::new(path, How::PutAside, Some(aside)));
                Ok(false)
            }
        }
    }
}

fn name_is_ours(path: &Path) -> bool {
    let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
    ["store", "modules.toml", "format", "trash"].contains(&name) || name.starts_with("origin-")
}
