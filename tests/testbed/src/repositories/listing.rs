//! A directory as a value that two tests can compare.
//!
//! Limits: no times, owners or permissions other than "executable"; names that are not UTF-8 are printed lossily.

use std::{
    collections::BTreeMap,
    fmt, fs,
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
};

/// The file, link or directory at one path.
#[derive(Clone, PartialEq, Eq)]
pub enum Item {
    /// A directory; its children are items of their own.
    Dir,
    /// A regular file.
    File {
        /// Its content.
        bytes: Vec<u8>,
        /// Whether its owner may execute it.
        executable: bool,
    },
    /// A symbolic link and its text.
    Link(PathBuf),
    /// A device, socket or pipe: nothing a module should hold.
    Other,
}

impl fmt::Debug for Item {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Dir => f.write_str("dir"),
            Self::Link(to) => write!(f, "link {}", to.display()),
            Self::Other => f.write_str("special"),
            Self::File { bytes, executable } => {
                let kind = if *executable { "exec" } else { "file" };
                let start = String::from_utf8_lossy(bytes.get(..60).unwrap_or(bytes));
                write!(f, "{kind} {} bytes {start:?}", bytes.len())
            }
        }
    }
}

/// Everything under `dir` (itself possibly a link), by path relative to it. Links inside are not followed.
pub fn listing(dir: &Path) -> BTreeMap<String, Item> {
    let mut found = BTreeMap::new();
    walk(dir, &mut |path| {
        let name = path
            .strip_prefix(dir)
            .expect("a walk stays under its start")
            .to_string_lossy()
            .into_owned();
        found.insert(name, item(path));
    });
    found
}

/// Calls `visit` with every path under `dir`, parents before children. Paths that vanish meanwhile are left out.
pub(crate) fn walk(dir: &Path, visit: &mut dyn FnMut(&Path)) {
    let Ok(children) = fs::read_dir(dir) else { return };
    for child in children.flatten() {
        let path = child.path();
        visit(&path);
        if child.file_type().is_ok_and(|kind| kind.is_dir()) {
            walk(&path, visit);
        }
    }
}

fn item(path: &Path) -> Item {
    let Ok(meta) = fs::symlink_metadata(path) else { return Item::Other };
    if meta.is_dir() {
        Item::Dir
    } else if meta.is_symlink() {
        Item::Link(fs::read_link(path).unwrap_or_default())
    } else if meta.is_file() {
        let bytes = fs::read(path).unwrap_or_else(|e| panic!("reading {}: {e}", path.display()));
        Item::File { bytes, executable: meta.permissions().mode() & 0o100 != 0 }
    } else {
        Item::Other
    }
}
