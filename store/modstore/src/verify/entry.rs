//! An entry against its list: every name in it, by kind, size, permissions and time. Contents of files are read
//! elsewhere; the text of a link is read here.
//!
//! Directories that no file of the list is in are no finding: an archive may have brought them.

use std::{
    collections::BTreeSet,
    fs::Metadata,
    os::unix::{ffi::OsStrExt as _, fs::MetadataExt as _},
    path::{Path, PathBuf},
};

use super::{
    code::Code,
    finding::{Depth, Finding},
    home::must_allow,
};
use crate::{
    disk::{Layout, names_in, read_own_if_there},
    environment::{BYTE_CODE, is_byte_code, variant_faults},
    model::{ContentHash, Digest, FileKind, GitTree, Manifest, TreeFile, digest_of},
};

/// What a file is, whatever its name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Inode {
    device: u64,
    number: u64,
}

impl Inode {
    pub(super) fn of(meta: &Metadata) -> Self {
        Self { device: meta.dev(), number: meta.ino() }
    }
}

/// What looking at an entry gives.
#[derive(Debug, Default)]
pub(super) struct Looked {
    pub(super) findings: Vec<Finding>,
    /// Names in its list.
    pub(super) files: u64,
    /// Files whose content is still to be read.
    pub(super) unread: Vec<Unread>,
}

/// A file of the right kind and size, whose content is not known.
#[derive(Debug)]
pub(super) struct Unread {
    pub(super) entry: Digest,
    pub(super) path: PathBuf,
    pub(super) inode: Inode,
    pub(super) size: u64,
    pub(super) content: ContentHash,
}

/// Looks at the entry and its list, at what git called its files, which must be there if it is `from_git`, and at
/// what was made from it, whose files are few and read here if `depth` says so.
pub(super) fn look(layout: &Layout, digest: Digest, from_git: bool, depth: Depth) -> Looked {
    let (root, looked) = (layout.entry(digest), Looked::default());
    let mut looking = Looking { digest, root, from_git, looked, own: Vec::new() };
    let manifest = looking.manifest(layout);
    match looking.root.symlink_metadata() {
        Err(_) => looking.find(Code::EntryMissing, &layout.entry(digest), "it is not there"),
        Ok(meta) if !meta.is_dir() => {
            looking.find(Code::EntryReplaced, &layout.entry(digest), "this is no directory");
        }
        Ok(meta) => {
            let mut found = Vec::new();
            let root = looking.root.clone();
            looking.folder(&root, &meta);
            looking.walk(&root, &mut found);
            if let Some(manifest) = &manifest {
                // Not as paths are compared, part by part: `a-b` comes before `a/b`.
                found.sort_by(|(a, _), (b, _)| bytes(a).cmp(bytes(b)));
                looking.compare(manifest, &found);
            }
            looking.variants(&found, depth);
        }
    }
    looking.looked.files = manifest.map_or(0, |manifest| manifest.files().len() as u64);
    looking.looked
}

struct Looking {
    digest: Digest,
    root: PathBuf,
    from_git: bool,
    looked: Looked,
    /// Directories of the store's own in the entry.
    own: Vec<PathBuf>,
}

impl Looking {
    fn find(&mut self, code: Code, path: &Path, what: impl Into<String>) {
        self.looked.findings.push(Finding::new(code, path, what).of_entry(self.digest));
    }

    /// The list, if it proves itself.
    fn manifest(&mut self, layout: &Layout) -> Option<Manifest> {
        let path = layout.manifest(self.digest);
        let manifest = match read_own_if_there(&path) {
            Ok(None) => {
                self.find(Code::ManifestMissing, &path, "the list of the entry is not there");
                return None;
            }
            Err(error) => {
                let what = format!("the list of the entry cannot be read: {}", error.source);
                self.find(Code::ManifestDamaged, &path, what);
                return None;
            }
            Ok(Some(bytes)) if digest_of(&bytes) == self.digest => {
                Manifest::from_bytes(&bytes).ok()
            }
            Ok(Some(_)) => None,
        };
        match &manifest {
            None => self.find(Code::ManifestDamaged, &path, "the list does not have this digest"),
            Some(manifest) => {
                let digest = self.digest;
                let closed = must_allow(&path, 0o400).map(|finding| finding.of_entry(digest));
                self.looked.findings.extend(closed);
                self.git_names(layout, manifest);
            }
        }
        manifest
    }

    fn git_names(&mut self, layout: &Layout, manifest: &Manifest) {
        let path = layout.git_tree(self.digest);
        match read_own_if_there(&path) {
            Ok(None) if !self.from_git => {}
            Ok(Some(bytes)) if GitTree::from_bytes(&bytes, manifest).is_some() => {
                let digest = self.digest;
                let closed = must_allow(&path, 0o400).map(|finding| finding.of_entry(digest));
                self.looked.findings.extend(closed);
            }
            _ => self.find(Code::GitDamaged, &path, "what git called the files cannot be used"),
        }
    }

