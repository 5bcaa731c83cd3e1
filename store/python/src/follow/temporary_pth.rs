//! The bridge: what keeps modules importable while an installer exchanges their stand-ins.
//!
//! An installer takes away all that it is about to install again, and then installs it: an interpreter that starts in
//! between finds none of it (uv, ten at once: 12 of 32 starts). So while it works, a file of ours in the environment's
//! site has the same lines; Python puts no path on the import path twice. It belongs to no distribution, so that no
//! installer touches it, and it is gone when the environment is settled.
//!
//! What `importlib.metadata` tells is still missing for that time.

use std::path::{Path, PathBuf};

use modstore_core::{
    disk::{Disk, DiskError},
    model::ModuleName,
};

use super::{
    registration::{Installed, Registration},
    stand_in::site_file,
};

/// The name of the file; Python reads every `.pth` file of a site.
const NAME: &str = "_modstore_installing.pth";
/// What it is called until it is whole.
const SPARE: &str = "_modstore_installing.new";

fn place(registration: &Registration, name: &str) -> Option<PathBuf> {
    registration.site.first().map(|site| site.join(name))
}

/// Puts up a bridge for these modules of the environment. `home` is the store's, resolved.
///
/// # Errors
/// There is none, or an older one.
pub(crate) fn put_up<'m>(
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
    remove(disk, &spare)?;
    disk.create_file(&spare, text.as_bytes())?;
    disk.rename(&spare, &place)
}

/// Whether there is one: an installer works, or whoever had started it was killed.
#[must_use]
pub fn is_up(registration: &Registration) -> bool {
    place(registration, NAME).is_some_and(|place| place.symlink_metadata().is_ok())
}

/// Takes it away.
///
/// # Errors
/// It is still there.
pub(crate) fn take_away(disk: &Disk, registration: &Registration) -> Result<(), DiskError> {
    [NAME, SPARE]
        .iter()
        .filter_map(|name| place(registration, name))
        .try_for_each(|path| remove(disk, &path))
}

fn remove(disk: &Disk, path: &Path) -> Result<(), DiskError> {
    if path.symlink_metadata().is_ok() { disk.remove_file(path) } else { Ok(()) }
}
