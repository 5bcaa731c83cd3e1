//! What is done to a file, a link or a directory.

use std::{
    ffi::OsString,
    fs,
    os::unix::{ffi::OsStringExt as _, fs::PermissionsExt as _, fs::symlink},
    path::Path,
    process::Command,
};

use modstore_core::disk::Disk;

/// A kind of damage.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Harm {
    Deleted,
    /// Its second half is gone.
    Truncated,
    /// One bit is another, and the file has been written to.
    Flipped,
    /// One bit is another, and the file's size and time are as they were: rot.
    SilentlyFlipped,
    /// A directory is in its place, or a file in the place of a directory.
    Directory,
    /// No user may read, write or enter it.
    Permissions,
}

impl Harm {
    pub(super) const ALL: [Self; 6] = [
        Self::Deleted,
        Self::Truncated,
        Self::Flipped,
        Self::SilentlyFlipped,
        Self::Directory,
        Self::Permissions,
    ];

    /// Does it, and says whether it makes sense here. `byte` says in which byte of so many the bit is.
    pub(super) fn does(self, path: &Path, byte: impl Fn(usize) -> usize) -> bool {
        let meta = path.symlink_metadata().unwrap();
        // Entries are read-only, and the tests need not be root.
        let above = path.parent().unwrap();
        let above_mode = above.metadata().unwrap().permissions();
        fs::set_permissions(above, fs::Permissions::from_mode(0o755)).unwrap();
        let done = match (self, meta.is_dir(), meta.is_symlink()) {
            (Self::Deleted, ..) => {
                Disk::default().remove_tree(path).unwrap();
                true
            }
            (Self::Directory, false, _) => {
                fs::remove_file(path).unwrap();
                fs::create_dir(path).unwrap();
                true
            }
            (Self::Directory, true, _) => {
                Disk::default().remove_tree(path).unwrap();
                fs::write(path, "this is a file").unwrap();
                true
            }
            (Self::Permissions, _, false) => {
                fs::set_permissions(path, fs::Permissions::from_mode(0o000)).unwrap();
                true
            }
            (Self::Truncated | Self::Flipped, false, true) => {
                let text = fs::read_link(path).unwrap().into_os_string().into_vec();
                let text = self.changed(text, byte);
                fs::remove_file(path).unwrap();
                symlink(OsString::from_vec(text), path).unwrap();
                true
            }
            (Self::Truncated | Self::Flipped | Self::SilentlyFlipped, false, false) => {
                let contents = fs::read(path).unwrap();
                if contents.is_empty() {
                    return false;
                }
                let mode = meta.permissions();
                fs::set_permissions(path, fs::Permissions::from_mode(0o644)).unwrap();
                fs::write(path, self.changed(contents, byte)).unwrap();
                fs::set_permissions(path, mode).unwrap();
                if self == Self::SilentlyFlipped {
                    let time = meta.modified().unwrap();
                    fs::File::open(path).unwrap().set_modified(time).unwrap();
                }
                true
            }
            _ => false,
        };
        fs::set_permissions(above, above_mode).unwrap();
        done
    }

    fn changed(self, mut bytes: Vec<u8>, byte: impl Fn(usize) -> usize) -> Vec<u8> {
        if self == Self::Truncated {
            bytes.truncate(bytes.len() / 2);
        } else {
            let at = byte(bytes.len());
            bytes[at] ^= 1 << 3;
        }
        bytes
    }
}

/// Gives every user all rights again, so that a test without root can remove its directory.
pub(super) fn undo_permissions(home: &Path) {
    drop(Command::new("chmod").args(["-R", "u+rwX"]).arg(home).status());
}
