//! Moving and replacing directories where the file system does not: name by name.
//!
//! An overlay refuses to rename, and to exchange, a directory that a lower layer brought (`EXDEV`), as the layers of a
//! container image do. Files and links in such a directory can be renamed, so the directory stays and its names move.
//!
//! Limits: a tree moved by parts is under both names for a while, each file under one of them. Only directories
//! are moved so: files on another file system stay where they are.

use std::{
    fs::{FileType, Metadata},
    io,
    os::unix::fs::{MetadataExt as _, PermissionsExt as _},
    path::Path,
};

use super::{
    bounded::{SMALL_FILE, read_regular},
    verbs::{Act, Disk, DiskError, Verb, names_in},
};

impl Disk {
    /// Gives a file, link or tree another name, which is free: in one step, or by parts.
    ///
    /// # Errors
    /// Some of a tree may have the new name.
    pub fn move_tree(&self, from: &Path, to: &Path) -> Result<(), DiskError> {
        match self.rename(from, to) {
            Err(error) if is_of_lower_layer(&error, from) => self.move_parts(from, to),
            moved => moved,
        }
    }

    fn move_parts(&self, from: &Path, to: &Path) -> Result<(), DiskError> {
        let mode = look(from)?.permissions().mode() & 0o7777;
        self.create_dir(to)?;
        self.open_up(from, mode)?;
        for name in names_in(from)? {
            self.move_tree(&from.join(&name), &to.join(&name))?;
        }
        self.set_mode(to, mode)?;
        self.remove_empty(from)
    }

    /// Swaps two trees: in one step, or, where the file system cannot, by parts. Then `path` is what `good` was, with
    /// each of its names replaced in one step, what was replaced is at `aside`, which is free, and `good` is used up.
    /// Says whether it was done by parts.
    ///
    /// # Errors
    /// `path` may be the good one in part; doing it again goes on.
    pub fn exchange_tree(&self, good: &Path, path: &Path, aside: &Path) -> Result<bool, DiskError> {
        match self.exchange(good, path) {
            Err(error) if cannot_exchange(&error.source) => {
                self.replace(good, path, aside)?;
                self.remove_tree(good).or_else(|error| self.leave(error))?;
                Ok(true)
            }
            exchanged => exchanged.map(|()| false),
        }
    }

    /// Puts `good` in the place of `path`, keeping what was there at `aside`.
    fn replace(&self, good: &Path, path: &Path, aside: &Path) -> Result<(), DiskError> {
        let wanted = look(good)?;
        match path.symlink_metadata() {
            Err(error) if error.kind() == io::ErrorKind::NotFound => self.rename(good, path),
            Err(error) => Err(DiskError::new(Verb::Read, path, error)),
            Ok(there) if wanted.is_dir() && there.is_dir() => {
                self.replace_names(good, path, aside, &wanted)
            }
            Ok(there) if there.is_dir() => {
                self.move_tree(path, aside)?;
                self.rename(good, path)
            }
            Ok(there) if wanted.is_dir() => {
                self.keep_name(path, aside, there.file_type())?;
                self.remove_file(path)?;
                self.rename(good, path)
            }
            Ok(there) if is_same(good, &wanted, path, &there) => Ok(()),
            Ok(there) => {
                self.keep_name(path, aside, there.file_type())?;
                self.rename(good, path)
            }
        }
    }

    fn replace_names(
        &self,
        good: &Path,
        path: &Path,
        aside: &Path,
        wanted: &Metadata,
    ) -> Result<(), DiskError> {
        let mode = wanted.permissions().mode() & 0o7777;
        self.create_dir(aside)?;
        self.open_up(good, mode)?;
        self.open_up(path, look(path)?.permissions().mode())?;
        let names = names_in(good)?;
        for name in &names {
            self.replace(&good.join(name), &path.join(name), &aside.join(name))?;
        }
        for more in names_in(path)?.iter().filter(|name| !names.contains(name)) {
            self.move_tree(&path.join(more), &aside.join(more))?;
        }
        self.sync_dir(path)?;
        self.set_time(path, wanted.mtime())?;
        self.set_mode(path, mode)
    }

    /// Gives what is about to be replaced a second name, so that nothing is lost and it is missed at no moment.
    fn keep_name(&self, path: &Path, aside: &Path, kind: FileType) -> Result<(), DiskError> {
        if self.hard_link(path, aside).is_ok() {
            return Ok(());
        }
        if kind.is_symlink() {
            let text = std::fs::read_link(path);
            return self.symlink(&text.map_err(|e| DiskError::new(Verb::Read, path, e))?, aside);
        }
        self.copy_file(path, aside)
    }

    /// Only a process that may write to a directory may change the names in it.
    fn open_up(&self, directory: &Path, mode: u32) -> Result<(), DiskError> {
        if mode & 0o700 == 0o700 { Ok(()) } else { self.set_mode(directory, 0o755) }
    }

    fn remove_empty(&self, path: &Path) -> Result<(), DiskError> {
        self.act(Act { verb: Verb::Remove, path, from: None }, || std::fs::remove_dir(path))
    }
}

