//! An entry against its manifest: every name in it, by kind, size, permissions and time. The text of a link is read
//! here; contents of files are read later, by [`content`](crate::check::content).
//!
//! A directory without any file of the manifest is no finding: an archive may have brought it.

use std::{
    fs::Metadata,
    os::unix::{ffi::OsStrExt as _, fs::MetadataExt as _},
    path::{Path, PathBuf},
};

use super::{
    BYTE_CODE, COMMITS_DAMAGED, ENTRY_MISSING, ENTRY_REPLACED, FILE_KIND, FILE_MISSING,
    FILE_PERMISSIONS, FILE_SIZE, FILE_TOUCHED, FILE_UNKNOWN, FILE_WRITABLE, FOLDER_PERMISSIONS,
    FOLDER_WRITABLE, GIT_DAMAGED, MANIFEST_DAMAGED, MANIFEST_MISSING, VARIANT_DAMAGED,
    tree::{Compared, Node, Tree},
};
use crate::{
    check::{
        code::Code,
        content::FILE_CONTENT,
        finding::{Depth, Finding},
        home::must_allow,
        view::{Inode, Unread},
    },
    disk::{DiskError, Layout, read_own_if_there},
    environment::{self, is_byte_code},
    model::{ContentHash, Digest, FileKind, GitTree, KeptCommits, Manifest, TreeFile, digest_of},
};

/// What the search of one entry found.
#[derive(Debug, Default)]
pub(super) struct Searched {
    pub(super) found: Vec<Finding>,
    /// Names in its manifest.
    pub(super) files: u64,
    /// Files whose content is still to be read.
    pub(super) unread: Vec<Unread>,
}

/// Checks the entry and its manifest; git's names of its files, which must be there if it is `from_git`; and what was
/// made from it, whose files are few and read here if `depth` says so.
pub(super) fn search(layout: &Layout, entry: Digest, from_git: bool, depth: Depth) -> Searched {
    let mut search = Search { entry, searched: Searched::default() };
    let manifest = search.manifest(layout);
    if let Some(manifest) = &manifest {
        search.searched.files = manifest.files().len() as u64;
        search.git_names(layout, manifest, from_git);
        search.commits(layout);
    }
    let root = layout.entry(entry);
    match root.symlink_metadata() {
        Err(_) => search.find(ENTRY_MISSING, &root, "it is missing"),
        Ok(meta) if !meta.is_dir() => {
            search.find(ENTRY_REPLACED, &root, "this is not a directory");
        }
        Ok(meta) => search.tree(&root, meta, manifest.as_ref(), depth),
    }
    search.searched
}

struct Search {
    entry: Digest,
    searched: Searched,
}

impl Search {
    fn find(&mut self, code: Code, path: &Path, what: impl Into<String>) {
        self.add(Finding::new(code, path, what));
    }

    fn add(&mut self, finding: Finding) {
        self.searched.found.push(finding.with(|about| about.entry = Some(self.entry)));
    }

    /// The manifest, if it has the digest that is its name.
    fn manifest(&mut self, layout: &Layout) -> Option<Manifest> {
        let path = layout.manifest(self.entry);
        let bytes = match read_own_if_there(&path) {
            Ok(Some(bytes)) => bytes,
            Ok(None) => {
                self.find(MANIFEST_MISSING, &path, "the manifest of the entry is missing");
                return None;
            }
            Err(error) => {
                let what = format!("the manifest of the entry cannot be read: {}", error.source);
                self.find(MANIFEST_DAMAGED, &path, what);
                return None;
            }
        };
        let proven = digest_of(&bytes) == self.entry;
        let Some(manifest) = proven.then(|| Manifest::from_bytes(&bytes).ok()).flatten() else {
            self.find(MANIFEST_DAMAGED, &path, "the manifest does not have this digest");
            return None;
        };
        must_allow(&path, 0o400).into_iter().for_each(|finding| self.add(finding));
        Some(manifest)
    }

    fn git_names(&mut self, layout: &Layout, manifest: &Manifest, from_git: bool) {
        let path = layout.git_tree(self.entry);
        match read_own_if_there(&path) {
            Ok(None) if !from_git => {}
            Ok(Some(bytes)) if GitTree::from_bytes(&bytes, manifest).is_some() => {
                must_allow(&path, 0o400).into_iter().for_each(|finding| self.add(finding));
            }
            _ => self.find(GIT_DAMAGED, &path, "git's names of the files cannot be used"),
        }
    }

