//! A [`Lease`]: keeps a generation and its entries while a process, or any of its descendants, lives.
//!
//! A lease is a locked file `leases/<generation>-<random>`, so that its content is there with its name.
//! The kernel lets go of the lock with the last descriptor: nobody has to be asked whether a holder is
//! still alive.
//!
//! Taking one and sweeping are paired, see [`Condemned`](crate::commit::Condemned): a reader first takes
//! its lease and then looks whether the generation is condemned or gone, a sweep first condemns and then
//! looks for leases. So nobody who was given a lease ever misses an entry.
//!
//! A process that closes descriptors it does not know lets go of the lease it was born with.

use std::{
    ffi::OsStr,
    path::{Path, PathBuf},
};

use crate::{
    commit::{Condemned, shown},
    disk::{Disk, DiskError, Holder, Layout, Lock, is_random_name, names_in, random_name},
    model::Generation,
};

/// A generation that is kept for as long as this lives.
#[derive(Debug)]
#[must_use = "a lease that is dropped keeps nothing"]
pub struct Lease {
    disk: Disk,
    layout: Layout,
    generation: Generation,
    path: PathBuf,
    lock: Lock,
}

/// No lease was given. Nothing was changed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LeaseError {
    /// There is nothing to lease.
    #[error("the store shows nothing yet")]
    Empty,
    /// The generation is not kept, or about to go.
    #[error("there is no generation {0}")]
    Gone(Generation),
    /// The home cannot be written to or read.
    #[error("no lease can be taken")]
    Disk(#[from] DiskError),
}

/// A lease that somebody holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Leased {
    /// The generation it keeps.
    pub generation: Generation,
    /// Who took it, when its file tells. Its descendants may hold it too.
    pub holder: Option<Holder>,
}

impl Lease {
    /// Leases the generation that is shown.
    ///
    /// # Errors
    /// See [`LeaseError`].
    pub fn take(disk: &Disk, layout: &Layout, command: &str) -> Result<Self, LeaseError> {
        loop {
            let generation = shown(layout).ok_or(LeaseError::Empty)?;
            match Self::take_of(disk, layout, generation, command) {
                // It was shown a moment ago, so another one is shown by now.
                Err(LeaseError::Gone(_)) if shown(layout) != Some(generation) => {}
                taken => return taken,
            }
        }
    }

    /// Leases this generation.
    ///
    /// # Errors
    /// See [`LeaseError`].
    pub fn take_of(
        disk: &Disk,
        layout: &Layout,
        generation: Generation,
        command: &str,
    ) -> Result<Self, LeaseError> {
        let lease = Self::claim(disk, layout, generation, command)?;
        // Only now, with the lease in place: a sweep condemns first and looks for leases then.
        let condemned = Condemned::read(layout)?.generations.contains(&generation);
        match condemned || !layout.generation(generation).is_dir() {
            true => Err(LeaseError::Gone(generation)),
            false => Ok(lease),
        }
    }

    fn claim(
        disk: &Disk,
        layout: &Layout,
        generation: Generation,
        command: &str,
    ) -> Result<Self, DiskError> {
        let at = layout.leases();
        loop {
            let path = at.join(format!("{generation}-{}", random_name(&at)?));
            // A sweep may have taken it for dead before it was locked, and unlinked it.
            let Some(lock) = Lock::try_take(&path, command)?.filter(Lock::is_named) else {
                continue;
            };
            let (disk, layout) = (disk.clone(), layout.clone());
            return Ok(Self { disk, layout, generation, path, lock });
        }
    }

    /// The generation it keeps.
    #[must_use]
    pub const fn generation(&self) -> Generation {
        self.generation
    }

    /// The directory with one link per module. It stays, and so does what its links lead to.
    #[must_use]
    pub fn directory(&self) -> PathBuf {
        self.layout.generation(self.generation)
    }

    /// Lets programs that this process starts from now on inherit the lease, so that it lives as long as
    /// the last of their descendants.
    ///
    /// # Errors
    /// They would not inherit it.
    pub fn let_children_inherit(&self) -> Result<(), DiskError> {
        self.lock.let_children_inherit(&self.path)
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        // What cannot be removed now, a sweep removes: the lock goes with the last descriptor. A child
        // that inherited it keeps the lock, and then the name must stay.
        if !self.lock.is_inherited() {
            let _ = self.disk.remove_file(&self.path);
        }
    }
}

/// Every lease that somebody holds. Those of processes that are no more are removed.
///
/// # Errors
/// When it cannot be told whether a lease is held; then nothing may be swept.
pub(crate) fn live_leases(disk: &Disk, layout: &Layout) -> Result<Vec<Leased>, DiskError> {
    let at = layout.leases();
    let mut live = Vec::new();
    for name in names_in(&at)? {
        let Some(generation) = leased_generation(&name) else { continue };
        let path = at.join(&name);
        match Lock::try_take(&path, "removal of a dead lease")? {
            Some(_dead) => disk.remove_file(&path)?,
            None => live.push(Leased { generation, holder: Holder::read(&path) }),
        }
    }
    Ok(live)
}

/// The generation in the name of a lease; none, when the name is none of ours.
fn leased_generation(name: &OsStr) -> Option<Generation> {
    let (generation, random) = name.to_str()?.split_once('-')?;
    let generation = generation.parse().ok()?;
    is_random_name(Path::new(random).as_os_str()).then_some(generation)
}
