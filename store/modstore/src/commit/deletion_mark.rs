//! [`DeletionMark`]: what a sweep is about to take away, published in the home before it looks who leases what.
//!
//! A reader does it the other way round: it takes its lease and then looks here. So either the sweep
//! sees the lease or the reader sees that it came too late; no reader is given a lease on what is about to
//! go. The head is never condemned, so a reader that reads `current` again finds something that stays.
//!
//! The file is there only while a sweep holds the store's lock, or for as long as something of what was given up
//! cannot be taken away. One that is found by the next to hold the lock was left by such a sweep, or by a crash. If
//! the frame that came after it is a sweep's, the sweep had looked at the leases: what the journal has given up is
//! moved to the trash. If not, it is only withdrawn; the next sweep finds the part that the journal does not keep.
//!
//! Text, one name a line: `after` and the number of the journal's last frame, then generations as numbers
//! and entries as digests. Never synced: after a power cut there is no reader left to whom it could matter.

use std::{
    collections::BTreeSet,
    io,
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
};

use super::{journal::Journal, record::Record, state::State};
use crate::{
    disk::{Disk, DiskError, Layout, Staging, Verb, names_in, random_name, read_own_if_there},
    model::{Digest, Generation},
};

/// Generations and entries that are about to go.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct DeletionMark {
    /// Generations, whose directories go.
    pub generations: BTreeSet<Generation>,
    /// Entries, which go with their manifests.
    pub entries: BTreeSet<Digest>,
}

impl DeletionMark {
    /// What is condemned now; nothing, when no sweep is at work. Lines of another form are left out.
    ///
    /// # Errors
    /// When the file is there and cannot be read.
    pub fn read(layout: &Layout) -> Result<Self, DiskError> {
        let bytes = read_own_if_there(&layout.condemned())?.unwrap_or_default();
        let text = String::from_utf8_lossy(&bytes);
        Ok(Self {
            generations: text.lines().filter_map(|line| line.parse().ok()).collect(),
            entries: text.lines().filter_map(|line| line.parse().ok()).collect(),
        })
    }

    /// Shows all of it to readers, in one step, and that `sequence` was the journal's last frame then.
    pub(crate) fn publish(
        &self,
        disk: &Disk,
        layout: &Layout,
        staging: &Staging,
        sequence: u64,
    ) -> Result<(), DiskError> {
        let generations = self.generations.iter().map(|generation| format!("{generation}\n"));
        let entries = self.entries.iter().map(|digest| format!("{digest}\n"));
        let after = std::iter::once(format!("after {sequence}\n"));
        let text: String = after.chain(generations).chain(entries).collect();
        let spare = staging.fresh();
        disk.create_file(&spare, text.as_bytes())?;
        disk.rename(&spare, &layout.condemned())
    }

    /// Whether what is published was given up: the first frame that came after it is a sweep's.
    pub(super) fn was_given_up(layout: &Layout) -> Result<bool, DiskError> {
        let bytes = read_own_if_there(&layout.condemned())?.unwrap_or_default();
        let text = String::from_utf8_lossy(&bytes);
        let after = text.lines().find_map(|line| line.strip_prefix("after ")?.parse::<u64>().ok());
        let Some(after) = after else { return Ok(false) };
        // Not every frame: a list that could not be withdrawn is still there when others have written theirs.
        let next = Journal::frames(&layout.journal(), after).unwrap_or_default().into_iter().next();
        let gives_up =
            |record: &Record| matches!(record, Record::Retired { .. } | Record::Forgotten { .. });
        Ok(next.is_some_and(|frame| {
            frame.sequence == after.saturating_add(1) && frame.records.iter().any(gives_up)
        }))
    }

    /// Takes it back, or says that it is done.
    pub(crate) fn withdraw(disk: &Disk, layout: &Layout) -> Result<(), DiskError> {
        disk.remove_file(&layout.condemned())
    }

    /// Takes away what the journal has given up: directories to the trash, or, where they cannot be moved, by deleting them in
    /// their place, as files are. Doing it again does no harm. Says whether all of it is gone; what is not is left.
    ///
    /// The names are durable afterwards: those of generations before any entry goes, so that none ever leads to what
    /// is gone. For the same reason what a generation leads to that is left is left too.
    pub(super) fn discard(
        &self,
        disk: &Disk,
        layout: &Layout,
        state: &State,
    ) -> Result<bool, DiskError> {
        let generations = self.generations.iter().filter(|number| !state.is_kept(**number));
        let left = discard_all(disk, layout, generations.map(|number| layout.generation(*number)))?;
        let led_to = led_to(&left);
        let stays = |digest: &Digest| led_to.as_ref().is_none_or(|some| some.contains(digest));
        let entries = self.entries.iter().filter(|digest| state.entry(**digest).is_none());
        let entries = entries.filter(|digest| !stays(digest));
        let paths = entries.flat_map(|digest| layout.all_of(*digest));
        let more = discard_all(disk, layout, paths)?;
        Ok(left.is_empty() && more.is_empty())
    }
}

/// The entries that the links in these directories lead to; nothing, when that cannot be read.
fn led_to(generations: &[PathBuf]) -> Option<BTreeSet<Digest>> {
    let mut entries = BTreeSet::new();
    for directory in generations {
        for name in names_in(directory).ok()? {
            let text = std::fs::read_link(directory.join(name)).ok()?;
            let names = text.components().filter_map(|part| part.as_os_str().to_str());
            entries.extend(names.filter_map(|name| name.parse::<Digest>().ok()));
        }
    }
    Some(entries)
}

/// Takes names away and makes that durable; those that are gone already are no error. Gives those that are still
/// there.
fn discard_all(
    disk: &Disk,
    layout: &Layout,
    paths: impl Iterator<Item = PathBuf>,
) -> Result<Vec<PathBuf>, DiskError> {
    let (mut touched, mut left) = (BTreeSet::new(), Vec::new());
    for path in paths {
        match discard_one(disk, layout, &path) {
            Ok(true) => touched.extend(path.parent().map(Path::to_owned)),
            Ok(false) => {}
            Err(error) => {
                disk.leave(error)?;
                left.push(path);
            }
        }
    }
    touched.iter().try_for_each(|directory| disk.sync_dir(directory))?;
    Ok(left)
}

/// Removes a file, or moves a directory to the trash, under a name of its own; says whether it was there. Each gets a
/// place of its own, so that a process that empties the trash meanwhile takes nothing from the next. What cannot be
/// moved is deleted: a directory of an overlay's lower layer, or anything when there is no trash.
fn discard_one(disk: &Disk, layout: &Layout, path: &Path) -> Result<bool, DiskError> {
    let meta = match path.symlink_metadata() {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(false),
        meta => meta.map_err(|source| DiskError::new(Verb::Read, path, source))?,
    };
    // To remove a file takes as long as to move it; only a tree takes longer, and waits in the trash until the lock is free.
    if !meta.is_dir() {
        return disk.remove_file(path).map(|()| true);
    }
    let moved = || {
        if meta.permissions().mode() & 0o200 == 0 {
            // Entries are read-only, and only a directory that may be written to can be moved.
            disk.set_mode(path, 0o755)?;
        }
        disk.rename(path, &layout.trash().join(random_name(path)?))
    };
    moved().or_else(|_stays| disk.remove_tree(path)).map(|()| true)
}
