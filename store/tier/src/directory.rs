//! A place in a directory: of this machine, or of a file system that several share.
//!
//! An object is written under a name of its own below `v1/.new`, made durable, and then given its key in one step. So under
//! a key there is a whole object or none, whenever a writer ends, and two writers of one key do not meet.
//!
//! Objects may be read by those who may read the root, and what is made on the way to them has the root's permissions:
//! a root that is shared with a group shares what is below it.

use std::{
    fs::{File, Metadata},
    io::{self, ErrorKind, Read},
    os::unix::fs::MetadataExt as _,
    path::{Path, PathBuf},
    time::{Duration, SystemTime},
};

use modstore_core::{
    Cancel,
    disk::{Disk, DiskError, open_regular, random_name},
};

use crate::{Content, Found, Key, Objects, Published, TierError, TierOptions};

/// Where objects are written before they have their key.
const UNFINISHED: &str = "v1/.new";

/// After this long an unfinished object has no writer any more.
const ABANDONED: Duration = Duration::from_hours(24);

/// A directory with objects.
pub(crate) struct Directory {
    root: PathBuf,
    most: u64,
    make: bool,
    disk: Disk,
}

impl Directory {
    /// The place below `root`. Nothing is looked at yet.
    pub(crate) fn new(root: PathBuf, options: &TierOptions) -> Self {
        let disk = options.disk.clone();
        Self { root, most: options.max_object, make: options.make_directory, disk }
    }

    fn path(&self, key: &Key) -> PathBuf {
        self.root.join(key.as_str())
    }

    fn place(&self) -> String {
        format!("file://{}", self.root.display())
    }

    fn failed(&self, source: io::Error) -> TierError {
        TierError::Io { place: self.place(), source }
    }

    fn failed_to_write(&self, error: DiskError) -> TierError {
        let text = format!("cannot {} {}: {}", error.verb, error.path.display(), error.source);
        match error.source.kind() {
            ErrorKind::PermissionDenied | ErrorKind::ReadOnlyFilesystem => {
                TierError::Refused { place: self.place(), cause: text }
            }
            kind => self.failed(io::Error::new(kind, text)),
        }
    }

    /// What reading said of a missing object: nothing, unless the whole directory is missing.
    fn missing(&self) -> Result<(), TierError> {
        match self.make || self.root.is_dir() {
            true => Ok(()),
            false => {
                let cause = "there is no such directory".to_owned();
                Err(TierError::Unreachable { place: self.place(), cause })
            }
        }
    }

    fn look(&self, key: &Key) -> Result<Option<Metadata>, TierError> {
        match std::fs::metadata(self.path(key)) {
            Ok(meta) if meta.is_file() => Ok(Some(meta)),
            Ok(_) => Err(self.failed(not_regular(key))),
            Err(error) if is_missing(&error) => self.missing().map(|()| None),
            Err(error) => Err(self.failed(error)),
        }
    }

    /// The directory, with what leads to it; each that is new has the permissions of the root.
    fn make_way(&self, to: &Path) -> Result<(), DiskError> {
        if to.is_dir() {
            return Ok(());
        }
        if to == self.root {
            return self.disk.ensure_dir(to);
        }
        if let Some(parent) = to.parent() {
            self.make_way(parent)?;
        }
        match self.disk.create_dir(to) {
            Err(error) if error.source.kind() == ErrorKind::AlreadyExists && to.is_dir() => Ok(()),
            Err(error) => Err(error),
            Ok(()) => match std::fs::metadata(&self.root) {
                Ok(root) => self.disk.set_mode(to, root.mode() & 0o7777),
                Err(_) => Ok(()),
            },
        }
    }