    /// Every name below `at` but directories, with what the system says of it.
    fn walk(&mut self, at: &Path, found: &mut Vec<(PathBuf, Metadata)>) {
        let Ok(children) = std::fs::read_dir(at) else {
            return self.find(Code::FolderPermissions, at, "it cannot be read");
        };
        for child in children.flatten() {
            let Ok(meta) = child.metadata() else { continue };
            let path = child.path();
            if meta.is_dir() && child.file_name() == Layout::OWN {
                self.own.push(path);
            } else if meta.is_dir() {
                if child.file_name() != BYTE_CODE {
                    self.folder(&path, &meta);
                }
                self.walk(&path, found);
            } else {
                found.push((path, meta));
            }
        }
    }

    fn folder(&mut self, path: &Path, meta: &Metadata) {
        let bits = meta.mode() & 0o7777;
        if bits & 0o500 != 0o500 {
            self.find(Code::FolderPermissions, path, "its owner may not look into it");
        } else if bits & 0o7222 != 0 {
            self.find(Code::FolderWritable, path, format!("its permissions are {bits:o}, not 555"));
        }
    }

    /// Both are in the order of their paths' bytes.
    fn compare(&mut self, manifest: &Manifest, found: &[(PathBuf, Metadata)]) {
        let mut found = found.iter().peekable();
        let root = self.root.clone();
        for file in manifest.files() {
            let path = root.join(std::ffi::OsStr::from_bytes(&file.path));
            while let Some((unknown, _)) = found.next_if(|(other, _)| bytes(other) < bytes(&path)) {
                self.unknown(unknown);
            }
            match found.next_if(|(other, _)| *other == path) {
                None if path.symlink_metadata().is_ok() => {
                    self.find(Code::FileKind, &path, "this is a directory");
                }
                None => self.find(Code::FileMissing, &path, "it is not there"),
                Some((_, meta)) => self.file(file, path, meta),
            }
        }
        for (unknown, _) in found {
            self.unknown(unknown);
        }
    }

    fn unknown(&mut self, path: &Path) {
        match is_byte_code(path) {
            true => self.find(Code::ByteCode, path, "a Python has kept this, run by root"),
            false => self.find(Code::FileUnknown, path, "the entry has no such file"),
        }
    }

    /// What was made from the entry is made of its files, and of others that are listed.
    fn variants(&mut self, found: &[(PathBuf, Metadata)], depth: Depth) {
        let own = std::mem::take(&mut self.own);
        if own.is_empty() {
            return;
        }
        let entrys: BTreeSet<Inode> = found.iter().map(|(_, meta)| Inode::of(meta)).collect();
        let is_entrys = |device, number| entrys.contains(&Inode { device, number });
        let tags = own.iter().flat_map(|own| {
            names_in(own).unwrap_or_default().into_iter().map(|name| own.join(name))
        });
        for variant in tags {
            for (path, what) in variant_faults(&variant, &is_entrys, depth == Depth::Full) {
                self.find(Code::VariantDamaged, &path, what);
            }
        }
    }

    fn file(&mut self, file: &TreeFile, path: PathBuf, meta: &Metadata) {
        let is_link = file.kind == FileKind::Symlink;
        if is_link != meta.is_symlink() || !is_link && !meta.is_file() {
            return self.find(Code::FileKind, &path, "it is of another kind");
        }
        if meta.size() != file.size {
            let what = format!("it has {} bytes, not {}", meta.size(), file.size);
            return self.find(Code::FileSize, &path, what);
        }
        if !is_link {
            self.permissions(file, &path, meta);
        }
        if meta.mtime() != file.content.file_time() {
            self.find(Code::FileTouched, &path, "somebody has written to it, or touched it");
        }
        if is_link {
            let text = std::fs::read_link(&path).unwrap_or_default();
            if ContentHash::of(text.as_os_str().as_bytes()) != file.content {
                self.find(Code::FileContent, &path, format!("it leads to {}", text.display()));
            }
            return;
        }
        let inode = Inode::of(meta);
        let (entry, size, content) = (self.digest, file.size, file.content);
        self.looked.unread.push(Unread { entry, path, inode, size, content });
    }

    fn permissions(&mut self, file: &TreeFile, path: &Path, meta: &Metadata) {
        let bits = meta.mode() & 0o7777;
        let (need, must_not) = match file.kind {
            FileKind::Executable => (0o500, 0),
            FileKind::File | FileKind::Symlink => (0o400, 0o111),
        };
        if bits & need != need || bits & must_not != 0 {
            self.find(Code::FilePermissions, path, format!("its permissions are {bits:o}"));
        } else if bits & 0o7222 != 0 {
            self.find(Code::FileWritable, path, format!("its permissions are {bits:o}"));
        }
    }
}

fn bytes(path: &Path) -> &[u8] {
    path.as_os_str().as_bytes()
}
