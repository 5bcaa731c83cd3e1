//! A [`Lease`]: keeps a generation and its entries while a process, or any of its descendants, lives.
//!
//! A lease is a locked file `leases/<generation>-<random>`, so that its content is there with its name.
//! The kernel releases the lock with the last descriptor: no process has to be asked whether a holder is
//! still alive. Where no file can be made (a read-only mount, another user's store, a full disk), it is a
//! shared lock on the generation's own directory, which needs nothing but the right to read it. So a
//! sweep that can see the directory sees the lease, also from outside a container.
//!
//! Taking one and sweeping are paired, see [`DeletionMark`]: a reader first takes
//! its lease and then looks whether the generation is condemned or gone, a sweep first condemns and then
//! looks for leases. So no holder of a lease ever misses an entry.
//!
//! A process that looks for leases shares their locks for a moment, and holds them while it removes a name. So a
//! name is removed only while no process can be taking it, and two who look do not take each other for holders.
//!
//! A process that closes descriptors it does not know drops the lease that it inherited. Locks of
//! network file systems may not be seen by other machines.

use std::{
    ffi::OsStr,
    io,
    path::{Path, PathBuf},
    time::Duration,
};

use crate::{
    commit::{DeletionMark, shown},
    disk::{
        Disk, DiskError, Holder, Layout, Lock, UnsafeHome, Verb, is_directory, is_random_name,
        names_in, random_name,
    },
    model::Generation,
};

/// A generation that is kept for as long as this lives, and as any process that inherited it.
///
/// A host takes one when it starts and reads everything below [`directory`](Self::directory): all of it is
/// of one generation, and stays, whatever is updated, rolled back or swept meanwhile.
#[derive(Debug)]
#[must_use = "a lease that is dropped keeps nothing"]
pub struct Lease {
    disk: Disk,
    layout: Layout,
    generation: Generation,
    // There until it is dropped.
    hold: Option<Hold>,
}

/// What keeps it.
#[derive(Debug)]
struct Hold {
    lock: Lock,
    /// A file of its own, or the generation's directory.
    path: PathBuf,
    is_own_file: bool,
}

/// No lease was given. Nothing was changed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LeaseError {
    /// There is nothing to lease.
    #[error("the store shows nothing yet")]
    Empty,
    /// The generation was never current, is not kept, or is about to go.
    #[error("generation {0} is not there, or about to go")]
    Gone(Generation),
    /// Other users decide what is in the home, and so what would run.
    #[error("no lease can be taken")]
    Unsafe(#[from] UnsafeHome),
    /// The home cannot be read.
    #[error("no lease can be taken")]
    Disk(#[from] DiskError),
}

/// A lease that a process holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Leased {
    /// The generation it keeps.
    pub generation: Generation,
    /// Who took it, when that is known. Its descendants may hold it too, and it may be dead itself. `None`
    /// for a lease of a user who cannot write to the store.
    pub holder: Option<Holder>,
}

impl Lease {
    /// Leases the current generation.
    ///
    /// # Errors
    /// See [`LeaseError`].
    pub fn take(disk: &Disk, layout: &Layout, command: &str) -> Result<Self, LeaseError> {
        loop {
            let generation = shown(layout).ok_or(LeaseError::Empty)?;
            match Self::take_of(disk, layout, generation, command) {
                // It was current a moment ago, so another one is current by now.
                Err(LeaseError::Gone(_)) if shown(layout) != Some(generation) => {}
                taken => return taken,
            }
        }
    }

    /// Leases this generation.
    ///
    /// # Errors
    /// See [`LeaseError`].
    pub fn take_of(
        disk: &Disk,
        layout: &Layout,
        generation: Generation,
        command: &str,
    ) -> Result<Self, LeaseError> {
        let hold = Some(Hold::take(disk, layout, generation, command)?);
        let lease = Self { disk: disk.clone(), layout: layout.clone(), generation, hold };
        // Only now, with the lease in place: a sweep condemns first and looks for leases then.
        if lease.is_too_late()? { Err(LeaseError::Gone(generation)) } else { Ok(lease) }
    }

