//! A tree being written: directories, links from the previous entry, blobs as they come.
//!
//! Files are added as the walk meets them, and blobs are written as they arrive, in any order and by many threads. The
//! two race: a blob may come before a later directory asks for it again. One lock over one table decides each time:
//! either the file is in `wanted` when the blob comes, or the blob is in `begun` when the file comes. A file that comes
//! too late is copied at the end, from the first file with that blob.
//!
//! Limits: does not seal the tree, and knows nothing of packs.

use std::{
    collections::{HashMap, HashSet},
    io::Read,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
};

use gix::{
    ObjectId,
    bstr::{BStr, BString, ByteSlice},
    objs::Kind,
};
use modstore_core::{
    disk::{DiskError, FoldsNames, LinkError, Planting, StreamError, Verb, open_regular},
    model::{ContentHash, FileKind, GitTree, KeptCommits, Manifest, TreeFile},
};
use rayon::prelude::*;

use super::{
    lfs,
    plan::{Collision, PlannedFile, TreeExtras},
};
use crate::{
    errors::{LimitError, PackError},
    limits::PackLimit,
    pack::{
        Allowance, Base, BeforeLink, HashingReader, contents, from_stream, hash_of, name_of,
        os_path,
    },
    tree_rules::{self, LONGEST_LINK, RejectReason},
};

/// Linking changes a file's ctime, and uv rebuilds a project when that of one of these changed.
pub(crate) const NEVER_LINKED: [&str; 3] = ["pyproject.toml", "setup.py", "setup.cfg"];

/// Files up to this size are read whole when they are copied.
const WHOLE: u64 = 1 << 20;

/// A tree in staging, complete but not sealed.
#[derive(Debug)]
pub struct WrittenTree {
    /// Its files.
    pub manifest: Manifest,
    /// Their git ids.
    pub git: GitTree,
    /// The commit that the tree is of, and those of its submodules, as objects.
    pub commits: KeptCommits,
    /// Files that are Git LFS pointers.
    pub lfs_pointers: Vec<BString>,
    /// Paths that would be one on a file system that folds names.
    pub collisions: Vec<Collision>,
    /// Files written.
    pub written: u64,
    /// Files hard-linked from the previous entry.
    pub linked: u64,
    /// How many of these were not read before.
    pub unread: u64,
    /// Files of the previous entry that were to be linked and are damaged.
    pub damaged: Vec<BString>,
    /// Bytes in the files written.
    pub written_bytes: u64,
    /// Bytes received from the stream, 0 when there was none.
    pub received_bytes: u64,
    /// The pack as it was received, if it was asked for and has the objects of the commit, each once, and no others.
    pub pack: Option<Vec<u8>>,
}

/// A file added to the tree; `number` counts them.
struct AddedFile {
    number: usize,
    file: PlannedFile,
}

/// A file whose content is in the previous entry.
pub(crate) struct BaseFile<'a> {
    added: Arc<AddedFile>,
    old: &'a TreeFile,
}

/// What is known about the files so far.
#[derive(Default)]
struct FileTable {
    files: Vec<Arc<AddedFile>>,
    /// Files waiting for their blob.
    wanted: HashMap<ObjectId, Vec<Arc<AddedFile>>>,
    /// A file of each blob that was written or is being written.
    begun: HashMap<ObjectId, Arc<AddedFile>>,
    /// Files whose blob had begun before they were added, and the file it began with.
    again: Vec<(Arc<AddedFile>, Arc<AddedFile>)>,
}

/// A tree being written, shared by all threads. The locks are taken one at a time, never one within another.
pub(crate) struct Checkout<'a> {
    writer: &'a Planting,
    base: Option<&'a Base<'a>>,
    allowance: &'a Allowance<'a>,
    table: Mutex<FileTable>,
    /// Directories made.
    directories: Mutex<HashSet<BString>>,
    /// Files written or linked, by number.
    done: Mutex<Vec<(usize, ContentHash, u64)>>,
    link_texts: Mutex<Vec<(BString, BString)>>,
    lfs_pointers: Mutex<Vec<BString>>,
    lfs_in_use: AtomicBool,
    /// Linked files that are of a pointer's size.
    small_linked: Mutex<Vec<(Arc<AddedFile>, &'a TreeFile)>>,
    linked: AtomicU64,
    unread: AtomicU64,
    written_bytes: AtomicU64,
}

