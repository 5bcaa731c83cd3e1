//! Every way in which a store changes the disk, one verb each.
//!
//! An [`Observer`] sees each act before it happens and may make it fail: golden traces, crash tests
//! and fault tests all sit on this one seam, so what is tested is what is shipped.
//!
//! Reads are not observed. Locks are taken in [`lock`](super::Lock), whole trees are written by
//! [`Planting`](super::Planting); both report through here.

use std::{
    ffi::OsStr,
    fmt,
    fs::{File, OpenOptions},
    io::{self, Write as _},
    os::unix::{
        ffi::OsStrExt as _,
        fs::{DirBuilderExt as _, OpenOptionsExt as _, PermissionsExt as _},
    },
    path::{Path, PathBuf},
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
};

use rustix::io::Errno;

use super::bounded::{OWN_FILE, link_in_the_way, open_own, read_own, read_regular};

/// What an act does to the disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Verb {
    /// Makes a directory.
    CreateDir,
    /// Makes a new file with its content.
    CreateFile,
    /// Makes a symbolic link.
    Symlink,
    /// Gives a file a second name.
    HardLink,
    /// Writes at the end of a file.
    Append,
    /// Cuts a file's end off.
    Truncate,
    /// Gives a file or directory another name.
    Rename,
    /// Swaps two names.
    Exchange,
    /// Changes permissions.
    SetMode,
    /// Changes modification times.
    SetTime,
    /// Removes a file, link or empty directory.
    Remove,
    /// Makes everything written to the file system durable.
    SyncFileSystem,
    /// Makes a file's content durable.
    SyncFile,
    /// Makes a directory's names durable.
    SyncDir,
    /// Opens or reads; never observed, it only names what failed.
    Read,
    /// Takes or hands on a lock; never observed either.
    Lock,
}

impl fmt::Display for Verb {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::CreateDir => "create directory",
            Self::CreateFile => "create file",
            Self::Symlink => "create link",
            Self::HardLink => "hard-link",
            Self::Append => "append to",
            Self::Truncate => "truncate",
            Self::Rename => "rename",
            Self::Exchange => "exchange",
            Self::SetMode => "change permissions of",
            Self::SetTime => "set the time of",
            Self::Remove => "remove",
            Self::SyncFileSystem => "sync the file system of",
            Self::SyncFile => "sync file",
            Self::SyncDir => "sync directory",
            Self::Read => "read",
            Self::Lock => "lock",
        })
    }
}

/// One change of the disk, about to happen.
#[derive(Debug, Clone, Copy)]
pub struct Act<'a> {
    /// What is done.
    pub verb: Verb,
    /// To what. For renames and links: the name that comes into being.
    pub path: &'a Path,
    /// The name or text it comes from, for renames and links.
    pub from: Option<&'a Path>,
}

/// Sees every act of a [`Disk`] before it happens. For tests; called from many threads.
pub trait Observer: Send + Sync {
    /// An error makes the act fail with it, and it does not happen.
    ///
    /// # Errors
    /// Whatever fault a test wants to see.
    fn before(&self, act: Act<'_>) -> io::Result<()>;

    /// Hears how many bytes an act has put into a file, after it did.
    fn wrote(&self, bytes: u64) {
        let _ = bytes;
    }
}

/// An act that failed. It did not happen, or, for a sync, an unknown part of it did.
#[derive(Debug, thiserror::Error)]
#[error("cannot {verb} {}", path.display())]
pub struct DiskError {
    /// What was tried.
    pub verb: Verb,
    /// On what.
    pub path: PathBuf,
    /// Why it failed.
    pub source: io::Error,
}

impl DiskError {
    /// Names what failed.
    pub fn new(verb: Verb, path: impl Into<PathBuf>, source: impl Into<io::Error>) -> Self {
        Self { verb, path: path.into(), source: source.into() }
    }

    /// The same error once more.
    fn copy(&self) -> Self {
        let source = match self.source.raw_os_error() {
            Some(code) => io::Error::from_raw_os_error(code),
            None => io::Error::new(self.source.kind(), self.source.to_string()),
        };
        Self { verb: self.verb, path: self.path.clone(), source }
    }

