//! [`LazyStaging`]: a staging that is made when something is first written.
//!
//! An update that finds nothing changed writes nothing, so it must not make a staging to find that out.

use std::{
    collections::BTreeMap,
    sync::{Mutex, OnceLock, PoisonError},
};

use crate::{
    Context,
    disk::{Disk, Staged, Staging, StagingError},
    model::Digest,
};

/// The trees that are staged, each once: two modules may have the same.
pub(super) type Trees = BTreeMap<Digest, Staged>;

/// Adds a tree. One that is there already may be of another commit, which is kept too.
pub(super) fn add_tree(disk: &Disk, trees: &mut Trees, staged: Staged) {
    let digest = staged.digest();
    let staged = match trees.remove(&digest) {
        Some(other) => staged.with_commits_of(disk, &other),
        None => staged,
    };
    trees.insert(digest, staged);
}

/// The staging of one update.
pub(super) struct LazyStaging<'a> {
    context: Context<'a>,
    made: OnceLock<Staging>,
    /// One thread at a time makes it.
    making: Mutex<()>,
}

impl<'a> LazyStaging<'a> {
    pub(super) const fn new(context: Context<'a>) -> Self {
        Self { context, made: OnceLock::new(), making: Mutex::new(()) }
    }

    /// The staging, which the first call makes.
    pub(super) fn get(&self) -> Result<&Staging, StagingError> {
        let _making = self.making.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(made) = self.made.get() {
            return Ok(made);
        }
        let made = self.context.staging()?;
        Ok(self.made.get_or_init(|| made))
    }

    /// The staging, for the transaction.
    pub(super) fn into_inner(self) -> Result<Staging, StagingError> {
        self.made.into_inner().map_or_else(|| self.context.staging(), Ok)
    }
}
