//! Deleting what is in the trash: in parallel, outside the store's lock, as far as one comes.
//!
//! The process that deletes holds `locks/trash`. One that finds it held leaves the rest to its holder, and what is
//! not deleted now, the next one deletes. Only names that a sweep gave are touched.

use std::{
    path::PathBuf,
    sync::atomic::{AtomicUsize, Ordering},
    time::Instant,
};

use rayon::prelude::*;

use super::roots::trash_names;
use crate::{
    Context,
    disk::{DiskError, Lock},
    events::Event,
};

/// What came of it.
#[derive(Debug, Default)]
pub(crate) struct Deleted {
    /// How many trees and files were deleted.
    pub(crate) deleted: usize,
    /// How many are left.
    pub(crate) left: usize,
}

/// Deletes what is in the trash, and begins with no tree after `until`. What cannot be deleted is left to the next.
///
/// # Errors
/// None but of a sync, and there is none in deleting.
pub(crate) fn empty(context: Context<'_>, until: Option<Instant>) -> Result<Deleted, DiskError> {
    match try_to_empty(context, until) {
        Err(error) => context.disk.leave(error).map(|()| Deleted::default()),
        done => done,
    }
}

fn try_to_empty(context: Context<'_>, until: Option<Instant>) -> Result<Deleted, DiskError> {
    let Context { disk, layout, command, events, cancel, .. } = context;
    if trash_names(layout)?.is_empty() {
        return Ok(Deleted::default());
    }
    let Some(_lock) = Lock::try_take(&layout.lock("trash"), command)? else {
        return Ok(Deleted { left: trash_names(layout)?.len(), ..Deleted::default() });
    };
    let trees = trash_names(layout)?;
    let (deleted, of) = (AtomicUsize::new(0), trees.len());
    events.happened(Event::Deleting { done: 0, of });
    // One that cannot be deleted keeps no other from going.
    trees.par_iter().try_for_each(|tree: &PathBuf| {
        let is_over = until.is_some_and(|until| Instant::now() >= until);
        if is_over || cancel.is_cancelled() {
            return Ok(());
        }
        match disk.remove_tree(tree) {
            Err(error) => disk.leave(error),
            Ok(()) => {
                let done = deleted.fetch_add(1, Ordering::Relaxed) + 1;
                events.happened(Event::Deleting { done, of });
                Ok(())
            }
        }
    })?;
    let deleted = deleted.into_inner();
    Ok(Deleted { deleted, left: of - deleted })
}