    /// Writes a file under a name of its own, durably.
    fn write_aside(&self, content: Content<'_>) -> Result<PathBuf, DiskError> {
        let unfinished = self.root.join(UNFINISHED);
        self.make_way(&unfinished)?;
        let aside = unfinished.join(random_name(&unfinished)?);
        match content {
            Content::File(file) => self.disk.copy_file(file, &aside)?,
            Content::Bytes(bytes) => self.disk.create_file(&aside, bytes)?,
        }
        let readers = std::fs::metadata(&unfinished).map_or(0o400, |meta| meta.mode() & 0o444);
        self.disk.set_mode(&aside, readers | 0o400)?;
        self.disk.sync_file(&aside)?;
        Ok(aside)
    }

    /// Gives what was written aside its key.
    fn show(&self, aside: &Path, at: &Path, replace: bool) -> Result<Published, DiskError> {
        let shelf = at.parent().unwrap_or(&self.root);
        self.make_way(shelf)?;
        if replace {
            self.disk.rename(aside, at)?;
        } else {
            match self.disk.hard_link(aside, at) {
                Err(error) if error.source.kind() == ErrorKind::AlreadyExists => {
                    return Ok(Published::AlreadyThere);
                }
                Err(error) if has_no_links(&error.source) => self.disk.rename(aside, at)?,
                linked => linked?,
            }
        }
        self.disk.sync_dir(shelf)?;
        Ok(Published::Written)
    }

    /// Removes what writers left that were ended.
    fn clean(&self) {
        let Ok(left) = std::fs::read_dir(self.root.join(UNFINISHED)) else { return };
        for left in left.flatten() {
            let age = left.metadata().and_then(|meta| meta.modified()).ok();
            let age = age.and_then(|written| SystemTime::now().duration_since(written).ok());
            if age.is_some_and(|age| age > ABANDONED) {
                // It only takes room, and the next one tries again.
                let _ = self.disk.remove_file(&left.path());
            }
        }
    }
}

impl Objects for Directory {
    fn get(&self, key: &Key, cancel: &Cancel) -> Result<Option<Found>, TierError> {
        let Some(meta) = self.look(key)? else { return Ok(None) };
        TierError::unless_within(self.most, Some(meta.len()), &self.place(), key)?;
        let file = match open_regular(&self.path(key)) {
            Err(error) if is_missing(&error) => return Ok(None),
            opened => opened.map_err(|error| self.failed(error))?,
        };
        let bytes = Box::new(Bytes { file: file.take(self.most), cancel: cancel.clone() });
        Ok(Some(Found { bytes, length: Some(meta.len()), written: meta.modified().ok() }))
    }

    fn head(&self, key: &Key, _: &Cancel) -> Result<Option<(u64, Option<SystemTime>)>, TierError> {
        Ok(self.look(key)?.map(|meta| (meta.len(), meta.modified().ok())))
    }

    fn put(
        &self,
        key: &Key,
        content: Content<'_>,
        replace: bool,
        cancel: &Cancel,
    ) -> Result<Published, TierError> {
        let at = self.path(key);
        if !replace && self.look(key)?.is_some() {
            return Ok(Published::AlreadyThere);
        }
        if cancel.is_cancelled() {
            return Err(TierError::Cancelled);
        }
        self.missing()?;
        self.clean();
        let aside = self.write_aside(content).map_err(|error| self.failed_to_write(error))?;
        let shown = self.show(&aside, &at, replace);
        // Whatever happened, its first name is of no use any more; a rename has taken it away.
        let removed = self.disk.remove_file(&aside);
        let shown = shown.map_err(|error| self.failed_to_write(error))?;
        removed.map(|()| shown).map_err(|error| self.failed_to_write(error))
    }

    fn delete(&self, key: &Key, _: &Cancel) -> Result<(), TierError> {
        self.disk.remove_file(&self.path(key)).map_err(|error| self.failed_to_write(error))
    }
}

/// The bytes of an object, as long as the command wants them.
struct Bytes {
    file: io::Take<File>,
    cancel: Cancel,
}

impl Read for Bytes {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        match self.cancel.is_cancelled() {
            true => Err(io::Error::other(TierError::Cancelled)),
            false => self.file.read(out),
        }
    }
}

fn is_missing(error: &io::Error) -> bool {
    matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory)
}

