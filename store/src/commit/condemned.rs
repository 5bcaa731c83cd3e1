//! [`Condemned`]: what a sweep is about to take away, published in the home before it looks who leases what.
//!
//! A reader does it the other way round: it takes its lease and then looks here. So either the sweep
//! sees the lease or the reader sees that it came too late; nobody is given a lease on what is about to
//! go. The head is never condemned, so whoever reads `current` anew finds something that stays.
//!
//! The file is there only while a sweep holds the store's lock. One that is found by the next to hold it
//! was left by a crash. If a frame was appended after it was published, the sweep had looked at the leases:
//! what the journal has given up is moved to the trash. If not, it is only withdrawn; what of it the journal
//! does not keep, the next sweep finds.
//!
//! Text, one name a line: `after` and the number of the journal's last frame, then generations as numbers
//! and entries as digests. Never synced: after a power cut there is no reader left to whom it could matter.

use std::{
    collections::BTreeSet,
    io,
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
};

use super::{staged::Staging, state::State};
use crate::{
    disk::{Disk, DiskError, Layout, Verb, random_name, read_own_if_there},
    model::{Digest, Generation},
};

/// Generations and entries that are about to go.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Condemned {
    /// Generations, whose directories go.
    pub generations: BTreeSet<Generation>,
    /// Entries, which go with their manifests.
    pub entries: BTreeSet<Digest>,
}

impl Condemned {
    /// What is condemned now; nothing, when no sweep is at work. Lines that are none of ours are left out.
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

    /// Whether what is published was given up: a frame came after it.
    pub(super) fn was_given_up(layout: &Layout, sequence: u64) -> Result<bool, DiskError> {
        let bytes = read_own_if_there(&layout.condemned())?.unwrap_or_default();
        let text = String::from_utf8_lossy(&bytes);
        let after = text.lines().find_map(|line| line.strip_prefix("after ")?.parse::<u64>().ok());
        Ok(after.is_some_and(|after| sequence > after))
    }

    /// Takes it back, or says that it is done.
    pub(crate) fn withdraw(disk: &Disk, layout: &Layout) -> Result<(), DiskError> {
        disk.remove_file(&layout.condemned())
    }

    /// Moves to the trash what the journal has given up. Doing it again does no harm. The names are durable
    /// afterwards: those of generations before any entry moves, so that none ever leads to what is gone.
    pub(super) fn discard(
        &self,
        disk: &Disk,
        layout: &Layout,
        state: &State,
    ) -> Result<(), DiskError> {
        let generations = self.generations.iter().filter(|number| !state.is_kept(**number));
        discard_all(disk, layout, generations.map(|number| layout.generation(*number)))?;
        let entries = self.entries.iter().filter(|digest| state.entry(**digest).is_none());
        let paths = entries.flat_map(|digest| layout.all_of(*digest));
        discard_all(disk, layout, paths)
    }
}

/// Moves names to the trash and makes that durable; those that are gone already are no error.
fn discard_all(
    disk: &Disk,
    layout: &Layout,
    paths: impl Iterator<Item = PathBuf>,
) -> Result<(), DiskError> {
    let mut touched = BTreeSet::new();
    for path in paths {
        if discard_one(disk, layout, &path)? {
            touched.extend(path.parent().map(Path::to_owned));
        }
    }
    touched.iter().try_for_each(|directory| disk.sync_dir(directory))
}

/// Moves one name to the trash, under a name that nobody else has; says whether it was there. Each gets a
/// place of its own, so that whoever empties the trash meanwhile takes nothing from under the next.
fn discard_one(disk: &Disk, layout: &Layout, path: &Path) -> Result<bool, DiskError> {
    let meta = match path.symlink_metadata() {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(false),
        meta => meta.map_err(|source| DiskError::new(Verb::Read, path, source))?,
    };
    if meta.is_dir() && meta.permissions().mode() & 0o200 == 0 {
        // Entries are read-only, and a directory is moved by whoever may write to it.
        disk.set_mode(path, 0o755)?;
    }
    disk.rename(path, &layout.trash().join(random_name(path)?)).map(|()| true)
}
