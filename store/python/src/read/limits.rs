//! How much is read of a file of an environment, a project or a host: whatever its size and kind, an answer comes at
//! once and without much memory.
//!
//! The files that installers write are small; longer ones count as unparsed. Links are followed, as Python and installers
//! do.

use std::{fs::File, path::Path};

use modstore_core::disk::{DiskError, Verb, read_regular, read_regular_at};

/// Most bytes of a file that points somewhere: `.pth`, `.start`, `.egg-link`, `direct_url.json`.
pub(super) const POINTING: u64 = 1 << 20;

/// Most bytes of any other file: a finder, `METADATA`, `RECORD`, settings of a project.
pub(super) const LONGEST: u64 = 8 << 20;

/// Most pointers in one site directory.
pub(super) const POINTERS: usize = 10_000;

/// Most files that are read in one site directory because they may lead elsewhere.
pub(super) const POINTING_FILES: usize = 2000;

/// Most files of one distribution.
pub(super) const RECORDED: usize = 200_000;

/// The regular file `path`, of `limit` bytes at most; `None` when there is none.
pub(super) fn read(path: &Path, limit: u64) -> Result<Option<Vec<u8>>, DiskError> {
    match read_regular(path, limit) {
        Ok(bytes) => Ok(Some(bytes)),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(DiskError::new(Verb::Read, path, error)),
    }
}

/// The same of the file `name` below an open directory whose path is `site`.
pub(super) fn read_at(
    (site, directory): (&Path, &File),
    name: &Path,
    limit: u64,
) -> Result<Option<Vec<u8>>, DiskError> {
    match read_regular_at(directory, name, limit) {
        Ok(bytes) => Ok(Some(bytes)),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(DiskError::new(Verb::Read, site.join(name), error)),
    }
}

/// The regular file `path`, of 8 MiB at most; `None` when there is none.
///
/// # Errors
/// When it is there and something else, longer, or cannot be read.
pub fn small_if_there(path: &Path) -> Result<Option<Vec<u8>>, DiskError> {
    read(path, LONGEST)
}

/// The regular file `path`, if it can be read and has 8 MiB at most.
#[must_use]
pub fn small_bytes(path: &Path) -> Option<Vec<u8>> {
    read_regular(path, LONGEST).ok()
}

/// The text of the regular file `path`, if it can be read and has 8 MiB at most.
#[must_use]
pub fn small_text(path: &Path) -> Option<String> {
    String::from_utf8(small_bytes(path)?).ok()
}