    /// Whether the file system does not take the name: it is too long, or has what no name may have there.
    #[must_use]
    pub fn refuses_name(&self) -> bool {
        let names = [Verb::CreateDir, Verb::CreateFile, Verb::Symlink, Verb::HardLink];
        let refusals = [Errno::NAMETOOLONG, Errno::ILSEQ, Errno::INVAL];
        names.contains(&self.verb)
            && refusals.iter().any(|errno| self.source.raw_os_error() == Some(errno.raw_os_error()))
    }

    /// Whether a sync failed. Its data may be gone from memory and disk alike, so it is never retried.
    #[must_use]
    pub const fn is_sync(&self) -> bool {
        matches!(self.verb, Verb::SyncFileSystem | Verb::SyncFile | Verb::SyncDir)
    }
}

/// The handle through which the disk is changed. Cheap to clone; what happens to one happens to all clones.
#[derive(Clone, Default)]
pub struct Disk {
    observer: Option<Arc<dyn Observer>>,
    sync_failed: Arc<AtomicBool>,
    left: Arc<Mutex<Vec<DiskError>>>,
}

impl fmt::Debug for Disk {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Disk").field("observed", &self.observer.is_some()).finish()
    }
}

impl Disk {
    /// A disk whose acts `observer` sees.
    #[must_use]
    pub fn observed(observer: Arc<dyn Observer>) -> Self {
        Self { observer: Some(observer), ..Self::default() }
    }

    /// A handle for another place, seen by the same observer: what fails there poisons nothing here.
    #[must_use]
    pub fn elsewhere(&self) -> Self {
        Self { observer: self.observer.clone(), ..Self::default() }
    }

    /// Whether a sync has failed on this handle: what was written before it may be gone, and another sync
    /// would lie. Whoever is about to begin something new asks this first.
    #[must_use]
    pub fn has_failed_to_sync(&self) -> bool {
        self.sync_failed.load(Ordering::Relaxed)
    }

    /// Notes that something which nothing needs any more could not be cleaned up. It blocks nothing: the caller goes
    /// on, and the next writer tries again.
    ///
    /// # Errors
    /// A failed sync is no failed clean-up: the handle writes nothing more.
    pub fn leave(&self, error: DiskError) -> Result<(), DiskError> {
        if error.is_sync() {
            return Err(error);
        }
        let mut left = self.left.lock().unwrap_or_else(PoisonError::into_inner);
        if left.iter().all(|known| known.path != error.path) {
            left.push(error);
        }
        Ok(())
    }

    /// The first thing that could not be cleaned up, of those that [`take_left`](Self::take_left) will give.
    pub fn first_left(&self) -> Option<DiskError> {
        self.left.lock().unwrap_or_else(PoisonError::into_inner).first().map(DiskError::copy)
    }

