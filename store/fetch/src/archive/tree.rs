//! A tree being made of what an archive lists, with all refusals.
//!
//! An archive may list anything in any order, so every path is looked up before it is written. What
//! is refused is what is refused in a git tree, and what only archives have: absolute paths, devices,
//! hard links to elsewhere, a file where a directory is.
//!
//! Directories are made when the first file comes to lie in them: a tree has only those, and then the
//! same files are the same tree, whatever program packed them.
//!
//! Limits: one thread; decompressing is what takes the time.

use std::{
    collections::HashMap,
    fs::File,
    io::{self, Read},
};

use gix::bstr::{BStr, BString, ByteSlice};
use modstore_core::{
    Cancel,
    disk::{FoldsNames, Planting, StreamError},
    model::{ArchiveKind, FileKind, Manifest, TreeFile},
};

use crate::{
    errors::{AcquireError, ArchiveError},
    limits::{ArchiveLimit, ArchiveLimits},
    pack::{FetchMemory, MemoryBudget, os_path},
    tree::{Collision, lfs},
    tree_rules::{self, DEEPEST, LONGEST_LINK, LONGEST_PATH, RefusedTree, RejectReason},
};

/// Files up to this size are read whole before they are written.
const SMALL: u64 = 256 << 10;
/// What an entry costs in the tables here, in bytes, besides its path.
const ENTRY: u64 = 384;

/// What an archive became. Not sealed.
#[derive(Debug)]
pub(crate) struct UnpackedTree {
    pub(crate) manifest: Manifest,
    /// Lines a person should read.
    pub(crate) warnings: Vec<String>,
}

/// See the module.
pub(crate) struct ArchiveTree<'a> {
    writer: &'a Planting,
    kind: ArchiveKind,
    folds: &'a FoldsNames<'a>,
    limits: ArchiveLimits,
    /// What all files may have, and the limit that says so.
    most: (ArchiveLimit, u64),
    memory: FetchMemory,
    cancel: &'a Cancel,
    nodes: HashMap<BString, Node>,
    /// Each name as a folding file system would know it, and the path that has it.
    folded: HashMap<Vec<u8>, BString>,
    files: Vec<TreeFile>,
    link_texts: Vec<(BString, BString)>,
    warnings: Vec<String>,
    /// One name with a backslash is warned of, not each.
    warns_of_backslashes: bool,
    seen: u64,
    path_bytes: u64,
    file_bytes: u64,
}

#[derive(Debug, Clone, Copy)]
enum Node {
    Directory { made: bool },
    File(FileKind),
}

impl<'a> ArchiveTree<'a> {
    /// An empty tree, of an archive of `size` bytes. Where names fold, those that collide are refused.
    pub(crate) fn new(
        writer: &'a Planting,
        (kind, size): (ArchiveKind, u64),
        folds: &'a FoldsNames<'a>,
        limits: ArchiveLimits,
        memory: &MemoryBudget,
        cancel: &'a Cancel,
    ) -> Self {
        ArchiveTree {
            writer,
            kind,
            folds,
            limits,
            most: limits.files_of(size),
            memory: FetchMemory::new(memory),
            cancel,
            nodes: HashMap::new(),
            folded: HashMap::new(),
            files: Vec::new(),
            link_texts: Vec::new(),
            warnings: Vec::new(),
            warns_of_backslashes: true,
            seen: 0,
            path_bytes: 0,
            file_bytes: 0,
        }
    }

    /// Takes note of a directory; the same one may come again.
    pub(crate) fn directory(&mut self, listed: &[u8]) -> Result<(), AcquireError> {
        let path = self.path(listed)?;
        if path.is_empty() {
            return Ok(());
        }
        self.ancestors(path.as_bstr())?;
        match self.nodes.get(path.as_bstr()) {
            Some(Node::Directory { .. }) => Ok(()),
            Some(Node::File(_)) => Err(refused(path, RejectReason::Clash)),
            None => self.enter(path, Node::Directory { made: false }, false),
        }
    }

    /// Writes a file.
    pub(crate) fn file(
        &mut self,
        listed: &[u8],
        executable: bool,
        contents: &mut dyn Read,
    ) -> Result<(), AcquireError> {
        let kind = if executable { FileKind::Executable } else { FileKind::File };
        let path = self.place(listed, kind)?;
        let allowed = self.most.1.saturating_sub(self.file_bytes);
        let mut metered =
            LimitedReader { inner: contents, left: allowed, cancel: self.cancel, stopped: None };
        let written = write(self.writer, path.as_bstr(), executable, &mut metered);
        let file = match (written, metered.stopped) {
            (Ok(file), _) => file,
            (Err(StreamError::Disk(error)), _) => return Err(AcquireError::Write(error)),
            (Err(_), Some(Stop::Cancelled)) => return Err(AcquireError::Cancelled),
            (Err(_), Some(Stop::TooMuch)) => return Err(self.too_large()),
            (Err(StreamError::Read(error)), None) => return Err(self.malformed(error)),
        };
        if file.is_lfs_pointer {
            let text = format!("{path} is a Git LFS pointer, and its content is not fetched");
            self.warnings.push(text);
        }
        self.file_bytes += file.size;
        self.files.push(TreeFile { path, kind, size: file.size, content: file.content });
        Ok(())
    }

