//! `quarantine/`: what is damaged goes there when something good takes its place.
//!
//! Nothing is deleted without a copy, and no reader misses anything at any moment: the good one is first put
//! into the quarantine, under the name that the damaged one is to have, and then the two are exchanged
//! in one step. A crash in between leaves a good copy in the quarantine, which does no harm. A directory that a lower
//! layer of an overlay brought cannot be exchanged: its names are replaced one by one, each in one step.
//!
//! Nothing in there is ever read again or deleted, but by `reset --purge`.

use std::path::{Path, PathBuf};

use crate::disk::{Disk, DiskError, Layout, random_name};

/// Puts `good` in the place of `path`, in one step, and gives where the thing that was there is now. The
/// names are durable afterwards.
///
/// # Errors
/// `path` is what it was or what it should be. Some file systems cannot exchange two names.
pub(crate) fn put_in_place(
    disk: &Disk,
    layout: &Layout,
    good: &Path,
    path: &Path,
) -> Result<Option<PathBuf>, DiskError> {
    let there = path.symlink_metadata().ok();
    let Some(there) = there else {
        disk.rename(good, path)?;
        disk.sync_dir(parent(path))?;
        // Without a journal of its own, a file system may bring a renamed directory back under both names.
        disk.sync_dir(parent(good))?;
        return Ok(None);
    };
    if there.is_dir() {
        // Only a directory that may be written to can be moved.
        disk.set_mode(path, 0o755)?;
    }
    let aside = name_in_quarantine(disk, layout, path)?;
    disk.rename(good, &aside)?;
    let kept = name_in_quarantine(disk, layout, path)?;
    let by_parts = disk.exchange_tree(&aside, path, &kept)?;
    let aside = if by_parts { kept } else { aside };
    sync_both(disk, layout, path)?;
    disk.sync_dir(parent(good))?;
    Ok(Some(aside))
}

/// Moves `path` to the quarantine, with nothing in its place, and gives where it is now.
///
/// # Errors
/// It is where it was, unless the sync failed.
pub(crate) fn put_away(disk: &Disk, layout: &Layout, path: &Path) -> Result<PathBuf, DiskError> {
    if path.symlink_metadata().is_ok_and(|there| there.is_dir()) {
        disk.set_mode(path, 0o755)?;
    }
    let aside = name_in_quarantine(disk, layout, path)?;
    disk.move_tree(path, &aside)?;
    sync_both(disk, layout, path)?;
    Ok(aside)
}

/// A name for what `path` names now: its own and a random one.
fn name_in_quarantine(disk: &Disk, layout: &Layout, path: &Path) -> Result<PathBuf, DiskError> {
    let quarantine = layout.quarantine();
    if !quarantine.is_dir() {
        disk.ensure_dir(&quarantine)?;
        disk.sync_dir(layout.home())?;
    }
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push("-");
    name.push(random_name(&quarantine)?);
    Ok(quarantine.join(name))
}

fn sync_both(disk: &Disk, layout: &Layout, path: &Path) -> Result<(), DiskError> {
    disk.sync_dir(&layout.quarantine())?;
    disk.sync_dir(parent(path))
}

fn parent(path: &Path) -> &Path {
    path.parent().unwrap_or(Path::new("/"))
}
