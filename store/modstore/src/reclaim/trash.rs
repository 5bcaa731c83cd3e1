//! Deleting what is in the trash: in parallel, outside the store's lock, as far as one comes.
//!
//! Who deletes holds `locks/trash`; whoever finds it held leaves the rest to its holder, and what nobody
//! comes to delete now, the next one deletes. Only names that a sweep gave are touched.

use std::{
    path::PathBuf,
    sync::atomic::{AtomicUsize, Ordering},
    time::Instant,
};

use rayon::prelude::*;

use super::roots::trash_names;
use crate::{
    Cancel,
    disk::{Disk, DiskError, Layout, Lock},
};

/// When to stop, and whom to tell.
#[derive(Clone, Copy)]
pub(crate) struct Deleting<'a> {
    /// What of the deletion is left after this is left to the next.
    pub(crate) until: Option<Instant>,
    /// Looked at before each tree.
    pub(crate) cancel: &'a Cancel,
    /// Hears how many trees and files are deleted, of how many.
    pub(crate) on_deleted: &'a (dyn Fn(usize, usize) + Sync),
}

/// What came of it.
#[derive(Debug, Default)]
pub(crate) struct Deleted {
    /// How many trees and files were deleted.
    pub(crate) deleted: usize,
    /// How many are left.
    pub(crate) left: usize,
}

/// Deletes what is in the trash. What cannot be deleted is left to the next.
///
/// # Errors
/// None but of a sync, and there is none in deleting.
pub(crate) fn empty(
    disk: &Disk,
    layout: &Layout,
    command: &str,
    how: Deleting<'_>,
) -> Result<Deleted, DiskError> {
    match try_to_empty(disk, layout, command, how) {
        Err(error) => disk.leave(error).map(|()| Deleted::default()),
        done => done,
    }
}

fn try_to_empty(
    disk: &Disk,
    layout: &Layout,
    command: &str,
    how: Deleting<'_>,
) -> Result<Deleted, DiskError> {
    if trash_names(layout)?.is_empty() {
        return Ok(Deleted::default());
    }
    let Some(_lock) = Lock::try_take(&layout.lock("trash"), command)? else {
        return Ok(Deleted { left: trash_names(layout)?.len(), ..Deleted::default() });
    };
    let trees = trash_names(layout)?;
    let deleted = AtomicUsize::new(0);
    (how.on_deleted)(0, trees.len());
    // One that cannot be deleted keeps no other from going.
    trees.par_iter().try_for_each(|tree: &PathBuf| {
        let is_over = how.until.is_some_and(|until| Instant::now() >= until);
        if is_over || how.cancel.is_cancelled() {
            return Ok(());
        }
        match disk.remove_tree(tree) {
            Err(error) => disk.leave(error),
            Ok(()) => {
                (how.on_deleted)(deleted.fetch_add(1, Ordering::Relaxed) + 1, trees.len());
                Ok(())
            }
        }
    })?;
    let deleted = deleted.into_inner();
    Ok(Deleted { deleted, left: trees.len() - deleted })
}
