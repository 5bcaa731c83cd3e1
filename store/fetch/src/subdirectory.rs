//! The part of a tree that is wanted: a directory or a file, or a link to one.
//!
//! Limits: says nothing about submodules in that part; they are git's alone.

use std::{collections::BTreeSet, path::Path};

use gix::bstr::ByteSlice as _;
use modstore_core::{
    disk::part_of,
    model::{Manifest, Subdirectory, TreePart, TreePartError, nearest},
};

use crate::errors::AcquireError;

/// What `subdirectory`, or else the whole, is in the tree at `root`.
///
/// # Errors
/// [`AcquireError::NoSubdirectory`], with the link that leads nowhere, or the directories that may have been meant.
pub fn find_part(
    root: &Path,
    manifest: &Manifest,
    subdirectory: Option<&Subdirectory>,
) -> Result<TreePart, AcquireError> {
    let Some(wanted) = subdirectory else { return Ok(TreePart::Directory(String::new())) };
    part_of(root, manifest, wanted).map_err(|error| {
        let (directories, link) = match error {
            TreePartError::Missing => (directories_like(manifest, wanted), None),
            link => (Vec::new(), Some(link)),
        };
        AcquireError::NoSubdirectory { subdirectory: wanted.clone(), directories, link }
    })
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