    /// Makes a symbolic link.
    pub(crate) fn link(&mut self, listed: &[u8], text: &BStr) -> Result<(), AcquireError> {
        let path = self.place(listed, FileKind::Symlink)?;
        tree_rules::check_link(path.as_bstr(), text).map_err(|reason| refused(&path, reason))?;
        let content = self
            .writer
            .write(path.as_bstr(), FileKind::Symlink, text)
            .map_err(AcquireError::Write)?;
        let size = text.len() as u64;
        self.link_texts.push((path.clone(), text.to_owned()));
        self.files.push(TreeFile { path, kind: FileKind::Symlink, size, content });
        Ok(())
    }

    /// Makes a symbolic link whose text is the content of `contents`.
    pub(crate) fn link_from(
        &mut self,
        listed: &[u8],
        contents: &mut dyn Read,
    ) -> Result<(), AcquireError> {
        let mut text = Vec::new();
        contents
            .take(LONGEST_LINK as u64 + 1)
            .read_to_end(&mut text)
            .map_err(|error| self.malformed(error))?;
        self.link(listed, text.as_bstr())
    }

    /// Copies an earlier file: what is linked in an archive must not be one inode in an entry, since
    /// an entry's files are linked one by one.
    pub(crate) fn hard_link(&mut self, listed: &[u8], target: &[u8]) -> Result<(), AcquireError> {
        let not_there = || refused(listed, RejectReason::HardLink(target.into()));
        let from = self.path(target).map_err(|error| match error {
            AcquireError::Archive(ArchiveError::Refused(_)) => not_there(),
            error => error,
        })?;
        let at = self.writer.root().join(os_path(from.as_bstr()));
        let unreadable = |error| self.malformed(error);
        match self.nodes.get(from.as_bstr()) {
            Some(Node::File(FileKind::Symlink)) => {
                let text = std::fs::read_link(at).map_err(unreadable)?;
                self.link(listed, text.as_os_str().as_encoded_bytes().as_bstr())
            }
            Some(Node::File(kind)) => {
                let executable = *kind == FileKind::Executable;
                let mut contents = File::open(at).map_err(unreadable)?;
                self.file(listed, executable, &mut contents)
            }
            Some(Node::Directory { .. }) | None => Err(not_there()),
        }
    }

    /// Refuses something that is neither file, link nor directory.
    pub(crate) fn other(&self, listed: &[u8], what: &str) -> AcquireError {
        refused(listed, RejectReason::Kind(what.to_owned()))
    }

    /// An error that says that the archive is no archive.
    pub(crate) fn malformed(
        &self,
        source: impl Into<Box<dyn std::error::Error + Send + Sync>>,
    ) -> AcquireError {
        ArchiveError::Malformed { kind: self.kind, source: source.into() }.into()
    }

    /// Ends it with the checks that need all of the tree.
    pub(crate) fn finish(self) -> Result<UnpackedTree, AcquireError> {
        if self.files.is_empty() {
            return Err(self.malformed("the archive has no files"));
        }
        let leaving = tree_rules::first_that_leaves(&self.link_texts, self.folds);
        if let Some(refused) = leaving.map_err(AcquireError::Write)? {
            return Err(ArchiveError::Refused(refused).into());
        }
        let manifest = Manifest::new(self.files).expect("no path was entered twice");
        Ok(UnpackedTree { manifest, warnings: self.warnings })
    }

    /// The path in the tree: without `.` and superfluous slashes. Names are checked when entered.
    fn path(&mut self, listed: &[u8]) -> Result<BString, AcquireError> {
        if self.cancel.is_cancelled() {
            return Err(AcquireError::Cancelled);
        }
        self.seen += 1;
        self.path_bytes += listed.len() as u64;
        check_limit(ArchiveLimit::Entries, self.seen, self.limits.entries)?;
        check_limit(ArchiveLimit::Paths, self.path_bytes, self.limits.paths)?;
        if listed.len() > LONGEST_PATH {
            let start = listed.get(..LONGEST_PATH).unwrap_or_default();
            return Err(refused(start, RejectReason::LongPath));
        }
        if listed.starts_with(b"/") {
            return Err(refused(listed, RejectReason::Absolute));
        }
        let names: Vec<&[u8]> =
            listed.split_str("/").filter(|name| !matches!(*name, b"" | b".")).collect();
        if names.len() > DEEPEST + 1 {
            return Err(refused(listed, RejectReason::Deep));
        }
        Ok(names.join(&b'/').into())
    }

