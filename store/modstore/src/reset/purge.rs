//! Taking it all away.
//!
//! ```text
//! lock      the store's lock
//! condemn   every generation: from now on nobody is given a lease; whoever has one is named, and nothing goes
//! hide      `current` removed, the home synced          ← readers find no store from here on
//! forget    the marker removed, then the journal, each synced
//! delete    everything else that is modstore's, directories last
//! ```
//!
//! A crash before the journal is gone leaves a store that the next writer shows again, whole; one after it leaves
//! no store, and names that the next purge, or the next store's first sweep, takes away.
//!
//! Lock files stay: one that is unlinked excludes no process. What is not modstore's stays.

use std::path::{Path, PathBuf};

use rayon::prelude::*;

use super::plan::{PurgePlan, Stay, plan};
use crate::{
    Context,
    access::AccessError,
    commit::DeletionMark,
    declare,
    disk::{Disk, DiskError, Layout, Lock, LockError, Staging, StagingError, names_in},
    environment::RegistrationError,
    events::Event,
    model::Generation,
    reclaim::{Leased, leases},
    update::BindError,
};

/// What a purge did.
#[derive(Debug, Default)]
pub struct PurgeReport {
    /// What was taken away.
    pub removed: Vec<PathBuf>,
    /// What stays, and why.
    pub stay: Vec<Stay>,
    /// Environments from which the store's modules were uninstalled, by their directories.
    pub environments: Vec<PathBuf>,
}

