//! A [`Lock`]: held by the kernel, gone with the process.
//!
//! The file's text says who holds it, for those who wait. It is a courtesy and never trusted: the
//! lock is the kernel's. Between threads of one process it works as between processes, since each
//! `Lock` has a file description of its own.
//!
//! The files in `locks/` are never unlinked. That of a staging is, by whoever holds it; see
//! [`Lock::is_named`]. So is that of a lease, by whoever finds that nobody holds it; see
//! [`Lock::try_share`].
//!
//! Not for network file systems, whose locks may not exclude other machines.

use std::{
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

/// A lock; dropping it lets go.
#[derive(Debug)]
#[must_use = "a lock that is dropped is let go"]
pub struct Lock {
    // The kernel frees the lock when the last descriptor of this file description is closed: here, and in
    // whoever inherited it. So it is never unlocked in any other way.
    file: File,
}

/// Where descriptors go that others inherit. Scripts use low numbers for files of their own
/// (`exec 3<file`), which would close ours.
const OUT_OF_THE_WAY: i32 = 100;

/// Who holds a lock, as its file says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Holder {
    /// Process id.
    pub pid: u32,
    /// The command it was given, without arguments that may hold secrets.
    pub command: String,
    /// When it took the lock, in seconds since 1970.
    pub since: u64,
}

/// How long somebody waits for a lock, and what is done meanwhile.
#[derive(Clone, Copy)]
pub struct Patience<'a> {
    /// The longest wait.
    pub limit: Duration,
    /// Asked again and again; the wait ends when it says so.
    pub stop: &'a dyn Fn() -> bool,
    /// Hears, after a second and once, who holds the lock.
    pub told: &'a dyn Fn(Option<&Holder>),
}

impl Patience<'_> {
    /// Waits for `limit`, whatever happens, and tells nobody.
    #[must_use]
    pub const fn of(limit: Duration) -> Self {
        Self { limit, stop: &|| false, told: &|_| {} }
    }
}

impl fmt::Debug for Patience<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Patience").field("limit", &self.limit).finish_non_exhaustive()
    }
}

/// The lock was not taken. Nothing was changed.
#[derive(Debug, thiserror::Error)]
pub enum LockError {
    /// Somebody held it for the whole of the time limit.
    #[error("the store is busy: {}", Held(holder.as_ref()))]
    Busy {
        /// Who, when the file says.
        holder: Option<Holder>,
    },
    /// The wait was to end before the time limit.
    #[error("interrupted while another process held a lock")]
    Stopped,
    /// The file cannot be opened or locked.
    #[error("cannot take a lock")]
    Disk(#[source] DiskError),
}

struct Held<'a>(Option<&'a Holder>);

impl fmt::Display for Held<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Some(holder) => holder.fmt(f),
            None => f.write_str("another process holds the lock"),
        }
    }
}

impl fmt::Display for Holder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let seconds = now().saturating_sub(self.since);
        write!(f, "process {} ({}) has held the lock for {seconds} s", self.pid, self.command)
    }
}

impl Lock {
    /// Takes the lock at once, or `None` when somebody holds it.
    ///
    /// # Errors
    /// When the file cannot be opened; its directory must exist.
    pub fn try_take(path: &Path, command: &str) -> Result<Option<Self>, DiskError> {
        let mut file = fd_lock::RwLock::new(open(path)?);
        match file.try_write() {
            Ok(mut guard) => {
                // Only for those who wait; a full disk must not keep anybody from the lock.
                let _ = write_holder(&mut guard, command);
                // The guard would unlock on drop. Closing the file does so too, and needs no borrow.
                std::mem::forget(guard);
            }
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(None),
            Err(error) => return Err(DiskError::new(Verb::Read, path, error)),
        }
        Ok(Some(Self { file: file.into_inner() }))
    }

    /// Takes the lock, waiting for it if somebody holds it.
    ///
    /// # Errors
    /// [`LockError::Busy`] after the time limit, [`LockError::Stopped`] before it.
    pub fn take(path: &Path, command: &str, patience: Patience<'_>) -> Result<Self, LockError> {
        let Patience { limit, stop, told: tell } = patience;
        let start = Instant::now();
        let (mut pause, mut told) = (Duration::from_millis(1), false);
        loop {
            if let Some(lock) = Self::try_take(path, command).map_err(LockError::Disk)? {
                return Ok(lock);
            }
            if stop() {
                return Err(LockError::Stopped);
            }
            if start.elapsed() >= limit {
                return Err(LockError::Busy { holder: Holder::read(path) });
            }
            if !told && start.elapsed() >= Duration::from_secs(1) {
                tell(Holder::read(path).as_ref());
                told = true;
            }
            std::thread::sleep(pause.min(limit.saturating_sub(start.elapsed())));
            pause = (pause * 2).min(Duration::from_millis(50));
        }
    }