    /// Enters a new file or link and makes the directories above it.
    fn place(&mut self, listed: &[u8], kind: FileKind) -> Result<BString, AcquireError> {
        let path = self.path(listed)?;
        self.ancestors(path.as_bstr())?;
        match self.nodes.get(path.as_bstr()) {
            Some(Node::Directory { .. }) => return Err(refused(path, RejectReason::Clash)),
            Some(Node::File(_)) => return Err(refused(path, RejectReason::Twice)),
            None => self.enter(path.clone(), Node::File(kind), kind == FileKind::Symlink)?,
        }
        for end in path.find_iter("/") {
            let above = path.get(..end).unwrap_or_default().as_bstr();
            if let Some(Node::Directory { made }) = self.nodes.get_mut(above)
                && !std::mem::replace(made, true)
            {
                self.writer.directory(above).map_err(AcquireError::Write)?;
            }
        }
        Ok(path)
    }

    /// Takes note of the directories that `path` lies in.
    fn ancestors(&mut self, path: &BStr) -> Result<(), AcquireError> {
        for end in path.find_iter("/") {
            let above = path.get(..end).unwrap_or_default().as_bstr();
            match self.nodes.get(above) {
                Some(Node::Directory { .. }) => {}
                Some(Node::File(_)) => return Err(refused(path, RejectReason::Clash)),
                None => self.enter(above.to_owned(), Node::Directory { made: false }, false)?,
            }
        }
        Ok(())
    }

    /// Counts memory that stays until the archive is unpacked.
    pub(crate) fn reserve(&self, bytes: u64) -> Result<(), AcquireError> {
        self.memory.reserve(bytes).map_err(|error| {
            let limit = error.limit();
            ArchiveError::TooLarge { what: ArchiveLimit::Memory, limit }.into()
        })
    }

    /// Enters a path whose directory is entered, if its name is allowed.
    fn enter(&mut self, path: BString, node: Node, is_link: bool) -> Result<(), AcquireError> {
        self.reserve(ENTRY + 4 * path.len() as u64)?;
        let (directory, name) = match path.rsplit_once_str("/") {
            Some((directory, name)) => (directory, name.as_bstr()),
            None => (&b""[..], path.as_bstr()),
        };
        tree_rules::check_name(name, is_link).map_err(|reason| refused(&path, reason))?;
        if name.contains(&b'\\') && std::mem::take(&mut self.warns_of_backslashes) {
            let text = "has a backslash in its name, which is no separator of directories here";
            self.warnings.push(format!("{path} {text}"));
        }
        let key = [directory, b"/", tree_rules::fold(name).as_ref()].concat();
        if let Some(first) = self.folded.get(&key) {
            if (self.folds)().map_err(AcquireError::Write)? {
                return Err(refused(&path, RejectReason::Folds(first.clone())));
            }
            let collision = Collision { first: first.clone(), second: path.clone() };
            self.warnings.push(collision.to_string());
        } else {
            self.folded.insert(key, path.clone());
        }
        self.nodes.insert(path, node);
        Ok(())
    }

    fn too_large(&self) -> AcquireError {
        let (what, limit) = self.most;
        ArchiveError::TooLarge { what, limit }.into()
    }
}

fn refused(path: impl AsRef<[u8]>, reason: RejectReason) -> AcquireError {
    let path = BString::from(path.as_ref());
    ArchiveError::Refused(RefusedTree { path, reason }).into()
}

/// Fails when `size` is over `limit`.
pub(crate) fn check_limit(what: ArchiveLimit, size: u64, limit: u64) -> Result<(), ArchiveError> {
    if size > limit { Err(ArchiveError::TooLarge { what, limit }) } else { Ok(()) }
}

struct WrittenFile {
    content: modstore_core::model::ContentHash,
    size: u64,
    is_lfs_pointer: bool,
}

fn write(
    writer: &Planting,
    path: &BStr,
    executable: bool,
    contents: &mut LimitedReader<'_>,
) -> Result<WrittenFile, StreamError> {
    let mut start = Vec::new();
    Read::take(&mut *contents, SMALL + 1).read_to_end(&mut start).map_err(StreamError::Read)?;
    if start.len() as u64 <= SMALL {
        let kind = if executable { FileKind::Executable } else { FileKind::File };
        let content = writer.write(path, kind, &start)?;
        let is_lfs_pointer = lfs::is_pointer(&start);
        return Ok(WrittenFile { content, size: start.len() as u64, is_lfs_pointer });
    }
    let mut whole = Read::chain(start.as_slice(), contents);
    let (content, size) = writer.write_stream(path, executable, &mut whole)?;
    Ok(WrittenFile { content, size, is_lfs_pointer: false })
}

/// A file's content, as far as the limit and the user allow.
struct LimitedReader<'m> {
    inner: &'m mut dyn Read,
    left: u64,
    cancel: &'m Cancel,
    stopped: Option<Stop>,
}

enum Stop {
    Cancelled,
    TooMuch,
}

impl Read for LimitedReader<'_> {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        if self.cancel.is_cancelled() {
            self.stopped = Some(Stop::Cancelled);
            return Err(io::Error::other("cancelled"));
        }
        let read = self.inner.read(buf)?;
        match self.left.checked_sub(read as u64) {
            Some(left) => {
                self.left = left;
                Ok(read)
            }
            None => {
                self.stopped = Some(Stop::TooMuch);
                Err(io::Error::other("too much"))
            }
        }
    }
}
