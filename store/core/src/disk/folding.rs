//! Whether a file system takes names for equal that differ: in case, in Unicode normalisation, by a dot at the end.
//!
//! The disk is asked and not the platform: an ext4 with `casefold`, a vfat, an exFAT or a share fold on Linux, a volume may
//! keep case on macOS, and on ext4 it is a property of each directory that new ones inherit.
//!
//! Limits: asked where trees are written. A store that is copied to another file system brings what the first one kept
//! apart. Short names (`GIT~1`) are not asked for.

use std::{io, path::Path};

use super::verbs::{Disk, DiskError, Verb};

/// Answers whether names fold where a tree is written, when first asked.
pub type FoldsNames<'f> = dyn Fn() -> Result<bool, DiskError> + Sync + 'f;

/// The name of the file that is asked for by other names.
const NAME: &str = "\u{e9}Ak";

/// Other spellings: of case, in ASCII and beyond it, of normalisation, with what some file systems leave out.
const SPELLINGS: [&str; 7] = [
    "\u{e9}ak",
    "\u{c9}Ak",
    "e\u{301}Ak",
    "\u{e9}A\u{212a}",
    "\u{e9}A\u{200d}k",
    "\u{e9}Ak.",
    "\u{e9}Ak ",
];

/// Asks the file system: first for `known`, a file that is there and has a lower-case letter in its extension, by
/// another spelling; then, in `scratch`, which is free and on the same file system, for a file made for that.
///
/// # Errors
/// The disk cannot be asked. The scratch may be there.
pub fn folds_names(disk: &Disk, known: &Path, scratch: &Path) -> Result<bool, DiskError> {
    let extension = known.extension().unwrap_or_default().to_ascii_uppercase();
    if is_there(&known.with_extension(extension))? {
        return Ok(true);
    }
    disk.create_dir(scratch)?;
    let folds = match disk.create_file(&scratch.join(NAME), b"") {
        // It takes no such names at all, so it folds none.
        Err(error) if is_no_name(&error.source) => false,
        made => {
            made?;
            let mut found = SPELLINGS.iter().map(|other| is_there(&scratch.join(other)));
            found.try_fold(false, |any, found| found.map(|found| any || found))?
        }
    };
    disk.remove_tree(scratch)?;
    Ok(folds)
}

fn is_there(path: &Path) -> Result<bool, DiskError> {
    match path.symlink_metadata() {
        Ok(_) => Ok(true),
        Err(error) if error.kind() == io::ErrorKind::NotFound || is_no_name(&error) => Ok(false),
        Err(error) => Err(DiskError::new(Verb::Read, path, error)),
    }
}

/// How a file system says that it cannot have such a name.
fn is_no_name(error: &io::Error) -> bool {
    use rustix::io::Errno;
    let refused = [Errno::ILSEQ, Errno::INVAL].map(|errno| Some(errno.raw_os_error()));
    refused.contains(&error.raw_os_error())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_asked_leaves_nothing_and_a_spelling_that_is_there_is_an_answer() {
        let place = tempfile::tempdir().unwrap();
        let (known, scratch) = (place.path().join("a.lock"), place.path().join("scratch"));
        let disk = Disk::default();
        disk.create_file(&known, b"").unwrap();
        let answer = folds_names(&disk, &known, &scratch).unwrap();
        assert_eq!(answer, cfg!(target_vendor = "apple"), "as temporary directories mostly are");
        assert!(!scratch.exists());
        // As it looks where names fold.
        std::fs::write(place.path().join("a.LOCK"), "").unwrap();
        assert!(folds_names(&disk, &known, &scratch).unwrap());
    }
}
