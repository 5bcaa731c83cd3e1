//! A plan being carried out: directories, links from the previous entry, blobs as they come.
//!
//! Shared between threads. Every file has a slot for its hash; whoever plants it fills the slot, and
//! the manifest is read off the slots at the end.
//!
//! Limits: does not seal the tree, and knows nothing of packs.

use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Mutex, OnceLock};

use gix::ObjectId;
use gix::bstr::{BString, ByteSlice};
use gix::hashtable::HashMap;
use rayon::prelude::*;

use crate::acquire::base::{Base, name_of};
use crate::acquire::lfs;
use crate::acquire::pack_error::{PackError, PackLimits};
use crate::acquire::refusal;
use crate::acquire::tree_plan::{Collision, Plan, PlannedFile};
use crate::disk::{LinkError, Planting};
use crate::model::{ContentHash, FileKind, GitTree, Manifest, TreeFile};

/// Linking changes a file's ctime, and uv rebuilds a project when that of one of these changed.
const NEVER_LINKED: [&str; 3] = ["pyproject.toml", "setup.py", "setup.cfg"];

/// A tree in staging, complete but not sealed.
#[derive(Debug)]
pub struct Planted {
    /// Its files.
    pub manifest: Manifest,
    /// Their git ids.
    pub git: GitTree,
    /// Files that are Git LFS pointers.
    pub lfs_pointers: Vec<BString>,
    /// Paths that would be one on a file system that folds names.
    pub collisions: Vec<Collision>,
    /// Files written.
    pub written: u64,
    /// Files hard-linked from the previous entry.
    pub linked: u64,
    /// Bytes in the files written.
    pub written_bytes: u64,
    /// Bytes received from the stream, 0 when there was none.
    pub received_bytes: u64,
}

/// The files of one blob, a range of [`Checkout::order`].
struct Wanted {
    first: usize,
    count: usize,
    claimed: AtomicBool,
}

/// See the module.
pub(super) struct Checkout<'a> {
    planting: &'a Planting,
    base: Option<&'a Base<'a>>,
    limits: PackLimits,
    plan: Plan,
    /// Files to be written from blobs yet to come, grouped by blob.
    order: Vec<u32>,
    wanted: HashMap<ObjectId, Wanted>,
    missing: AtomicUsize,
    /// Files whose content is in the previous entry.
    kept: Vec<(u32, &'a TreeFile)>,
    done: Vec<OnceLock<(ContentHash, u64)>>,
    link_texts: Mutex<Vec<(u32, BString)>>,
    lfs_pointers: Mutex<Vec<BString>>,
    lfs_in_use: AtomicBool,
    linked: AtomicU64,
    written_bytes: AtomicU64,
}

