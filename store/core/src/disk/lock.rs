//! A [`Lock`]: held by the kernel, gone with the process.
//!
//! The text of the file names the holder for those who wait. It is a courtesy and never trusted: the lock is the
//! kernel's. Threads of one process exclude each other as processes do, since each `Lock` has a file description of its
//! own.
//!
//! The files in `locks/` are never unlinked. The holder of a staging unlinks its lock, see [`Lock::is_named`], and a
//! process that finds a lease unlocked unlinks it, see [`Lock::try_share`].
//!
//! Not for network file systems, whose locks may not exclude other machines.

use std::{
    ffi::OsStr,
    fmt,
    fs::{File, OpenOptions},
    io::{self, Read as _, Seek as _, Write as _},
    os::unix::fs::OpenOptionsExt as _,
    path::{Path, PathBuf},
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

use super::{
    bounded::{of_link, open_own},
    verbs::{DiskError, Verb},
};

/// A lock; dropping it releases it.
#[derive(Debug)]
#[must_use = "dropping a lock releases it"]
pub struct Lock {
    // The kernel releases the lock when the last descriptor of this file description is closed, here and in every
    // process that inherited it. An explicit unlock would release it for all of them, so there is none.
    file: File,
}

/// The lowest number of a descriptor that children inherit. Scripts use low numbers for files of their own
/// (`exec 3<file`), which would close ours.
const OUT_OF_THE_WAY: i32 = 100;

/// The holder of a lock, as its file names it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Holder {
    /// Process id.
    pub pid: u32,
    /// Its command, without arguments that may hold secrets.
    pub command: String,
    /// When it took the lock, in seconds since 1970.
    pub since: u64,
}

/// How long to wait for a lock, and what to do meanwhile.
#[derive(Clone, Copy)]
pub struct LockWait<'a> {
    /// The longest wait.
    pub limit: Duration,
    /// Asked again and again: `true` ends the wait.
    pub stop: &'a dyn Fn() -> bool,
    /// Called once, after a second, with the holder of the lock if its file names one.
    pub on_wait: &'a dyn Fn(Option<&Holder>),
}

impl LockWait<'_> {
    /// Waits for `limit`, cannot be stopped and reports nothing.
    #[must_use]
    pub const fn at_most(limit: Duration) -> Self {
        Self { limit, stop: &|| false, on_wait: &|_| {} }
    }
}

impl fmt::Debug for LockWait<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LockWait").field("limit", &self.limit).finish_non_exhaustive()
    }
}

/// What a lock is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LockKind {
    /// All that the store holds: `locks/store`.
    Store,
    /// The declarations: `locks/modules.toml`.
    Declarations,
    /// The making of a store: `locks/format`.
    Format,
    /// The emptying of the trash: `locks/trash`.
    Trash,
    /// A Python environment: `locks/environment-…`.
    Environment,
    /// The mirror of a repository: `locks/origin-…`.
    Mirror,
    /// Anything else: a staging, a lease, an environment's own lock.
    Other,
}

impl LockKind {
    /// The kind of the lock at `path`. All processes agree on the name of its file and on nothing else, so the name
    /// decides.
    #[must_use]
    pub fn at(path: &Path) -> Self {
        let name = path.file_name().and_then(OsStr::to_str).unwrap_or_default();
        let is_of_store = path.parent().is_some_and(|parent| parent.ends_with("locks"));
        match name {
            _ if !is_of_store => Self::Other,
            "store" => Self::Store,
            "modules.toml" => Self::Declarations,
            "format" => Self::Format,
            "trash" => Self::Trash,
            _ if name.starts_with("environment-") => Self::Environment,
            _ if name.starts_with("origin-") => Self::Mirror,
            _ => Self::Other,
        }
    }
}

impl fmt::Display for LockKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Store => "the store",
            Self::Declarations => "modules.toml",
            Self::Format => "the new store",
            Self::Trash => "the trash",
            Self::Environment => "the environment",
            Self::Mirror => "the mirror of the repository",
            Self::Other => "the file",
        })
    }
}