    /// What could not be cleaned up since the last call, each path once.
    pub fn take_left(&self) -> Vec<DiskError> {
        std::mem::take(&mut *self.left.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Reports an act and then does it. Each verb goes through here.
    pub(super) fn act<T>(
        &self,
        act: Act<'_>,
        run: impl FnOnce() -> io::Result<T>,
    ) -> Result<T, DiskError> {
        let seen = self.observer.as_ref().map_or(Ok(()), |observer| observer.before(act));
        seen.and_then(|()| run()).map_err(|source| {
            let error = DiskError::new(act.verb, act.path, source);
            if error.is_sync() {
                self.sync_failed.store(true, Ordering::Relaxed);
            }
            error
        })
    }

    /// Reports what an act has written.
    pub(super) fn wrote(&self, bytes: u64) {
        if let Some(observer) = &self.observer {
            observer.wrote(bytes);
        }
    }

    /// Makes a directory with mode 0755 less the umask. Its parent exists, it does not.
    ///
    /// # Errors
    /// Nothing was made.
    pub fn create_dir(&self, path: &Path) -> Result<(), DiskError> {
        self.act(Act { verb: Verb::CreateDir, path, from: None }, || make_dir(path))
    }

    /// Makes a directory and its parents; none of them need be new.
    ///
    /// # Errors
    /// Some of the parents may have been made.
    pub fn ensure_dir(&self, path: &Path) -> Result<(), DiskError> {
        if path.is_dir() {
            return Ok(());
        }
        if let Some(parent) = path.parent() {
            self.ensure_dir(parent)?;
        }
        match self.create_dir(path) {
            Err(error) if error.source.kind() == io::ErrorKind::AlreadyExists && path.is_dir() => {
                Ok(())
            }
            done => done,
        }
    }

    /// Makes a new file with this content and mode 0644 less the umask. Not yet durable.
    ///
    /// # Errors
    /// The file may exist, in part.
    pub fn create_file(&self, path: &Path, contents: &[u8]) -> Result<(), DiskError> {
        self.act(Act { verb: Verb::CreateFile, path, from: None }, || {
            let mut file =
                OpenOptions::new().write(true).create_new(true).mode(0o644).open(path)?;
            file.write_all(contents)
        })?;
        self.wrote(contents.len() as u64);
        Ok(())
    }

    /// Makes a new file with the content and permissions of another one, which no other user may write to. Not yet
    /// durable.
    ///
    /// # Errors
    /// The file may exist, in part.
    pub fn copy_file(&self, from: &Path, to: &Path) -> Result<(), DiskError> {
        let act = Act { verb: Verb::CreateFile, path: to, from: Some(from) };
        let copied = self.act(act, || {
            let mut source = File::open(from)?;
            let mode = source.metadata()?.permissions().mode() & 0o7777 & !OTHERS_WRITE;
            let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(to)?;
            file.set_permissions(std::fs::Permissions::from_mode(mode))?;
            io::copy(&mut source, &mut file)
        })?;
        self.wrote(copied);
        Ok(())
    }

    /// Makes a symbolic link `link` with the text `to`.
    ///
    /// # Errors
    /// No link was made.
    pub fn symlink(&self, to: &Path, link: &Path) -> Result<(), DiskError> {
        self.act(Act { verb: Verb::Symlink, path: link, from: Some(to) }, || {
            std::os::unix::fs::symlink(to, link)
        })
    }

    /// Gives the file or symbolic link `from` a second name, itself and not what it points at.
    ///
    /// # Errors
    /// No name was made. Some file systems cannot link links; the caller makes a new one then.
    pub fn hard_link(&self, from: &Path, to: &Path) -> Result<(), DiskError> {
        self.act(Act { verb: Verb::HardLink, path: to, from: Some(from) }, || {
            let cwd = rustix::fs::CWD;
            Ok(rustix::fs::linkat(cwd, from, cwd, to, rustix::fs::AtFlags::empty())?)
        })
    }

    /// Renames, replacing a file or link that `to` names.
    ///
    /// # Errors
    /// Both names are as they were.
    pub fn rename(&self, from: &Path, to: &Path) -> Result<(), DiskError> {
        self.act(Act { verb: Verb::Rename, path: to, from: Some(from) }, || {
            std::fs::rename(from, to)
        })
    }

    /// Renames a file over `to`. Where that lies on another file system, it is first copied to a name beside it, and is
    /// durable there before it takes the place of `to`.
    ///
    /// # Errors
    /// `to` is as it was, unless the last sync failed.
    pub fn move_over(&self, from: &Path, to: &Path) -> Result<(), DiskError> {
        match self.rename(from, to) {
            Err(error) if error.source.kind() == io::ErrorKind::CrossesDevices => {
                let mut beside = std::ffi::OsString::from(".");
                beside.push(to.file_name().unwrap_or_default());
                beside.push(".new");
                let beside = to.with_file_name(beside);
                self.remove_file(&beside)?;
                self.copy_file(from, &beside)?;
                self.sync_file(&beside)?;
                self.rename(&beside, to)?;
                self.sync_dir(to.parent().unwrap_or(Path::new(".")))?;
                self.remove_file(from)
            }
            done => done,
        }
    }

    /// Swaps two names in one step: at no moment is either missing.
    ///
    /// # Errors
    /// Both names are as they were. Some file systems cannot do it.
    pub fn exchange(&self, from: &Path, to: &Path) -> Result<(), DiskError> {
        self.act(Act { verb: Verb::Exchange, path: to, from: Some(from) }, || {
            let cwd = rustix::fs::CWD;
            Ok(rustix::fs::renameat_with(cwd, from, cwd, to, rustix::fs::RenameFlags::EXCHANGE)?)
        })
    }

    /// Replaces the file `path` by one with this content, durably: a reader sees the old or the new.
    /// `spare` is a free name in the same file system that the content is first written to.
    ///
    /// # Errors
    /// `path` is as it was, unless the last sync failed.
    pub fn replace_file(
        &self,
        path: &Path,
        spare: &Path,
        contents: &[u8],
    ) -> Result<(), DiskError> {
        self.create_file(spare, contents)?;
        self.sync_file(spare)?;
        self.move_over(spare, path)?;
        self.sync_dir(path.parent().unwrap_or(Path::new("/")))
    }

    /// Writes `bytes` at the end of `file`, which `path` names.
    ///
    /// # Errors
    /// Some of the bytes may have been written.
    pub fn append(&self, file: &mut File, path: &Path, bytes: &[u8]) -> Result<(), DiskError> {
        self.act(Act { verb: Verb::Append, path, from: None }, || file.write_all(bytes))?;
        self.wrote(bytes.len() as u64);
        Ok(())
    }

    /// Cuts `file`, which `path` names, down to `length` bytes.
    ///
    /// # Errors
    /// The file is as long as it was.
    pub fn truncate(&self, file: &File, path: &Path, length: u64) -> Result<(), DiskError> {
        self.act(Act { verb: Verb::Truncate, path, from: None }, || file.set_len(length))
    }

    /// Sets the permission bits of `path`, which is no link.
    ///
    /// # Errors
    /// They are as they were.
    pub fn set_mode(&self, path: &Path, mode: u32) -> Result<(), DiskError> {
        self.change_mode(path, |_| mode)
    }

    /// Takes from everybody the right to write to `path`, which is no link; who may read it stays as it is.
    ///
    /// # Errors
    /// Its permissions are as they were.
    pub fn make_read_only(&self, path: &Path) -> Result<(), DiskError> {
        self.change_mode(path, |mode| mode & READ_ONLY)
    }

    /// Gives its owner the right to write to `path`, which is no link; who may read it stays as it is.
    ///
    /// # Errors
    /// Its permissions are as they were.
    pub fn make_writable(&self, path: &Path) -> Result<(), DiskError> {
        self.change_mode(path, |mode| mode & 0o7777 | 0o200)
    }

    fn change_mode(&self, path: &Path, change: impl FnOnce(u32) -> u32) -> Result<(), DiskError> {
        self.act(Act { verb: Verb::SetMode, path, from: None }, || {
            let meta = std::fs::symlink_metadata(path)?;
            if meta.is_symlink() {
                return Err(link_in_the_way());
            }
            let mode = change(meta.permissions().mode());
            std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode))
        })
    }