impl<'a> Checkout<'a> {
    pub(crate) fn new(
        base: Option<&'a Base<'a>>,
        writer: &'a Planting,
        allowance: &'a Allowance<'a>,
    ) -> Checkout<'a> {
        Checkout {
            writer,
            base,
            allowance,
            table: Mutex::default(),
            directories: Mutex::default(),
            done: Mutex::default(),
            link_texts: Mutex::default(),
            lfs_pointers: Mutex::default(),
            lfs_in_use: AtomicBool::new(false),
            small_linked: Mutex::default(),
            linked: AtomicU64::new(0),
            unread: AtomicU64::new(0),
            written_bytes: AtomicU64::new(0),
        }
    }

    /// Makes the directory and adds its files. Those that the previous entry has are returned, for
    /// [`Checkout::take_from_base`]; all others wait for [`Checkout::write_blob`].
    pub(crate) fn add(
        &self,
        directory: &BStr,
        files: Vec<PlannedFile>,
    ) -> Result<Vec<BaseFile<'a>>, PackError> {
        let mut from_base = Vec::new();
        self.make_directory(directory, &mut locked(&self.directories))?;
        let mut table = locked(&self.table);
        for file in files {
            let added = Arc::new(AddedFile { number: table.files.len(), file });
            table.files.push(added.clone());
            let file = &added.file;
            match self.base.and_then(|base| base.file_at(file.path.as_bstr(), &file.id)) {
                Some(old) => from_base.push(BaseFile { added, old }),
                None => table.want(added),
            }
        }
        Ok(from_base)
    }

    fn make_directory(&self, path: &BStr, made: &mut HashSet<BString>) -> Result<(), PackError> {
        if path.is_empty() || made.contains(path) {
            return Ok(());
        }
        if let Some((parent, _)) = path.rsplit_once_str("/") {
            self.make_directory(parent.as_bstr(), made)?;
        }
        made.insert(path.to_owned());
        self.writer.directory(path).map_err(PackError::Write)
    }

    /// The blobs that files are waiting for.
    pub(crate) fn wanted(&self) -> Vec<ObjectId> {
        locked(&self.table).wanted.keys().copied().collect()
    }

    /// Whether no file is waiting for any blob.
    pub(crate) fn is_complete(&self) -> bool {
        locked(&self.table).wanted.is_empty()
    }

    /// Whether a file is waiting for this blob.
    pub(crate) fn wants(&self, id: &ObjectId) -> bool {
        locked(&self.table).wanted.contains_key(id)
    }

    /// The error for a blob that is larger than any may be, with the file that waits for it.
    pub(crate) fn too_large(&self, id: &ObjectId, source: LimitError) -> PackError {
        let table = locked(&self.table);
        let waiting = table.wanted.get(id).and_then(|waiting| waiting.first());
        match waiting.map(|added| added.file.path.clone()) {
            Some(path) => PackError::LargeFile { path, source },
            None => source.into(),
        }
    }

    /// Takes a file from the previous entry: linked if it may be, else read, checked and written.
    pub(crate) fn take_from_base(&self, from_base: BaseFile<'a>) -> Result<(), PackError> {
        let (BaseFile { added, old }, Some(base)) = (from_base, self.base) else { return Ok(()) };
        let file = &added.file;
        if file.path.ends_with(b".gitattributes") {
            self.look_for_lfs(&base.read(old, &file.id)?);
        }
        let pointer = base.pointer_of(old);
        if pointer.is_some() || !may_be_linked(file, old) {
            return if pointer.is_none() && old.size > WHOLE && old.kind != FileKind::Symlink {
                self.copy(&added, old.size, base.open(old)?, || PackError::BaseDamaged {
                    path: old.path.clone(),
                    source: None,
                })
            } else {
                self.write(&added, &base.read(old, &file.id)?)
            };
        }
        match base.look_at(old, file.path.as_bstr()) {
            BeforeLink::Read => {}
            BeforeLink::Unread => drop(self.unread.fetch_add(1, Ordering::Relaxed)),
            BeforeLink::Damaged => {
                return Err(PackError::BaseDamaged { path: old.path.clone(), source: None });
            }
        }
        match self.writer.link(file.path.as_bstr(), old, &base.tree) {
            Ok(()) => {
                self.linked.fetch_add(1, Ordering::Relaxed);
                locked(&self.done).push((added.number, old.content, old.size));
                if lfs::may_be_pointer(old.size) {
                    locked(&self.small_linked).push((added, old));
                }
                Ok(())
            }
            Err(LinkError::Disk(error)) => Err(PackError::Write(error)),
            Err(damaged) => {
                Err(PackError::BaseDamaged { path: old.path.clone(), source: Some(damaged.into()) })
            }
        }
    }

    /// Writes a blob to all paths that wait for it, and says whether there are any. `id` is its id.
    pub(crate) fn write_blob(&self, id: &ObjectId, contents: &[u8]) -> Result<bool, PackError> {
        let Some(waiting) = locked(&self.table).begin(id) else { return Ok(false) };
        waiting.iter().try_for_each(|added| self.write(added, contents))?;
        Ok(true)
    }

    /// The same for a blob of `size` bytes that memory should not hold: `open` gives it once for each file.
    pub(crate) fn write_blob_from<R: Read>(
        &self,
        id: &ObjectId,
        size: u64,
        open: &mut dyn FnMut() -> Result<R, PackError>,
    ) -> Result<(), PackError> {
        let Some(waiting) = locked(&self.table).begin(id) else { return Ok(()) };
        waiting.iter().try_for_each(|added| self.write_stream(added, size, &mut open()?))
    }

    /// Counts a file that is about to be written. A large one is named by the limit that it would exceed.
    fn count(&self, file: &BStr, size: u64) -> Result<(), PackError> {
        self.allowance.check_cancelled()?;
        let so_far = self.written_bytes.fetch_add(size, Ordering::Relaxed) + size;
        LimitError::check(PackLimit::Tree, so_far, self.allowance.limits().tree)?;
        self.allowance.count_staged(size).map_err(|source| match size > WHOLE {
            true => PackError::LargeFile { path: file.to_owned(), source },
            false => source.into(),
        })
    }

    /// Writes a file that is too large to be a link, a pointer or a list of attributes.
    fn write_stream(
        &self,
        added: &AddedFile,
        size: u64,
        contents: &mut dyn Read,
    ) -> Result<(), PackError> {
        let file = &added.file;
        let executable = match file.kind {
            FileKind::File => false,
            FileKind::Executable => true,
            FileKind::Symlink if size > LONGEST_LINK as u64 => {
                return Err(PackError::refused(file.path.clone(), RejectReason::LinkText));
            }
            FileKind::Symlink => {
                let mut text = Vec::new();
                let read = contents.read_to_end(&mut text);
                read.map_err(|error| from_stream(error, 0, self.allowance))?;
                return self.write(added, &text);
            }
        };
        self.count(file.path.as_bstr(), size)?;
        let mut contents = Interruptible { inner: contents, allowance: self.allowance };
        let written = self.writer.write_stream(file.path.as_bstr(), executable, &mut contents);
        let (hash, size) = written.map_err(|error| match error {
            StreamError::Disk(error) => PackError::Write(error),
            StreamError::Read(error) => from_stream(error, 0, self.allowance),
        })?;
        locked(&self.done).push((added.number, hash, size));
        Ok(())
    }

    /// Writes what `contents` gives, which must be the file's blob.
    fn copy<R: Read>(
        &self,
        added: &AddedFile,
        size: u64,
        mut contents: HashingReader<R>,
        other: impl FnOnce() -> PackError,
    ) -> Result<(), PackError> {
        self.write_stream(added, size, &mut contents)?;
        if contents.id()?.0 == added.file.id { Ok(()) } else { Err(other()) }
    }

    fn write(&self, added: &AddedFile, contents: &[u8]) -> Result<(), PackError> {
        let file = &added.file;
        let size = contents.len() as u64;
        self.count(file.path.as_bstr(), size)?;
        if file.kind == FileKind::Symlink {
            let text = contents.as_bstr();
            // A link of a submodule may lead into the tree that it is in.
            let path = self.writer.path_in_whole(file.path.as_bstr());
            tree_rules::check_link(path.as_bstr(), text)
                .map_err(|reason| PackError::refused(file.path.clone(), reason))?;
            locked(&self.link_texts).push((file.path.clone(), text.to_owned()));
        } else if lfs::is_pointer(contents) {
            locked(&self.lfs_pointers).push(file.path.clone());
        } else if file.path.ends_with(b".gitattributes") {
            self.look_for_lfs(contents);
        }
        let hash = self
            .writer
            .write(file.path.as_bstr(), file.kind, contents)
            .map_err(PackError::Write)?;
        locked(&self.done).push((added.number, hash, size));
        Ok(())
    }

    /// Copies the files whose blob was written before they were added.
    pub(crate) fn copy_again(&self) -> Result<(), PackError> {
        let again = std::mem::take(&mut locked(&self.table).again);
        again.par_iter().try_for_each(|(added, first)| {
            let path = self.writer.root().join(os_path(first.file.path.as_bstr()));
            let unread = |source| PackError::Write(DiskError::new(Verb::Read, &path, source));
            let other = || unread(std::io::Error::other("the file is not as it was just written"));
            let size = std::fs::symlink_metadata(&path).map_err(unread)?.len();
            if size > WHOLE {
                let file = open_regular(&path).map_err(unread)?;
                return self.copy(added, size, HashingReader::new(file, Kind::Blob, size), other);
            }
            let contents = contents(&path, first.file.kind, WHOLE).map_err(unread)?;
            if hash_of(Kind::Blob, &contents)? == added.file.id {
                self.write(added, &contents)
            } else {
                Err(other())
            }
        })
    }

    fn look_for_lfs(&self, attributes: &[u8]) {
        if attributes.contains_str("filter=lfs") {
            self.lfs_in_use.store(true, Ordering::Relaxed);
        }
    }

    /// Reads the result off what was done.
    pub(crate) fn finish(
        self,
        root: ObjectId,
        extras: TreeExtras,
        folds: &FoldsNames<'_>,
    ) -> Result<WrittenTree, PackError> {
        self.copy_again()?;
        self.check_link_steps(folds)?;
        self.find_linked_pointers()?;
        let added = unlocked(self.table).files;
        let mut slots: Vec<Option<(ContentHash, u64)>> = vec![None; added.len()];
        for (number, content, size) in unlocked(self.done) {
            if let Some(slot) = slots.get_mut(number) {
                *slot = Some((content, size));
            }
        }
        let mut both: Vec<(TreeFile, ObjectId)> = Vec::with_capacity(added.len());
        for (added, slot) in added.iter().zip(slots) {
            let PlannedFile { path, kind, id } = &added.file;
            let path = path.clone();
            let kind = *kind;
            let (content, size) =
                slot.ok_or_else(|| PackError::MissingObject { id: *id, path: path.clone() })?;
            both.push((TreeFile { path, kind, size, content }, *id));
        }
        both.sort_by(|a, b| a.0.path.cmp(&b.0.path));
        let (files, blobs): (Vec<_>, Vec<_>) = both.into_iter().unzip();
        let TreeExtras { mut gitlinks, mut odd_modes, mut collisions } = extras;
        gitlinks.sort();
        odd_modes.sort();
        collisions.sort();
        let mut lfs_pointers = unlocked(self.lfs_pointers);
        lfs_pointers.sort();
        let linked = self.linked.into_inner();
        Ok(WrittenTree {
            written: files.len() as u64 - linked,
            linked,
            unread: self.unread.into_inner(),
            damaged: Vec::new(),
            manifest: Manifest::new(files).map_err(PackError::Manifest)?,
            git: GitTree::plain(root, blobs, odd_modes, gitlinks),
            commits: KeptCommits::default(),
            lfs_pointers,
            collisions,
            written_bytes: self.written_bytes.into_inner(),
            received_bytes: 0,
            pack: None,
        })
    }

    /// Links are checked by their text before they are written; that one of them does not lead
    /// another one out shows only when all are known.
    fn check_link_steps(&self, folds: &FoldsNames<'_>) -> Result<(), PackError> {
        let leaving = tree_rules::first_that_leaves(&locked(&self.link_texts), folds);
        leaving
            .map_err(PackError::Write)?
            .map_or(Ok(()), |refused| Err(PackError::Refused(refused)))
    }

    /// Files that were linked have not been read. Only where the tree's attributes speak of LFS are
    /// the small ones looked into.
    fn find_linked_pointers(&self) -> Result<(), PackError> {
        let Some(base) = self.base.filter(|_| self.lfs_in_use.load(Ordering::Relaxed)) else {
            return Ok(());
        };
        locked(&self.small_linked).par_iter().try_for_each(|(added, old)| {
            if lfs::is_pointer(&base.read(old, &added.file.id)?) {
                locked(&self.lfs_pointers).push(added.file.path.clone());
            }
            Ok(())
        })
    }
}

impl FileTable {
    fn want(&mut self, added: Arc<AddedFile>) {
        match self.begun.get(&added.file.id) {
            Some(first) => self.again.push((added, first.clone())),
            None => self.wanted.entry(added.file.id).or_default().push(added),
        }
    }

    /// Hands the waiting files to the thread that has their blob.
    fn begin(&mut self, id: &ObjectId) -> Option<Vec<Arc<AddedFile>>> {
        let waiting = self.wanted.remove(id)?;
        self.begun.extend(waiting.first().map(|first| (*id, first.clone())));
        Some(waiting)
    }
}

/// A stream that ends when the user asks to stop.
struct Interruptible<'c, 'a> {
    inner: &'c mut dyn Read,
    allowance: &'c Allowance<'a>,
}

impl Read for Interruptible<'_, '_> {
    fn read(&mut self, out: &mut [u8]) -> std::io::Result<usize> {
        self.allowance.check_cancelled().map_err(std::io::Error::other)?;
        self.inner.read(out)
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
