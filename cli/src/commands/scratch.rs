//! A temporary directory that goes with the value, also when a store with read-only trees is in it.

use std::{
    fs, io,
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
};

use crate::exit::Exit;
use tempfile::TempDir;

use crate::report::Failure;

/// The directory.
#[derive(Debug)]
pub(super) struct Scratch {
    // None only once it is kept.
    place: Option<TempDir>,
    path: PathBuf,
}

impl Scratch {
    /// A new one, in `below` or where temporary files are.
    pub(super) fn new(prefix: &str, below: Option<&Path>) -> Result<Self, Failure> {
        let mut builder = tempfile::Builder::new();
        let builder = builder.prefix(prefix);
        let place = below.map_or_else(|| builder.tempdir(), |below| builder.tempdir_in(below));
        let place = place.map_err(|error| cannot("make a temporary directory", &error))?;
        // git takes paths literally, and they are shown: no links on the way, such as macOS has.
        let path = fs::canonicalize(place.path())
            .map_err(|error| cannot("use the temporary directory", &error))?;
        Ok(Self { place: Some(place), path })
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Leaves the directory where it is.
    pub(super) fn keep(mut self) {
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

/// Lets the read-only directories of a store's entries be removed.
fn make_writable(path: &Path) {
    if !fs::symlink_metadata(path).is_ok_and(|metadata| metadata.is_dir()) {
        return;
    }
    // What cannot be changed here cannot be removed either, which is then found out.
    let _ = fs::set_permissions(path, fs::Permissions::from_mode(0o700));
    for child in fs::read_dir(path).into_iter().flatten().flatten() {
        make_writable(&child.path());
    }
}

/// What a command needed of the system and could not have.
pub(super) fn cannot(what: &str, error: &io::Error) -> Failure {
    Failure::new(Exit::Failed, format!("could not {what}")).because(vec![error.to_string()])
}