    /// Shares the lock of a file or directory that is there, or `None` when somebody has it alone. Needs no
    /// more than the right to read it, and writes nothing.
    ///
    /// # Errors
    /// When it is not there, a symbolic link, or cannot be read.
    pub fn try_share(path: &Path) -> Result<Option<Self>, DiskError> {
        let file = fd_lock::RwLock::new(open_existing(path)?);
        // As in `try_take`: closing the file unlocks.
        let taken = file.try_read().map(std::mem::forget);
        Self::if_taken(path, taken, file)
    }

    /// As [`try_share`](Self::try_share), but alone: `None` when anybody has it or shares it.
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
            Err(error) => Err(DiskError::new(Verb::Read, path, error)),
        }
    }

    /// Whether somebody has the lock of this file alone at this moment. Changes nothing; a file that is not
    /// there is held by nobody.
    #[must_use]
    pub fn is_held(path: &Path) -> bool {
        matches!(Self::try_share(path), Ok(None))
    }

    /// Lets programs that this process starts from now on, from any of its threads, inherit the lock: it is
    /// then let go with the last of their descriptors.
    ///
    /// # Errors
    /// They would not inherit it.
    pub fn let_children_inherit(&mut self, path: &Path) -> Result<(), DiskError> {
        // Where so many descriptors are not allowed, a low number has to do.
        if let Ok(moved) = rustix::io::fcntl_dupfd_cloexec(&self.file, OUT_OF_THE_WAY) {
            self.file = moved.into();
        }
        rustix::io::fcntl_setfd(&self.file, rustix::io::FdFlags::empty())
            .map_err(|source| DiskError::new(Verb::Read, path, source))
    }

    /// Whether `path` names what is locked.
    #[must_use]
    pub fn is_at(&self, path: &Path) -> bool {
        let named = rustix::fs::lstat(path).map(|stat| (stat.st_dev, stat.st_ino));
        let locked = rustix::fs::fstat(&self.file).map(|stat| (stat.st_dev, stat.st_ino));
        named.is_ok() && named == locked
    }

    /// Whether the locked file still has a name. A lock on a file that somebody removed excludes nobody.
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

/// Opens what is there to look whether it is locked: a pipe of that name does not make us wait, and a link
/// leads nowhere.
fn open_existing(path: &Path) -> Result<File, DiskError> {
    let flags = rustix::fs::OFlags::NOFOLLOW | rustix::fs::OFlags::NONBLOCK;
    let mut options = OpenOptions::new();
    options.read(true).custom_flags(flags.bits().cast_signed());
    options.open(path).map_err(|source| DiskError::new(Verb::Read, path, of_link(source)))
}

fn write_holder(file: &mut File, command: &str) -> io::Result<()> {
    // Under its other name it is a file of someone else's.
    if rustix::fs::fstat(&*file)?.st_nlink > 1 {
        return Ok(());
    }
    let text = format!("{}\n{}\n{}\n", std::process::id(), now(), one_line(command));
    file.set_len(0)?;
    file.rewind()?;
    file.write_all(text.as_bytes())
}

impl Holder {
    /// Who holds, or last held, the lock of this file, when the file tells.
    #[must_use]
    pub fn read(path: &Path) -> Option<Self> {
        let mut bytes = Vec::new();
        open_existing(path).ok()?.take(1024).read_to_end(&mut bytes).ok()?;
        let text = String::from_utf8_lossy(&bytes);
        let mut lines = text.lines();
        let (pid, since) = (lines.next()?.parse().ok()?, lines.next()?.parse().ok()?);
        Some(Self { pid, since, command: one_line(lines.next()?) })
    }
}

/// A command as a line that can be shown anywhere: nothing in it that a terminal obeys, and not long.
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
    fn a_wait_ends_as_soon_as_it_is_told_to() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("lock");
        let _lock = Lock::try_take(&path, "update").unwrap().unwrap();
        let asked = std::cell::Cell::new(0);
        let stop = || asked.replace(asked.get() + 1) == 3;
        let patience = Patience { stop: &stop, ..Patience::of(Duration::from_secs(300)) };
        assert!(matches!(Lock::take(&path, "gc", patience), Err(LockError::Stopped)));
    }

    #[test]
    fn a_shared_lock_needs_no_right_to_write_creates_nothing_and_excludes_who_wants_it_alone() {
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
    fn a_holder_is_told_in_one_line_whatever_the_file_says() {
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
    fn whoever_waits_in_vain_learns_who_holds_the_lock() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("lock");
        let _lock = Lock::try_take(&path, "update a\nb").unwrap().unwrap();
        let error = Lock::take(&path, "gc", Patience::of(Duration::from_millis(5))).unwrap_err();
        let LockError::Busy { holder: Some(holder) } = error else { panic!("{error}") };
        assert_eq!((holder.pid, holder.command.as_str()), (std::process::id(), "update a b"));
    }
}