/// The lock was not taken. Nothing was changed.
#[derive(Debug, thiserror::Error)]
pub enum LockError {
    /// Another process held it for the whole of the time limit.
    #[error("{kind} is busy: {}", HeldBy(holder.as_ref()))]
    Busy {
        /// What the lock is for.
        kind: LockKind,
        /// The holder, if the file names one.
        holder: Option<Holder>,
    },
    /// The wait was stopped before the time limit.
    #[error("interrupted while another process held a lock")]
    Stopped,
    /// The file cannot be opened or locked.
    #[error("cannot take a lock")]
    Disk(#[source] DiskError),
}

impl LockError {
    /// The lock at `path` is held by another process.
    #[must_use]
    pub fn busy(path: &Path) -> Self {
        Self::Busy { kind: LockKind::at(path), holder: Holder::read(path) }
    }
}

struct HeldBy<'a>(Option<&'a Holder>);

impl fmt::Display for HeldBy<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Some(holder) => holder.fmt(f),
            None => f.write_str("another process holds its lock"),
        }
    }
}

impl fmt::Display for Holder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let seconds = now().saturating_sub(self.since);
        write!(f, "process {} ({}) has held the lock for {seconds} s", self.pid, self.command)?;
        match self.is_seen() {
            true => Ok(()),
            false => {
                f.write_str("; it has left a program behind that still runs, or is in a container")
            }
        }
    }
}

impl Lock {
    /// Takes the lock at once, or `None` when it is held.
    ///
    /// # Errors
    /// When the file cannot be opened; its directory must exist.
    pub fn try_take(path: &Path, command: &str) -> Result<Option<Self>, DiskError> {
        let mut file = fd_lock::RwLock::new(open(path)?);
        match file.try_write() {
            Ok(mut guard) => {
                // A courtesy to those who wait: a full disk must not keep this process from the lock.
                let _ = write_holder(&mut guard, command);
                // The guard would unlock on drop. Closing the file does so too, and needs no borrow.
                std::mem::forget(guard);
            }
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(None),
            Err(error) => return Err(DiskError::new(Verb::Lock, path, error)),
        }
        Ok(Some(Self { file: file.into_inner() }))
    }

    /// Takes the lock, and waits for it while it is held.
    ///
    /// # Errors
    /// [`LockError::Busy`] after the time limit, [`LockError::Stopped`] before it.
    pub fn take(path: &Path, command: &str, wait: LockWait<'_>) -> Result<Self, LockError> {
        let LockWait { limit, stop, on_wait } = wait;
        let start = Instant::now();
        let mut pause = Duration::from_millis(1);
        let mut is_reported = false;
        loop {
            if let Some(lock) = Self::try_take(path, command).map_err(LockError::Disk)? {
                return Ok(lock);
            }
            if stop() {
                return Err(LockError::Stopped);
            }
            if start.elapsed() >= limit {
                return Err(LockError::busy(path));
            }
            if !is_reported && start.elapsed() >= Duration::from_secs(1) {
                on_wait(Holder::read(path).as_ref());
                is_reported = true;
            }
            std::thread::sleep(pause.min(limit.saturating_sub(start.elapsed())));
            pause = (pause * 2).min(Duration::from_millis(50));
        }
    }

    /// Shares the lock of an existing file or directory, or `None` when another holds it alone. Needs only the right
    /// to read it, and writes nothing.
    ///
    /// # Errors
    /// When it is not there, a symbolic link, or cannot be read.
    pub fn try_share(path: &Path) -> Result<Option<Self>, DiskError> {
        let file = fd_lock::RwLock::new(open_existing(path)?);
        // As in `try_take`: closing the file unlocks.
        let taken = file.try_read().map(std::mem::forget);
        Self::if_taken(path, taken, file)
    }

    /// As [`try_share`](Self::try_share), but alone: `None` when another holds or shares it.
    ///
    /// # Errors
    /// As there.
    pub fn try_take_existing(path: &Path) -> Result<Option<Self>, DiskError> {
        let mut file = fd_lock::RwLock::new(open_existing(path)?);
        let taken = file.try_write().map(std::mem::forget);
        Self::if_taken(path, taken, file)
    }

    fn if_taken(
        path: &Path,
        taken: io::Result<()>,
        file: fd_lock::RwLock<File>,
    ) -> Result<Option<Self>, DiskError> {
        match taken {
            Ok(()) => Ok(Some(Self { file: file.into_inner() })),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(None),
            Err(error) => Err(DiskError::new(Verb::Lock, path, error)),
        }
    }

    /// Whether the lock of this file is held alone at this moment. Changes nothing; a missing file is not held.
    #[must_use]
    pub fn is_held(path: &Path) -> bool {
        matches!(Self::try_share(path), Ok(None))
    }

