//! Whether a live tree is what git checks out: same names, same bytes, same executables and links.
//!
//! Limits: a `.git` and prek's mark at the top of the live tree are passed over; times and owners do not count.

use std::collections::BTreeSet;
use std::ffi::OsString;
use std::fs::{self, Metadata};
use std::io;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

/// The first difference found, as an error.
pub(crate) fn same(expected: &Path, live: &Path) -> Result<(), String> {
    let told = |error: io::Error| format!("{}: {error}", live.display());
    let mut live_names = names(live).map_err(told)?;
    for own in [".git", ".prek-repo.json"] {
        live_names.remove(&OsString::from(own));
    }
    // The top may be a link, as a stable path is.
    let live = fs::canonicalize(live).map_err(told)?;
    same_names(expected, &live, &live_names)
}

fn same_names(expected: &Path, live: &Path, found: &BTreeSet<OsString>) -> Result<(), String> {
    let wanted = names(expected).map_err(|error| format!("{}: {error}", expected.display()))?;
    if let Some(name) = wanted.symmetric_difference(found).next() {
        return Err(format!("{} is missing, or too much", live.join(name).display()));
    }
    found.iter().try_for_each(|name| same_item(&expected.join(name), &live.join(name)))
}

fn same_item(expected: &Path, live: &Path) -> Result<(), String> {
    let told = |error: io::Error| format!("{}: {error}", live.display());
    let (wanted, found) =
        (expected.symlink_metadata().map_err(told)?, live.symlink_metadata().map_err(told)?);
    let same = if wanted.file_type() != found.file_type() {
        false
    } else if wanted.is_dir() {
        return same_names(expected, live, &names(live).map_err(told)?);
    } else if wanted.is_symlink() {
        fs::read_link(expected).map_err(told)? == fs::read_link(live).map_err(told)?
    } else {
        executable(&wanted) == executable(&found)
            && fs::read(expected).map_err(told)? == fs::read(live).map_err(told)?
    };
    if same { Ok(()) } else { Err(format!("{} is not what git checks out", live.display())) }
}

fn executable(file: &Metadata) -> bool {
    file.permissions().mode() & 0o100 != 0
}

fn names(dir: &Path) -> io::Result<BTreeSet<OsString>> {
    fs::read_dir(dir)?.map(|child| Ok(child?.file_name())).collect()
}