/// Whether that is how an overlay refuses to rename a directory of a lower layer.
fn is_of_lower_layer(error: &DiskError, path: &Path) -> bool {
    error.source.kind() == io::ErrorKind::CrossesDevices
        && path.symlink_metadata().is_ok_and(|there| there.is_dir())
}

/// A directory of a lower layer, a file system that cannot do it, or one that is served by a program that cannot.
fn cannot_exchange(error: &io::Error) -> bool {
    use io::ErrorKind::{CrossesDevices, InvalidInput, Unsupported};
    matches!(error.kind(), CrossesDevices | InvalidInput | Unsupported)
}

/// Whether there is nothing to replace. Only small files are compared; replacing an equal one does no harm.
fn is_same(good: &Path, wanted: &Metadata, path: &Path, there: &Metadata) -> bool {
    if (wanted.dev(), wanted.ino()) == (there.dev(), there.ino()) {
        return true;
    }
    let alike = |meta: &Metadata| (meta.file_type(), meta.mode(), meta.len(), meta.mtime());
    let read = |at: &Path| read_regular(at, SMALL_FILE).ok();
    let is_file = wanted.is_file();
    is_file
        && alike(wanted) == alike(there)
        && read(good).is_some_and(|bytes| read(path) == Some(bytes))
}

fn look(path: &Path) -> Result<Metadata, DiskError> {
    path.symlink_metadata().map_err(|source| DiskError::new(Verb::Read, path, source))
}

#[cfg(test)]
mod tests {
    use std::{fs, sync::Arc};

    use super::*;
    use crate::disk::Observer;

    /// Refuses what an overlay refuses when every directory came with a lower layer.
    struct Layered;

    impl Observer for Layered {
        fn before(&self, act: Act<'_>) -> io::Result<()> {
            let moved = match act.verb {
                Verb::Rename => [act.from, None],
                Verb::Exchange => [act.from, Some(act.path)],
                _ => [None, None],
            };
            let is_old = |path: &Path| path.is_dir() && !path.is_symlink() && !is_new(path);
            match moved.into_iter().flatten().any(is_old) {
                true => Err(io::ErrorKind::CrossesDevices.into()),
                false => Ok(()),
            }
        }
    }

    /// What was made in staging is of the upper layer.
    fn is_new(path: &Path) -> bool {
        path.components().any(|part| part.as_os_str() == "good")
    }

    fn disk() -> Disk {
        Disk::observed(Arc::new(Layered))
    }

    fn tree(root: &Path, files: &[(&str, &str)]) {
        for (path, text) in files {
            let path = root.join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        }
    }

    fn read(root: &Path, path: &str) -> Option<String> {
        fs::read_to_string(root.join(path)).ok()
    }

    #[test]
    fn a_directory_that_cannot_be_renamed_moves_by_its_names() {
        let place = tempfile::tempdir().unwrap();
        let (from, to) = (place.path().join("from"), place.path().join("to"));
        tree(&from, &[("a", "1"), ("deep/b", "2")]);
        std::os::unix::fs::symlink("deep/b", from.join("link")).unwrap();
        fs::set_permissions(from.join("deep"), fs::Permissions::from_mode(0o555)).unwrap();
        disk().move_tree(&from, &to).unwrap();
        assert!(from.symlink_metadata().is_err());
        assert_eq!((read(&to, "a"), read(&to, "link")), (Some("1".into()), Some("2".into())));
        assert_eq!(to.join("deep").metadata().unwrap().mode() & 0o777, 0o555);
    }

    #[test]
    fn a_tree_that_cannot_be_exchanged_is_replaced_by_its_names_and_what_was_there_is_kept() {
        let place = tempfile::tempdir().unwrap();
        let [good, path, aside] = ["good", "path", "aside"].map(|name| place.path().join(name));
        tree(
            &path,
            &[("same", "1"), ("rot", "bad"), ("more/x", "3"), ("kind/x", "4"), ("dir", "5")],
        );
        tree(
            &good,
            &[("same", "1"), ("rot", "good"), ("kind", "6"), ("dir/y", "7"), ("new/z", "8")],
        );
        fs::set_permissions(good.join("new"), fs::Permissions::from_mode(0o555)).unwrap();
        assert!(disk().exchange_tree(&good, &path, &aside).unwrap());
        let now = ["same", "rot", "kind", "dir/y", "new/z"].map(|name| read(&path, name));
        assert_eq!(now, ["1", "good", "6", "7", "8"].map(|text| Some(text.to_owned())));
        assert!(!path.join("more").exists() && !good.exists());
        let kept = ["rot", "more/x", "kind/x", "dir"].map(|name| read(&aside, name));
        assert_eq!(kept, ["bad", "3", "4", "5"].map(|text| Some(text.to_owned())));
    }

    #[test]
    fn what_is_renamed_and_exchanged_in_one_step_is_not_done_by_parts() {
        let place = tempfile::tempdir().unwrap();
        let [good, path, aside] = ["good", "path", "aside"].map(|name| place.path().join(name));
        tree(&path, &[("x", "old")]);
        tree(&good, &[("x", "new")]);
        assert!(!Disk::default().exchange_tree(&good, &path, &aside).unwrap());
        assert_eq!((read(&path, "x"), read(&good, "x")), (Some("new".into()), Some("old".into())));
        assert!(!aside.exists());
    }
}
