//! What a build has made, taken in as a tree like any other: read-only, with times from its content, and with nothing in
//! it that no entry may have.

use std::{os::unix::ffi::OsStrExt as _, path::Path};

use gix::bstr::{BStr, BString, ByteSlice as _};

use modstore_fetch::{RefusedTree, check_link, check_name, first_that_leaves};

use super::{
    error::BuildError,
    inputs::{on_disk, walk},
};
use crate::{
    disk::{Disk, DiskError, Planting, Staged, Staging},
    model::{FileKind, Manifest, TreeFile},
};

/// Stages the tree, or the one file, at `output`.
///
/// # Errors
/// The tree is not to be used.
pub(super) fn stage(
    disk: &Disk,
    staging: &Staging,
    output: &Path,
    name: &str,
) -> Result<Staged, BuildError> {
    let nothing = || BuildError::NoOutput { output: name.to_owned() };
    let mut found: Vec<(BString, FileKind)> = Vec::new();
    let (root, is_file) = match output.symlink_metadata() {
        Ok(meta) if meta.is_dir() => (output, false),
        Ok(meta) if meta.is_file() => (output.parent().ok_or_else(nothing)?, true),
        _ => return Err(nothing()),
    };
    walk(root, &BString::default(), &mut |path, from, kind| {
        if !is_file || from == output {
            found.push((path.to_owned(), kind));
        }
        Ok(())
    })
    .map_err(BuildError::Keep)?;
    if found.is_empty() {
        return Err(nothing());
    }
    found.sort_by(|a, b| a.0.cmp(&b.0));
    found.iter().try_for_each(|(path, kind)| check(root, path.as_bstr(), *kind))?;
    check_links(staging, links(root, &found))?;
    plant(disk, staging, root, &found).map_err(BuildError::Keep)
}

fn check(root: &Path, path: &BStr, kind: FileKind) -> Result<(), BuildError> {
    let refuse = |reason| BuildError::Refused(RefusedTree { path: path.to_owned(), reason });
    let is_link = kind == FileKind::Symlink;
    for name in path.split_str("/") {
        check_name(name.as_bstr(), is_link).map_err(refuse)?;
    }
    if is_link {
        let text = std::fs::read_link(on_disk(root, path)).unwrap_or_default();
        check_link(path, text.as_os_str().as_bytes().as_bstr()).map_err(refuse)?;
    }
    Ok(())
}

/// The links among these, and where they lead.
fn links(root: &Path, found: &[(BString, FileKind)]) -> Vec<(BString, BString)> {
    let links = found.iter().filter(|(_, kind)| *kind == FileKind::Symlink).map(|(path, _)| {
        let text = std::fs::read_link(on_disk(root, path.as_bstr())).unwrap_or_default();
        (path.clone(), BString::from(text.as_os_str().as_bytes()))
    });
    links.collect()
}

/// What one link says is checked by itself; where it leads by way of the others shows only when all are known.
pub(super) fn check_links(
    staging: &Staging,
    links: Vec<(BString, BString)>,
) -> Result<(), BuildError> {
    let leaving = first_that_leaves(&links, &|| staging.folds_names());
    leaving.map_err(BuildError::Keep)?.map_or(Ok(()), |refused| Err(BuildError::Refused(refused)))
}

fn plant(
    disk: &Disk,
    staging: &Staging,
    root: &Path,
    found: &[(BString, FileKind)],
) -> Result<Staged, DiskError> {
    let planting = Planting::create(disk, &staging.fresh())?;
    let mut made: std::collections::BTreeSet<BString> = std::collections::BTreeSet::new();
    let mut files = Vec::new();
    for (path, kind) in found {
        for at in path.find_iter("/") {
            let parent = BString::from(path.get(..at).unwrap_or_default());
            if !made.contains(&parent) {
                planting.directory(parent.as_bstr())?;
                made.insert(parent);
            }
        }
        let from = on_disk(root, path.as_bstr());
        let (content, size) = planting.write_from(path.as_bstr(), *kind, &from)?;
        files.push(TreeFile { path: path.clone(), kind: *kind, size, content });
    }
    let manifest = Manifest::new(files).expect("a directory has each name once");
    Staged::seal(disk, planting, &manifest, None)
}
