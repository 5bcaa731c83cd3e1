//! [`Locked`]: the store under its lock, and what a crash left finished or removed.
//!
//! Everything that changes what the store holds has one: a transaction, a sweep, a repair. Only it can append to
//! the journal, and appending consumes it, so a lock is held for one change.
//!
//! Fetches nothing and waits for nothing but the lock.

use std::{
    path::{Path, PathBuf},
    time::{SystemTime, UNIX_EPOCH},
};

use super::{
    deletion_mark::DeletionMark,
    journal::{Journal, JournalError},
    record::{self, Record},
    resolved::{ProjectLockError, companion_of},
    state::State,
};
use crate::{
    Context,
    disk::{Barrier, Disk, DiskError, Layout, Lock, LockError, Staging, StagingError, names_in},
    keep::{RepairedState, repair_state, settle},
    model::{Binding, Bound, Digest, Generation, ModuleName},
};

/// The store, locked, and as its journal says.
#[derive(Debug)]
pub struct Locked {
    pub(super) disk: Disk,
    pub(super) layout: Layout,
    pub(super) barrier: Barrier,
    pub(super) staging: Staging,
    pub(super) journal: Journal,
    pub(super) state: State,
    /// The highest generation above the head that could not be removed.
    above: Option<Generation>,
    pub(super) _lock: Lock,
}

