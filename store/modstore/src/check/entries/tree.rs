//! [`Tree`]: what really lies in an entry. The search compares it with the manifest by kind, size, permissions and time;
//! the repair also reads every byte.
//!
//! Links are never followed.

use std::{
    collections::BTreeSet,
    fs::Metadata,
    os::unix::{ffi::OsStrExt as _, fs::MetadataExt as _},
    path::{Path, PathBuf},
};

use gix::bstr::{BStr, BString, ByteSlice as _};
use rayon::prelude::*;

use crate::{
    check::view::Inode,
    disk::{Disk, DiskError, Layout, content_of, directory_time, has_content, names_in, place},
    environment::variant_faults,
    model::{FileKind, Manifest, TreeFile},
};

/// A path, and what the system says of it.
#[derive(Debug)]
pub(super) struct Node {
    pub(super) path: PathBuf,
    pub(super) meta: Metadata,
}

/// A tree as it lies on the disk.
#[derive(Debug)]
pub(super) struct Tree {
    root: PathBuf,
    /// All but directories, in the order of the bytes of their paths.
    files: Vec<Node>,
    /// With the root.
    pub(super) directories: Vec<Node>,
    /// Directories that cannot be listed.
    pub(super) closed: Vec<PathBuf>,
    /// Directories of the store's own in it.
    own: Vec<PathBuf>,
}

/// A name of the manifest or of the tree.
pub(super) enum Compared<'a> {
    /// The manifest has this file, and this lies in its place.
    Listed(&'a TreeFile, PathBuf, Option<&'a Metadata>),
    /// The manifest has no such file.
    Unknown(&'a Path),
}

impl Node {
    /// Lets its owner list the directory.
    pub(super) fn open_up(&self, disk: &Disk) -> Result<(), DiskError> {
        if self.meta.mode() & 0o500 == 0o500 {
            return Ok(());
        }
        disk.set_mode(&self.path, 0o555)
    }
}

impl Tree {
    /// Reads everything below `root`, which is a directory. `enter` is called with each directory before it is listed.
    pub(super) fn read(
        root: &Path,
        meta: Metadata,
        enter: &mut dyn FnMut(&Node) -> Result<(), DiskError>,
    ) -> Result<Self, DiskError> {
        let mut tree = Self {
            root: root.to_owned(),
            files: Vec::new(),
            directories: Vec::new(),
            closed: Vec::new(),
            own: Vec::new(),
        };
        tree.walk(Node { path: root.to_owned(), meta }, enter)?;
        // Not as paths are compared, part by part: `a-b` comes before `a/b`.
        tree.files.sort_by(|a, b| bytes(&a.path).cmp(bytes(&b.path)));
        Ok(tree)
    }

    fn walk(
        &mut self,
        directory: Node,
        enter: &mut dyn FnMut(&Node) -> Result<(), DiskError>,
    ) -> Result<(), DiskError> {
        enter(&directory)?;
        let children = std::fs::read_dir(&directory.path);
        if children.is_err() {
            self.closed.push(directory.path.clone());
        }
        self.directories.push(directory);
        for child in children.into_iter().flatten().flatten() {
            let Ok(meta) = child.metadata() else { continue };
            let path = child.path();
            if !meta.is_dir() {
                self.files.push(Node { path, meta });
            } else if child.file_name() == Layout::OWN {
                self.own.push(path);
            } else {
                self.walk(Node { path, meta }, enter)?;
            }
        }
        Ok(())
    }

    /// Every name of the manifest and of the tree, in order.
    pub(super) fn compare<'a>(&'a self, manifest: &'a Manifest) -> Vec<Compared<'a>> {
        let mut compared = Vec::with_capacity(manifest.files().len());
        let mut found = self.files.iter().peekable();
        for file in manifest.files() {
            let path = place(&self.root, file.path.as_bstr());
            while let Some(unknown) = found.next_if(|node| bytes(&node.path) < bytes(&path)) {
                compared.push(Compared::Unknown(&unknown.path));
            }
            let there = found.next_if(|node| node.path == path).map(|node| &node.meta);
            compared.push(Compared::Listed(file, path, there));
        }
        compared.extend(found.map(|node| Compared::Unknown(&node.path)));
        compared
    }

