//! [`OpenTree`]: a tree whose directory is held open.
//!
//! Its files are looked up from there and not from the root of the file system: an entry lies five or more directories
//! deep, and walking them again for each file takes a seventh of the time of a verify.
//!
//! The directory stays the same when it is renamed meanwhile. Whether the tree may be used is the caller's question.

use std::{
    borrow::Cow,
    ffi::OsStr,
    fs::File,
    io,
    os::{
        fd::{AsFd as _, BorrowedFd, OwnedFd},
        unix::ffi::OsStrExt as _,
    },
    path::{Path, PathBuf},
};

use gix::bstr::BStr;
use rustix::fs::{CWD, Mode, OFlags};

/// A tree whose directory is held open.
#[derive(Debug)]
pub struct OpenTree {
    root: PathBuf,
    top: Option<OwnedFd>,
}

/// A tree, by the path of its directory, and the directory where it is open.
#[derive(Debug, Clone, Copy)]
pub struct TreeAt<'a> {
    root: &'a Path,
    top: Option<BorrowedFd<'a>>,
}

impl OpenTree {
    /// Opens the directory at `root`. Where that is refused, each file is looked up by its whole path.
    #[must_use]
    pub fn new(root: &Path) -> Self {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let top = rustix::fs::open(root, flags, Mode::empty()).ok();
        Self { root: root.to_owned(), top }
    }

    /// Opens what lies at `path`, which is below its directory, to be read. No link is followed in the place of the last name,
    /// and a pipe is not waited for.
    ///
    /// # Errors
    /// It cannot be opened.
    pub fn open_below(&self, path: &Path) -> io::Result<File> {
        let flags = OFlags::RDONLY | OFlags::CLOEXEC | OFlags::NOFOLLOW | OFlags::NONBLOCK;
        let (top, path) = match (&self.top, path.strip_prefix(&self.root)) {
            (Some(top), Ok(below)) => (top.as_fd(), below),
            _ => (CWD, path),
        };
        Ok(File::from(rustix::fs::openat(top, path, flags, Mode::empty())?))
    }

    /// Whether it was opened, so that it is a directory and no link to one.
    pub(super) const fn is_open(&self) -> bool {
        self.top.is_some()
    }
}

impl<'a> TreeAt<'a> {
    /// The path of a file in it.
    pub(super) fn path(self, file: &BStr) -> PathBuf {
        self.root.join(OsStr::from_bytes(file))
    }

    /// The directory that a file is looked up from, and its path from there.
    pub(super) fn find<'f>(self, file: &'f BStr) -> (BorrowedFd<'a>, Cow<'f, Path>) {
        match self.top {
            Some(top) => (top, Cow::Borrowed(OsStr::from_bytes(file).as_ref())),
            None => (CWD, Cow::Owned(self.path(file))),
        }
    }
}

impl<'a> From<&'a OpenTree> for TreeAt<'a> {
    fn from(tree: &'a OpenTree) -> Self {
        Self { root: &tree.root, top: tree.top.as_ref().map(OwnedFd::as_fd) }
    }
}

impl<'a> From<&'a Path> for TreeAt<'a> {
    fn from(root: &'a Path) -> Self {
        Self { root, top: None }
    }
}

impl<'a> From<&'a PathBuf> for TreeAt<'a> {
    fn from(root: &'a PathBuf) -> Self {
        root.as_path().into()
    }
}
