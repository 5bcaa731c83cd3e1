//! An exported closure: the objects of a lock, laid out as a tier, with the lock beside them. A directory, or one tar of it.
//!
//! ```text
//! modules.lock
//! v1/git/sha1/<2 hex>/<commit>.pack
//! ```
//!
//! The directory is a tier as it is. The tar is uncompressed, its names are sorted, its times and owners are zero: equal closures
//! are equal bytes. What is read from one proves itself, as from any tier.

use std::{
    fs::File,
    io::{self, BufReader, Read, Write},
    path::{Component, Path, PathBuf},
};

use crate::{
    disk::{Disk, DiskError, Verb, names_in, open_regular, read_regular},
    model::{Lockfile, ParseLockfileError},
};

/// The lock's name in a closure.
pub(crate) const LOCK: &str = "modules.lock";

/// The most bytes of the lock of a closure.
const LONGEST_LOCK: u64 = 64 << 20;

/// The longest object of a tar that is read.
const LONGEST_OBJECT: u64 = 1 << 30;

/// The most objects of a tar that are read.
const MOST: usize = 1_000_000;

/// A closure cannot be read or written.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ClosureError {
    /// A file of it cannot be read or written.
    #[error(transparent)]
    Disk(#[from] DiskError),
    /// The tar cannot be read or written.
    #[error("{} cannot be used", path.display())]
    Tar {
        /// The tar.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// The lock does not say what it should.
    #[error("the lock in {} cannot be used", path.display())]
    Lock {
        /// The closure.
        path: PathBuf,
        /// Where and why.
        source: ParseLockfileError,
    },
    /// There is something else in it than a lock and objects.
    #[error("{} is no exported closure: it has `{name}`", path.display())]
    Stranger {
        /// The tar.
        path: PathBuf,
        /// What it has.
        name: String,
    },
}

/// Whether an exported closure lies there: a directory with a lock and objects, or a file, which may be a tar of one.
#[must_use]
pub(crate) fn is_closure(path: &Path) -> bool {
    path.is_file() || (path.join(LOCK).is_file() && path.join("v1").is_dir())
}

/// The lock of the closure in a directory.
pub(crate) fn lock_in(directory: &Path) -> Result<Lockfile, ClosureError> {
    let path = directory.join(LOCK);
    let bytes = read_regular(&path, LONGEST_LOCK);
    let bytes = bytes.map_err(|source| DiskError::new(Verb::Read, &path, source))?;
    Lockfile::parse(&String::from_utf8_lossy(&bytes))
        .map_err(|source| ClosureError::Lock { path: directory.to_owned(), source })
}

/// Writes the closure in `directory` as one tar.
pub(crate) fn pack(directory: &Path, to: &mut dyn Write) -> Result<(), ClosureError> {
    let mut names = vec![PathBuf::from(LOCK)];
    files_below(directory, Path::new("v1"), &mut names)?;
    names.sort();
    let mut tar = tar::Builder::new(to);
    for name in names {
        let path = directory.join(&name);
        let mut append = || {
            let file = open_regular(&path)?;
            let mut header = tar::Header::new_ustar();
            header.set_size(file.metadata()?.len());
            header.set_mode(0o644);
            header.set_mtime(0);
            header.set_entry_type(tar::EntryType::Regular);
            tar.append_data(&mut header, &name, file)
        };
        append().map_err(|source| ClosureError::Tar { path: path.clone(), source })?;
    }
    tar.into_inner()
        .and_then(|to| to.flush())
        .map_err(|source| ClosureError::Tar { path: directory.to_owned(), source })
}

/// The files below a directory, but for those that are being written.
fn files_below(root: &Path, below: &Path, names: &mut Vec<PathBuf>) -> Result<(), DiskError> {
    for name in names_in(&root.join(below))? {
        let name = below.join(name);
        if root.join(&name).is_dir() {
            let is_unfinished = name.file_name().is_some_and(|it| it == ".new");
            if !is_unfinished {
                files_below(root, &name, names)?;
            }
        } else {
            names.push(name);
        }
    }
    Ok(())
}

/// Writes what a tar has into `directory`, which is there and empty. Front to back; nothing in it is believed but its names,
/// which may only be those of a closure.
pub(crate) fn unpack(disk: &Disk, path: &Path, directory: &Path) -> Result<(), ClosureError> {
    let broken = |source| ClosureError::Tar { path: path.to_owned(), source };
    let file = open_regular(path).map_err(broken)?;
    let mut tar = tar::Archive::new(BufReader::new(file));
    for (number, entry) in tar.entries().map_err(broken)?.enumerate() {
        let mut entry = entry.map_err(broken)?;
        let name = entry.path().map_err(broken)?.into_owned();
        let stranger =
            || ClosureError::Stranger { path: path.to_owned(), name: name.display().to_string() };
        let is_file = entry.header().entry_type().is_file();
        if !is_file || !is_of_closure(&name) || number >= MOST || entry.size() > LONGEST_OBJECT {
            return Err(stranger());
        }
        let to = directory.join(&name);
        disk.ensure_dir(to.parent().unwrap_or(directory))?;
        disk.create_file(&to, b"")?;
        let file = File::options().append(true).open(&to);
        let mut file = file.map_err(|source| DiskError::new(Verb::Read, &to, source))?;
        let mut piece = vec![0; 256 << 10];
        loop {
            let read = entry.read(&mut piece).map_err(broken)?;
            match piece.get(..read).filter(|piece| !piece.is_empty()) {
                Some(piece) => disk.append(&mut file, &to, piece)?,
                None => break,
            }
        }
    }
    Ok(())
}

fn is_of_closure(name: &Path) -> bool {
    let is_plain = name.components().all(|part| matches!(part, Component::Normal(_)));
    is_plain && (name == Path::new(LOCK) || name.starts_with("v1"))
}