    /// Makes the content of an open file durable.
    ///
    /// # Errors
    /// What was written since the last sync may be lost; see [`DiskError::is_sync`].
    pub fn sync_open_file(&self, file: &File, path: &Path) -> Result<(), DiskError> {
        self.act(Act { verb: Verb::SyncFile, path, from: None }, || file.sync_data())
    }

    /// Makes the file `path` durable.
    ///
    /// # Errors
    /// See [`sync_open_file`](Self::sync_open_file).
    pub fn sync_file(&self, path: &Path) -> Result<(), DiskError> {
        self.act(Act { verb: Verb::SyncFile, path, from: None }, || {
            open_own(path, OpenOptions::new().read(true))?.sync_all()
        })
    }

    /// Makes the names in the directory `path` durable.
    ///
    /// # Errors
    /// Names made or removed since the last sync may come back or go.
    pub fn sync_dir(&self, path: &Path) -> Result<(), DiskError> {
        self.act(Act { verb: Verb::SyncDir, path, from: None }, || File::open(path)?.sync_all())
    }

    /// Hands a file's content to the disk, for a caller who syncs a directory of the same disk afterwards.
    ///
    /// # Errors
    /// Nobody knows how much of it is durable; see [`DiskError::is_sync`].
    pub(super) fn hand_over_file(&self, path: &Path) -> Result<(), DiskError> {
        self.act(Act { verb: Verb::SyncFile, path, from: None }, || {
            hand_over(&open_own(path, OpenOptions::new().read(true))?)
        })
    }