    /// Whether the generation is condemned or gone, or was never current: one that is being made is not leased yet.
    fn is_too_late(&self) -> Result<bool, DiskError> {
        // In this order: what is condemned is gone before the mark is.
        let condemned = DeletionMark::read(&self.layout)?.generations.contains(&self.generation);
        let directory = self.directory();
        let is_there = match &self.hold {
            Some(hold) if !hold.is_own_file => hold.lock.is_at(&directory),
            _ => is_directory(&directory),
        };
        Ok(condemned || !is_there || shown(&self.layout) < Some(self.generation))
    }

    /// The generation it keeps.
    #[must_use]
    pub const fn generation(&self) -> Generation {
        self.generation
    }

    /// The directory with one link per module. It stays, and so does what its links lead to.
    #[must_use]
    pub fn directory(&self) -> PathBuf {
        self.layout.generation(self.generation)
    }

    /// Lets programs that this process starts from now on, from any of its threads, inherit the lease, so that
    /// it lives as long as the last of their descendants. This process may drop its own at any time.
    ///
    /// # Errors
    /// They would not inherit it.
    pub fn let_children_inherit(&mut self) -> Result<(), DiskError> {
        self.hold.as_mut().map_or(Ok(()), |hold| hold.lock.let_children_inherit(&hold.path))
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        let Some(Hold { lock, path, is_own_file: true }) = self.hold.take() else { return };
        drop(lock);
        // A process that was forked from this one, whether it started another program or not, may hold it still.
        // Then the name must stay; and what cannot be removed now, a sweep removes.
        if let Ok(Some(_dead)) = Lock::try_share(&path) {
            let _ = self.disk.remove_file(&path);
        }
    }
}

impl Hold {
    fn take(
        disk: &Disk,
        layout: &Layout,
        generation: Generation,
        command: &str,
    ) -> Result<Self, LeaseError> {
        Self::file(disk, layout, generation, command).or_else(|_unwritable| {
            match Self::directory(layout, generation) {
                Err(error) if error.source.kind() == io::ErrorKind::NotFound => {
                    Err(LeaseError::Gone(generation))
                }
                held => Ok(held?),
            }
        })
    }

    fn file(
        disk: &Disk,
        layout: &Layout,
        generation: Generation,
        command: &str,
    ) -> Result<Self, DiskError> {
        let at = layout.leases();
        loop {
            let path = at.join(format!("{generation}-{}", random_name(&at)?));
            // A process that looks for leases may have been there first, and have taken it for a dead one.
            match Lock::try_take(&path, command)? {
                Some(lock) if lock.is_named() => return Ok(Self { lock, path, is_own_file: true }),
                _ => disk.remove_file(&path)?,
            }
        }
    }

    fn directory(layout: &Layout, generation: Generation) -> Result<Self, DiskError> {
        let path = layout.generation(generation);
        match patiently(|| Lock::try_share(&path))? {
            Some(lock) => Ok(Self { lock, path, is_own_file: false }),
            None => Err(DiskError::new(Verb::Read, path, io::ErrorKind::WouldBlock)),
        }
    }
}

/// Asks again for a little while: a process that looks for leases has a directory to itself for a moment, and no other
/// ever has.
fn patiently<T>(
    mut ask: impl FnMut() -> Result<Option<T>, DiskError>,
) -> Result<Option<T>, DiskError> {
    for _ in 0..10 {
        if let Some(given) = ask()? {
            return Ok(Some(given));
        }
        std::thread::sleep(Duration::from_millis(1));
    }
    Ok(None)
}

/// Every lease that a process holds, by generation. Changes nothing.
///
/// # Errors
/// When a lease's lock cannot be examined.
pub fn leases(layout: &Layout) -> Result<Vec<Leased>, DiskError> {
    look(layout, |_| Ok(()))
}

/// Every lease that a process holds, by generation. Those of processes that have ended are removed, or
/// left where they cannot be.
///
/// # Errors
/// When a lease's lock cannot be examined; then nothing may be swept.
pub(crate) fn live_leases(disk: &Disk, layout: &Layout) -> Result<Vec<Leased>, DiskError> {
    look(layout, |dead| disk.remove_file(dead).or_else(|error| disk.leave(error)))
}