/// The store is not locked. Nothing was changed, except that leftovers of a crash may be gone.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum BeginError {
    /// Another process is writing.
    #[error("cannot begin a transaction")]
    Lock(#[from] LockError),
    /// The home cannot be written to.
    #[error("cannot begin a transaction")]
    Staging(#[from] StagingError),
    /// The journal is damaged or cannot be read.
    #[error("cannot begin a transaction")]
    Journal(#[from] JournalError),
    /// The current generation is newer than the last recorded one, so recorded frames were lost.
    #[error("`current` shows generation {shown}, and the journal ends before it")]
    Lost {
        /// The current generation.
        shown: Generation,
    },
    /// It is a project's store, and the project's `modules.lock` cannot be used.
    #[error(transparent)]
    Project(#[from] ProjectLockError),
    /// What a crash left cannot be finished: the switch, or making what was removed durable.
    #[error("cannot finish what an earlier process left")]
    Redo(#[source] DiskError),
}

impl Locked {
    /// Takes the store's lock and finishes or removes what a crash left.
    ///
    /// # Errors
    /// See [`BeginError`].
    pub fn take(context: Context<'_>, staging: Staging) -> Result<Self, BeginError> {
        let Context { disk, layout, barrier, .. } = context;
        let lock = context.lock("store")?;
        let (journal, state) = Journal::open(disk, &layout.journal())?;
        finish_showing(context, &state, &staging)?;
        let above = remove_unrecorded(disk, layout, &state).map_err(BeginError::Redo)?;
        finish_sweeping(disk, layout, &state).map_err(BeginError::Redo)?;
        Ok(Self {
            disk: disk.clone(),
            layout: layout.clone(),
            barrier,
            staging,
            journal,
            state,
            above,
            _lock: lock,
        })
    }

    /// The number of the generation that comes next: one whose name is free, also where a crash's left-over could not
    /// be removed.
    pub(super) fn next_generation(&self) -> Generation {
        let head = self.state.head().map(|head| head.number);
        head.max(self.above).map_or(Generation::FIRST, Generation::next)
    }

    /// What the store adds up to.
    #[must_use]
    pub const fn state(&self) -> &State {
        &self.state
    }

    /// Where it lies.
    #[must_use]
    pub const fn layout(&self) -> &Layout {
        &self.layout
    }

    /// Puts what is gone of the state of a module of the newest generation there again. What took its place stays.
    ///
    /// # Errors
    /// Doing it again goes on.
    pub(crate) fn settle(&self, module: &ModuleName) -> Result<(), DiskError> {
        let at = (&self.disk, &self.layout, self.barrier);
        let module = self.state.modules().get_key_value(module);
        settle_kept(at, &self.staging, module.map(|(module, to)| (module, Some(to))).into_iter())
    }

    /// Makes the state of a module of the newest generation usable again: what is gone, what something else took the place
    /// of, and what its owner may not use. Gives what was repaired.
    ///
    /// # Errors
    /// Doing it again goes on.
    pub(crate) fn repair_state(
        &self,
        module: &ModuleName,
    ) -> Result<Vec<RepairedState>, DiskError> {
        match self.state.modules().get(module).map(|binding| &binding.bound) {
            Some(Bound::Kept(kept)) => {
                repair_state((&self.disk, &self.layout, self.barrier), &self.staging, module, kept)
            }
            _ => Ok(Vec::new()),
        }
    }

    /// Publishes for readers what is about to go, in place of an earlier list; see [`DeletionMark`].
    ///
    /// # Errors
    /// Nothing is condemned.
    pub fn mark(&self, condemned: &DeletionMark) -> Result<(), DiskError> {
        condemned.publish(&self.disk, &self.layout, &self.staging, self.state.sequence())
    }

    /// Takes it back: nothing goes.
    ///
    /// # Errors
    /// It is still condemned; the next one to take the lock takes it back.
    pub fn unmark(&self) -> Result<(), DiskError> {
        DeletionMark::withdraw(&self.disk, &self.layout)
    }

    /// Gives up what is condemned: first in the journal, then by moving it to the trash, or by deleting it where it
    /// cannot be moved. The journal comes first, so that it never counts on what is not there; what it has given up
    /// and is still in its place, because of a crash or because it cannot be taken away, is for the next process that takes
    /// the lock.
    ///
    /// # Errors
    /// Each [`GiveUpError`] says whether it has happened.
    pub fn give_up(self, condemned: &DeletionMark) -> Result<(), GiveUpError> {
        let Self { disk, layout, journal, mut state, .. } = self;
        let retired = condemned.generations.iter().filter(|number| state.is_kept(**number));
        let forgotten = condemned.entries.iter().filter(|digest| state.entry(**digest).is_some());
        let records: Vec<Record> = retired
            .map(|number| Record::Retired { number: *number })
            .chain(forgotten.map(|digest| Record::Forgotten { digest: *digest }))
            .collect();
        if !records.is_empty() {
            let frame = journal.append(&disk, records).map_err(GiveUpError::Record)?;
            state.apply(frame);
        }
        discard(&disk, &layout, condemned, &state).map_err(GiveUpError::Discard)
    }

    /// Records that these entries are in the store no longer, as far as it has them and no kept generation
    /// needs them. Their trees are for the caller to put away.
    ///
    /// # Errors
    /// It has happened if the frame reached the disk.
    pub fn forget(self, digests: &[Digest]) -> Result<(), JournalError> {
        let needed = self.state.needed();
        let known = digests.iter().filter(|digest| self.state.entry(**digest).is_some());
        let records: Vec<Record> = known
            .filter(|digest| !needed.contains(*digest))
            .map(|digest| Record::Forgotten { digest: *digest })
            .collect();
        if records.is_empty() {
            return Ok(());
        }
        self.journal.append(&self.disk, records).map(drop)
    }

    /// Replaces the journal by the fewest records that say the same; what is retired is no longer listed. A state
    /// that is too large for one frame stays as it is.
    ///
    /// # Errors
    /// The journal is the old one or the new one.
    pub fn compact(self, reason: &str) -> Result<(), JournalError> {
        let records = self.state.checkpoint(now(), reason);
        if record::try_encode(&records).is_none() {
            return Ok(());
        }
        self.journal.replace(&self.disk, &self.staging.fresh(), records)
    }

    /// How many bytes the records of a [compacted](Self::compact) journal would have; nothing, when they are
    /// too many for one frame.
    #[must_use]
    pub fn compacted_size(&self) -> Option<u64> {
        let bytes = record::try_encode(&self.state.checkpoint(0, ""))?;
        u64::try_from(bytes.len()).ok()
    }
}

/// What was condemned is not all in the trash.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum GiveUpError {
    /// It has happened if the frame reached the disk; the next command tells.
    #[error("what is swept may or may not have been recorded")]
    Record(#[source] JournalError),
    /// It has happened: the journal counts on none of it, and a sync of what was moved failed.
    #[error("what was swept may come back, until it is swept again")]
    Discard(#[source] DiskError),
}

/// Milliseconds since 1970.
pub(crate) fn now() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_millis());
    u64::try_from(since).unwrap_or(u64::MAX)
}

/// Puts what upstream ships at the paths that modules keep into their states, as far as it is new there.
pub(super) fn settle_kept<'a>(
    (disk, layout, barrier): (&Disk, &Layout, Barrier),
    staging: &Staging,
    changes: impl Iterator<Item = (&'a ModuleName, Option<&'a Binding>)>,
) -> Result<(), DiskError> {
    for (module, to) in changes {
        if let Some(Bound::Kept(kept)) = to.map(|to| &to.bound) {
            settle((disk, layout, barrier), staging, module, kept)?;
        }
    }
    Ok(())
}

/// The lock that goes along takes its place.
pub(super) fn go_along(disk: &Disk, layout: &Layout, companion: &Path) -> Result<(), DiskError> {
    disk.move_over(companion, &layout.modules_lock())?;
    // The home, which is synced after the switch, is another directory.
    layout.project().map_or(Ok(()), |project| disk.sync_dir(project))
}

/// The switch: readers see the whole of one generation before it and the whole of the next after it.
pub(super) fn show(disk: &Disk, layout: &Layout, switch: &Path) -> Result<(), DiskError> {
    disk.rename(switch, &layout.current())?;
    disk.sync_dir(layout.home())
}

/// The generation that `current` shows, or `None` when there is none or it is no link of ours.
#[must_use]
pub fn shown(layout: &Layout) -> Option<Generation> {
    let text = std::fs::read_link(layout.current()).ok()?;
    text.strip_prefix("generations").ok()?.to_str()?.parse().ok()
}

/// Whether a crash left something that only [`Locked::take`] finishes or removes: a switch to the head, a
/// generation that no frame records, or what a sweep had condemned. Another process that is just at it looks
/// the same; the lock tells.
#[must_use]
pub(crate) fn is_unfinished(layout: &Layout, state: &State) -> bool {
    let head = state.head().map(|head| head.number);
    let next = head.map_or(Generation::FIRST, Generation::next);
    let is_there = |path: PathBuf| path.symlink_metadata().is_ok();
    shown(layout) != head || is_there(layout.generation(next)) || is_there(layout.condemned())
}

/// Shows the head when a crash came between its frame and its switch. What goes along goes first here
/// too: a process that finds the switch made has nothing left to finish.
fn finish_showing(
    context: Context<'_>,
    state: &State,
    staging: &Staging,
) -> Result<(), BeginError> {
    let Context { disk, layout, barrier, .. } = context;
    let head = state.head().map(|head| head.number);
    match (shown(layout), head) {
        (Some(shown), head) if Some(shown) > head => Err(BeginError::Lost { shown }),
        (shown, Some(head)) if shown != Some(head) => {
            let redo = || {
                let (_, contents) = companion_of(layout, state);
                let (spare, switch) = (staging.fresh(), staging.fresh());
                disk.create_file(&spare, contents.as_bytes())?;
                disk.symlink(&Layout::current_text(head), &switch)?;
                disk.sync_tree(staging.directory(), barrier)?;
                // The crash may have come before its sync, and a barrier need not reach it.
                disk.sync_file(&layout.journal())?;
                let changes = state.head().into_iter().flat_map(|head| &head.changes);
                let changes = changes.map(|(module, to)| (module, to.as_ref()));
                settle_kept((disk, layout, barrier), staging, changes)?;
                go_along(disk, layout, &spare)?;
                show(disk, layout, &switch)
            };
            redo().map_err(BeginError::Redo)
        }
        _ => Ok(()),
    }
}

/// Removes generations that a crash left between *place* and *commit*. No link ever led to them. Gives the highest of
/// those that cannot be removed.
fn remove_unrecorded(
    disk: &Disk,
    layout: &Layout,
    state: &State,
) -> Result<Option<Generation>, DiskError> {
    let head = state.head().map(|head| head.number);
    let mut left = None;
    for name in names_in(&layout.generations())? {
        let number = name.to_str().and_then(|name| name.parse::<Generation>().ok());
        let Some(number) = number.filter(|number| Some(*number) > head) else { continue };
        if let Err(error) = disk.remove_tree(&layout.generations().join(name)) {
            disk.leave(error)?;
            left = left.max(Some(number));
        }
    }
    Ok(left)
}

/// Takes away what a sweep had given up in the journal and left in its place, and takes back the rest.
fn finish_sweeping(disk: &Disk, layout: &Layout, state: &State) -> Result<(), DiskError> {
    if layout.condemned().symlink_metadata().is_err() {
        return Ok(());
    }
    match DeletionMark::was_given_up(layout).and_then(|it| Ok((it, DeletionMark::read(layout)?))) {
        Ok((true, condemned)) => discard(disk, layout, &condemned, state),
        Ok((false, _)) => DeletionMark::withdraw(disk, layout).or_else(|error| disk.leave(error)),
        Err(error) => disk.leave(error),
    }
}

/// Takes away what is given up. It is condemned until all of it is gone: that is how the next to take the lock knows.
fn discard(
    disk: &Disk,
    layout: &Layout,
    condemned: &DeletionMark,
    state: &State,
) -> Result<(), DiskError> {
    if condemned.discard(disk, layout, state)? {
        return DeletionMark::withdraw(disk, layout).or_else(|error| disk.leave(error));
    }
    Ok(())
}
