//! [`Planting`]: a tree being written into staging, by many threads at once.
//!
//! Files get mode 0444 or 0555 less the umask, and a time made of their content. Directories get
//! both when the tree is sealed, all but the top one, which must stay writable until it is renamed
//! into place. Nothing is synced here: the transaction has one barrier for all.
//!
//! Paths must have been found safe before; this file checks only that nothing is written through a
//! symbolic link or over something.

use std::{
    ffi::OsStr,
    fs::{File, OpenOptions},
    io::{self, Read, Write as _},
    os::unix::{
        ffi::{OsStrExt as _, OsStringExt as _},
        fs::PermissionsExt as _,
    },
    path::{Path, PathBuf},
    sync::Mutex,
};

use gix::bstr::{BStr, BString, ByteSlice as _};
use rustix::fs::{AtFlags, Mode, OFlags, Timespec, Timestamps, UTIME_OMIT};

use super::bounded::open_own;
use super::open_tree::TreeAt;
use super::verbs::{Act, Disk, DiskError, READ_ONLY, Verb};
use crate::model::{ContentHash, FileKind, Manifest, TreeFile, canonical_bytes};

/// A tree being filled. Shared by reference between threads.
#[derive(Debug)]
pub struct Planting {
    disk: Disk,
    root: PathBuf,
    top: File,
    /// What the umask leaves of the permissions of a directory that is not written to.
    read_only: u32,
    directories: Mutex<Vec<BString>>,
    /// Where it lies in a larger tree, if it is a part of one.
    within: BString,
}