/// Looks at every lease. `bury` is called with the file of a dead one, while no process can take it.
fn look(
    layout: &Layout,
    bury: impl Fn(&Path) -> Result<(), DiskError>,
) -> Result<Vec<Leased>, DiskError> {
    let mut live = Vec::new();
    for name in names_in(&layout.leases())? {
        let path = layout.leases().join(&name);
        let Some(generation) = leased_generation(&name).filter(|_| is_file(&path)) else {
            continue;
        };
        match Lock::try_share(&path) {
            Ok(Some(_dead)) => bury(&path)?,
            Ok(None) => live.push(Leased { generation, holder: Holder::read(&path) }),
            Err(error) if error.source.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(error),
        }
    }
    live.extend(locked_directories(layout)?);
    live.sort_by_key(|leased| (leased.generation, leased.holder.as_ref().map(|it| it.pid)));
    Ok(live)
}

/// The generations whose own directory a process shares the lock of.
fn locked_directories(layout: &Layout) -> Result<Vec<Leased>, DiskError> {
    let mut live = Vec::new();
    for name in names_in(&layout.generations())? {
        let generation = name.to_str().and_then(|name| name.parse::<Generation>().ok());
        let path = layout.generations().join(&name);
        let Some(generation) = generation.filter(|_| is_directory(&path)) else { continue };
        match patiently(|| Lock::try_take_existing(&path)) {
            Ok(Some(_free)) => {}
            Ok(None) => live.push(Leased { generation, holder: None }),
            Err(error) if error.source.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(error),
        }
    }
    Ok(live)
}

/// A lease is a file: anything else of such a name is not the store's.
fn is_file(path: &Path) -> bool {
    path.symlink_metadata().is_ok_and(|meta| meta.is_file())
}