    /// The same for the names in a directory.
    ///
    /// # Errors
    /// Names made or removed since the last sync may come back or go.
    pub(super) fn hand_over_dir(&self, path: &Path) -> Result<(), DiskError> {
        self.act(Act { verb: Verb::SyncDir, path, from: None }, || hand_over(&File::open(path)?))
    }

    /// Removes a file or link; one that is gone already is no error.
    ///
    /// # Errors
    /// It is still there.
    pub fn remove_file(&self, path: &Path) -> Result<(), DiskError> {
        self.act(Act { verb: Verb::Remove, path, from: None }, || {
            match std::fs::remove_file(path) {
                Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
                done => done,
            }
        })
    }

    /// Removes a tree, read-only directories included; one that is gone already is no error.
    /// Links are removed and never followed, and what is mounted in the tree is left alone. One name that cannot be
    /// removed keeps no other from going.
    ///
    /// # Errors
    /// Some of it may be gone. The error is the first failure.
    pub fn remove_tree(&self, path: &Path) -> Result<(), DiskError> {
        let read = |source| DiskError::new(Verb::Read, path, source);
        match look_at(path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
            Err(error) => return Err(read(error)),
            Ok(Looked { is_mount: true, .. }) => {
                return Err(DiskError::new(Verb::Remove, path, rustix::io::Errno::BUSY));
            }
            Ok(Looked { is_directory: false, .. }) => return self.remove_file(path),
            Ok(Looked { mode, .. }) if mode & 0o700 != 0o700 => self.set_mode(path, 0o755)?,
            Ok(_) => {}
        }
        self.empty(path)?;
        self.act(Act { verb: Verb::Remove, path, from: None }, || std::fs::remove_dir(path))
    }

    /// Removes what lies in a directory. Files are removed by their names in it: a path from the root of the file system is
    /// walked once for each directory and not for each file.
    fn empty(&self, path: &Path) -> Result<(), DiskError> {
        use rustix::fs::{AtFlags, Dir, FileType, Mode, OFlags};
        let read = |source: Errno| DiskError::new(Verb::Read, path, source);
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let top = rustix::fs::open(path, flags, Mode::empty()).map_err(read)?;
        let mut top = Dir::new(top).map_err(read)?;
        let mut failed = Ok(());
        while let Some(child) = top.read() {
            let child = child.map_err(read)?;
            let name = OsStr::from_bytes(child.file_name().to_bytes());
            if name == "." || name == ".." {
                continue;
            }
            let at = path.join(name);
            let is_directory = match child.file_type() {
                FileType::Unknown => is_directory(&at),
                kind => kind.is_dir(),
            };
            let removed = match is_directory {
                true => self.remove_tree(&at),
                false => self.act(Act { verb: Verb::Remove, path: &at, from: None }, || {
                    Ok(rustix::fs::unlinkat(top.fd()?, name, AtFlags::empty())?)
                }),
            };
            failed = failed.and(removed);
        }
        failed
    }
}

/// The bits that files and directories of entries may have.
pub(super) const READ_ONLY: u32 = 0o555;

/// The bits that let others than the owner write.
pub(super) const OTHERS_WRITE: u32 = 0o022;

/// On macOS a sync by [`File::sync_all`] also empties the cache of the disk itself (`F_FULLFSYNC`), which takes milliseconds
/// each time. `fsync` there ends when the disk has everything; whoever hands over many files empties its cache once, at the end, as
/// git does with `core.fsyncMethod=batch`.
#[cfg(any(target_vendor = "apple", modstore_as_macos))]
fn hand_over(file: &File) -> io::Result<()> {
    Ok(rustix::fs::fsync(file)?)
}

/// Elsewhere a sync reaches the disk's medium in one step.
#[cfg(not(any(target_vendor = "apple", modstore_as_macos)))]
fn hand_over(file: &File) -> io::Result<()> {
    file.sync_all()
}

/// Makes a directory that no other user may write to, whatever the umask.
pub(super) fn make_dir(path: &Path) -> io::Result<()> {
    std::fs::DirBuilder::new().mode(0o755).create(path)
}

