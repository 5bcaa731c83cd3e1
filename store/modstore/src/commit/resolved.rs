//! What `modules.lock` says of a state: derived, and written again after every transaction.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};

use super::state::State;
use crate::{
    disk::Layout,
    model::{Binding, Bound, Locked, Lockfile, ModuleName, Source},
};

/// The lock of these bindings. Linked modules are never locked.
pub(crate) fn lock_of(modules: &BTreeMap<&str, &Binding>) -> Lockfile {
    let locked = |(module, binding): (&&str, &&Binding)| {
        Some((module.parse::<ModuleName>().ok()?, locked(binding)?))
    };
    Lockfile { modules: modules.iter().filter_map(locked).collect() }
}

/// The file that goes along with a switch to `state`, and what it says then.
pub(crate) fn companion_of(layout: &Layout, state: &State) -> (PathBuf, String) {
    let modules = state.modules().iter().map(|(module, binding)| (module.as_str(), binding));
    (layout.modules_lock(), lock_of(&modules.collect()).print())
}

fn locked(binding: &Binding) -> Option<Locked> {
    let bound = binding.bound.unbuilt();
    let Bound::Entry { digest, subdirectory, fetched } = &bound else { return None };
    Some(Locked {
        source: Source::parse(&binding.source, Path::new("/"), None).ok()?,
        origin: fetched.as_ref().and_then(|fetched| fetched.origin.parse().ok()),
        reference: fetched.as_ref().and_then(|fetched| fetched.reference.clone()),
        revision: fetched.as_ref().and_then(|fetched| fetched.revision.parse().ok()),
        digest: *digest,
        subdirectory: subdirectory.as_ref().and_then(|below| below.parse().ok()),
    })
}
