//! [`Mending`]: the store's lock, held by whoever mends what a [`Locked`](super::Locked) store refuses.
//!
//! Each method looks for itself whether there is anything to do, and doing it again does no harm. None
//! reads the content of entries; which of them are damaged is for whoever calls.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};

use super::{
    frame::Frame,
    journal::{Journal, JournalError},
    locked::{BeginError, Beginning, now, shown},
    quarantine::{put_away, put_in_place},
    rebuild::{Hints, Rebuilt, directories_of, rebuild},
    record::DecodeError,
    salvage::Salvage,
    state::State,
    transaction::link_text,
};
use crate::{
    disk::{
        Barrier, Disk, DiskError, Layout, Lock, Staged, Staging, names_in, random_name, read_own,
        read_own_if_there,
    },
    model::{Binding, Generation, Manifest, ModuleName},
};

/// The store, locked, whatever its journal says.
#[derive(Debug)]
pub struct Mending {
    disk: Disk,
    layout: Layout,
    barrier: Barrier,
    staging: Staging,
    _lock: Lock,
}

/// The journal was not made anew. It is as it was.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RebuildError {
    /// A whole frame holds records of a newer version.
    #[error("the journal was written by a newer version")]
    Newer(#[source] DecodeError),
    /// The disk failed. The journal is the old one or the new one.
    #[error("the journal cannot be made anew")]
    Disk(#[from] DiskError),
}

/// The journal as it was made anew.
#[derive(Debug)]
pub struct NewJournal {
    /// What it tells.
    pub rebuilt: Rebuilt,
    /// Where the damaged one is now; none, if there was none.
    pub aside: Option<PathBuf>,
}

/// Links that were made anew.
#[derive(Debug)]
pub struct Relinked {
    /// The generation's directory, or `current`.
    pub path: PathBuf,
    /// Where the damaged one is now; none, if there was none.
    pub aside: Option<PathBuf>,
}

impl Mending {
    /// Takes the store's lock and nothing else.
    ///
    /// # Errors
    /// See [`BeginError`]. Nothing was changed.
    pub fn take(
        disk: &Disk,
        layout: &Layout,
        staging: Staging,
        how: Beginning<'_>,
    ) -> Result<Self, BeginError> {
        let lock = Lock::take(&layout.lock("store"), how.command, how.patience)?;
        let (disk, layout) = (disk.clone(), layout.clone());
        Ok(Self { disk, layout, barrier: how.barrier, staging, _lock: lock })
    }

    /// What the store adds up to now. A torn end counts as not there.
    ///
    /// # Errors
    /// When the journal is damaged.
    pub fn state(&self) -> Result<State, JournalError> {
        Journal::state(&self.layout.journal())
    }

    /// Whether the journal can be gone on with.
    fn is_sound(&self) -> Result<bool, DiskError> {
        if !self.layout.journal().symlink_metadata().is_ok_and(|meta| meta.is_file()) {
            return Ok(false);
        }
        let Ok(state) = self.state() else { return Ok(false) };
        let head = state.head().map(|head| head.number);
        // One generation above the head is what a crash leaves; a second was built on a first that was recorded.
        let next = head.map_or(Generation::FIRST, Generation::next);
        let above = directories_of(&self.layout)?.last().copied();
        Ok(shown(&self.layout) <= head && above <= Some(next))
    }

    /// Makes the journal anew if it is damaged, missing, or behind what is shown. The damaged one is kept
    /// beside it, and readers see the one or the other.
    ///
    /// # Errors
    /// See [`RebuildError`].
    pub fn rebuild_journal(
        &self,
        hints: &Hints,
        reason: &str,
    ) -> Result<Option<NewJournal>, RebuildError> {
        if self.is_sound()? {
            return Ok(None);
        }
        let path = self.layout.journal();
        let is_file = path.symlink_metadata().is_ok_and(|meta| meta.is_file());
        let bytes = if is_file { read_own_if_there(&path)? } else { None }.unwrap_or_default();
        let salvage = Salvage::of(&bytes).map_err(RebuildError::Newer)?;
        let shown = shown(&self.layout);
        let rebuilding = rebuild(&self.layout, &salvage, hints, shown, (now(), reason))?;
        let aside = self.keep_aside(&path, &bytes)?;
        let head = rebuilding.told.generations.last().copied();
        let (sequence, previous) = salvage.next(head);
        let frame = Frame { sequence, previous, records: rebuilding.records };
        self.disk.replace_file(&path, &self.staging.fresh(), &frame.to_bytes().0)?;
        self.put_unknown_away(head)?;
        Ok(Some(NewJournal { rebuilt: rebuilding.told, aside }))
    }

    /// Gives the damaged journal a second name, so that it is there before and after it is replaced.
    fn keep_aside(&self, path: &Path, bytes: &[u8]) -> Result<Option<PathBuf>, DiskError> {
        let Ok(there) = path.symlink_metadata() else { return Ok(None) };
        let aside = path.with_file_name(format!("journal.damaged-{}", random_name(path)?));
        if !there.is_file() {
            self.disk.move_tree(path, &aside)?;
        } else if bytes.is_empty() {
            return Ok(None);
        } else if self.disk.hard_link(path, &aside).is_err() {
            self.disk.create_file(&aside, bytes)?;
            self.disk.sync_file(&aside)?;
        }
        self.disk.sync_dir(self.layout.home())?;
        Ok(Some(aside))
    }

    /// Whatever takes the lock next removes generations above the head; with a journal that was lost, they
    /// may have been more than left-overs.
    fn put_unknown_away(&self, head: Option<Generation>) -> Result<(), DiskError> {
        for number in directories_of(&self.layout)? {
            if Some(number) > head {
                put_away(&self.disk, &self.layout, &self.layout.generation(number))?;
            }
        }
        Ok(())
    }

    /// Makes the links of each kept generation anew that are not what the journal says, and `current` when
    /// it is no link to a generation that the journal knows.
    ///
    /// # Errors
    /// Some may have been made.
    pub fn relink(&self, state: &State) -> Result<Vec<Relinked>, DiskError> {
        let wrong: Vec<_> = state
            .kept_modules()
            .filter(|(info, modules)| !self.shows(info.number, modules))
            .map(|(info, modules)| (self.layout.generation(info.number), modules))
            .collect();
        let made: Vec<PathBuf> =
            wrong.iter().map(|(_, modules)| self.link_all(modules)).collect::<Result<_, _>>()?;
        let switch = match (shown(&self.layout), state.head()) {
            (Some(shown), Some(head)) if shown <= head.number => None,
            (_, Some(head)) => Some(self.link_current(head.number)?),
            (_, None) => None,
        };
        if !made.is_empty() || switch.is_some() {
            self.disk.sync_tree(self.staging.directory(), self.barrier)?;
        }
        let mut relinked = Vec::new();
        for (good, (path, _)) in made.iter().zip(wrong) {
            let aside = put_in_place(&self.disk, &self.layout, good, &path)?;
            relinked.push(Relinked { path, aside });
        }
        let current = self.layout.current();
        if let Some(switch) = switch {
            let aside = put_in_place(&self.disk, &self.layout, &switch, &current)?;
            relinked.push(Relinked { path: current, aside });
        } else if state.head().is_none() && current.symlink_metadata().is_ok() {
            let aside = Some(put_away(&self.disk, &self.layout, &current)?);
            relinked.push(Relinked { path: current, aside });
        }
        Ok(relinked)
    }

    /// Whether the directory of a generation has these links and nothing else.
    fn shows(&self, number: Generation, modules: &BTreeMap<&ModuleName, &Binding>) -> bool {
        let directory = self.layout.generation(number);
        let is_directory = directory.symlink_metadata().is_ok_and(|meta| meta.is_dir());
        let leads = |(module, binding): (&&ModuleName, &&Binding)| {
            std::fs::read_link(directory.join(module)).ok() == Some(link_text(binding))
        };
        is_directory
            && names_in(&directory).is_ok_and(|names| names.len() == modules.len())
            && modules.iter().all(leads)
    }

    fn link_all(&self, modules: &BTreeMap<&ModuleName, &Binding>) -> Result<PathBuf, DiskError> {
        let directory = self.staging.fresh();
        self.disk.create_dir(&directory)?;
        for (module, binding) in modules {
            self.disk.symlink(&link_text(binding), &directory.join(module))?;
        }
        Ok(directory)
    }

    fn link_current(&self, head: Generation) -> Result<PathBuf, DiskError> {
        let switch = self.staging.fresh();
        self.disk.symlink(&Layout::current_text(head), &switch)?;
        Ok(switch)
    }

    /// Makes all that is staged durable.
    ///
    /// # Errors
    /// Nothing is to be placed then.
    pub fn barrier(&self) -> Result<(), DiskError> {
        self.disk.sync_tree(self.staging.directory(), self.barrier)
    }

    /// Where to write.
    #[must_use]
    pub const fn staging(&self) -> &Staging {
        &self.staging
    }

    /// Puts a staged tree, durable by now, in the place of the entry of its name, and gives where what was
    /// there is now. Who reads the entry meanwhile finds the old tree or the new one.
    ///
    /// # Errors
    /// The entry is the old tree or the new one.
    pub fn replace_entry(&self, staged: &Staged) -> Result<Option<PathBuf>, DiskError> {
        let digest = staged.digest();
        self.replace_file(staged.list(), &self.layout.manifest(digest))?;
        if let Some(git) = staged.git() {
            self.replace_file(git, &self.layout.git_tree(digest))?;
        }
        let entry = self.layout.entry(digest);
        let aside = put_in_place(&self.disk, &self.layout, staged.tree(), &entry)?;
        // Only now: a directory is moved by whoever may write to it.
        self.disk.make_read_only(&entry)?;
        Ok(aside)
    }

    /// Puts a durable file in the place of one that says anything else.
    fn replace_file(&self, good: &Path, path: &Path) -> Result<Option<PathBuf>, DiskError> {
        match read_own(path).ok() == Some(read_own_if_there(good)?.unwrap_or_default()) {
            true => Ok(None),
            false => put_in_place(&self.disk, &self.layout, good, path),
        }
    }

    /// Writes the list of an entry anew, and gives where the damaged one is now.
    ///
    /// # Errors
    /// It is what it was or what it should be.
    pub fn write_manifest(&self, manifest: &Manifest) -> Result<Option<PathBuf>, DiskError> {
        let spare = self.staging.fresh();
        self.disk.create_file(&spare, &manifest.to_bytes())?;
        self.disk.sync_file(&spare)?;
        self.replace_file(&spare, &self.layout.manifest(manifest.digest()))
    }

    /// Moves a file or directory of the store, which nothing needs, to the quarantine.
    ///
    /// # Errors
    /// It is where it was, unless a sync failed.
    pub fn put_away(&self, path: &Path) -> Result<PathBuf, DiskError> {
        put_away(&self.disk, &self.layout, path)
    }
}
