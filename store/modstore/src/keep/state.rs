//! `state/<module>/` on the disk: what lies there, what upstream had when that was put there, and its end.

use std::{
    os::unix::ffi::OsStringExt as _,
    path::{Path, PathBuf},
};

use gix::bstr::BString;

use crate::{
    disk::{Disk, DiskError, Layout, is_directory, names_in, read_own},
    model::{Manifest, ModuleName},
};

/// What upstream had at the kept paths when that was last put there, by the path in the state. None where nothing was, or
/// where it cannot be read: then nothing is taken for unchanged.
pub(super) fn seeded(layout: &Layout, module: &ModuleName) -> Manifest {
    let bytes = read_own(&layout.seeded(module)).ok();
    bytes.and_then(|bytes| Manifest::from_bytes(&bytes).ok()).unwrap_or_default()
}

/// The names in a directory of a module's state. No link is followed.
pub(crate) fn names_stored(layout: &Layout, module: &ModuleName, directory: &str) -> Vec<BString> {
    let state = layout.state(module);
    match within(&state, Path::new(directory)) {
        Some(at) => {
            let names = names_in(&at).unwrap_or_default();
            names.into_iter().map(|name| name.into_vec().into()).collect()
        }
        None => Vec::new(),
    }
}

/// A directory below `state`, if it is there and no link is on the way.
fn within(state: &Path, directory: &Path) -> Option<PathBuf> {
    let mut at = state.to_owned();
    let mut is_there = is_directory(&at);
    for step in directory.components() {
        at.push(step);
        is_there = is_there && is_directory(&at);
    }
    is_there.then_some(at)
}

/// Makes a directory of the state and those that it lies in. Says whether it is there: something else may be in its
/// place, which stays.
pub(super) fn room(disk: &Disk, state: &Path, directory: &Path) -> Result<bool, DiskError> {
    let mut at = state.to_owned();
    let mut steps = directory.components();
    loop {
        match at.symlink_metadata() {
            Ok(there) if there.is_dir() => {}
            Ok(_) => return Ok(false),
            Err(_) => disk.create_dir(&at)?,
        }
        match steps.next() {
            Some(step) => at.push(step),
            None => return Ok(true),
        }
    }
}

/// The modules that have a state, whether they are in the store or not.
///
/// # Errors
/// The directory cannot be read.
pub(crate) fn states(layout: &Layout) -> Result<Vec<ModuleName>, DiskError> {
    let names = names_in(&layout.states())?.into_iter();
    let mut modules: Vec<ModuleName> =
        names.filter_map(|name| name.to_str()?.parse().ok()).collect();
    modules.sort();
    Ok(modules)
}

/// Deletes what a module has written. Only a person wishes that.
///
/// # Errors
/// Some of it may be gone; doing it again goes on.
pub(crate) fn forget(disk: &Disk, layout: &Layout, module: &ModuleName) -> Result<(), DiskError> {
    disk.remove_tree(&layout.state(module))?;
    disk.remove_file(&layout.seeded(module))?;
    disk.sync_dir(&layout.states())
}
