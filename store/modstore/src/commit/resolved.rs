//! `modules.lock` of a state: derived, and written again after every transaction.

use std::path::PathBuf;

use super::state::State;
use crate::{
    disk::{DiskError, Layout, read_linked_if_there},
    model::{Binding, Locked, Lockfile, Locking, MadeFrom, ModuleName, ParseLockfileError},
};

/// A project's `modules.lock` cannot be used, so that what it says of other modules would be lost. Nothing was changed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ProjectLockError {
    /// It cannot be read.
    #[error("the project's lock cannot be read")]
    Disk(#[from] DiskError),
    /// It does not say what it should.
    #[error("{} cannot be understood", path.display())]
    Parse {
        /// The file.
        path: PathBuf,
        /// Where and why.
        source: ParseLockfileError,
    },
}

/// The lock of these bindings.
pub(crate) fn lock_of<'a>(
    modules: impl IntoIterator<Item = (&'a ModuleName, &'a Binding)>,
) -> Lockfile {
    let locked = |(module, binding): (&ModuleName, _)| Some((module.clone(), locked(binding)?));
    Lockfile { modules: modules.into_iter().filter_map(locked).collect() }
}

/// The file that goes along with a switch to `state`, and its text.
pub(crate) fn companion_of(layout: &Layout, state: &State) -> (PathBuf, String) {
    let changes = state.head().into_iter().flat_map(|head| &head.changes);
    let changes = changes.map(|(module, to)| (module, to.as_ref()));
    (layout.modules_lock(), next_lock(layout, state.modules(), changes).print())
}

/// The lock that goes along with these changes: that of all bindings `after` them. A project's is its people's, and may
/// say more, or be newer, than what this store has; so only what the changes are about is changed in it.
pub(super) fn next_lock<'a>(
    layout: &Layout,
    after: impl IntoIterator<Item = (&'a ModuleName, &'a Binding)>,
    changes: impl Iterator<Item = (&'a ModuleName, Option<&'a Binding>)>,
) -> Lockfile {
    let Ok(Some(mut lock)) = project_lock(layout) else { return lock_of(after) };
    changes.for_each(|(module, to)| relock(&mut lock, module, to));
    lock
}

/// Makes the lock say of a module what it is bound to.
pub(crate) fn relock(lock: &mut Lockfile, module: &ModuleName, to: Option<&Binding>) {
    match to.and_then(locked) {
        Some(locked) => lock.modules.insert(module.clone(), locked),
        None => lock.modules.remove(module),
    };
}

/// The `modules.lock` of a project, if this is one and has it.
///
/// # Errors
/// It is there and cannot be used.
pub(crate) fn project_lock(layout: &Layout) -> Result<Option<Lockfile>, ProjectLockError> {
    let path = layout.modules_lock();
    if layout.project().is_none() {
        return Ok(None);
    }
    let Some(bytes) = read_linked_if_there(&path)? else { return Ok(None) };
    let read = Lockfile::parse(&String::from_utf8_lossy(&bytes));
    read.map(Some).map_err(|source| ProjectLockError::Parse { path, source })
}

/// What one module is locked to. A module whose source is not known any more cannot be.
fn locked(binding: &Binding) -> Option<Locked> {
    let source = binding.source.source().filter(|source| source.locking() != Locking::Never)?;
    match MadeFrom::of(&binding.bound) {
        MadeFrom::Entry { digest, subdirectory, fetched } => Some(Locked {
            source: source.clone(),
            origin: fetched.as_ref().map(|from| from.origin.clone()),
            revision: fetched.as_ref().map(|from| from.revision),
            reference: fetched.and_then(|from| from.reference),
            digest,
            subdirectory,
        }),
        MadeFrom::Directory { .. } => None,
    }
}