    fn commits(&mut self, layout: &Layout) {
        let path = layout.commits(self.entry);
        match read_own_if_there(&path) {
            Ok(None) => {}
            Ok(Some(bytes)) if KeptCommits::from_bytes(&bytes).is_some() => {
                must_allow(&path, 0o400).into_iter().for_each(|finding| self.add(finding));
            }
            _ => {
                self.find(COMMITS_DAMAGED, &path, "the commit objects of the entry cannot be used")
            }
        }
    }

    fn tree(&mut self, root: &Path, meta: Metadata, manifest: Option<&Manifest>, depth: Depth) {
        let Ok::<_, DiskError>(tree) = Tree::read(root, meta, &mut |_| Ok(())) else { return };
        tree.directories.iter().for_each(|node| self.folder(node));
        tree.closed
            .iter()
            .for_each(|path| self.find(FOLDER_PERMISSIONS, path, "it cannot be read"));
        for compared in manifest.map(|manifest| tree.compare(manifest)).unwrap_or_default() {
            match compared {
                Compared::Unknown(path) if is_byte_code(path) => {
                    self.find(BYTE_CODE, path, "a Python that root ran has written this");
                }
                Compared::Unknown(path) => {
                    self.find(FILE_UNKNOWN, path, "the entry has no such file");
                }
                Compared::Listed(file, path, Some(meta)) => self.file(file, path, meta),
                Compared::Listed(_, path, None) if path.symlink_metadata().is_ok() => {
                    self.find(FILE_KIND, &path, "this is a directory");
                }
                Compared::Listed(_, path, None) => self.find(FILE_MISSING, &path, "it is missing"),
            }
        }
        for (_, path, what) in tree.variant_faults(depth == Depth::Full) {
            self.find(VARIANT_DAMAGED, &path, what);
        }
    }

    /// A Python that root ran makes directories for byte code with permissions of its own; what is in them is found.
    fn folder(&mut self, Node { path, meta }: &Node) {
        let bits = meta.mode() & 0o7777;
        if path.file_name().is_some_and(|name| name == environment::BYTE_CODE) {
            return;
        }
        if bits & 0o500 != 0o500 {
            self.find(FOLDER_PERMISSIONS, path, "its owner may not list it");
        } else if bits & 0o7222 != 0 {
            self.find(FOLDER_WRITABLE, path, format!("its permissions are {bits:o}, not 555"));
        }
    }

    fn file(&mut self, file: &TreeFile, path: PathBuf, meta: &Metadata) {
        let is_link = file.kind == FileKind::Symlink;
        if is_link != meta.is_symlink() || !is_link && !meta.is_file() {
            return self.find(FILE_KIND, &path, "it is of another kind");
        }
        if meta.size() != file.size {
            let what = format!("it has {} bytes, not {}", meta.size(), file.size);
            return self.find(FILE_SIZE, &path, what);
        }
        if !is_link {
            self.permissions(file, &path, meta);
        }
        if meta.mtime() != file.content.file_time() {
            self.find(FILE_TOUCHED, &path, "a program has written to it, or touched it");
        }
        if is_link {
            let text = std::fs::read_link(&path).unwrap_or_default();
            if ContentHash::of(text.as_os_str().as_bytes()) != file.content {
                self.find(FILE_CONTENT, &path, format!("it leads to {}", text.display()));
            }
            return;
        }
        self.searched.unread.push(Unread {
            entry: self.entry,
            path,
            inode: Inode::of(meta),
            size: file.size,
            content: file.content,
        });
    }

    fn permissions(&mut self, file: &TreeFile, path: &Path, meta: &Metadata) {
        let bits = meta.mode() & 0o7777;
        let is_wrong = match file.kind {
            FileKind::Executable => bits & 0o500 != 0o500,
            FileKind::File | FileKind::Symlink => bits & 0o400 == 0 || bits & 0o111 != 0,
        };
        if is_wrong {
            self.find(FILE_PERMISSIONS, path, format!("its permissions are {bits:o}"));
        } else if bits & 0o7222 != 0 {
            self.find(FILE_WRITABLE, path, format!("its permissions are {bits:o}"));
        }
    }
}