/// Whether it is the file system that cannot give a file a second name.
fn has_no_links(error: &io::Error) -> bool {
    matches!(error.kind(), ErrorKind::PermissionDenied | ErrorKind::Unsupported)
        || error.raw_os_error() == Some(rustix::io::Errno::OPNOTSUPP.raw_os_error())
}

fn not_regular(key: &Key) -> io::Error {
    io::Error::new(ErrorKind::InvalidInput, format!("{key} is not a regular file"))
}

#[cfg(test)]
mod tests {
    use std::{os::unix::fs::PermissionsExt as _, sync::Arc};

    use modstore_core::disk::{Act, Observer};

    use super::*;

    struct Place {
        _held: tempfile::TempDir,
        root: PathBuf,
        content: PathBuf,
    }

    fn place(content: &str) -> Place {
        let held = tempfile::tempdir().unwrap();
        let at = held.path().join("content");
        std::fs::write(&at, content).unwrap();
        std::fs::create_dir(held.path().join("tier")).unwrap();
        Place { root: held.path().join("tier"), content: at, _held: held }
    }

    impl Place {
        fn directory(&self) -> Directory {
            Directory::new(self.root.clone(), &TierOptions::default())
        }
    }

    fn read(directory: &Directory, key: &Key) -> Option<String> {
        let found = directory.get(key, &Cancel::new()).unwrap()?;
        let mut text = String::new();
        let mut bytes = found.bytes;
        bytes.read_to_string(&mut text).unwrap();
        assert_eq!(found.length, Some(text.len() as u64));
        Some(text)
    }

    #[test]
    fn an_object_that_is_there_is_kept_unless_it_is_replaced() {
        let (first, second) = (place("first"), place("second"));
        let (directory, key, cancel) = (first.directory(), Key::commit("ab12"), Cancel::new());
        assert_eq!(read(&directory, &key), None);
        assert_eq!(directory.head(&key, &cancel).unwrap(), None);
        let put = |content: &Path, replace| {
            directory.put(&key, content.into(), replace, &cancel).unwrap()
        };
        assert_eq!(put(&first.content, false), Published::Written);
        assert_eq!(put(&second.content, false), Published::AlreadyThere);
        assert_eq!(read(&directory, &key).unwrap(), "first");
        assert_eq!(put(&second.content, true), Published::Written);
        assert_eq!(read(&directory, &key).unwrap(), "second");
        assert_eq!(std::fs::read_dir(first.root.join(UNFINISHED)).unwrap().count(), 0);
        directory.delete(&key, &cancel).unwrap();
        directory.delete(&key, &cancel).unwrap();
        assert_eq!(read(&directory, &key), None);
    }

    #[test]
    fn what_is_made_has_the_permissions_of_the_root() {
        let place = place("text");
        std::fs::set_permissions(&place.root, std::fs::Permissions::from_mode(0o2770)).unwrap();
        let key = Key::commit("ab12");
        place.directory().put(&key, place.content.as_path().into(), false, &Cancel::new()).unwrap();
        let mode = |path: PathBuf| std::fs::metadata(path).unwrap().mode() & 0o777;
        assert_eq!(mode(place.root.join("v1/git/sha1/ab")), 0o770);
        assert_eq!(mode(place.root.join(key.as_str())), 0o440);
    }

    #[test]
    fn a_directory_that_is_not_there_is_an_error_unless_it_may_be_made() {
        let place = place("text");
        std::fs::remove_dir(&place.root).unwrap();
        let (key, cancel) = (Key::commit("ab12"), Cancel::new());
        let directory = place.directory();
        for error in [
            directory.get(&key, &cancel).map(drop).unwrap_err(),
            directory.put(&key, place.content.as_path().into(), false, &cancel).unwrap_err(),
        ] {
            assert!(matches!(error, TierError::Unreachable { .. }), "{error}");
        }
        let options = TierOptions { make_directory: true, ..TierOptions::default() };
        let directory = Directory::new(place.root.clone(), &options);
        assert_eq!(read(&directory, &key), None);
        assert_eq!(
            directory.put(&key, place.content.as_path().into(), false, &cancel).unwrap(),
            Published::Written
        );
        assert_eq!(read(&directory, &key).unwrap(), "text");
    }

