//! [`Condemned`]: what a sweep is about to take away, published in the home before it looks who leases what.
//!
//! A reader does it the other way round: it takes its lease and then looks here. So either the sweep
//! sees the lease or the reader sees that it came too late; nobody is given a lease on what is about to
//! go. The head is never condemned, so whoever reads `current` anew finds something that stays.
//!
//! The file is there only while a sweep holds the store's lock. One that is found by the next to hold it
//! was left by a crash: what the journal has given up by then is moved to the trash, the rest stays.
//!
//! Text, one name a line: generations as numbers, entries as digests. Never synced: after a power cut
//! there is no reader left to whom it could matter.

use std::{
    collections::BTreeSet,
    path::{Path, PathBuf},
};

use super::{staged::Staging, state::State};
use crate::{
    disk::{Disk, DiskError, Layout, read_if_there},
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
        let bytes = read_if_there(&layout.condemned())?.unwrap_or_default();
        let text = String::from_utf8_lossy(&bytes);
        Ok(Self {
            generations: text.lines().filter_map(|line| line.parse().ok()).collect(),
            entries: text.lines().filter_map(|line| line.parse().ok()).collect(),
        })
    }

    /// Shows all of it to readers, in one step.
    pub(super) fn publish(
        &self,
        disk: &Disk,
        layout: &Layout,
        staging: &Staging,
    ) -> Result<(), DiskError> {
        let generations = self.generations.iter().map(|generation| format!("{generation}\n"));
        let entries = self.entries.iter().map(|digest| format!("{digest}\n"));
        let text: String = generations.chain(entries).collect();
        let spare = staging.fresh();
        disk.create_file(&spare, text.as_bytes())?;
        disk.rename(&spare, &layout.condemned())
    }

    /// Takes it back, or says that it is done.
    pub(super) fn withdraw(disk: &Disk, layout: &Layout) -> Result<(), DiskError> {
        disk.remove_file(&layout.condemned())
    }

    /// Moves to `into`, a new directory in the trash, what the journal has given up. Doing it again
    /// does no harm. The names are durable afterwards.
    pub(super) fn discard(
        &self,
        disk: &Disk,
        layout: &Layout,
        state: &State,
        into: &Path,
    ) -> Result<(), DiskError> {
        let generations = self.generations.iter().filter(|number| !state.is_kept(**number));
        let entries = self.entries.iter().filter(|digest| state.entry(**digest).is_none());
        let mut touched = BTreeSet::new();
        for number in generations {
            let to = into.join(number.to_string());
            touched.extend(discard_one(disk, layout.generation(*number), &to)?);
        }
        for digest in entries {
            let to = |extension: &str| into.join(format!("{digest}.{extension}"));
            touched.extend(discard_one(disk, layout.entry(*digest), &to("tree"))?);
            touched.extend(discard_one(disk, layout.manifest(*digest), &to("list"))?);
            touched.extend(discard_one(disk, layout.git_tree(*digest), &to("git"))?);
        }
        touched.iter().try_for_each(|directory| disk.sync_dir(directory))
    }
}

/// Moves one name to the trash, and gives the directory it was in; nothing, when it is gone already.
fn discard_one(disk: &Disk, path: PathBuf, to: &Path) -> Result<Option<PathBuf>, DiskError> {
    let Ok(meta) = path.symlink_metadata() else { return Ok(None) };
    if let Some(parent) = to.parent() {
        disk.ensure_dir(parent)?;
    }
    if meta.is_dir() {
        // Entries are read-only, and a directory is moved by whoever may write to it.
        disk.set_mode(&path, 0o755)?;
    }
    disk.rename(&path, to)?;
    Ok(path.parent().map(Path::to_owned))
}
