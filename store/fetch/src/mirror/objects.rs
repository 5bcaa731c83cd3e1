//! The objects of a mirror, read through gix by many threads at once, and the commits it has.
//!
//! Limits: packs are mapped into memory while they are read. A program that truncates one in that moment, instead of
//! replacing it, kills this process.

use std::{
    error::Error,
    path::Path,
    sync::{Mutex, PoisonError},
};

use gix::{
    ObjectId,
    bstr::BString,
    objs::{Find as _, FindHeader as _, Kind},
    revision::walk::Sorting,
    traverse::commit::simple::CommitTimeOrder,
};
use modstore_core::disk::{DiskError, names_in};

use crate::{
    errors::PackError,
    pack::{hash_of, root_in},
    tree::LARGEST_REUSABLE,
};

/// How many commits that we have the server is sent.
const HAVES: usize = 256;

/// Objects of this size or larger are decoded one at a time.
const LARGE: u64 = 1 << 20;

/// The objects of a mirror, for many threads at once.
pub(crate) struct MirrorObjects {
    /// Each use takes one and gives it back: a handle has caches that are worth keeping.
    handles: Mutex<Vec<gix::OdbHandle>>,
    /// Held while a large object is decoded.
    large: Mutex<()>,
}

impl MirrorObjects {
    /// Opens the repository at `path`.
    pub(crate) fn open(path: &Path) -> Result<Self, Box<dyn Error + Send + Sync>> {
        let mut handle = open(path)?.objects.clone();
        // No process adds to it while its lock is ours, and a look at the disk for each missing object is expensive.
        handle.refresh_never();
        Ok(Self { handles: Mutex::new(vec![handle]), large: Mutex::default() })
    }

    /// Whether the object is there.
    pub(super) fn has(&self, id: ObjectId) -> bool {
        self.find(&id, &mut Vec::new()).is_ok_and(|found| found.is_some())
    }

    /// The object's kind, its bytes in `buffer`; `None` when it is not there.
    pub(crate) fn find(
        &self,
        id: &ObjectId,
        buffer: &mut Vec<u8>,
    ) -> Result<Option<Kind>, Box<dyn Error + Send + Sync>> {
        let handle = self.take();
        let found = self.find_with(&handle, id, buffer);
        self.handles.lock().unwrap_or_else(PoisonError::into_inner).push(handle);
        found
    }

    fn find_with(
        &self,
        handle: &gix::OdbHandle,
        id: &ObjectId,
        buffer: &mut Vec<u8>,
    ) -> Result<Option<Kind>, Box<dyn Error + Send + Sync>> {
        let Some(header) = handle.try_header(id)? else { return Ok(None) };
        // An object too large to hold counts as missing: the server sends it again, as a stream.
        if header.size > LARGEST_REUSABLE {
            return Ok(None);
        }
        let lock = || self.large.lock().unwrap_or_else(PoisonError::into_inner);
        let _one_at_a_time = (header.size >= LARGE).then(lock);
        Ok(handle.try_find(id, buffer)?.map(|data| data.kind))
    }

    /// The tree of a commit.
    ///
    /// # Errors
    /// The commit is missing or damaged, or is another kind of object.
    pub(crate) fn tree_of(&self, commit: ObjectId) -> Result<ObjectId, PackError> {
        let mut bytes = Vec::new();
        let kind = self
            .find(&commit, &mut bytes)
            .map_err(|source| PackError::Find { id: commit, source })?
            .ok_or_else(|| PackError::MissingObject { id: commit, path: BString::default() })?;
        if kind != Kind::Commit {
            return Err(PackError::NotACommit { id: commit });
        }
        if hash_of(kind, &bytes)? != commit {
            return Err(PackError::corrupt(0, format!("object {commit} has another id")));
        }
        root_in(&commit, &bytes)
    }

    fn take(&self) -> gix::OdbHandle {
        let mut handles = self.handles.lock().unwrap_or_else(PoisonError::into_inner);
        // The first handle stays: every other thread clones it.
        if handles.len() == 1 { handles.first().cloned() } else { handles.pop() }
            .expect("the first one is never taken")
    }
}

/// The commits that were fetched. Only the names of the refs count, so a ref cut short does no harm.
pub(super) fn tips(path: &Path) -> Result<Vec<ObjectId>, DiskError> {
    let names = names_in(&path.join("refs/modstore"))?;
    Ok(names.iter().filter_map(|name| name.to_str()?.parse().ok()).collect())
}

/// The newest commits that are there with all their history.
pub(super) fn haves(path: &Path) -> Result<Vec<ObjectId>, Box<dyn Error + Send + Sync>> {
    let tips = tips(path)?;
    if tips.is_empty() { Ok(Vec::new()) } else { ancestors(path, &tips) }
}

/// The newest commits that `tips` lead to, these included.
pub(super) fn ancestors(
    path: &Path,
    tips: &[ObjectId],
) -> Result<Vec<ObjectId>, Box<dyn Error + Send + Sync>> {
    let newest = Sorting::ByCommitTime(CommitTimeOrder::NewestFirst);
    let repository = open(path)?;
    let walk = repository.rev_walk(tips.iter().copied()).sorting(newest).all()?;
    walk.take(HAVES).map(|each| Ok(each?.id)).collect()
}

fn open(path: &Path) -> gix::Result<gix::Repository> {
    let options = gix::open::Options::isolated().with(gix::sec::Trust::Full).open_path_as_is(true);
    gix::open_opts(path, options)
}