/// The generation in the name of a lease; none, when the name has another form.
fn leased_generation(name: &OsStr) -> Option<Generation> {
    let (generation, random) = name.to_str()?.split_once('-')?;
    let generation = generation.parse().ok()?;
    is_random_name(Path::new(random).as_os_str()).then_some(generation)
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicBool, Ordering};

    use super::*;

    /// A home that shows generation 2 and has 1 and an unrecorded 3 besides.
    fn home() -> (tempfile::TempDir, Layout) {
        let home = tempfile::tempdir().unwrap();
        let layout = Layout::new(home.path());
        for name in ["leases", "generations", "generations/1", "generations/2", "generations/3"] {
            Disk::default().create_dir(&home.path().join(name)).unwrap();
        }
        Disk::default().symlink(&Layout::current_text(number(2)), &layout.current()).unwrap();
        (home, layout)
    }

    fn number(number: u64) -> Generation {
        number.to_string().parse().unwrap()
    }

    fn files(layout: &Layout) -> usize {
        names_in(&layout.leases()).unwrap().len()
    }

    fn leased(layout: &Layout) -> Vec<u64> {
        leases(layout).unwrap().iter().map(|leased| leased.generation.number()).collect()
    }

    #[test]
    fn a_lease_is_of_the_current_generation_and_leaves_nothing_when_it_is_dropped() {
        let (_home, layout) = home();
        let disk = Disk::default();
        let lease = Lease::take(&disk, &layout, "a\nhost").unwrap();
        let older = Lease::take_of(&disk, &layout, number(1), "a host").unwrap();
        assert_eq!(lease.directory(), layout.generation(number(2)));
        assert_eq!(leased(&layout), [1, 2]);
        let held = live_leases(&disk, &layout).unwrap();
        let holder = held[1].holder.as_ref().unwrap();
        assert_eq!((holder.pid, holder.command.as_str()), (std::process::id(), "a host"));
        drop(older);
        assert_eq!((leased(&layout).as_slice(), files(&layout)), ([2].as_slice(), 1));
        drop(lease);
        assert_eq!((leased(&layout).len(), files(&layout)), (0, 0));
    }

    #[test]
    fn what_is_condemned_gone_or_not_yet_current_is_not_leased_and_leaves_no_file() {
        let (_home, layout) = home();
        let disk = Disk::default();
        disk.create_file(&layout.condemned(), b"1\n").unwrap();
        for number in [number(1), number(3), number(9)] {
            let error = Lease::take_of(&disk, &layout, number, "test").unwrap_err();
            assert!(matches!(error, LeaseError::Gone(gone) if gone == number), "{error}");
            assert_eq!(files(&layout), 0, "{number}");
        }
    }

    #[test]
    fn dead_leases_are_removed_and_what_only_looks_like_one_is_not() {
        let (_home, layout) = home();
        let (disk, at) = (Disk::default(), layout.leases());
        for dead in ["2-0123456789abcdef", "7-fedcba9876543210"] {
            disk.create_file(&at.join(dead), b"").unwrap();
        }
        let unknown = ["notes.txt", "2-short", "x-0123456789abcdef", "2-0123456789abcdef.bak"];
        for unknown in unknown {
            disk.create_file(&at.join(unknown), b"mine").unwrap();
        }
        disk.create_dir(&at.join("3-0123456789abcdef")).unwrap();
        disk.symlink(Path::new("notes.txt"), &at.join("4-0123456789abcdef")).unwrap();
        assert_eq!((leased(&layout).len(), files(&layout)), (0, 8), "a look changes nothing");
        assert!(live_leases(&disk, &layout).unwrap().is_empty());
        assert_eq!(files(&layout), 6, "{:?}", names_in(&at));
    }

    #[test]
    fn a_lease_that_cannot_be_a_file_is_held_by_the_directory_and_seen_by_every_process_that_looks()
    {
        let (_home, layout) = home();
        let disk = Disk::default();
        disk.remove_tree(&layout.leases()).unwrap();
        let one = Lease::take(&disk, &layout, "test").unwrap();
        let two = Lease::take(&disk, &layout, "test").unwrap();
        let held = leases(&layout).unwrap();
        assert_eq!(held, [Leased { generation: number(2), holder: None }]);
        drop(one);
        assert_eq!(leased(&layout), [2]);
        drop(two);
        assert!(leased(&layout).is_empty());
        let error = Lease::take_of(&disk, &layout, number(9), "test").unwrap_err();
        assert!(matches!(error, LeaseError::Gone(_)), "{error}");
    }

    #[test]
    fn a_directory_that_another_one_has_replaced_holds_nothing() {
        let (home, layout) = home();
        let disk = Disk::default();
        disk.remove_tree(&layout.leases()).unwrap();
        let lease = Lease::take(&disk, &layout, "test").unwrap();
        assert!(!lease.is_too_late().unwrap());
        disk.rename(&lease.directory(), &home.path().join("away")).unwrap();
        disk.create_dir(&lease.directory()).unwrap();
        assert!(lease.is_too_late().unwrap());
    }

    #[test]
    fn a_current_generation_that_is_about_to_go_is_refused_and_not_waited_for() {
        let (_home, layout) = home();
        let disk = Disk::default();
        disk.create_file(&layout.condemned(), b"2\n").unwrap();
        let error = Lease::take(&disk, &layout, "test").unwrap_err();
        assert!(matches!(error, LeaseError::Gone(gone) if gone == number(2)), "{error}");
    }

    #[test]
    fn what_is_current_is_leased_whatever_becomes_current_meanwhile() {
        let (home, layout) = home();
        let disk = Disk::default();
        let done = AtomicBool::new(false);
        let taken: Result<Vec<Lease>, LeaseError> = std::thread::scope(|scope| {
            scope.spawn(|| {
                let next = home.path().join("next");
                let mut current = number(2);
                for new in (10..).map(number).take_while(|_| !done.load(Ordering::SeqCst)) {
                    disk.create_dir(&layout.generation(new)).unwrap();
                    disk.symlink(&Layout::current_text(new), &next).unwrap();
                    disk.rename(&next, &layout.current()).unwrap();
                    disk.remove_tree(&layout.generation(current)).unwrap();
                    current = new;
                    // It takes about as long to lease one.
                    std::thread::sleep(Duration::from_micros(100));
                }
            });
            let taken = (0..500).map(|_| Lease::take(&disk, &layout, "test")).collect();
            done.store(true, Ordering::SeqCst);
            taken
        });
        assert_eq!(taken.map(|leases| leases.len()).unwrap(), 500);
    }

    #[test]
    fn an_inherited_lock_keeps_the_name_when_its_owner_drops_it() {
        let (_home, layout) = home();
        let disk = Disk::default();
        let mut lease = Lease::take(&disk, &layout, "test").unwrap();
        lease.let_children_inherit().unwrap();
        let mut child = std::process::Command::new("cat");
        let mut child = child.stdin(std::process::Stdio::piped()).spawn().unwrap();
        drop(lease);
        assert_eq!((leased(&layout).as_slice(), files(&layout)), ([2].as_slice(), 1));
        drop(child.stdin.take());
        child.wait().unwrap();
        assert!(live_leases(&disk, &layout).unwrap().is_empty());
        assert_eq!(files(&layout), 0);
    }
}
