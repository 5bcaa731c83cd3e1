//! A temporary `.pth` file that keeps modules importable while an installer replaces their stand-ins.
//!
//! An installer removes everything that it is about to install again, and only then installs it: an interpreter that
//! starts in between finds none of it (uv, ten at once: 12 of 32 starts). So during the call, a file of ours in the
//! environment's site directory has the same lines; Python puts no path on the import path twice. It belongs to no
//! distribution, so that no installer touches it, and it is removed when the environment is up to date.
//!
//! It does not help `importlib.metadata`, which misses the modules for that time.

use std::path::{Path, PathBuf};

use modstore_core::{
    disk::{Disk, DiskError},
    model::ModuleName,
};

use super::{
    registration::{Installed, Registration},
    stand_in::site_file,
};

/// The name of the file; Python reads every `.pth` file of a site directory.
const NAME: &str = "_modstore_installing.pth";
/// Its name until it is complete.
const SPARE: &str = "_modstore_installing.new";

fn place(registration: &Registration, name: &str) -> Option<PathBuf> {
    registration.site.first().map(|site| site.join(name))
}

/// Writes the file for these modules of the environment. `home` is the store's, resolved.
///
/// # Errors
/// There is none, or an older one.
pub(crate) fn write<'m>(
    disk: &Disk,
    home: &Path,
    registration: &Registration,
    modules: impl Iterator<Item = (&'m ModuleName, &'m Installed)>,
) -> Result<(), DiskError> {
    let (Some(place), Some(spare)) = (place(registration, NAME), place(registration, SPARE)) else {
        return Ok(());
    };
    let text: String =
        modules.map(|(module, installed)| site_file(home, module, installed).1).collect();
    remove_if_there(disk, &spare)?;
    disk.create_file(&spare, text.as_bytes())?;
    disk.rename(&spare, &place)
}

/// Whether the file is there: an installer is at work, or the process that had started it was killed.
#[must_use]
pub fn is_interrupted(registration: &Registration) -> bool {
    place(registration, NAME).is_some_and(|place| place.symlink_metadata().is_ok())
}

/// Removes the file.
///
/// # Errors
/// It is still there.
pub(crate) fn remove(disk: &Disk, registration: &Registration) -> Result<(), DiskError> {
    [NAME, SPARE]
        .iter()
        .filter_map(|name| place(registration, name))
        .try_for_each(|path| remove_if_there(disk, &path))
}

fn remove_if_there(disk: &Disk, path: &Path) -> Result<(), DiskError> {
    if path.symlink_metadata().is_ok() { disk.remove_file(path) } else { Ok(()) }
}
