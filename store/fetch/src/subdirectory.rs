//! Whether a tree has the part of it that is wanted.
//!
//! Limits: says nothing about submodules in that part; they are git's alone.

use std::collections::BTreeSet;

use gix::bstr::ByteSlice as _;
use modstore_core::model::{Manifest, Subdirectory, nearest};

use crate::errors::AcquireError;

/// Checks that `subdirectory`, if there is one, is a directory of the tree.
///
/// # Errors
/// [`AcquireError::NoSubdirectory`], with the directories that may have been meant.
pub fn check_subdirectory(
    manifest: &Manifest,
    subdirectory: Option<&Subdirectory>,
) -> Result<(), AcquireError> {
    match subdirectory {
        Some(wanted) if manifest.below(wanted.as_str().into()).is_empty() => {
            let directories = directories_like(manifest, wanted);
            Err(AcquireError::NoSubdirectory { subdirectory: wanted.clone(), directories })
        }
        _ => Ok(()),
    }
}

/// Up to five directories: those that end like `wanted`, the one spelled most like it, the top ones.
fn directories_like(manifest: &Manifest, wanted: &Subdirectory) -> Vec<String> {
    let all: BTreeSet<_> = manifest
        .files()
        .iter()
        .flat_map(|file| {
            file.path
                .find_iter("/")
                .map(|end| file.path.get(..end).unwrap_or_default().to_str_lossy())
        })
        .collect();
    let alike = all.iter().filter(|path| path.rsplit('/').next() == Some(wanted.file_name()));
    let near = nearest(wanted.as_str(), all.iter().map(AsRef::as_ref));
    let top = all.iter().filter(|path| !path.contains('/')).map(AsRef::as_ref);
    let mut found: Vec<String> = Vec::new();
    for path in alike.map(AsRef::as_ref).chain(near).chain(top) {
        if found.iter().all(|other| other != path) {
            found.push(path.to_owned());
        }
    }
    found.truncate(5);
    found
}
