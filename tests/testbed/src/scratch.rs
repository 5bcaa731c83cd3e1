//! A temporary directory that is removed with its value, read-only directories in it too.

use std::{
    fs, io,
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
};

use tempfile::TempDir;

/// The directory.
#[derive(Debug)]
pub struct Scratch {
    // None only once it is kept.
    place: Option<TempDir>,
    path: PathBuf,
}

impl Scratch {
    /// A new one, in `below` or where temporary files are.
    ///
    /// # Errors
    /// When it cannot be made.
    pub fn new(prefix: &str, below: Option<&Path>) -> io::Result<Self> {
        let mut builder = tempfile::Builder::new();
        let builder = builder.prefix(prefix);
        let place = below.map_or_else(|| builder.tempdir(), |below| builder.tempdir_in(below))?;
        // git takes paths literally, and they are printed: no links on the way, such as macOS has.
        let path = fs::canonicalize(place.path())?;
        Ok(Self { place: Some(place), path })
    }

    /// Its path, without symbolic links.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Leaves the directory where it is.
    pub fn keep(mut self) {
        if let Some(place) = self.place.take() {
            let _ = place.keep();
        }
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        if let Some(place) = self.place.take() {
            make_writable(&self.path);
            // It is in the directory for temporary files, where others clean up too.
            let _ = place.close();
        }
    }
}

fn make_writable(path: &Path) {
    if !fs::symlink_metadata(path).is_ok_and(|metadata| metadata.is_dir()) {
        return;
    }
    // A directory that cannot be changed here cannot be removed either, which shows then.
    let _ = fs::set_permissions(path, fs::Permissions::from_mode(0o700));
    for child in fs::read_dir(path).into_iter().flatten().flatten() {
        make_writable(&child.path());
    }
}
