//! Whether another user than the one who runs this, or root, may have written a file, or put another in its place.
//!
//! This is about files of others: an environment, a cache, a project. Its policy differs from that for a store's home
//! (`modstore_core::disk::is_ours`), and only here:
//!
//! ```text
//!                              a store's home        here
//! the user's own group writes  refused               counts as the user: many systems make one for each user
//! root's group writes          refused               counts as root
//! sticky directory (/tmp)      refused               accepted: others cannot replace what is not theirs
//! directories above            not checked           checked: a fix installs by path, and runs what is there
//! ```
//!
//! A home is made by modstore, which can insist on its modes; these files are found as other programs made them. Who
//! counts as the user is the same for both (`Owners`).
//!
//! Limits: access lists count as far as the bits of the group show them.

use std::{
    fmt,
    fs::Metadata,
    os::unix::fs::MetadataExt as _,
    path::{Path, PathBuf},
};

use modstore_core::disk::Owners;

/// In such a directory all users may write, and none may replace a file of another.
const STICKY: u32 = 0o1000;

/// A part of a path that another user may have written or may replace.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Foreign {
    path: PathBuf,
    access: Access,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Access {
    Owned(u32),
    Writable,
}

impl fmt::Display for Foreign {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let path = self.path.display();
        match self.access {
            Access::Owned(by) => write!(f, "{path} belongs to another user (uid {by})"),
            Access::Writable => write!(f, "other users may write to {path}"),
        }
    }
}

/// The users that count as this one, and its group.
#[derive(Debug, Clone, Copy)]
struct Person {
    owners: Owners,
    group: u32,
}

impl Person {
    fn here() -> Self {
        Self { owners: Owners::of_process(), group: rustix::process::getegid().as_raw() }
    }

    fn sees(self, meta: &Metadata) -> Option<Access> {
        let is_own = self.owners.has(meta.uid());
        let mode = meta.mode();
        // The bits of a link say nothing.
        let is_open = !meta.is_symlink()
            && (mode & 0o002 != 0 || (mode & 0o020 != 0 && ![0, self.group].contains(&meta.gid())));
        let is_sticky = meta.is_dir() && mode & STICKY != 0;
        match (is_own, is_open && !is_sticky) {
            (false, _) => Some(Access::Owned(meta.uid())),
            (true, true) => Some(Access::Writable),
            (true, false) => None,
        }
    }
}

/// The part of `path`, or of the directories that lead to it, that another user may have written or may replace. A path
/// that does not exist is judged by its directory.
pub(crate) fn foreign(path: &Path) -> Option<Foreign> {
    let person = Person::here();
    let at = |path: &Path| {
        let access = person.sees(&path.symlink_metadata().ok()?)?;
        Some(Foreign { path: path.to_owned(), access })
    };
    let there = path.ancestors().find_map(|above| above.canonicalize().ok())?;
    at(path).or_else(|| there.ancestors().find_map(at))
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::{PermissionsExt as _, lchown};

    use super::*;

    fn mode(path: &Path, mode: u32) {
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).unwrap();
    }

    #[test]
    fn what_others_may_write_or_replace_is_not_in_ones_own_hands() {
        let place = tempfile::tempdir().unwrap();
        let directory = place.path().canonicalize().unwrap().join("a/b");
        std::fs::create_dir_all(&directory).unwrap();
        let file = directory.join("file");
        std::fs::write(&file, "").unwrap();
        assert_eq!(foreign(&file), None, "the temporary directory is sticky");
        assert_eq!(foreign(&directory.join("none")), None);
        let above = directory.parent().unwrap().to_owned();
        for path in [&file, &directory, &above] {
            let was = path.metadata().unwrap().permissions().mode();
            mode(path, was | 0o002);
            let told = foreign(&file).unwrap().to_string();
            assert_eq!(told, format!("other users may write to {}", path.display()));
            mode(path, was);
        }
        mode(&above, 0o1777);
        assert_eq!(foreign(&file), None);
        let group = rustix::process::getegid().as_raw();
        mode(&directory, 0o775);
        lchown(&directory, None, Some(group)).unwrap();
        assert_eq!(foreign(&file), None, "a group of one's own");
        if rustix::process::geteuid().is_root() {
            lchown(&file, Some(12345), None).unwrap();
            let told = foreign(&file).unwrap().to_string();
            assert!(told.contains("another user (uid 12345)"), "{told}");
            lchown(&directory, None, Some(12345)).unwrap();
            lchown(&file, Some(0), None).unwrap();
            assert!(foreign(&file).unwrap().to_string().contains("other users may write"));
        }
    }
}