/// Whether a directory lies at `path`, and no link to one.
pub fn is_directory(path: &Path) -> bool {
    path.symlink_metadata().is_ok_and(|meta| meta.is_dir())
}

/// What is to be known of a name before it is removed.
struct Looked {
    is_directory: bool,
    /// Whether another file system, or another directory, is mounted there: what lies in it is not the store's.
    is_mount: bool,
    mode: u32,
}

#[cfg(all(target_os = "linux", not(modstore_as_macos)))]
fn look_at(path: &Path) -> io::Result<Looked> {
    use rustix::fs::{AtFlags, CWD, FileType, StatxAttributes, StatxFlags, statx};
    let found = statx(CWD, path, AtFlags::SYMLINK_NOFOLLOW, StatxFlags::TYPE | StatxFlags::MODE)?;
    let mode = u32::from(found.stx_mode);
    Ok(Looked {
        is_directory: FileType::from_raw_mode(mode).is_dir(),
        is_mount: found.stx_attributes.contains(StatxAttributes::MOUNT_ROOT),
        mode,
    })
}

#[cfg(not(all(target_os = "linux", not(modstore_as_macos))))]
fn look_at(path: &Path) -> io::Result<Looked> {
    let found = std::fs::symlink_metadata(path)?;
    // `rmdir` refuses a mount point there too; what is mounted in it is not seen.
    Ok(Looked { is_directory: found.is_dir(), is_mount: false, mode: found.permissions().mode() })
}

/// The names in the directory `path`, unsorted; none when there is no such directory.
///
/// # Errors
/// When it is there and cannot be read.
pub fn names_in(path: &Path) -> Result<Vec<std::ffi::OsString>, DiskError> {
    let read = |source| DiskError::new(Verb::Read, path, source);
    match std::fs::read_dir(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Vec::new()),
        Err(error) => Err(read(error)),
        Ok(children) => children
            .map(|child| child.map(|child| child.file_name()))
            .collect::<Result<_, _>>()
            .map_err(read),
    }
}

/// The whole file `path`, or `None` when there is none.
///
/// # Errors
/// When it is there and cannot be read, is no regular file, or is larger than [`OWN_FILE`].
pub fn read_if_there(path: &Path) -> Result<Option<Vec<u8>>, DiskError> {
    if_there(path, read_regular(path, OWN_FILE))
}

/// As [`read_if_there`], for a file of the store's own, which is never a link.
///
/// # Errors
/// As there, and when a link lies there.
pub fn read_own_if_there(path: &Path) -> Result<Option<Vec<u8>>, DiskError> {
    if_there(path, read_own(path))
}

/// As [`read_if_there`], for a file that people write, and may keep elsewhere and link to.
///
/// # Errors
/// As there, and for a link that leads nowhere: its file is away, and says more than none would.
pub fn read_linked_if_there(path: &Path) -> Result<Option<Vec<u8>>, DiskError> {
    match read_if_there(path)? {
        None if path.is_symlink() => {
            let source = io::Error::new(io::ErrorKind::NotFound, "a link that leads nowhere");
            Err(DiskError::new(Verb::Read, path, source))
        }
        read => Ok(read),
    }
}

