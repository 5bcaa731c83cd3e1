//! A scratch copy of a tree: where another program may write whatever it likes.
//!
//! Not observed and never synced: what happens there is no change of the store. A copy is a copy, never a hard
//! link: a program that writes in place, or runs as root, must not reach the entry.

use std::{io, os::unix::fs::PermissionsExt as _, path::Path};

use super::verbs::{DiskError, OTHERS_WRITE, Verb, make_dir};

/// Copies the tree `from` to `to`, which is not there yet. Everything in the copy may be written to; times are not
/// kept. Names that `leave` says yes to, at the top, are left out.
///
/// # Errors
/// Some of it may have been copied.
pub fn copy_to_scratch(
    from: &Path,
    to: &Path,
    leave: &dyn Fn(&std::ffi::OsStr) -> bool,
) -> Result<(), DiskError> {
    make_dir(to).map_err(|error| DiskError::new(Verb::CreateDir, to, error))?;
    let read = |error: io::Error| DiskError::new(Verb::Read, from, error);
    for child in std::fs::read_dir(from).map_err(read)? {
        let child = child.map_err(read)?;
        if leave(&child.file_name()) {
            continue;
        }
        let (source, target) = (child.path(), to.join(child.file_name()));
        let kind = child.file_type().map_err(read)?;
        if kind.is_dir() {
            copy_to_scratch(&source, &target, &|_| false)?;
        } else if kind.is_file() || kind.is_symlink() {
            copy_one(&source, &target, kind.is_symlink())
                .map_err(|error| DiskError::new(Verb::CreateFile, &target, error))?;
        }
    }
    Ok(())
}

/// Puts a copy of a file or a directory in the place of whatever lies at `to` in a scratch.
///
/// # Errors
/// What lay there is gone.
pub fn replace_in_scratch(from: &Path, to: &Path) -> Result<(), DiskError> {
    let removed = match to.symlink_metadata() {
        Err(_) => Ok(()),
        Ok(meta) if meta.is_dir() => std::fs::remove_dir_all(to),
        Ok(_) => std::fs::remove_file(to),
    };
    removed.map_err(|error| DiskError::new(Verb::Remove, to, error))?;
    if let Some(parent) = to.parent() {
        let made = std::fs::create_dir_all(parent);
        made.map_err(|error| DiskError::new(Verb::CreateDir, parent, error))?;
    }
    match from.is_dir() {
        true => copy_to_scratch(from, to, &|_| false),
        false => {
            copy_one(from, to, false).map_err(|error| DiskError::new(Verb::CreateFile, to, error))
        }
    }
}

/// Makes a directory in which another program may write whatever it likes.
///
/// # Errors
/// It is not there.
pub fn make_scratch(at: &Path) -> Result<(), DiskError> {
    make_dir(at).map_err(|error| DiskError::new(Verb::CreateDir, at, error))
}

/// An empty file to write to and read from that has no name any more: whatever happens, nothing of it is left.
///
/// # Errors
/// It could not be made, or something lies at `at`.
pub fn unnamed_file(at: &Path) -> io::Result<std::fs::File> {
    let file = std::fs::File::options().read(true).write(true).create_new(true).open(at)?;
    std::fs::remove_file(at)?;
    Ok(file)
}

/// Removes a file from a scratch.
///
/// # Errors
/// It is still there.
pub fn remove_from_scratch(at: &Path) -> Result<(), DiskError> {
    std::fs::remove_file(at).map_err(|error| DiskError::new(Verb::Remove, at, error))
}

/// Removes a scratch, as far as that can be done: what a program has made unreadable goes with the staging, or stays.
pub fn remove_scratch(at: &Path) {
    // The removal of the staging tries once more, and reports an error.
    let _ = std::fs::remove_dir_all(at);
}

fn copy_one(from: &Path, to: &Path, is_link: bool) -> io::Result<()> {
    if is_link {
        return std::os::unix::fs::symlink(std::fs::read_link(from)?, to);
    }
    std::fs::copy(from, to)?;
    let mode = std::fs::metadata(to)?.permissions().mode() & !OTHERS_WRITE | 0o200;
    std::fs::set_permissions(to, std::fs::Permissions::from_mode(mode))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_in_a_scratch_does_not_reach_what_it_was_copied_from() {
        let place = tempfile::tempdir().unwrap();
        let (from, to) = (place.path().join("from"), place.path().join("to"));
        std::fs::create_dir_all(from.join("deep/left out")).unwrap();
        std::fs::write(from.join("deep/file"), "old").unwrap();
        std::fs::write(from.join("left out"), "old").unwrap();
        std::os::unix::fs::symlink("deep/file", from.join("link")).unwrap();
        let mode = std::fs::Permissions::from_mode(0o555);
        std::fs::set_permissions(from.join("deep/file"), mode).unwrap();
        copy_to_scratch(&from, &to, &|name| name == "left out").unwrap();
        std::fs::write(to.join("link"), "new").unwrap();
        assert_eq!(std::fs::read_to_string(to.join("deep/file")).unwrap(), "new");
        assert_eq!(std::fs::read_to_string(from.join("deep/file")).unwrap(), "old");
        let executable = std::fs::metadata(to.join("deep/file")).unwrap().permissions().mode();
        assert_eq!(executable & 0o111, 0o111);
        assert!(to.join("deep/left out").is_dir() && !to.join("left out").exists());
    }
}
