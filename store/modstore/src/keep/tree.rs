//! [`LinkedTree`]: a tree with links into a module's state in the place of what it keeps. An entry like any other: of a
//! digest of its own, which follows from that of its source and from the points.

use std::{
    collections::{BTreeMap, BTreeSet},
    os::unix::ffi::OsStrExt as _,
    path::{Path, PathBuf},
};

use gix::bstr::{BString, ByteSlice as _};

use super::points::in_tree;
use crate::{
    disk::{
        Disk, DiskError, Layout, LinkError, OpenTree, Planting, READ_WHOLE, Staged, Staging,
        has_content,
    },
    model::{ContentHash, FileKind, KeptPath, Manifest, ModuleName, TreeFile},
};

/// The tree of a module that keeps something: nothing is written for it yet.
#[derive(Debug)]
pub(crate) struct LinkedTree {
    /// Its files.
    pub(crate) manifest: Manifest,
    /// The texts of the links among them that lead into the state.
    links: BTreeMap<BString, PathBuf>,
}

/// A tree was not made. What was written of it is in staging.
#[derive(Debug, thiserror::Error)]
pub(crate) enum AssembleError {
    /// A file of its source is damaged or gone.
    #[error("the module's files cannot be used")]
    Source(#[source] LinkError),
    /// The staging cannot be written to.
    #[error("the module's tree cannot be written")]
    Disk(#[from] DiskError),
}

impl LinkedTree {
    /// The tree of `source`, in which these points of the module in `part` are links.
    pub(crate) fn of(
        (source, part): (&Manifest, &str),
        module: &ModuleName,
        points: &[KeptPath],
    ) -> Self {
        let places = points.iter().map(|point| (in_tree(part, point.path.as_str()), point));
        let links: BTreeMap<BString, PathBuf> = places
            .map(|(place, point)| {
                let depth = place.find_iter("/").count();
                let text = Layout::state_text(depth, module, point.path.as_str());
                (place, text)
            })
            .collect();
        let mut files: Vec<TreeFile> =
            source.files().iter().filter(|file| !is_within(&links, file)).cloned().collect();
        files.extend(links.iter().map(|(place, text)| {
            let text = text.as_os_str().as_bytes();
            let (size, content) = (text.len() as u64, ContentHash::of(text));
            TreeFile { path: place.clone(), kind: FileKind::Symlink, size, content }
        }));
        let manifest = Manifest::new(files).expect("what is at a point was left out");
        Self { manifest, links }
    }

    /// Stages it. Every other file is one of the tree at `root`, linked and not copied; read before, unless the tree is
    /// large.
    ///
    /// # Errors
    /// The tree is not to be used.
    pub(crate) fn stage(
        &self,
        disk: &Disk,
        staging: &Staging,
        root: &Path,
    ) -> Result<Staged, AssembleError> {
        let planting = Planting::create(disk, &staging.fresh())?;
        let (reads, tree) = (self.manifest.size() <= READ_WHOLE, OpenTree::new(root));
        for directory in directories(&self.manifest) {
            planting.directory(directory.as_bstr())?;
        }
        for file in self.manifest.files() {
            let path = file.path.as_bstr();
            match self.links.get(&file.path) {
                Some(text) => {
                    planting.write(path, FileKind::Symlink, text.as_os_str().as_bytes())?;
                }
                None if reads && !has_content(&tree, file) => {
                    let (path, what) = (file.path.clone(), "its content is not what was stored");
                    return Err(AssembleError::Source(LinkError::Damaged { path, what }));
                }
                None => planting.link(path, file, &tree).map_err(|error| match error {
                    LinkError::Disk(error) => AssembleError::Disk(error),
                    damaged @ LinkError::Damaged { .. } => AssembleError::Source(damaged),
                })?,
            }
        }
        Ok(Staged::seal(disk, planting, &self.manifest, None)?)
    }
}

/// Whether a file lies at one of the links, or below it.
fn is_within(links: &BTreeMap<BString, PathBuf>, file: &TreeFile) -> bool {
    let ends = file.path.find_iter("/").chain([file.path.len()]);
    ends.filter_map(|end| file.path.get(..end)).any(|path| links.contains_key(path))
}

/// The directories of a tree, each after the one it lies in.
fn directories(manifest: &Manifest) -> BTreeSet<BString> {
    let all = manifest.files().iter().flat_map(|file| {
        file.path.find_iter("/").filter_map(|end| Some(file.path.get(..end)?.into()))
    });
    all.collect()
}