    #[test]
    fn what_is_too_long_or_no_file_is_not_read() {
        let place = place("text");
        let (key, cancel) = (Key::commit("ab12"), Cancel::new());
        place.directory().put(&key, place.content.as_path().into(), false, &cancel).unwrap();
        let options = TierOptions { max_object: 3, ..TierOptions::default() };
        let error = Directory::new(place.root.clone(), &options).get(&key, &cancel);
        assert!(matches!(error.map(drop), Err(TierError::TooLong { most: 3, .. })));
        let odd = Key::commit("cd34");
        std::fs::create_dir_all(place.root.join(odd.as_str())).unwrap();
        let error = place.directory().get(&odd, &cancel).map(drop).unwrap_err();
        assert!(error.to_string().contains("cd34.pack is not a regular file"), "{error}");
    }

    #[test]
    fn an_unfinished_object_is_removed_a_day_later() {
        let place = place("text");
        let unfinished = place.root.join(UNFINISHED);
        std::fs::create_dir_all(&unfinished).unwrap();
        for (name, age) in [("old", 25), ("young", 1)] {
            let file = File::create(unfinished.join(name)).unwrap();
            file.set_modified(SystemTime::now() - Duration::from_hours(age)).unwrap();
        }
        let key = Key::commit("ab12");
        place.directory().put(&key, place.content.as_path().into(), false, &Cancel::new()).unwrap();
        let left: Vec<_> = std::fs::read_dir(&unfinished).unwrap().collect();
        assert_eq!(left.len(), 1);
        assert!(unfinished.join("young").exists());
    }

    /// Lets so many acts happen; from then on none does, as after the end of the process.
    struct DiesAfter(std::sync::atomic::AtomicUsize);

    impl Observer for DiesAfter {
        fn before(&self, _: Act<'_>) -> io::Result<()> {
            let left = &self.0;
            let take = |left: usize| left.checked_sub(1);
            let order = std::sync::atomic::Ordering::Relaxed;
            left.fetch_update(order, order, take).map(drop).map_err(|_| io::Error::other("dead"))
        }
    }

    #[test]
    fn a_writer_that_ends_at_any_step_leaves_a_whole_object_or_none() {
        for replace in [false, true] {
            for steps in 0.. {
                let (place, old) = (place("the new object"), place("the old object"));
                let (key, cancel) = (Key::commit("ab12"), Cancel::new());
                if replace {
                    place
                        .directory()
                        .put(&key, old.content.as_path().into(), false, &cancel)
                        .unwrap();
                }
                let disk = Disk::observed(Arc::new(DiesAfter(steps.into())));
                let options = TierOptions { disk, ..TierOptions::default() };
                let done = Directory::new(place.root.clone(), &options).put(
                    &key,
                    place.content.as_path().into(),
                    replace,
                    &cancel,
                );
                let expected = ["the new object", "the old object"].map(str::to_owned);
                let found = read(&place.directory(), &key);
                assert!(
                    found.as_ref().map_or(!replace, |found| expected.contains(found)),
                    "{steps}"
                );
                // Another writer is not held up by what is left.
                place.directory().put(&key, place.content.as_path().into(), true, &cancel).unwrap();
                assert_eq!(read(&place.directory(), &key).as_deref(), Some("the new object"));
                if done.is_ok() {
                    assert!(steps >= 5, "{steps} steps");
                    break;
                }
            }
        }
    }

    #[test]
    fn a_reader_stops_when_the_command_does() {
        let place = place("text");
        let (key, cancel) = (Key::commit("ab12"), Cancel::new());
        place.directory().put(&key, place.content.as_path().into(), false, &cancel).unwrap();
        let mut found = place.directory().get(&key, &cancel).unwrap().unwrap();
        cancel.cancel();
        assert!(found.bytes.read(&mut [0; 8]).is_err());
    }
}
