//! A tree that no commit names, such as one that a build made, as a pack: its root tree first, then what is in it. It is
//! named by the digest of its files, and proves itself by that.
//!
//! Limits: a pack has no empty directories, and a tree has no submodules.

use std::{
    io::{BufRead, Write},
    path::Path,
};

use gix::{ObjectId, objs::Kind};
use modstore_core::{
    Cancel,
    disk::{Staged, has_content},
    model::{Digest, FileKind, GitTree, Manifest, TreeFile},
};
use rayon::prelude::*;

use crate::{
    errors::{AcquireError, PackError},
    fetched_commit::{BaseEntry, Destination, OnStep, PlantedCommit, plant, receiving},
    pack::{HashingReader, contents, hash_of, os_path},
    pack_of_entry::{PackWriter, PackedObjects, PackingError},
    tree::unpack_first_tree_into,
};

/// Writes the tree at `root`, which has these files, as a pack. Each file is read, and must be what the list says. The same tree
/// gives the same bytes.
///
/// # Errors
/// What was written so far is not a pack.
pub fn write_tree_pack(
    root: &Path,
    manifest: &Manifest,
    to: &mut dyn Write,
    cancel: &Cancel,
) -> Result<(), PackingError> {
    let ids = manifest.files().par_iter().map(|file| match cancel.is_cancelled() {
        true => Err(PackingError::Cancelled),
        false => id_of(root, file).map_err(PackingError::Damaged),
    });
    let blobs: Vec<ObjectId> = ids.collect::<Result<_, _>>()?;
    let nothing = ObjectId::null(gix::hash::Kind::Sha1);
    let untold = || PackingError::Untold(nothing);
    let git = |root| GitTree::plain(root, blobs.clone(), Vec::new(), Vec::new());
    let entry = |top| BaseEntry::new(root.to_owned(), nothing, manifest.clone(), git(top));
    let top = entry(nothing).as_base().rebuilt_root().ok_or_else(untold)?;
    let entry = entry(top);
    let base = entry.as_base();
    let objects = PackedObjects::of(&base).ok_or_else(untold)?;
    let mut pack = PackWriter::begin(to, objects.count().ok_or_else(untold)?)?;
    objects.write(&base, &mut pack, cancel)?;
    pack.finish()
}

/// The id of a file's content as a blob, which must be what the list says.
fn id_of(root: &Path, file: &TreeFile) -> Result<ObjectId, PackError> {
    let damaged = |source: std::io::Error| PackError::BaseDamaged {
        path: file.path.clone(),
        source: Some(source.into()),
    };
    if !has_content(root, file) {
        return Err(PackError::BaseDamaged { path: file.path.clone(), source: None });
    }
    let path = root.join(os_path(file.path.as_ref()));
    if file.kind == FileKind::Symlink {
        return hash_of(Kind::Blob, &contents(&path, file.kind, file.size).map_err(damaged)?);
    }
    let opened = modstore_core::disk::open_regular(&path).map_err(damaged)?;
    let mut blob = HashingReader::new(opened, Kind::Blob, file.size);
    std::io::copy(&mut blob, &mut std::io::sink()).map_err(damaged)?;
    Ok(blob.id()?.0)
}

/// Makes the tree with this digest from a pack that anyone may have made: what does not prove to be that tree is an error.
///
/// # Errors
/// The tree is not to be used, and is gone. `at` names the pack.
pub fn tree_from_pack(
    (pack, at): (&mut dyn BufRead, &str),
    digest: Digest,
    into: Destination<'_>,
    on_step: &OnStep<'_>,
    cancel: &Cancel,
) -> Result<Staged, AcquireError> {
    let spill = into.staging.fresh();
    let planted = plant(into, None, (on_step, cancel), |writer, options| {
        let written = unpack_first_tree_into(pack, writer, &spill, options)
            .map_err(|source| receiving(source, at))?;
        // A submodule is no file, so that the digest says nothing of it.
        if let Some((path, _)) = written.git.gitlinks.first() {
            let error = PackError::corrupt(0, format!("it has a submodule, {path}"));
            return Err(receiving(error, at));
        }
        let found = written.manifest.digest();
        match found == digest {
            true => Ok(written),
            false => Err(receiving(PackError::OtherTree { expected: digest, found }, at)),
        }
    });
    let PlantedCommit { writer, written, .. } = planted?;
    Staged::seal(into.disk, writer, &written.manifest, None).map_err(AcquireError::Write)
}
