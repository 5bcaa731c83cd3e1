//! What entries cost on the disk, hard links counted once.
//!
//! Files that entries share are names of one inode. What a sweep frees is the blocks of those inodes all of whose
//! names go with it. Names outside of entries, in stagings for one, count as names that stay.
//!
//! Block sharing between files (reflinks, compression) is the file system's, and not seen here.

use std::{
    collections::{BTreeMap, HashMap},
    fs,
    os::unix::fs::MetadataExt as _,
    path::Path,
};

use rayon::prelude::*;

use super::plan::SweepPlan;
use crate::{
    disk::{DiskError, Layout, Verb},
    model::Digest,
};

/// What an entry costs.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct EntrySize {
    /// The bytes of its files.
    pub logical: u64,
    /// The bytes on the disk that nothing else shares: what its going alone would free.
    pub own: u64,
}

/// What the entries of a plan cost.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Sizes {
    /// Each entry that is in the store.
    pub entries: BTreeMap<Digest, EntrySize>,
    /// The bytes on the disk of all that stays.
    pub kept: u64,
    /// The bytes on the disk that the sweep would free.
    pub freed: u64,
}

type InodeNumber = (u64, u64);

/// What one tree has.
#[derive(Default)]
struct MeasuredTree {
    logical: u64,
    /// Of inodes that have one name, and of directories.
    alone: u64,
    /// Inodes that have more: how many in all, how many here, and their bytes on the disk.
    shared: HashMap<InodeNumber, (u64, u64, u64)>,
}

/// Measures every entry of a plan, in parallel.
///
/// # Errors
/// When a tree cannot be read. One that is not there, or goes meanwhile, has no size.
pub(crate) fn measure(layout: &Layout, plan: &SweepPlan) -> Result<Sizes, DiskError> {
    let keep = plan.keep.iter().map(|kept| (kept.digest, false));
    let all: Vec<_> = keep.chain(plan.remove.iter().map(|gone| (gone.digest, true))).collect();
    let measured = all.par_iter().map(|(digest, goes)| {
        let mut tree = MeasuredTree::default();
        tree.add(&layout.entry(*digest)).map(|()| (*digest, *goes, tree))
    });
    Ok(sum(&measured.collect::<Result<Vec<_>, _>>()?))
}

fn sum(trees: &[(Digest, bool, MeasuredTree)]) -> Sizes {
    let mut sizes = Sizes::default();
    // How many names stay or are elsewhere, less those that go; and whether any entry that stays has one.
    let mut inodes: HashMap<InodeNumber, (u64, u64, bool)> = HashMap::new();
    for (digest, goes, tree) in trees {
        let here = |(names, here, bytes): &(u64, u64, u64)| if names == here { *bytes } else { 0 };
        let own = tree.alone + tree.shared.values().map(here).sum::<u64>();
        sizes.entries.insert(*digest, EntrySize { logical: tree.logical, own });
        *(if *goes { &mut sizes.freed } else { &mut sizes.kept }) += tree.alone;
        for (inode, (names, here, bytes)) in &tree.shared {
            let (left, _, stays) = inodes.entry(*inode).or_insert((*names, *bytes, false));
            if *goes {
                *left = left.saturating_sub(*here);
            } else {
                *stays = true;
            }
        }
    }
    for (left, bytes, stays) in inodes.into_values() {
        match (left, stays) {
            (_, true) => sizes.kept += bytes,
            (0, false) => sizes.freed += bytes,
            _ => {}
        }
    }
    sizes
}

impl MeasuredTree {
    fn add(&mut self, path: &Path) -> Result<(), DiskError> {
        let read = |source| DiskError::new(Verb::Read, path, source);
        let meta = match path.symlink_metadata() {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(()),
            meta => meta.map_err(read)?,
        };
        let bytes = meta.blocks() * 512;
        if meta.is_dir() {
            self.alone += bytes;
            for child in fs::read_dir(path).map_err(read)? {
                self.add(&child.map_err(read)?.path())?;
            }
            return Ok(());
        }
        self.logical += meta.len();
        match meta.nlink() {
            1 => self.alone += bytes,
            names => {
                self.shared.entry((meta.dev(), meta.ino())).or_insert((names, 0, bytes)).1 += 1;
            }
        }
        Ok(())
    }
}
