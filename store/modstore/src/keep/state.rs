//! `state/<module>/` on the disk: what lies there, what upstream had when that was put there, and its end.

use std::{
    collections::BTreeSet,
    io::ErrorKind,
    os::unix::{ffi::OsStringExt as _, fs::PermissionsExt as _},
    path::{Path, PathBuf},
};

use gix::bstr::BString;

use crate::{
    disk::{Disk, DiskError, Layout, is_directory, names_in, read_own},
    model::{KeptPath, Manifest, ModuleName},
};

/// What upstream had at the kept paths when that was last put there, by the path in the state. None where nothing was, or
/// where it cannot be read: then nothing is taken for unchanged.
pub(super) fn seeded(layout: &Layout, module: &ModuleName) -> Manifest {
    read_seeded(layout, module).unwrap_or_default()
}

/// The same; none if it is not there or cannot be read.
pub(super) fn read_seeded(layout: &Layout, module: &ModuleName) -> Option<Manifest> {
    let bytes = read_own(&layout.seeded(module)).ok();
    bytes.and_then(|bytes| Manifest::from_bytes(&bytes).ok())
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

/// Makes a directory of the state and those that it lies in, and notes in `touched` in which directories names have come.
/// Says whether it is there: something else may be in its place, which stays.
pub(super) fn room(
    disk: &Disk,
    (state, directory): (&Path, &Path),
    touched: &mut BTreeSet<PathBuf>,
) -> Result<bool, DiskError> {
    let mut at = state.to_owned();
    let mut steps = directory.components();
    loop {
        match at.symlink_metadata() {
            Ok(there) if there.is_dir() => {}
            Ok(_) => return Ok(false),
            Err(_) => {
                disk.create_dir(&at)?;
                touched.extend(at.parent().map(Path::to_owned));
            }
        }
        match steps.next() {
            Some(step) => at.push(step),
            None => return Ok(true),
        }
    }
}

/// What its owner needs to have a module write into a directory.
pub(super) const NEEDED: u32 = 0o700;

/// Something that is wrong with a module's state.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum StateFault {
    /// A directory that the module's links lead to is not there, so the module cannot write.
    Missing,
    /// Something else is in its place, or a link that leads nowhere.
    Replaced,
    /// Its owner may not use it.
    Closed,
    /// What upstream shipped into it is no longer known.
    Note,
}

/// The directory of the state that has to be there for a point.
pub(super) fn directory_of(point: &KeptPath) -> &Path {
    let path = point.path.as_path();
    if point.is_directory { path } else { path.parent().unwrap_or(Path::new("")) }
}

/// The first directory on the way from `states` to `directory` that cannot be used as it is. A link to a directory that a
/// person has put in the place of one is their choice: the module reaches it, and nothing is looked at behind it.
pub(super) fn first_fault(states: &Path, directory: &Path) -> Option<(PathBuf, StateFault)> {
    let mut at = states.to_owned();
    for step in directory.strip_prefix(states).ok()? {
        at.push(step);
        let fault = match at.symlink_metadata() {
            Ok(there) if there.is_dir() && there.permissions().mode() & NEEDED == NEEDED => {
                continue;
            }
            Ok(there) if there.is_dir() => StateFault::Closed,
            Ok(there) if there.is_symlink() && at.is_dir() => return None,
            Err(error) if error.kind() == ErrorKind::NotFound => StateFault::Missing,
            _ => StateFault::Replaced,
        };
        return Some((at, fault));
    }
    None
}

/// Those of these points whose directories are gone.
pub(super) fn lost<'a>(
    layout: &Layout,
    module: &ModuleName,
    points: &'a [KeptPath],
) -> Vec<&'a KeptPath> {
    let (states, state) = (layout.states(), layout.state(module));
    let is_lost = |point: &&KeptPath| {
        let fault = first_fault(&states, &state.join(directory_of(point)));
        fault.is_some_and(|(_, fault)| fault == StateFault::Missing)
    };
    points.iter().filter(is_lost).collect()
}

/// Whether a directory is gone that a module's links lead to.
pub(crate) fn is_lost(layout: &Layout, module: &ModuleName, points: &[KeptPath]) -> bool {
    !lost(layout, module, points).is_empty()
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
