//! [`Stock`]: an entry put together from files on this machine, its own good ones, and those of other trees with the same
//! content.
//!
//! Every file is read and hashed before it is taken, whatever its size and time. A good one is linked; it is copied only
//! where it cannot be linked.

use std::{
    collections::{BTreeSet, HashMap},
    path::{Path, PathBuf},
};

use gix::bstr::{BString, ByteSlice as _};

use super::tree::parents;
use crate::{
    disk::{Disk, DiskError, LinkError, Planting, Staged, Staging, has_content, place},
    model::{ContentHash, FileKind, Manifest, TreeFile},
};

/// Files by their content, and the trees they may be found in. Whether they have that content is not known yet.
#[derive(Debug, Default)]
pub(super) struct Stock {
    places: HashMap<ContentHash, Vec<(PathBuf, TreeFile)>>,
}

impl Stock {
    /// Adds the files of the tree at `root` that `wanted` asks for.
    pub(super) fn add(
        &mut self,
        root: &Path,
        manifest: &Manifest,
        wanted: impl Fn(&ContentHash) -> bool,
    ) {
        for file in manifest.files().iter().filter(|file| wanted(&file.content)) {
            let places = self.places.entry(file.content).or_default();
            places.push((root.to_owned(), file.clone()));
        }
    }

    /// A file that has this content, as reading it proves; one of the same kind, if there is any.
    fn find(&self, file: &TreeFile) -> Option<&(PathBuf, TreeFile)> {
        let places = self.places.get(&file.content)?;
        // A link and a file whose bytes are its text hash to the same.
        let fits = |found: &&(PathBuf, TreeFile)| {
            (found.1.kind == FileKind::Symlink) == (file.kind == FileKind::Symlink)
        };
        let is_same = |found: &&(PathBuf, TreeFile)| found.1.kind == file.kind;
        let same = places.iter().filter(is_same);
        let other = places.iter().filter(fits).filter(|found| !is_same(found));
        same.chain(other).find(|(root, found)| has_content(root, found))
    }

    /// The tree of `manifest`, staged; nothing, when the content of a file is nowhere.
    pub(super) fn stage(
        &self,
        disk: &Disk,
        staging: &Staging,
        manifest: &Manifest,
    ) -> Result<Option<Staged>, DiskError> {
        let planting = Planting::create(disk, &staging.fresh())?;
        let files = manifest.files();
        let directories: BTreeSet<BString> =
            files.iter().flat_map(|file| parents(file.path.as_bstr())).collect();
        directories.iter().try_for_each(|path| planting.directory(path.as_bstr()))?;
        for file in files {
            let Some((root, found)) = self.find(file) else { return Ok(None) };
            if !take(&planting, file, root, found)? {
                return Ok(None);
            }
        }
        Staged::seal(disk, planting, manifest, None).map(Some)
    }
}

/// Puts a file into the tree; returns whether it still had its content.
fn take(
    planting: &Planting,
    file: &TreeFile,
    root: &Path,
    found: &TreeFile,
) -> Result<bool, DiskError> {
    if found.kind == file.kind {
        match planting.link(file.path.as_bstr(), found, root) {
            Ok(()) => return Ok(true),
            Err(LinkError::Disk(error)) => return Err(error),
            Err(LinkError::Damaged { .. }) => {}
        }
    }
    let from = place(root, found.path.as_bstr());
    let (content, _) = planting.write_from(file.path.as_bstr(), file.kind, &from)?;
    Ok(content == file.content)
}