fn if_there(path: &Path, read: io::Result<Vec<u8>>) -> Result<Option<Vec<u8>>, DiskError> {
    match read {
        Ok(bytes) => Ok(Some(bytes)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(DiskError::new(Verb::Read, path, error)),
    }
}

/// A unique name: 16 random hex digits.
///
/// # Errors
/// When the system has no randomness to give.
pub fn random_name(near: &Path) -> Result<String, DiskError> {
    getrandom::u64().map(|number| format!("{number:016x}")).map_err(|error| {
        DiskError::new(Verb::CreateFile, near, io::Error::other(error.to_string()))
    })
}

/// Whether `name` is how [`random_name`] writes one.
pub fn is_random_name(name: &OsStr) -> bool {
    name.len() == 16 && name.as_encoded_bytes().iter().all(u8::is_ascii_hexdigit)
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Full;

    impl Observer for Full {
        fn before(&self, _: Act<'_>) -> io::Result<()> {
            Err(io::ErrorKind::StorageFull.into())
        }
    }

    #[test]
    fn an_act_that_the_observer_fails_does_not_happen() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("new");
        let error = Disk::observed(Arc::new(Full)).create_dir(&path).unwrap_err();
        assert_eq!(error.to_string(), format!("cannot create directory {}", path.display()));
        assert!(!path.exists());
    }

    #[test]
    fn a_tree_of_read_only_directories_can_be_removed_and_links_are_not_followed() {
        let dir = tempfile::tempdir().unwrap();
        let (disk, tree, kept) =
            (Disk::default(), dir.path().join("tree"), dir.path().join("kept"));
        disk.ensure_dir(&tree.join("a/b")).unwrap();
        disk.create_file(&tree.join("a/b/file"), b"x").unwrap();
        disk.create_file(&kept, b"x").unwrap();
        disk.symlink(dir.path(), &tree.join("a/up")).unwrap();
        disk.set_mode(&tree.join("a/b"), 0o555).unwrap();
        disk.set_mode(&tree.join("a"), 0o555).unwrap();
        disk.remove_tree(&tree).unwrap();
        disk.remove_tree(&tree).unwrap();
        assert!(!tree.exists() && kept.exists());
    }

    #[test]
    fn what_is_made_is_closed_to_others_whatever_the_umask() {
        let dir = tempfile::tempdir().unwrap();
        let at = |name: &str| dir.path().join(name);
        let (disk, before) = (Disk::default(), rustix::process::umask(rustix::fs::Mode::empty()));
        disk.create_dir(&at("directory")).unwrap();
        disk.create_file(&at("file"), b"x").unwrap();
        std::fs::write(at("open"), "x").unwrap();
        disk.copy_file(&at("open"), &at("copy")).unwrap();
        drop(crate::disk::Lock::try_take(&at("lock"), "test").unwrap());
        rustix::process::umask(before);
        for (name, wanted) in
            [("directory", 0o755), ("file", 0o644), ("copy", 0o644), ("lock", 0o644)]
        {
            let mode = at(name).metadata().unwrap().permissions().mode() & 0o7777;
            assert_eq!(mode, wanted, "{name} is {mode:o}");
        }
    }

    #[test]
    fn permissions_are_not_changed_and_files_not_written_through_a_link() {
        let dir = tempfile::tempdir().unwrap();
        let at = |name: &str| dir.path().join(name);
        let disk = Disk::default();
        disk.create_file(&at("victim"), b"precious").unwrap();
        disk.symlink(Path::new("victim"), &at("link")).unwrap();
        disk.create_file(&at("other"), b"x").unwrap();
        assert!(disk.set_mode(&at("link"), 0o777).is_err());
        assert!(disk.copy_file(&at("other"), &at("link")).is_err());
        assert!(disk.sync_file(&at("link")).is_err());
        assert_eq!(std::fs::read(at("victim")).unwrap(), b"precious");
        assert_eq!(at("victim").metadata().unwrap().permissions().mode() & 0o002, 0);
    }

    #[test]
    fn a_file_that_is_away_behind_a_link_is_not_taken_for_none() {
        let dir = tempfile::tempdir().unwrap();
        let at = |name: &str| dir.path().join(name);
        assert_eq!(read_linked_if_there(&at("link")).unwrap(), None);
        std::os::unix::fs::symlink("kept", at("link")).unwrap();
        assert!(read_linked_if_there(&at("link")).unwrap_err().to_string().contains("link"));
        std::fs::write(at("kept"), "mine").unwrap();
        assert_eq!(read_linked_if_there(&at("link")).unwrap().unwrap(), b"mine");
        assert!(read_own_if_there(&at("link")).is_err());
    }

    #[test]
    fn a_link_can_have_a_second_name_that_is_the_link_and_not_what_it_points_at() {
        let dir = tempfile::tempdir().unwrap();
        let (one, two) = (dir.path().join("one"), dir.path().join("two"));
        Disk::default().symlink(Path::new("nowhere"), &one).unwrap();
        Disk::default().hard_link(&one, &two).unwrap();
        assert_eq!(std::fs::read_link(two).unwrap(), Path::new("nowhere"));
    }
}