    /// Makes programs that this process starts from now on, from any of its threads, inherit the lock: closing the
    /// last of their descriptors releases it.
    ///
    /// # Errors
    /// They do not inherit it.
    pub fn let_children_inherit(&mut self, path: &Path) -> Result<(), DiskError> {
        // Where the limit of descriptors is lower than that, a low number has to do.
        if let Ok(moved) = rustix::io::fcntl_dupfd_cloexec(&self.file, OUT_OF_THE_WAY) {
            self.file = moved.into();
        }
        rustix::io::fcntl_setfd(&self.file, rustix::io::FdFlags::empty())
            .map_err(|source| DiskError::new(Verb::Lock, path, source))
    }

    /// The locked file once more, at its end. Given to a program, it holds the lock as long as that lives.
    ///
    /// # Errors
    /// No more files can be opened.
    pub(crate) fn shared_file(&self) -> io::Result<File> {
        let mut file = self.file.try_clone()?;
        file.seek(io::SeekFrom::End(0))?;
        Ok(file)
    }

    /// Whether `path` names the locked file.
    #[must_use]
    pub fn is_at(&self, path: &Path) -> bool {
        let named = rustix::fs::lstat(path).map(|stat| (stat.st_dev, stat.st_ino));
        let locked = rustix::fs::fstat(&self.file).map(|stat| (stat.st_dev, stat.st_ino));
        named.is_ok() && named == locked
    }

    /// Whether the locked file still has a name. A lock on a file that was removed excludes no other process.
    #[must_use]
    pub fn is_named(&self) -> bool {
        rustix::fs::fstat(&self.file).is_ok_and(|stat| stat.st_nlink > 0)
    }
}

fn open(path: &Path) -> Result<File, DiskError> {
    // Read and write: some network file systems refuse an exclusive lock on a read-only descriptor.
    let mut options = OpenOptions::new();
    options.read(true).write(true).create(true).truncate(false).mode(0o644);
    open_own(path, &mut options)
        .map_err(|source| DiskError::new(Verb::CreateFile, PathBuf::from(path), source))
}

/// Opens a file or directory to look whether it is locked: a pipe does not make us wait, and a link is refused.
fn open_existing(path: &Path) -> Result<File, DiskError> {
    let flags = rustix::fs::OFlags::NOFOLLOW | rustix::fs::OFlags::NONBLOCK;
    let mut options = OpenOptions::new();
    options.read(true).custom_flags(flags.bits().cast_signed());
    options.open(path).map_err(|source| DiskError::new(Verb::Read, path, of_link(source)))
}

fn write_holder(file: &mut File, command: &str) -> io::Result<()> {
    // Under its other name it may be a file of another program.
    if rustix::fs::fstat(&*file)?.st_nlink > 1 {
        return Ok(());
    }
    let text = format!("{}\n{}\n{}\n", std::process::id(), now(), one_line(command));
    file.set_len(0)?;
    file.rewind()?;
    file.write_all(text.as_bytes())
}

impl Holder {
    /// The process that holds, or last held, the lock of this file, if the file names it.
    #[must_use]
    pub fn read(path: &Path) -> Option<Self> {
        let mut bytes = Vec::new();
        open_existing(path).ok()?.take(1024).read_to_end(&mut bytes).ok()?;
        let text = String::from_utf8_lossy(&bytes);
        let mut lines = text.lines();
        let (pid, since) = (lines.next()?.parse().ok()?, lines.next()?.parse().ok()?);
        Some(Self { pid, since, command: one_line(lines.next()?) })
    }

    /// Whether there is a process of this number here.
    fn is_seen(&self) -> bool {
        let pid = i32::try_from(self.pid).ok().and_then(rustix::process::Pid::from_raw);
        pid.is_none_or(|pid| {
            rustix::process::test_kill_process(pid) != Err(rustix::io::Errno::SRCH)
        })
    }
}

/// A command as a short line without anything that a terminal obeys.
fn one_line(command: &str) -> String {
    command.chars().map(|c| if c.is_control() { ' ' } else { c }).take(200).collect()
}

fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lock_excludes_until_it_is_dropped() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("lock");
        let lock = Lock::try_take(&path, "update").unwrap().unwrap();
        assert!(Lock::try_take(&path, "update").unwrap().is_none());
        drop(lock);
        assert!(Lock::try_take(&path, "update").unwrap().is_some());
        assert!(path.exists(), "lock files are never unlinked");
    }

    #[test]
    fn a_wait_ends_as_soon_as_it_is_stopped() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("lock");
        let _lock = Lock::try_take(&path, "update").unwrap().unwrap();
        let asked = std::cell::Cell::new(0);
        let stop = || asked.replace(asked.get() + 1) == 3;
        let wait = LockWait { stop: &stop, ..LockWait::at_most(Duration::from_secs(300)) };
        assert!(matches!(Lock::take(&path, "gc", wait), Err(LockError::Stopped)));
    }

    #[test]
    fn a_shared_lock_needs_no_right_to_write_creates_nothing_and_excludes_an_exclusive_one() {
        let dir = tempfile::tempdir().unwrap();
        assert!(Lock::try_share(&dir.path().join("none")).is_err());
        let (one, two) =
            (Lock::try_share(dir.path()).unwrap(), Lock::try_share(dir.path()).unwrap());
        assert!(one.is_some() && two.is_some());
        assert!(Lock::try_take_existing(dir.path()).unwrap().is_none());
        drop((one, two));
        let alone = Lock::try_take_existing(dir.path()).unwrap().unwrap();
        assert!(alone.is_at(dir.path()) && Lock::try_share(dir.path()).unwrap().is_none());
        assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 0);
    }

    #[test]
    fn a_holder_is_named_in_one_line_whatever_its_file_holds() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("lock");
        let command = |text: &[u8]| {
            std::fs::write(&path, text).unwrap();
            Holder::read(&path).map(|holder| holder.command)
        };
        assert_eq!(command(b"7\n1\na \x1b[2Jb\rc\n").unwrap(), "a  [2Jb c");
        assert_eq!(command(b"7\n1\n\xff\n").unwrap(), "\u{fffd}");
        let long = [b"7\n1\n".as_slice(), "ü".repeat(5000).as_bytes()].concat();
        assert_eq!(command(&long).unwrap().chars().count(), 200);
        assert_eq!((command(b""), command(b"x\n1\na\n"), command(b"7\n")), (None, None, None));
    }

    #[test]
    fn a_lock_that_is_a_link_or_a_pipe_is_refused_and_a_second_name_of_a_file_is_not_written_to() {
        let dir = tempfile::tempdir().unwrap();
        let at = |name: &str| dir.path().join(name);
        std::fs::write(at("victim"), "precious").unwrap();
        std::os::unix::fs::symlink("victim", at("link")).unwrap();
        std::os::unix::fs::symlink("nowhere", at("dangling")).unwrap();
        std::fs::hard_link(at("victim"), at("second")).unwrap();
        let (cwd, fifo) = (rustix::fs::CWD, rustix::fs::FileType::Fifo);
        rustix::fs::mknodat(cwd, at("pipe"), fifo, rustix::fs::Mode::RWXU, 0).unwrap();
        for name in ["link", "dangling", "pipe"] {
            assert!(Lock::try_take(&at(name), "update").is_err(), "{name}");
        }
        assert!(Lock::try_take(&at("second"), "update").unwrap().is_some());
        assert_eq!(std::fs::read(at("victim")).unwrap(), b"precious");
        assert!(!at("nowhere").exists());
    }

    #[test]
    fn a_wait_in_vain_names_the_lock_and_its_holder() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::create_dir(dir.path().join("locks")).unwrap();
        for (name, words) in [
            ("store", "the store is busy"),
            ("modules.toml", "modules.toml is busy"),
            ("format", "the new store is busy"),
            ("trash", "the trash is busy"),
            ("environment-0123456789abcdef", "the environment is busy"),
            ("origin-0123456789abcdef", "the mirror of the repository is busy"),
            ("another", "the file is busy"),
        ] {
            let path = dir.path().join("locks").join(name);
            let _lock = Lock::try_take(&path, "update a\nb").unwrap().unwrap();
            let wait = LockWait::at_most(Duration::from_millis(5));
            let error = Lock::take(&path, "gc", wait).unwrap_err();
            let pid = std::process::id();
            let whole = format!("{words}: process {pid} (update a b) has held the lock for ");
            assert!(error.to_string().starts_with(&whole), "{error}");
        }
        assert_eq!(LockKind::at(&dir.path().join("store")), LockKind::Other);
    }

    #[test]
    fn a_lock_that_the_kernel_refuses_is_no_failed_read() {
        let dir = tempfile::tempdir().unwrap();
        let refused = io::Error::from_raw_os_error(37);
        let file = fd_lock::RwLock::new(open(&dir.path().join("lock")).unwrap());
        let error = Lock::if_taken(Path::new("/home/lock"), Err(refused), file).unwrap_err();
        assert!(error.to_string().starts_with("cannot lock /home/lock"), "{error}");
    }
}
