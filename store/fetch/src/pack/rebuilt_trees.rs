//! Git's tree objects, made again from a manifest and the object ids recorded with it.
//!
//! A tree's id covers all below it, so one id asked for costs all of them: a manifest of 57,000
//! files makes about 3 MB of trees. They are kept, because the walk of a new tree and the deltas of
//! a thin pack ask for many.
//!
//! Limits: directories without files are not in a manifest and not made again; such a tree does
//! not get its recorded root id, and its entry cannot be a base.

use std::collections::{HashMap, HashSet};

use gix::{
    ObjectId,
    bstr::{BStr, BString, ByteSlice},
    objs::Kind,
};
use modstore_core::model::{FileKind, GitTree, Manifest};

use crate::tree_rules::DEEPEST;

/// All trees of one entry, by id.
#[derive(Debug)]
pub(crate) struct RebuiltTrees {
    root: ObjectId,
    trees: HashMap<ObjectId, Vec<u8>>,
}

/// One line of the flat list that trees are made of.
struct Leaf<'a> {
    path: &'a [u8],
    mode: u32,
    id: ObjectId,
}

impl RebuiltTrees {
    /// Makes the trees. `None` when the list cannot be one of git's: blobs are missing, or
    /// directories are nested too deep.
    pub(crate) fn new(manifest: &Manifest, git: &GitTree) -> Option<RebuiltTrees> {
        let leaves = leaves(manifest, git)?;
        let mut trees = HashMap::default();
        let root = build(&leaves, 0, 0, &mut trees)?;
        Some(RebuiltTrees { root, trees })
    }

    /// The id of the whole.
    pub(crate) fn root(&self) -> ObjectId {
        self.root
    }

    /// How many they are, and how many bytes they have.
    pub(crate) fn extent(&self) -> (usize, u64) {
        (self.trees.len(), self.trees.values().map(|tree| tree.len() as u64).sum())
    }

    /// The bytes of a tree object.
    pub(crate) fn get(&self, id: &ObjectId) -> Option<&[u8]> {
        self.trees.get(id).map(Vec::as_slice)
    }
}

fn leaves<'a>(manifest: &'a Manifest, git: &'a GitTree) -> Option<Vec<Leaf<'a>>> {
    if manifest.files().len() != git.blobs.len() {
        return None;
    }
    let odd: HashMap<&BStr, u32> =
        git.odd_modes.iter().map(|(path, mode)| (path.as_bstr(), *mode)).collect();
    let all: HashSet<&BStr> = git.gitlinks.iter().map(|(path, _)| path.as_bstr()).collect();
    // What a fetched submodule has, its files and its own links, lies below its link and belongs to no tree of the
    // parent.
    let is_own = |path: &BString| all.is_empty() || !is_below_any(path, &all);
    let links: Vec<&(BString, ObjectId)> =
        git.gitlinks.iter().filter(|(path, _)| is_own(path)).collect();
    let files = manifest.files().iter().zip(&git.blobs).filter(|(file, _)| is_own(&file.path));
    let mut leaves: Vec<Leaf<'_>> = files
        .map(|(file, id)| Leaf {
            path: file.path.as_slice(),
            mode: odd.get(file.path.as_bstr()).copied().unwrap_or(mode_of(file.kind)),
            id: *id,
        })
        .collect();
    if !links.is_empty() {
        leaves.extend(links.iter().map(|(path, id)| Leaf { path, mode: 0o160_000, id: *id }));
        leaves.sort_by(|a, b| a.path.cmp(b.path));
    }
    Some(leaves)
}

/// Whether a directory that leads to `path` is one of these.
fn is_below_any(path: &BString, links: &HashSet<&BStr>) -> bool {
    path.find_iter("/").any(|end| path.get(..end).is_some_and(|way| links.contains(BStr::new(way))))
}

/// Git's ordinary mode for a kind of file.
pub(crate) fn mode_of(kind: FileKind) -> u32 {
    match kind {
        FileKind::File => 0o100_644,
        FileKind::Executable => 0o100_755,
        FileKind::Symlink => 0o120_000,
    }
}

/// Makes the tree of `leaves`, which share their first `prefix` bytes, and all below it.
///
/// Byte order of full paths is git's order of entries, since git sorts a directory as if its name
/// ended in `/`.
fn build(
    leaves: &[Leaf<'_>],
    prefix: usize,
    depth: usize,
    trees: &mut HashMap<ObjectId, Vec<u8>>,
) -> Option<ObjectId> {
    if depth > DEEPEST {
        return None;
    }
    let mut tree = Vec::with_capacity(leaves.len().min(1000) * 40);
    let mut rest = leaves;
    while let Some((leaf, after)) = rest.split_first() {
        let name = leaf.path.get(prefix..)?;
        match name.find_byte(b'/') {
            None => {
                rest = after;
                entry(&mut tree, leaf.mode, name, &leaf.id);
            }
            Some(end) => {
                let below = prefix + end + 1;
                let directory = leaf.path.get(..below)?;
                let count = rest.iter().take_while(|leaf| leaf.path.starts_with(directory)).count();
                let (inside, others) = rest.split_at_checked(count)?;
                rest = others;
                let id = build(inside, below, depth + 1, trees)?;
                entry(&mut tree, 0o40_000, name.get(..end)?, &id);
            }
        }
    }
    let id = gix::objs::compute_hash(gix::hash::Kind::Sha1, Kind::Tree, &tree).ok()?;
    trees.insert(id, tree);
    Some(id)
}

fn entry(tree: &mut Vec<u8>, mode: u32, name: &[u8], id: &ObjectId) {
    match mode {
        0o100_644 => tree.extend_from_slice(b"100644"),
        0o40_000 => tree.extend_from_slice(b"40000"),
        other => tree.extend_from_slice(format!("{other:o}").as_bytes()),
    }
    tree.push(b' ');
    tree.extend_from_slice(name);
    tree.push(0);
    tree.extend_from_slice(id.as_slice());
}
