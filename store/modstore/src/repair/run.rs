//! The order of a repair: home, journal, links, what a crash left, entries, what is derived; and a last look.

use std::collections::BTreeSet;

use super::{
    entries::Entries,
    home::{HomeError, mend_home},
    report::{How, Mended, RepairReport},
};
use crate::{
    access::AccessError,
    commit::{
        BeginError, Beginning, Binding, Bound, Fetched, Hints, Journal, JournalError, Locked,
        Mending, RebuildError, Staging, StagingError, State, companion_of, put_away,
    },
    declare,
    disk::{DiskError, Layout, LockError, LockWait, read_linked_if_there},
    model::{Declared, Digest, Locked as LockedModule, RecordedSource},
    update::{Event, Ground, give_back},
    verify::{self, Depth, Looking, Mend, Verification, VerifyError},
};

/// A repair came to no report. What was mended until then stays mended, and running it again goes on.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RepairError {
    /// The store cannot be changed.
    #[error(transparent)]
    Access(#[from] AccessError),
    /// The home cannot be mended.
    #[error(transparent)]
    Home(#[from] HomeError),
    /// There is no place to work in.
    #[error(transparent)]
    Staging(#[from] StagingError),
    /// The store cannot be locked, or what a crash left cannot be finished.
    #[error("cannot begin to repair")]
    Begin(#[from] BeginError),
    /// The journal cannot be made anew.
    #[error(transparent)]
    Rebuild(#[from] RebuildError),
    /// The journal cannot be read or written.
    #[error(transparent)]
    Journal(#[from] JournalError),
    /// The store cannot be looked at.
    #[error(transparent)]
    Verify(#[from] VerifyError),
    /// Something cannot be put in place.
    #[error("the repair came to no end")]
    Disk(#[from] DiskError),
    /// Somebody asked to stop.
    #[error("interrupted; what was repaired so far stays repaired")]
    Cancelled,
}

impl RepairError {
    /// The lock that could not be had, if that is why.
    #[must_use]
    pub const fn wait(&self) -> Option<&LockError> {
        match self {
            Self::Begin(BeginError::Lock(error)) | Self::Home(HomeError::Lock(error)) => {
                Some(error)
            }
            _ => None,
        }
    }
}

/// Mends all that can be mended.
///
/// # Errors
/// See [`RepairError`]. What cannot be mended is no error; it is in the report.
pub(crate) fn repair(ground: Ground<'_>) -> Result<RepairReport, RepairError> {
    let Ground { disk, layout, options, .. } = ground;
    let mut report = RepairReport::default();
    let stop = || ground.cancel.is_cancelled();
    report.mended = mend_home(disk, layout, &options.command, patience(ground, &stop))?;
    Staging::remove_dead(disk, layout)?;
    mend_history(ground, &mut report)?;
    finish(ground)?;
    rewrite_lock(ground, &mut report)?;
    let found = look(ground)?;
    let damaged = damaged(&found);
    report.after = found;
    if !damaged.is_empty() {
        mend_entries(ground, &damaged, &mut report)?;
        give_back(ground, &Journal::state(&layout.journal())?);
        report.after = look(ground)?;
    }
    Ok(report)
}

fn patience<'a>(ground: Ground<'a>, stop: &'a dyn Fn() -> bool) -> LockWait<'a> {
    LockWait { stop, ..LockWait::at_most(ground.options.lock_limit) }
}

fn staging(ground: Ground<'_>) -> Result<Staging, StagingError> {
    Staging::claim(ground.disk, ground.layout, &ground.options.command)
}

/// Takes the lock for something that is to be mended.
fn begin(ground: Ground<'_>, staging: Staging) -> Result<Mending, RepairError> {
    let stop = || ground.cancel.is_cancelled();
    let told = |holder: Option<&_>| ground.events.happened(Event::Waiting { holder });
    let patience = LockWait { on_wait: &told, ..patience(ground, &stop) };
    let (command, barrier) = (ground.options.command.as_str(), ground.options.barrier);
    let companion = |state: &State| companion_of(ground.layout, state);
    let how = Beginning { command, patience, barrier, companion: &companion };
    Mending::take(ground.disk, ground.layout, staging, how).map_err(|error| match error {
        BeginError::Lock(LockError::Stopped) => RepairError::Cancelled,
        error => error.into(),
    })
}

/// The journal, and the links that it tells of.
fn mend_history(ground: Ground<'_>, report: &mut RepairReport) -> Result<(), RepairError> {
    let hints = hints(ground.layout);
    let mending = begin(ground, staging(ground)?)?;
    if let Some(new) = mending.rebuild_journal(&hints, &ground.options.command)? {
        let path = ground.layout.journal();
        report.mended.push(Mended::new(path, How::Rewritten, new.aside));
        report.journal = Some(new.rebuilt);
    }
    let relinked = mending.relink(&mending.state()?)?.into_iter();
    report.mended.extend(relinked.map(|one| Mended::new(one.path, How::Relinked, one.aside)));
    Ok(())
}

/// Finishes or removes what a crash left, as the next transaction would.
fn finish(ground: Ground<'_>) -> Result<(), RepairError> {
    lock(ground).map(drop)
}

fn lock(ground: Ground<'_>) -> Result<Locked, RepairError> {
    let stop = || ground.cancel.is_cancelled();
    let (command, barrier) = (ground.options.command.as_str(), ground.options.barrier);
    let (patience, companion) =
        (patience(ground, &stop), |state: &State| companion_of(ground.layout, state));
    let how = Beginning { command, patience, barrier, companion: &companion };
    Ok(Locked::take(ground.disk, ground.layout, staging(ground)?, how)?)
}

/// What is wrong now, every byte read.
fn look(ground: Ground<'_>) -> Result<Verification, RepairError> {
    let stop = || ground.cancel.is_cancelled();
    let progress = |bytes, of| ground.events.happened(Event::Hashing { bytes, of });
    let Ground { options, cancel, .. } = ground;
    let (patience, command, depth) = (patience(ground, &stop), &*options.command, Depth::Full);
    let (names, may_lock, progress) = (&[], true, &progress);
    let how = Looking { depth, names, command, patience, may_lock, progress, cancel };
    verify::verify(ground.layout, &how).map_err(|error| match error {
        VerifyError::Cancelled => RepairError::Cancelled,
        error => error.into(),
    })
}

/// The entries that something is wrong with.
fn damaged(found: &Verification) -> BTreeSet<Digest> {
    let wrong = found.findings.iter().filter(|finding| {
        matches!(
            finding.mend(),
            Mend::Rebuild | Mend::RebuildManifest | Mend::SetMode | Mend::SetAside
        )
    });
    wrong.filter_map(|finding| finding.entry).collect()
}

/// The entries: all that is fetched is fetched before the lock is taken.
fn mend_entries(
    ground: Ground<'_>,
    damaged: &BTreeSet<Digest>,
    report: &mut RepairReport,
) -> Result<(), RepairError> {
    let state = Journal::state(&ground.layout.journal())?;
    let mut entries = Entries { ground, state: &state, mended: Vec::new(), unmended: Vec::new() };
    let place = staging(ground)?;
    let ready = entries.prepare(&place, damaged)?;
    if ground.cancel.is_cancelled() {
        return Err(RepairError::Cancelled);
    }
    if !ready.is_empty() {
        entries.place(&begin(ground, place)?, &ready)?;
    }
    if !ready.useless.is_empty() {
        lock(ground)?.forget(&ready.useless)?;
        entries.put_away(&begin(ground, staging(ground)?)?, &ready.useless)?;
    }
    report.mended.extend(entries.mended);
    report.unmended.extend(entries.unmended);
    Ok(())
}

/// Writes `modules.lock` as the state says.
fn rewrite_lock(ground: Ground<'_>, report: &mut RepairReport) -> Result<(), RepairError> {
    let locked = lock(ground)?;
    let (path, text) = companion_of(ground.layout, locked.state());
    let before = read_linked_if_there(&path);
    let is_said = before.as_ref().is_ok_and(|before| before.as_deref() == Some(text.as_bytes()));
    if is_said || (locked.state().head().is_none() && matches!(before, Ok(None))) {
        return Ok(());
    }
    let is_in_the_way = path.symlink_metadata().is_ok_and(|meta| !meta.is_file());
    let aside = match is_in_the_way {
        true => Some(put_away(ground.disk, ground.layout, &path)?),
        false => None,
    };
    ground.disk.replace_file(&path, &staging(ground)?.fresh(), text.as_bytes())?;
    report.mended.push(Mended::new(path, How::Rewritten, aside));
    Ok(())
}

/// What `modules.lock` and `modules.toml` say, as far as they can be read.
fn hints(layout: &Layout) -> Hints {
    let locked = declare::read_lock(layout).map(|lock| lock.modules).unwrap_or_default();
    let locked = locked.iter().map(|(module, locked)| (module.clone(), bound(locked)));
    let declared = declare::read(layout).map(|(_, declared)| declared.modules).unwrap_or_default();
    let source = |declared: &Declared| RecordedSource::from(&declared.effective_source());
    let sources = declared.iter().map(|(module, declared)| (module.clone(), source(declared)));
    Hints { locked: locked.collect(), sources: sources.collect() }
}

/// A line of `modules.lock` as the binding it was made of.
fn bound(locked: &LockedModule) -> Binding {
    let LockedModule { source, origin, reference, revision, digest, subdirectory } = locked;
    let fetched = origin.as_ref().zip(*revision).map(|(origin, revision)| Fetched {
        origin: origin.clone(),
        reference: reference.clone(),
        revision,
    });
    let bound = Bound::Entry { digest: *digest, subdirectory: subdirectory.clone(), fetched };
    Binding { source: RecordedSource::from(source), bound }
}