/// The store was not taken away, or not all of it.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PurgeError {
    /// Nothing was changed: the store cannot be changed.
    #[error(transparent)]
    Access(#[from] AccessError),
    /// Nothing was changed: the environments that are bound cannot be read.
    #[error(transparent)]
    Registration(#[from] RegistrationError),
    /// The store is as it was: an environment keeps its stand-ins.
    #[error(transparent)]
    Unbind(#[from] BindError),
    /// Nothing was changed.
    #[error("the store cannot be taken away now")]
    Lock(#[from] LockError),
    /// Nothing was changed.
    #[error(transparent)]
    Staging(#[from] StagingError),
    /// Nothing was changed: processes work with the store's modules.
    #[error("the store is in use: {}", holders(.0))]
    Leased(Vec<Leased>),
    /// Nothing was changed.
    #[error("nothing was changed")]
    NotDone(#[source] DiskError),
    /// Some of it is gone, and a reader sees the whole store or none. Running it again goes on.
    #[error("the store is only taken away in part")]
    Partly(#[source] DiskError),
    /// Nothing was changed, because of a wish to stop.
    #[error("interrupted; nothing was changed")]
    Cancelled,
}

fn holders(leases: &[Leased]) -> String {
    let holders = leases.iter().map(|lease| match &lease.holder {
        Some(holder) => format!("generation {}: {holder}", lease.generation),
        None => format!("another user's process has generation {}", lease.generation),
    });
    holders.collect::<Vec<_>>().join("; ")
}

/// Takes everything away that is modstore's.
///
/// # Errors
/// See [`PurgeError`].
pub(crate) fn purge(context: Context<'_>) -> Result<PurgeReport, PurgeError> {
    let Context { disk, layout, cancel, .. } = context;
    Staging::remove_dead(disk, layout).map_err(PurgeError::NotDone)?;
    let _lock = lock(context)?;
    let staging = context.staging()?;
    if cancel.is_cancelled() {
        return Err(PurgeError::Cancelled);
    }
    condemn_all(disk, layout, &staging)?;
    hide(disk, layout).map_err(PurgeError::Partly)?;
    drop(staging);
    let plan = plan(layout, declares(layout)).map_err(PurgeError::Partly)?;
    delete(context, plan).map_err(PurgeError::Partly)
}

fn lock(context: Context<'_>) -> Result<Lock, PurgeError> {
    context.lock("store").map_err(|error| match error {
        LockError::Stopped => PurgeError::Cancelled,
        error => error.into(),
    })
}

/// Prevents new leases, unless a process has one: then nothing happens.
fn condemn_all(disk: &Disk, layout: &Layout, staging: &Staging) -> Result<(), PurgeError> {
    let generations = names_in(&layout.generations()).map_err(PurgeError::NotDone)?;
    let numbers = generations.iter().filter_map(|name| name.to_str()?.parse::<Generation>().ok());
    let condemned = DeletionMark { generations: numbers.collect(), ..DeletionMark::default() };
    // With this number nothing counts as given up, whatever the journal says.
    condemned.publish(disk, layout, staging, u64::MAX).map_err(PurgeError::NotDone)?;
    match leases(layout) {
        Ok(leases) if leases.is_empty() => Ok(()),
        held => {
            // If this fails too, the next one to have the lock takes it back.
            let _ = DeletionMark::withdraw(disk, layout);
            Err(held.map_or_else(PurgeError::NotDone, PurgeError::Leased))
        }
    }
}

/// First the switch, then the marker, last the journal, from which the switch can be made again.
fn hide(disk: &Disk, layout: &Layout) -> Result<(), DiskError> {
    for path in [layout.current(), layout.format(), layout.journal()] {
        if path.is_symlink() || path.exists() {
            if !path.is_symlink() && path.is_dir() {
                continue;
            }
            disk.remove_file(&path)?;
            disk.sync_dir(layout.home())?;
        }
    }
    Ok(())
}

/// Everything else.
fn delete(context: Context<'_>, plan: PurgePlan) -> Result<PurgeReport, DiskError> {
    let Context { disk, layout, events, command, .. } = context;
    let PurgePlan { remove, mut stay, .. } = plan;
    let of = remove.len();
    // As long as this is there, no process is given a lease.
    let (last, remove): (Vec<_>, Vec<_>) =
        remove.into_iter().partition(|path| *path == layout.condemned());
    let (shared, others): (Vec<_>, Vec<_>) = remove.into_iter().partition(|path| {
        path.parent() == Some(&layout.mirrors()) || *path == layout.modules_toml()
    });
    events.happened(Event::Deleting { done: 0, of });
    // One that cannot be deleted keeps no other from going; the first error is returned in the end.
    let done: Vec<_> = others.par_iter().map(|path| disk.remove_tree(path)).collect();
    let mut failed = done.into_iter().find_map(Result::err);
    let mut removed = others;
    for path in shared {
        match hold(layout, &path, command)? {
            StagingClaim::Free(_held) => failed = failed.or(disk.remove_tree(&path).err()),
            StagingClaim::Wanted => {
                stay.push(Stay::new(path, "a process is working with it"));
                continue;
            }
        }
        removed.push(path);
    }
    if let Some(failed) = failed {
        return Err(failed);
    }
    last.iter().try_for_each(|path| disk.remove_file(path))?;
    removed.extend(last);
    events.happened(Event::Deleting { done: removed.len(), of });
    for name in Layout::DIRECTORIES.into_iter().chain(["quarantine"]) {
        let path = layout.home().join(name);
        if name != "locks" && path.is_dir() && !path.is_symlink() && is_empty(&path)? {
            disk.remove_tree(&path)?;
            removed.push(path);
        }
    }
    disk.sync_dir(layout.home())?;
    Ok(PurgeReport { removed, stay, environments: Vec::new() })
}

/// Whether something that others use without the store's lock may be taken away.
enum StagingClaim {
    /// It may; with the lock, where there is one.
    Free(Option<Lock>),
    /// Another process is at work with it, or has filled it meanwhile.
    Wanted,
}

/// Takes the lock of a mirror's origin, or of the declarations, without waiting.
fn hold(layout: &Layout, path: &Path, command: &str) -> Result<StagingClaim, DiskError> {
    let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
    let lock = match name.split_once('.') {
        Some(("host", _)) => return Ok(StagingClaim::Free(None)),
        Some((hash, _)) if *path != layout.modules_toml() => format!("origin-{hash}"),
        _ => name.to_owned(),
    };
    let held = Lock::try_take(&layout.lock(&lock), command)?;
    let is_filled = *path == layout.modules_toml() && declares(layout);
    Ok(match held {
        Some(lock) if !is_filled => StagingClaim::Free(Some(lock)),
        _ => StagingClaim::Wanted,
    })
}

/// Whether `modules.toml` says anything; one that cannot be read may.
pub(crate) fn declares(layout: &Layout) -> bool {
    let read = declare::read(layout);
    read.map_or(true, |(_, declarations)| !declarations.modules.is_empty())
}

fn is_empty(path: &Path) -> Result<bool, DiskError> {
    Ok(names_in(path)?.is_empty())
}