/// A file of the previous entry was not linked. The new tree has no such file.
#[derive(Debug, thiserror::Error)]
pub enum LinkError {
    /// The previous entry's file is missing or not as it was written.
    #[error("the entry's file {path} is damaged: {what}")]
    Damaged {
        /// The path in the tree.
        path: BString,
        /// What is wrong with it.
        what: &'static str,
    },
    /// The new tree could not be written to.
    #[error(transparent)]
    Disk(#[from] DiskError),
}

/// A file was not written from a stream. A part of it may be there.
#[derive(Debug, thiserror::Error)]
pub enum StreamError {
    /// The stream failed.
    #[error("its content could not be read")]
    Read(#[source] io::Error),
    /// The tree could not be written to.
    #[error(transparent)]
    Disk(#[from] DiskError),
}

impl Planting {
    /// Makes the directory `root` and starts a tree in it.
    ///
    /// # Errors
    /// The directory may have been made.
    pub fn create(disk: &Disk, root: &Path) -> Result<Self, DiskError> {
        disk.create_dir(root)?;
        let read = |source| DiskError::new(Verb::Read, root, source);
        let top = File::open(root).map_err(read)?;
        let read_only = top.metadata().map_err(read)?.permissions().mode() & READ_ONLY;
        let (disk, root) = (disk.clone(), root.to_owned());
        let (directories, within) = (Mutex::default(), BString::default());
        Ok(Self { disk, root, top, read_only, directories, within })
    }

    /// The same, as a part of a larger tree, where it lies at `path`.
    #[must_use]
    pub fn at(self, path: &BStr) -> Self {
        Self { within: path.to_owned(), ..self }
    }

    /// A path of it in the larger tree that it is a part of.
    #[must_use]
    pub fn path_in_whole(&self, path: &BStr) -> BString {
        match self.within.is_empty() {
            true => path.to_owned(),
            false => [self.within.as_bytes(), b"/", path.as_bytes()].concat().into(),
        }
    }

    /// Where the tree is being written.
    #[must_use]
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// Makes a directory whose parent is there. Once for each.
    ///
    /// # Errors
    /// It was not made.
    pub fn directory(&self, path: &BStr) -> Result<(), DiskError> {
        self.act(Verb::CreateDir, path, None, || {
            Ok(rustix::fs::mkdirat(&self.top, os(path), Mode::from_raw_mode(0o755))?)
        })?;
        self.directories
            .lock()
            .expect("no thread panics while it holds this")
            .push(path.to_owned());
        Ok(())
    }

    /// Writes a file or link whose directory is there, and gives its hash.
    ///
    /// # Errors
    /// The file may be there in part; the tree is not to be used.
    pub fn write(
        &self,
        path: &BStr,
        kind: FileKind,
        contents: &[u8],
    ) -> Result<ContentHash, DiskError> {
        let hash = ContentHash::of(contents);
        match kind {
            FileKind::Symlink => self.write_link(path, contents, hash)?,
            FileKind::File => self.write_file(path, 0o444, contents, hash)?,
            FileKind::Executable => self.write_file(path, 0o555, contents, hash)?,
        }
        Ok(hash)
    }

    /// Writes a file whose directory is there from a stream, and gives its hash and its size. For
    /// content that memory should not hold.
    ///
    /// # Errors
    /// The file may be there in part; the tree is not to be used.
    pub fn write_stream(
        &self,
        path: &BStr,
        executable: bool,
        contents: &mut dyn Read,
    ) -> Result<(ContentHash, u64), StreamError> {
        let mut unread = None;
        let written = self.act(Verb::CreateFile, path, None, || {
            let mut file = self.new_file(path, if executable { 0o555 } else { 0o444 })?;
            let (mut chunk, mut hasher, mut size) = (vec![0; 256 << 10], blake3::Hasher::new(), 0);
            loop {
                let read = match contents.read(&mut chunk) {
                    Ok(0) => break,
                    Ok(read) => chunk.split_at(read).0,
                    Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                    Err(error) => {
                        unread = Some(error);
                        return Err(io::ErrorKind::Other.into());
                    }
                };
                file.write_all(read)?;
                hasher.update(read);
                size += read.len() as u64;
            }
            let hash = ContentHash::from_bytes(hasher.finalize().into());
            rustix::fs::futimens(&file, &times(hash.file_time()))?;
            Ok((hash, size))
        });
        match unread {
            Some(error) => Err(StreamError::Read(error)),
            None => {
                let (hash, size) = written?;
                self.disk.wrote(size);
                Ok((hash, size))
            }
        }
    }

    /// Removes a file that was written, so that another can take its place.
    ///
    /// # Errors
    /// It is still there.
    pub fn remove(&self, path: &BStr) -> Result<(), DiskError> {
        self.act(Verb::Remove, path, None, || {
            Ok(rustix::fs::unlinkat(&self.top, os(path), AtFlags::empty())?)
        })
    }

    /// Writes a file or link whose directory is there as `from` is, and gives its hash and its size.
    ///
    /// # Errors
    /// The file may be there in part; the tree is not to be used.
    pub fn write_from(
        &self,
        path: &BStr,
        kind: FileKind,
        from: &Path,
    ) -> Result<(ContentHash, u64), DiskError> {
        let read = |source| DiskError::new(Verb::Read, from, source);
        if kind == FileKind::Symlink {
            let text = std::fs::read_link(from).map_err(read)?.into_os_string().into_vec();
            return Ok((self.write(path, kind, &text)?, text.len() as u64));
        }
        let mut contents = open_own(from, OpenOptions::new().read(true)).map_err(read)?;
        let written = self.write_stream(path, kind == FileKind::Executable, &mut contents);
        written.map_err(|error| match error {
            StreamError::Disk(error) => error,
            StreamError::Read(error) => read(error),
        })
    }

    fn write_file(
        &self,
        path: &BStr,
        mode: u32,
        contents: &[u8],
        hash: ContentHash,
    ) -> Result<(), DiskError> {
        self.act(Verb::CreateFile, path, None, || {
            let mut file = self.new_file(path, mode)?;
            file.write_all(contents)?;
            Ok(rustix::fs::futimens(&file, &times(hash.file_time()))?)
        })?;
        self.disk.wrote(contents.len() as u64);
        Ok(())
    }

    fn new_file(&self, path: &BStr, mode: u32) -> io::Result<File> {
        let flags =
            OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::CLOEXEC | OFlags::NOFOLLOW;
        Ok(File::from(rustix::fs::openat(&self.top, os(path), flags, raw(mode))?))
    }

    fn write_link(&self, path: &BStr, text: &[u8], hash: ContentHash) -> Result<(), DiskError> {
        self.act(Verb::Symlink, path, Some(OsStr::from_bytes(text).as_ref()), || {
            rustix::fs::symlinkat(OsStr::from_bytes(text), &self.top, os(path))?;
            self.set_time(path, hash.file_time())
        })
    }

    /// Hard-links an unchanged file from the entry at `entry`, whose manifest lists it as `file`.
    ///
    /// Its size, mode and time are compared and its content is not read: a file written by any
    /// ordinary means since then has another time. A bit that changed by itself is not noticed: callers read
    /// the file before, with [`has_content`](super::has_content), or see to it that it is read in its turn. Where the file
    /// system takes no more links to that file, it is copied, and then its content is checked.
    ///
    /// # Errors
    /// The new tree has no such file.
    pub fn link<'e>(
        &self,
        path: &BStr,
        file: &TreeFile,
        entry: impl Into<TreeAt<'e>>,
    ) -> Result<(), LinkError> {
        let entry = entry.into();
        check_unchanged(file, entry)?;
        let ((top, below), from) =
            (entry.find(file.path.as_bstr()), entry.path(file.path.as_bstr()));
        let linked = self.act(Verb::HardLink, path, Some(&from), || {
            Ok(rustix::fs::linkat(top, &*below, &self.top, os(path), AtFlags::empty())?)
        });
        match linked {
            Err(error) if cannot_link(&error.source) => self.copy(path, file, &from),
            // The entry was there when it was looked at: a sweep has taken it since.
            Err(_) if check_unchanged(file, entry).is_err() => {
                Err(LinkError::Damaged { path: file.path.clone(), what: "it is gone" })
            }
            done => Ok(done?),
        }
    }

    fn copy(&self, path: &BStr, file: &TreeFile, from: &Path) -> Result<(), LinkError> {
        let damaged = |what| LinkError::Damaged { path: file.path.clone(), what };
        let contents = match file.kind {
            FileKind::Symlink => {
                std::fs::read_link(from).map(|text| text.into_os_string().into_encoded_bytes())
            }
            FileKind::File | FileKind::Executable => std::fs::read(from),
        };
        let contents = contents.map_err(|_| damaged("it cannot be read"))?;
        if ContentHash::of(&contents) != file.content {
            return Err(damaged("its content is not what was stored"));
        }
        self.write(path, file.kind, &contents)?;
        Ok(())
    }

    /// Takes over a tree that was planted in the directory `path` of this one, so that it is sealed with it.
    pub fn adopt(&self, path: &BStr, part: &Self) {
        let inner = part.directories.lock().expect("no thread panics while it holds this");
        let below = |inner: &BString| [path.as_bytes(), b"/", inner.as_bytes()].concat().into();
        let mut directories =
            self.directories.lock().expect("no thread panics while it holds this");
        directories.push(path.to_owned());
        directories.extend(inner.iter().map(below));
    }

    /// Gives the directories their times and modes, deepest first. The tree is whole now.
    ///
    /// # Errors
    /// Some may have been given.
    pub fn seal(&self, manifest: &Manifest) -> Result<(), DiskError> {
        let mut directories =
            self.directories.lock().expect("no thread panics while it holds this");
        directories.sort_by(|a, b| b.cmp(a));
        for path in directories.iter() {
            let path = path.as_bstr();
            self.act(Verb::SetTime, path, None, || {
                self.set_time(path, directory_time(manifest, path))
            })?;
            // Made by this planting, so no link, and no call is spent on looking.
            self.act(Verb::SetMode, path, None, || {
                let flags = AtFlags::empty();
                Ok(rustix::fs::chmodat(&self.top, os(path), raw(self.read_only), flags)?)
            })?;
        }
        let time = times(directory_time(manifest, BStr::new("")));
        self.act(Verb::SetTime, BStr::new(""), None, || Ok(rustix::fs::futimens(&self.top, &time)?))
    }

    fn set_time(&self, path: &BStr, seconds: i64) -> io::Result<()> {
        let flags = AtFlags::SYMLINK_NOFOLLOW;
        Ok(rustix::fs::utimensat(&self.top, os(path), &times(seconds), flags)?)
    }

    fn act<T>(
        &self,
        verb: Verb,
        path: &BStr,
        from: Option<&Path>,
        run: impl FnOnce() -> io::Result<T>,
    ) -> Result<T, DiskError> {
        let path = self.root.join(os(path));
        self.disk.act(Act { verb, path: &path, from }, run)
    }
}

impl Disk {
    /// Sets the modification time of a file, link or directory, in seconds since 1970.
    ///
    /// # Errors
    /// It is as it was.
    pub fn set_time(&self, path: &Path, seconds: i64) -> Result<(), DiskError> {
        self.act(Act { verb: Verb::SetTime, path, from: None }, || {
            let (cwd, flags) = (rustix::fs::CWD, AtFlags::SYMLINK_NOFOLLOW);
            Ok(rustix::fs::utimensat(cwd, path, &times(seconds), flags)?)
        })
    }
}

/// The time of a directory, made of all that is below it: Python keeps a directory's listing for as
/// long as its time stays the same, also across a switch.
pub fn directory_time(manifest: &Manifest, path: &BStr) -> i64 {
    ContentHash::of(&canonical_bytes(manifest.below(path))).file_time()
}

/// Whether `file` of the entry at `entry` is as it was written, by kind, size, mode and time.
pub fn is_unchanged<'e>(file: &TreeFile, entry: impl Into<TreeAt<'e>>) -> bool {
    check_unchanged(file, entry.into()).is_ok()
}

fn check_unchanged(file: &TreeFile, entry: TreeAt<'_>) -> Result<(), LinkError> {
    let damaged = |what| LinkError::Damaged { path: file.path.clone(), what };
    let (top, below) = entry.find(file.path.as_bstr());
    let stat = rustix::fs::statat(top, &*below, AtFlags::SYMLINK_NOFOLLOW);
    let stat = stat.map_err(|_| damaged("it cannot be read"))?;
    let kind = rustix::fs::FileType::from_raw_mode(stat.st_mode);
    let (is_right, executable) = match file.kind {
        FileKind::File => (kind.is_file(), Some(false)),
        FileKind::Executable => (kind.is_file(), Some(true)),
        FileKind::Symlink => (kind.is_symlink(), None),
    };
    if !is_right {
        return Err(damaged("it is of another kind"));
    }
    if u64::try_from(stat.st_size) != Ok(file.size) {
        return Err(damaged("it has another size"));
    }
    if executable.is_some_and(|executable| executable != (stat.st_mode & 0o100 != 0)) {
        return Err(damaged("it has other permissions"));
    }
    if stat.st_mtime != file.content.file_time() {
        return Err(damaged("it was written to"));
    }
    Ok(())
}

/// Too many links, links not allowed by this file system or kernel, or another file system.
fn cannot_link(error: &io::Error) -> bool {
    use io::ErrorKind::{CrossesDevices, PermissionDenied, TooManyLinks, Unsupported};
    matches!(error.kind(), CrossesDevices | PermissionDenied | TooManyLinks | Unsupported)
}

fn times(seconds: i64) -> Timestamps {
    Timestamps {
        last_access: Timespec { tv_sec: 0, tv_nsec: UTIME_OMIT },
        last_modification: Timespec { tv_sec: seconds, tv_nsec: 0 },
    }
}

#[expect(clippy::useless_conversion, reason = "the width of a mode differs between systems")]
fn raw(mode: u32) -> Mode {
    Mode::from_raw_mode(mode.try_into().expect("permission bits fit every mode"))
}

fn os(path: &BStr) -> &Path {
    Path::new(OsStr::from_bytes(path.as_bytes()))
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::MetadataExt as _;

    use super::*;

    /// Plants a small tree and gives its manifest.
    fn plant(root: &Path) -> Manifest {
        let planting = Planting::create(&Disk::default(), root).unwrap();
        planting.directory("dir".into()).unwrap();
        let file = |path: &str, kind, contents: &[u8]| TreeFile {
            path: path.into(),
            kind,
            size: contents.len() as u64,
            content: planting.write(path.into(), kind, contents).unwrap(),
        };
        let manifest = Manifest::new(vec![
            file("dir/plain", FileKind::File, b"hello"),
            file("run", FileKind::Executable, b"#!/bin/sh"),
            file("to", FileKind::Symlink, b"dir/plain"),
        ])
        .unwrap();
        planting.seal(&manifest).unwrap();
        manifest
    }

    #[test]
    fn a_planted_tree_is_read_only_and_its_times_come_from_its_content() {
        let dir = tempfile::tempdir().unwrap();
        let (one, two) = (dir.path().join("one"), dir.path().join("two"));
        plant(&one);
        plant(&two);
        for path in ["dir/plain", "run", "to", "dir", ""] {
            let meta = |root: &Path| root.join(path).symlink_metadata().unwrap();
            assert_eq!(meta(&one).mtime(), meta(&two).mtime(), "{path}");
            assert_eq!(meta(&one).mtime_nsec(), 0, "{path}");
        }
        let mode = |path: &str| one.join(path).metadata().unwrap().permissions().mode() & 0o777;
        assert_eq!((mode("dir/plain"), mode("run"), mode("dir")), (0o444, 0o555, 0o555));
        assert_ne!(mode("") & 0o200, 0, "the top directory is still to be renamed");
    }

    #[test]
    fn an_unchanged_file_is_linked_and_a_changed_one_never() {
        let dir = tempfile::tempdir().unwrap();
        let entry = dir.path().join("entry");
        let manifest = plant(&entry);
        let next = Planting::create(&Disk::default(), &dir.path().join("next")).unwrap();
        for file in manifest.files() {
            let name = file.path.to_string().replace('/', "-");
            next.link(name.as_str().into(), file, &entry).unwrap();
        }
        let (_, plain) = manifest.find("dir/plain".into()).unwrap();
        let path = entry.join("dir/plain");
        let inode = |path: &Path| path.metadata().unwrap().ino();
        assert_eq!(inode(&path), inode(&next.root().join("dir-plain")));

        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o644)).unwrap();
        std::fs::write(&path, b"HELLO").unwrap();
        let damaged = next.link("again".into(), plain, &entry);
        assert!(matches!(damaged, Err(LinkError::Damaged { .. })), "same size, another time");
        std::fs::remove_file(&path).unwrap();
        assert!(matches!(next.link("again".into(), plain, &entry), Err(LinkError::Damaged { .. })));
        assert!(!next.root().join("again").exists());
    }

    #[test]
    fn nothing_is_written_over_what_is_there() {
        let dir = tempfile::tempdir().unwrap();
        let planting = Planting::create(&Disk::default(), &dir.path().join("tree")).unwrap();
        planting.write("a".into(), FileKind::Symlink, b"../outside").unwrap();
        assert!(planting.write("a".into(), FileKind::File, b"x").is_err());
        assert!(!dir.path().join("outside").exists());
    }

    #[test]
    fn a_directory_whose_listing_changes_gets_another_time() {
        let file = |path: &str| TreeFile {
            path: path.into(),
            kind: FileKind::File,
            size: 0,
            content: ContentHash::of(b""),
        };
        let one = Manifest::new(vec![file("d/a")]).unwrap();
        let two = Manifest::new(vec![file("d/a"), file("d/b")]).unwrap();
        assert_ne!(directory_time(&one, "d".into()), directory_time(&two, "d".into()));
    }
}
