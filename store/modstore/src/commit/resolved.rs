//! `modules.lock` of a state: derived, and written again after every transaction.

use std::path::PathBuf;

use super::state::State;
use crate::{
    disk::Layout,
    model::{Binding, Locked, Lockfile, Locking, MadeFrom, ModuleName},
};

/// The lock of these bindings.
pub(crate) fn lock_of<'a>(
    modules: impl IntoIterator<Item = (&'a ModuleName, &'a Binding)>,
) -> Lockfile {
    let locked = |(module, binding): (&ModuleName, _)| Some((module.clone(), locked(binding)?));
    Lockfile { modules: modules.into_iter().filter_map(locked).collect() }
}

/// The file that goes along with a switch to `state`, and its text.
pub(crate) fn companion_of(layout: &Layout, state: &State) -> (PathBuf, String) {
    (layout.modules_lock(), lock_of(state.modules()).print())
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
