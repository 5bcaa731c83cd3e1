//! `modules.lock` of a state: derived, and written again after every transaction.

use std::{cell::LazyCell, path::PathBuf};

use super::state::{BuiltOn, State};
use crate::{
    disk::{DiskError, Layout, read_linked_if_there},
    model::{
        Binding, Bound, Locked, LockedBuild, Lockfile, Locking, MadeFrom, ModuleName,
        ParseLockfileError, Platform,
    },
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

/// The lock of these bindings. What `before` says of what was built elsewhere stays, where the source is the same.
pub(crate) fn lock_of<'a>(
    modules: impl IntoIterator<Item = (&'a ModuleName, &'a Binding)>,
    built_on: &BuiltOn,
    before: impl FnOnce() -> Option<Lockfile>,
) -> Lockfile {
    // It is read only where something is built.
    let before = LazyCell::new(before);
    let earlier = |module| before.as_ref().and_then(|before| before.modules.get(module));
    let locked = |(module, binding): (&'a ModuleName, _)| {
        let mut locked = locked(binding, built_on)?;
        if let Some(earlier) = is_built(binding).then(|| earlier(module)).flatten() {
            keep_built(&mut locked, earlier, false);
        }
        Some((module.clone(), locked))
    };
    Lockfile { modules: modules.into_iter().filter_map(locked).collect() }
}

/// The file that goes along with a switch to `state`, and its text.
pub(crate) fn companion_of(layout: &Layout, state: &State) -> (PathBuf, String) {
    let changes = state.head().into_iter().flat_map(|head| &head.changes);
    let changes = changes.map(|(module, to)| (module, to.as_ref()));
    let lock = next_lock(layout, (state.modules(), state.built_on()), changes);
    (layout.modules_lock(), lock.print())
}

/// The lock that goes along with these changes: that of all bindings `after` them. A project's is its people's, and may
/// say more, or be newer, than what this store has; so only what the changes are about is changed in it.
pub(super) fn next_lock<'a>(
    layout: &Layout,
    (after, built_on): (impl IntoIterator<Item = (&'a ModuleName, &'a Binding)>, &BuiltOn),
    changes: impl Iterator<Item = (&'a ModuleName, Option<&'a Binding>)>,
) -> Lockfile {
    let mut lock = match project_lock(layout) {
        Ok(Some(lock)) => lock,
        _ => lock_of(after, built_on, || lock_there(layout)),
    };
    changes.for_each(|(module, to)| relock(&mut lock, module, (to, built_on), true));
    lock
}

/// The lock that lies there, if it can be read: what it says of other machines is all that is taken of it.
pub(crate) fn lock_there(layout: &Layout) -> Option<Lockfile> {
    read(layout).ok().flatten()
}

/// Makes the lock say of a module what it is bound to. `is_new`: whether it has just become that, so that what was built now
/// takes the place of what was built of the same before.
pub(crate) fn relock(
    lock: &mut Lockfile,
    module: &ModuleName,
    (to, built_on): (Option<&Binding>, &BuiltOn),
    is_new: bool,
) {
    let now = to.and_then(|to| Some((to, locked(to, built_on)?)));
    let Some((binding, mut now)) = now else { return drop(lock.modules.remove(module)) };
    if let Some(before) = lock.modules.get(module).filter(|_| is_built(binding)) {
        keep_built(&mut now, before, is_new);
    }
    lock.modules.insert(module.clone(), now);
}

/// Keeps what was built on other platforms of the same source; and on this one, if it was of the same and is not `is_new`: two
/// builds may differ, and then each machine that looks would write its own.
fn keep_built(now: &mut Locked, before: &Locked, is_new: bool) {
    if !now.is_same_source(before) {
        return;
    }
    for (platform, earlier) in &before.built {
        let own = now.built.get(platform);
        if own.is_none_or(|own| own.inputs == earlier.inputs && !is_new) {
            now.built.insert(platform.clone(), earlier.clone());
        }
    }
}

const fn is_built(binding: &Binding) -> bool {
    matches!(binding.bound, Bound::Built(_))
}

/// The `modules.lock` of a project, if this is one and has it.
///
/// # Errors
/// It is there and cannot be used.
pub(crate) fn project_lock(layout: &Layout) -> Result<Option<Lockfile>, ProjectLockError> {
    if layout.project().is_none() { Ok(None) } else { read(layout) }
}

fn read(layout: &Layout) -> Result<Option<Lockfile>, ProjectLockError> {
    let path = layout.modules_lock();
    let Some(bytes) = read_linked_if_there(&path)? else { return Ok(None) };
    let read = Lockfile::parse(&String::from_utf8_lossy(&bytes));
    read.map(Some).map_err(|source| ProjectLockError::Parse { path, source })
}

/// What one module is locked to. A module whose source is not known any more cannot be.
fn locked(binding: &Binding, built_on: &BuiltOn) -> Option<Locked> {
    let source = binding.source.source().filter(|source| source.locking() != Locking::Never)?;
    match MadeFrom::of(&binding.bound) {
        MadeFrom::Entry { digest, subdirectory, fetched } => Some(Locked {
            source: source.clone(),
            origin: fetched.as_ref().map(|from| from.origin.clone()),
            revision: fetched.as_ref().map(|from| from.revision),
            reference: fetched.and_then(|from| from.reference),
            digest,
            subdirectory,
            built: built(binding, built_on).into_iter().collect(),
        }),
        MadeFrom::Directory { .. } => None,
    }
}

/// What was built, and where, as far as a lock may name it.
fn built(binding: &Binding, built_on: &BuiltOn) -> Option<(Platform, LockedBuild)> {
    let Bound::Built(built) = &binding.bound else { return None };
    let platform = built_on.get(&(built.digest, built.key))?.clone();
    let (digest, inputs, read) = (built.digest, built.key, built.read.clone());
    Some((platform, LockedBuild { digest, inputs, read }))
}