impl<'a> Checkout<'a> {
    /// Decides where every file comes from.
    pub(super) fn new(
        plan: Plan,
        base: Option<&'a Base<'a>>,
        planting: &'a Planting,
        limits: &PackLimits,
    ) -> Checkout<'a> {
        let (mut order, mut kept) = (Vec::new(), Vec::new());
        for (number, file) in (0u32..).zip(&plan.files) {
            match base.and_then(|base| base.file_at(file.path.as_bstr(), &file.id)) {
                Some(old) => kept.push((number, old)),
                None => order.push(number),
            }
        }
        let id_of = |number: &u32| plan.files.get(*number as usize).map(|file| file.id);
        order.sort_by_key(id_of);
        let mut wanted = HashMap::default();
        let mut first = 0;
        for same in order.chunk_by(|a, b| id_of(a) == id_of(b)) {
            let claimed = AtomicBool::new(false);
            let count = same.len();
            wanted.extend(
                same.first().and_then(id_of).map(|id| (id, Wanted { first, count, claimed })),
            );
            first += count;
        }
        Checkout {
            planting,
            base,
            limits: *limits,
            missing: AtomicUsize::new(order.len()),
            done: plan.files.iter().map(|_| OnceLock::new()).collect(),
            plan,
            order,
            wanted,
            kept,
            link_texts: Mutex::default(),
            lfs_pointers: Mutex::default(),
            lfs_in_use: AtomicBool::new(false),
            linked: AtomicU64::new(0),
            written_bytes: AtomicU64::new(0),
        }
    }

    /// Makes all directories, parents first.
    pub(super) fn make_directories(&self) -> Result<(), PackError> {
        let directories = &self.plan.directories;
        directories
            .iter()
            .try_for_each(|path| self.planting.directory(path.as_bstr()).map_err(PackError::Write))
    }

    /// The files that are in the previous entry, as arguments for [`Checkout::keep`].
    pub(super) fn kept(&self) -> &[(u32, &'a TreeFile)] {
        &self.kept
    }

    /// The blobs that must come from elsewhere.
    pub(super) fn wanted(&self) -> impl Iterator<Item = &ObjectId> {
        self.wanted.keys()
    }

    /// Whether all files are there but those in [`Checkout::kept`].
    pub(super) fn has_all_wanted(&self) -> bool {
        self.missing.load(Ordering::Acquire) == 0
    }

    /// Takes a file from the previous entry: linked if it may be, else read, checked and written.
    pub(super) fn keep(&self, number: u32, old: &TreeFile) -> Result<(), PackError> {
        let (Some(file), Some(base)) = (self.file(number), self.base) else { return Ok(()) };
        if file.path.ends_with(b".gitattributes") {
            self.look_for_lfs(&base.read(old, &file.id)?);
        }
        if !may_be_linked(file, old) {
            return self.write(number, file, &base.read(old, &file.id)?);
        }
        match self.planting.link(file.path.as_bstr(), old, &base.root) {
            Ok(()) => {
                self.linked.fetch_add(1, Ordering::Relaxed);
                self.fill(number, old.content, old.size);
                Ok(())
            }
            Err(LinkError::Disk(error)) => Err(PackError::Write(error)),
            Err(damaged) => {
                Err(PackError::BaseDamaged { path: old.path.clone(), source: Some(damaged.into()) })
            }
        }
    }

    /// Writes a blob to all its paths, if it has any and was not seen before. `id` is its id.
    pub(super) fn plant(&self, id: &ObjectId, contents: &[u8]) -> Result<(), PackError> {
        let Some(wanted) = self.wanted.get(id) else { return Ok(()) };
        if wanted.claimed.swap(true, Ordering::Relaxed) {
            return Ok(());
        }
        let numbers = self.order.get(wanted.first..wanted.first + wanted.count).unwrap_or_default();
        for number in numbers {
            if let Some(file) = self.file(*number) {
                self.write(*number, file, contents)?;
            }
        }
        self.missing.fetch_sub(wanted.count, Ordering::Release);
        Ok(())
    }

    fn file(&self, number: u32) -> Option<&PlannedFile> {
        self.plan.files.get(number as usize)
    }

    fn write(&self, number: u32, file: &PlannedFile, contents: &[u8]) -> Result<(), PackError> {
        let size = contents.len() as u64;
        let so_far = self.written_bytes.fetch_add(size, Ordering::Relaxed) + size;
        PackError::check_limit("size of all files", so_far, self.limits.tree)?;
        if file.kind == FileKind::Symlink {
            let text = contents.as_bstr();
            refusal::check_link(file.path.as_bstr(), text)
                .map_err(|reason| PackError::refused(file.path.clone(), reason))?;
            locked(&self.link_texts).push((number, text.to_owned()));
        } else if lfs::is_pointer(contents) {
            locked(&self.lfs_pointers).push(file.path.clone());
        } else if file.path.ends_with(b".gitattributes") {
            self.look_for_lfs(contents);
        }
        let hash = self
            .planting
            .write(file.path.as_bstr(), file.kind, contents)
            .map_err(PackError::Write)?;
        self.fill(number, hash, size);
        Ok(())
    }

    fn fill(&self, number: u32, hash: ContentHash, size: u64) {
        if let Some(slot) = self.done.get(number as usize) {
            slot.get_or_init(|| (hash, size));
        }
    }

    fn look_for_lfs(&self, attributes: &[u8]) {
        if attributes.contains_str("filter=lfs") {
            self.lfs_in_use.store(true, Ordering::Relaxed);
        }
    }

    /// Reads the result off the slots.
    pub(super) fn finish(self) -> Result<Planted, PackError> {
        self.check_link_steps()?;
        self.find_linked_pointers()?;
        let mut files = Vec::with_capacity(self.plan.files.len());
        let mut blobs = Vec::with_capacity(self.plan.files.len());
        for (file, slot) in self.plan.files.into_iter().zip(self.done) {
            let Some((content, size)) = slot.into_inner() else {
                return Err(PackError::MissingObject { id: file.id, path: file.path });
            };
            blobs.push(file.id);
            files.push(TreeFile { path: file.path, kind: file.kind, size, content });
        }
        let mut lfs_pointers = unlocked(self.lfs_pointers);
        lfs_pointers.sort();
        let linked = self.linked.into_inner();
        Ok(Planted {
            written: files.len() as u64 - linked,
            linked,
            manifest: Manifest::new(files).map_err(PackError::Manifest)?,
            git: GitTree {
                root: self.plan.root,
                blobs,
                odd_modes: self.plan.odd_modes,
                gitlinks: self.plan.gitlinks,
            },
            lfs_pointers,
            collisions: self.plan.collisions,
            written_bytes: self.written_bytes.into_inner(),
            received_bytes: 0,
        })
    }

    /// Links are checked by their text before they are written; that one of them does not lead
    /// another one out shows only when all are known.
    fn check_link_steps(&self) -> Result<(), PackError> {
        let texts = locked(&self.link_texts);
        let mut paths: Vec<_> = texts
            .iter()
            .filter_map(|(number, _)| Some(self.file(*number)?.path.as_bstr()))
            .collect();
        paths.sort_unstable();
        let is_link = |path: &gix::bstr::BStr| paths.binary_search(&path).is_ok();
        texts.iter().try_for_each(|(number, text)| {
            let Some(file) = self.file(*number) else { return Ok(()) };
            refusal::check_link_steps(file.path.as_bstr(), text.as_bstr(), &is_link)
                .map_err(|reason| PackError::refused(file.path.clone(), reason))
        })
    }

    /// Files that were linked have not been read. Only where the tree's attributes speak of LFS are
    /// the small ones looked into.
    fn find_linked_pointers(&self) -> Result<(), PackError> {
        let Some(base) = self.base.filter(|_| self.lfs_in_use.load(Ordering::Relaxed)) else {
            return Ok(());
        };
        self.kept.par_iter().try_for_each(|(number, old)| {
            let Some(file) = self.file(*number) else { return Ok(()) };
            if may_be_linked(file, old)
                && lfs::may_be_pointer(old.size)
                && lfs::is_pointer(&base.read(old, &file.id)?)
            {
                locked(&self.lfs_pointers).push(file.path.clone());
            }
            Ok(())
        })
    }
}

/// Modes and kinds belong to the inode, so they must be the same. Links are read, since their text
/// must be checked against the tree they are in.
fn may_be_linked(file: &PlannedFile, old: &TreeFile) -> bool {
    let fragile = |path: &BString| NEVER_LINKED.iter().any(|name| name_of(path) == *name);
    file.kind == old.kind
        && file.kind != FileKind::Symlink
        && !fragile(&file.path)
        && !fragile(&old.path)
}

fn locked<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
}

fn unlocked<T>(mutex: Mutex<T>) -> T {
    mutex.into_inner().unwrap_or_else(std::sync::PoisonError::into_inner)
}
