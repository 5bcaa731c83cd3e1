//! The state of a module made usable again. Nothing in it is deleted: what is in the place of a directory is kept beside
//! it, under `<name>.replaced-<random>`.

use std::{
    ffi::OsString,
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
};

use super::{
    faults::state_faults,
    settle::{make_room, note_as_known, settle},
    state::{NEEDED, StateFault},
};
use crate::{
    disk::{Barrier, Disk, DiskError, Layout, Staging, is_directory, random_name},
    model::{Kept, ModuleName},
};

/// A fault of a module's state that was repaired.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct RepairedState {
    /// Where it was.
    pub(crate) path: PathBuf,
    /// What it was.
    pub(crate) fault: StateFault,
    /// Where the thing is now that was in its place.
    pub(crate) beside: Option<PathBuf>,
}

/// Each round repairs the outermost fault of each chain of directories: more than a kept path has.
const ROUNDS: usize = 1024;

/// Repairs all that is wrong with the state of a module. Where a directory was gone, what upstream ships there comes again:
/// nothing in it was deleted by the module.
///
/// # Errors
/// Doing it again goes on.
pub(crate) fn repair_state(
    (disk, layout, barrier): (&Disk, &Layout, Barrier),
    staging: &Staging,
    module: &ModuleName,
    kept: &Kept,
) -> Result<Vec<RepairedState>, DiskError> {
    let mut repaired: Vec<RepairedState> = Vec::new();
    for _ in 0..ROUNDS {
        let faults = state_faults(layout, module, kept);
        let (missing, others): (Vec<_>, Vec<_>) =
            faults.into_iter().partition(|(_, fault)| *fault == StateFault::Missing);
        for (path, fault) in &others {
            let beside = match fault {
                StateFault::Closed => open_up(disk, path).map(|()| None)?,
                StateFault::Note => {
                    let beside = set_beside(disk, path)?;
                    note_as_known((disk, layout), staging, module, kept)?;
                    beside
                }
                StateFault::Replaced | StateFault::Missing => set_beside(disk, path)?,
            };
            repaired.push(RepairedState { path: path.clone(), fault: *fault, beside });
        }
        if others.is_empty() {
            settle((disk, layout, barrier), staging, module, kept)?;
            // Where the source's tree is not what it should be, there is at least a place to write to.
            make_room(disk, layout, module, &kept.paths)?;
            for (path, fault) in missing.into_iter().filter(|(path, _)| is_directory(path)) {
                if repaired.iter().all(|repaired| repaired.path != path) {
                    repaired.push(RepairedState { path, fault, beside: None });
                }
            }
            break;
        }
    }
    Ok(repaired)
}

fn open_up(disk: &Disk, path: &Path) -> Result<(), DiskError> {
    let mode = path.symlink_metadata().map_or(0, |there| there.permissions().mode());
    disk.set_mode(path, (mode | NEEDED) & 0o777)
}

/// Renames a thing to a free name beside its own, if it is there.
fn set_beside(disk: &Disk, path: &Path) -> Result<Option<PathBuf>, DiskError> {
    if path.symlink_metadata().is_err() {
        return Ok(None);
    }
    let mut name = OsString::from(path.file_name().unwrap_or_default());
    name.push(format!(".replaced-{}", random_name(path)?));
    let beside = path.with_file_name(name);
    disk.move_tree(path, &beside)?;
    disk.sync_dir(path.parent().unwrap_or(Path::new("/")))?;
    Ok(Some(beside))
}