    /// What is wrong with what was made from the tree for some Python: the variant, the file in it, and why. Its files are
    /// those of the tree, and a few others, which are read if `all` says so.
    pub(super) fn variant_faults(&self, all: bool) -> Vec<(PathBuf, PathBuf, &'static str)> {
        if self.own.is_empty() {
            return Vec::new();
        }
        let inodes: BTreeSet<Inode> = self.files.iter().map(|node| Inode::of(&node.meta)).collect();
        let is_own = |device, number| inodes.contains(&Inode { device, number });
        let variants = self.own.iter().flat_map(|own| {
            names_in(own).unwrap_or_default().into_iter().map(|name| own.join(name))
        });
        let in_one = |variant: PathBuf| {
            let found = variant_faults(&variant, &is_own, all);
            found.into_iter().map(move |(path, what)| (variant.clone(), path, what))
        };
        variants.flat_map(in_one).collect()
    }

    /// The manifest of the tree as it is, every byte read; `None` when something in it has no place in a tree.
    pub(super) fn manifest(&self) -> Option<Manifest> {
        let listed = self.files.par_iter().map(|Node { path, meta }| {
            let below = path.strip_prefix(&self.root).ok()?;
            let kind = match meta.file_type() {
                kind if kind.is_symlink() => FileKind::Symlink,
                kind if !kind.is_file() => return None,
                _ if meta.mode() & 0o100 != 0 => FileKind::Executable,
                _ => FileKind::File,
            };
            let (content, size) = content_of(path, kind).ok()?;
            Some(TreeFile { path: bytes(below).into(), kind, size, content })
        });
        Manifest::new(listed.collect::<Option<_>>()?).ok()
    }

    /// Sets the permissions that differ from those of `manifest`, as far as `allowed` has them. Contents do not matter
    /// for that. Returns whether any differed.
    pub(super) fn set_modes(
        &self,
        disk: &Disk,
        manifest: &Manifest,
        allowed: u32,
    ) -> Result<bool, DiskError> {
        let files = self.compare(manifest).into_iter().filter_map(|compared| match compared {
            Compared::Listed(file, path, Some(meta)) if meta.is_file() => match file.kind {
                FileKind::File => Some((path, meta.mode(), 0o444)),
                FileKind::Executable => Some((path, meta.mode(), 0o555)),
                FileKind::Symlink => None,
            },
            Compared::Listed(..) | Compared::Unknown(_) => None,
        });
        let directories = self.directories.iter();
        let directories = directories.map(|node| (node.path.clone(), node.meta.mode(), 0o555));
        let mut any = false;
        for (path, mode, wanted) in files.chain(directories) {
            let wanted: u32 = wanted & allowed;
            let differs =
                mode & 0o7222 != 0 || mode & 0o700 != wanted & 0o700 || mode & !wanted & 0o111 != 0;
            if differs {
                disk.set_mode(&path, wanted)?;
                any = true;
            }
        }
        Ok(any)
    }

    /// Reads every byte. What has the right content and another time than that gives it, with the right time; `None`, when
    /// the tree has not all files of `manifest` with their content, or has anything else.
    pub(super) fn late(&self, manifest: &Manifest) -> Option<Vec<(PathBuf, i64)>> {
        let compared = self.compare(manifest).into_par_iter();
        let files = compared.map(|compared| match compared {
            Compared::Listed(file, path, Some(meta)) if self.has(file, meta) => {
                Some((path, meta, file.content.file_time()))
            }
            Compared::Listed(..) | Compared::Unknown(_) => None,
        });
        let mut timed = files.collect::<Option<Vec<_>>>()?;
        let mut expected = BTreeSet::from([BString::default()]);
        expected.extend(manifest.files().iter().flat_map(|file| parents(file.path.as_bstr())));
        for Node { path, meta } in &self.directories {
            let below = bytes(path.strip_prefix(&self.root).ok()?).as_bstr();
            let time = expected.contains(below).then(|| directory_time(manifest, below))?;
            timed.push((path.clone(), meta, time));
        }
        timed.retain(|(_, meta, time)| (meta.mtime(), meta.mtime_nsec()) != (*time, 0));
        Some(timed.into_iter().map(|(path, _, time)| (path, time)).collect())
    }

    fn has(&self, file: &TreeFile, meta: &Metadata) -> bool {
        let is_kind = match file.kind {
            FileKind::Symlink => meta.is_symlink(),
            FileKind::File | FileKind::Executable => meta.is_file(),
        };
        is_kind && has_content(&self.root, file)
    }
}

/// The directories that lead to a path, the outermost first.
pub(super) fn parents(path: &BStr) -> impl Iterator<Item = BString> {
    path.find_iter(b"/")
        .filter_map(|end| path.get(..end).map(BString::from))
        .collect::<Vec<_>>()
        .into_iter()
}

fn bytes(path: &Path) -> &[u8] {
    path.as_os_str().as_bytes()
}
