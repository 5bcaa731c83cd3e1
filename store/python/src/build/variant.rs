//! [`Variant`]: the files that a module puts on the import path, for one Python, where the entry's files as they lie do
//! not do.
//!
//! It is a directory `.modstore/<tag>/` in the module's directory within the entry: the entry's files once more, as
//! hard links, under the names by which they are imported, and beside them compiled files: extension modules,
//! and byte code if the user asked for it. It lies in the entry so that the one switch moves it too, and is deleted with
//! it. It is no part of the tree that the entry's digest is of; it is made from that, and may be made again at any time.
//!
//! No tree has a `.modstore` of its own: it is refused when it is fetched.

use std::{
    collections::BTreeMap,
    io,
    os::unix::fs::MetadataExt as _,
    path::{Path, PathBuf},
    process::Command,
    time::Duration,
};

use modstore_core::{
    Cancel,
    disk::{Disk, DiskError, Layout, SMALL_FILE, Verb, open_regular, read_regular},
    model::ContentHash,
    program::{Input, ProgramError, Running},
};

use super::project_metadata::ProjectMetadata;
use crate::read::{DIRECTORY, is_byte_code};

/// How long it may take to compile a module's byte code.
const COMPILING: Duration = Duration::from_secs(600);

/// The list in a variant of the files that are no hard links of an entry's, with the BLAKE3 of each.
const LIST: &str = ".variant";

/// Where the variant of a module in `directory` is, for the Python of this tag.
pub(crate) fn place(directory: &Path, tag: &str) -> PathBuf {
    directory.join(Layout::OWN).join(tag)
}

/// The text of the link `live/<module>/<tag>`.
pub(crate) fn link_text(tag: &str) -> PathBuf {
    Path::new("current").join(Layout::OWN).join(tag)
}

/// A variant that is being made.
pub(crate) struct Variant<'a> {
    /// The directory of the module in its entry, or in a tree that is to be one.
    pub directory: &'a Path,
    pub metadata: &'a ProjectMetadata,
    /// The files that the build made lie below this directory, by their path on the import path.
    pub compiled: &'a Path,
}

impl Variant<'_> {
    /// Makes it in `at`, which is not there yet. More files may be added before it is sealed.
    ///
    /// # Errors
    /// Some of it may be there.
    pub(crate) fn make(&self, disk: &Disk, at: &Path) -> Result<Made, DiskError> {
        let mut files = BTreeMap::new();
        for path in &self.metadata.paths {
            let root = self.directory.join(path);
            for name in names(&root)? {
                let is_module = Path::new(&name).file_stem().and_then(|stem| stem.to_str());
                // The project's own directory has more in it than importable files.
                let is_imported =
                    is_module.is_some_and(|name| self.metadata.imports.contains(name));
                if !path.is_empty() || is_imported {
                    collect(&root.join(&name), Path::new(&name), &mut files)?;
                }
            }
        }
        for (package, path) in &self.metadata.mapped {
            let place = ProjectMetadata::place_of(package, path);
            collect(&self.directory.join(path), &place, &mut files)?;
        }
        // Byte code that a Python kept beside the sources is no part of them.
        files.retain(|path, _| path.iter().all(|name| name != DIRECTORY));
        for path in &self.metadata.compiled {
            files.insert(PathBuf::from(path), self.compiled.join(path));
        }
        let directory = self.directory.to_owned();
        plant(disk, at, &files)?;
        Ok(Made { at: at.to_owned(), files, directory })
    }
}

/// The names in a directory but that of its variants.
fn names(directory: &Path) -> Result<Vec<std::ffi::OsString>, DiskError> {
    let mut names = modstore_core::disk::names_in(directory)?;
    names.retain(|name| name != Layout::OWN);
    names.sort();
    Ok(names)
}

/// Every file at or below `from`, as it is to lie at or below `to`.
fn collect(
    from: &Path,
    to: &Path,
    files: &mut BTreeMap<PathBuf, PathBuf>,
) -> Result<(), DiskError> {
    let read = |error| DiskError::new(Verb::Read, from, error);
    if !from.symlink_metadata().map_err(read)?.is_dir() {
        files.insert(to.to_owned(), from.to_owned());
        return Ok(());
    }
    names(from)?.iter().try_for_each(|name| collect(&from.join(name), &to.join(name), files))
}

/// A variant whose files are there.
pub(crate) struct Made {
    at: PathBuf,
    /// Every file by its path, and the file that it was made from.
    files: BTreeMap<PathBuf, PathBuf>,
    /// The module's directory: a file that was made from one in it is the entry's own.
    directory: PathBuf,
}

fn plant(disk: &Disk, at: &Path, files: &BTreeMap<PathBuf, PathBuf>) -> Result<(), DiskError> {
    disk.create_dir(at)?;
    for (path, from) in files {
        let target = at.join(path);
        disk.ensure_dir(target.parent().unwrap_or(at))?;
        disk.hard_link(from, &target).or_else(|_unlinkable| disk.copy_file(from, &target))?;
    }
    Ok(())
}

impl Made {
    /// Writes the list of the files that are no hard links of an entry's, sets the times of directories from their
    /// content, and makes all but the top one read-only, which is still to be moved.
    ///
    /// # Errors
    /// Some of it may have been done.
    pub(crate) fn seal(self, disk: &Disk) -> Result<(), DiskError> {
        let mut own = BTreeMap::new();
        let mut found = BTreeMap::new();
        collect(&self.at, Path::new(""), &mut found)?;
        for (path, at) in &found {
            let from = self.files.get(path).filter(|from| from.starts_with(&self.directory));
            let is_link = from.is_some_and(|from| inode(from) == inode(at));
            if !is_link && let Some(path) = path.to_str() {
                own.insert(path.to_owned(), hash(at)?.to_string());
            }
        }
        let list = serde_json::to_vec_pretty(&own).expect("texts can be written as JSON");
        disk.create_file(&self.at.join(LIST), &list)?;
        for (directory, listing) in self.listings()?.iter().rev() {
            let hash = ContentHash::from_bytes(listing.finalize().into());
            let path = self.at.join(directory);
            disk.set_time(&path, hash.file_time())?;
            if !directory.as_os_str().is_empty() {
                disk.make_read_only(&path)?;
            }
        }
        Ok(())
    }

    /// The listings that the times of directories are made of.
    fn listings(&self) -> Result<BTreeMap<PathBuf, blake3::Hasher>, DiskError> {
        let mut listings: BTreeMap<PathBuf, blake3::Hasher> = BTreeMap::new();
        for (path, from) in &self.files {
            for directory in path.ancestors().skip(1) {
                let listing = listings.entry(directory.to_owned()).or_default();
                let time = time_of(from)?.to_le_bytes();
                listing.update(path.as_os_str().as_encoded_bytes()).update(&time);
            }
        }
        Ok(listings)
    }
}

/// The faults of a variant, file by file. Files that are the entry's own, which `is_entrys` knows by inode, are not read
/// again; compiled ones are, if `all` is set.
pub fn variant_faults(
    at: &Path,
    is_entrys: &dyn Fn(u64, u64) -> bool,
    all: bool,
) -> Vec<(PathBuf, &'static str)> {
    let mut faults = Vec::new();
    let list = read_regular(&at.join(LIST), SMALL_FILE).ok();
    let list: Option<BTreeMap<String, String>> =
        list.and_then(|bytes| serde_json::from_slice(&bytes).ok());
    let Some(mut list) = list else {
        return vec![(at.join(LIST), "the list of compiled files cannot be read")];
    };
    let mut found = BTreeMap::new();
    if collect(at, Path::new(""), &mut found).is_err() {
        return vec![(at.to_owned(), "it cannot be read")];
    }
    for (path, file) in found.into_iter().filter(|(path, _)| path != Path::new(LIST)) {
        let listed = path.to_str().and_then(|path| list.remove(path));
        match (listed, inode(&file)) {
            (None, Some((device, number))) if is_entrys(device, number) => {}
            (None, _) if is_byte_code(&file) => {}
            (None, _) => faults.push((file, "it is neither the entry's nor compiled")),
            (Some(listed), _)
                if all && hash(&file).map_or(true, |hash| hash.to_string() != listed) =>
            {
                faults.push((file, "its content is not the compiled one"));
            }
            (Some(_), _) => {}
        }
    }
    faults.extend(list.keys().map(|path| (at.join(path), "it is not there")));
    faults
}

fn inode(path: &Path) -> Option<(u64, u64)> {
    path.symlink_metadata().ok().map(|meta| (meta.dev(), meta.ino()))
}

fn hash(path: &Path) -> Result<blake3::Hash, DiskError> {
    let read = |error| DiskError::new(Verb::Read, path, error);
    if path.symlink_metadata().map_err(read)?.is_symlink() {
        let text = std::fs::read_link(path).map_err(read)?.into_os_string();
        return Ok(blake3::hash(text.as_encoded_bytes()));
    }
    let mut hasher = blake3::Hasher::new();
    let file = open_regular(path).map_err(read)?;
    Ok(hasher.update_reader(file).map_err(read)?.finalize())
}

/// Compiles the byte code of everything in `made`, which is going to be seen at `seen_at`: tracebacks name that path,
/// and the same files give the same bytes. Python checks the byte code by its source's content, never by a time.
pub(crate) fn compile(
    python: &Path,
    made: &Path,
    seen_at: &Path,
    cancel: &Cancel,
) -> Result<(), ProgramError> {
    let mut command = Command::new(python);
    command.args(["-I", "-m", "compileall", "-q", "--invalidation-mode", "checked-hash"]);
    command.arg("-s").arg(made).arg("-p").arg(seen_at).arg(made);
    let running = Running {
        input: Input::Nothing,
        limit: COMPILING,
        cancel,
        told: &|_| {},
        ends_with_us: false,
    };
    match running.succeed(command) {
        // Many trees have a file that is no Python, or for another version; it is not imported either.
        Err(ProgramError::Failed { status, .. }) if status.code() == Some(1) => Ok(()),
        ran => ran.map(drop),
    }
}

fn time_of(path: &Path) -> Result<i64, DiskError> {
    let meta = path.symlink_metadata();
    meta.map(|meta| meta.mtime()).map_err(|error| DiskError::new(Verb::Read, path, error))
}

/// Moves a finished variant `made` to its place in `directory`, which may be read-only; its time and mode are the
/// same afterwards. One that is there already stays.
///
/// # Errors
/// The directory may be left writable, which the next `verify --repair` repairs.
pub(crate) fn install(
    disk: &Disk,
    directory: &Path,
    tag: &str,
    made: &Path,
) -> Result<(), DiskError> {
    let target = place(directory, tag);
    if target.is_dir() {
        return Ok(());
    }
    let meta =
        directory.metadata().map_err(|error| DiskError::new(Verb::Read, directory, error))?;
    disk.set_mode(directory, 0o755)?;
    let moved = disk
        .ensure_dir(&directory.join(Layout::OWN))
        .and_then(|()| match disk.rename(made, &target) {
            // Another process made the same.
            Err(error) if is_taken(&error.source) => Ok(()),
            moved => moved,
        })
        .and_then(|()| disk.make_read_only(&target));
    disk.set_time(directory, meta.mtime())?;
    disk.set_mode(directory, meta.mode() & 0o7777)?;
    moved
}

fn is_taken(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::AlreadyExists | io::ErrorKind::DirectoryNotEmpty)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;
    use crate::build::facts;

    /// A module's directory with a package in `src`, another one under another name, and tests beside them.
    fn module(at: &Path) -> PathBuf {
        let directory = at.join("module");
        for (path, text) in [
            ("src/pkg/__init__.py", "1"),
            ("src/pkg/deep/data.txt", "2"),
            ("lib/__init__.py", "3"),
            ("flat/__init__.py", "4"),
            ("tests/test.py", "5"),
        ] {
            let path = directory.join(path);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, text).unwrap();
        }
        let kept = directory.join("src/pkg/__pycache__");
        std::fs::create_dir(&kept).unwrap();
        std::fs::write(kept.join("__init__.cpython-312.pyc"), "kept").unwrap();
        directory
    }

    fn listing(at: &Path) -> Vec<String> {
        let mut files = BTreeMap::new();
        collect(at, Path::new(""), &mut files).unwrap();
        files.keys().map(|path| path.display().to_string()).collect()
    }

    #[test]
    fn a_variant_has_what_is_imported_under_the_names_by_which_it_is() {
        let place = tempfile::tempdir().unwrap();
        let (disk, directory) = (Disk::default(), module(place.path()));
        let compiled = place.path().join("compiled");
        std::fs::create_dir_all(compiled.join("pkg")).unwrap();
        std::fs::write(compiled.join("pkg/core.so"), "so").unwrap();
        let facts = ProjectMetadata {
            paths: vec!["src".into(), String::new()],
            mapped: [("named.other".to_owned(), "lib".to_owned())].into(),
            compiled: ["pkg/core.so".to_owned()].into(),
            imports: ["flat".to_owned(), "pkg".to_owned()].into(),
            ..facts()
        };
        let variant = Variant { directory: &directory, metadata: &facts, compiled: &compiled };
        let made = place.path().join("made");
        variant.make(&disk, &made).unwrap().seal(&disk).unwrap();
        let expected = [
            "flat/__init__.py",
            "named/other/__init__.py",
            "pkg/__init__.py",
            "pkg/core.so",
            "pkg/deep/data.txt",
        ];
        assert_eq!(listing(&made)[1..], expected);
        assert_eq!(
            inode(&made.join("pkg/__init__.py")),
            inode(&directory.join("src/pkg/__init__.py"))
        );
    }

    #[test]
    fn installing_a_variant_leaves_its_module_as_it_was_but_for_the_variant() {
        let place = tempfile::tempdir().unwrap();
        let (disk, directory) = (Disk::default(), module(place.path()));
        disk.set_time(&directory, 1_000_000_000).unwrap();
        disk.set_mode(&directory, 0o555).unwrap();
        let facts = facts();
        let variant = Variant { directory: &directory, metadata: &facts, compiled: place.path() };
        for attempt in ["one", "two"] {
            let made = place.path().join(attempt);
            variant.make(&disk, &made).unwrap().seal(&disk).unwrap();
            install(&disk, &directory, "tag", &made).unwrap();
        }
        let meta = directory.metadata().unwrap();
        assert_eq!((meta.mtime(), meta.permissions().mode() & 0o777), (1_000_000_000, 0o555));
        assert_eq!(
            listing(&self::place(&directory, "tag")),
            [LIST, "pkg/__init__.py", "pkg/deep/data.txt"]
        );
        let again = place.path().join("again");
        Variant {
            directory: &directory,
            metadata: &ProjectMetadata { paths: vec![String::new()], ..facts.clone() },
            compiled: place.path(),
        }
        .make(&disk, &again)
        .unwrap();
        assert!(listing(&again).is_empty(), "a variant is no part of a variant");
    }

    #[test]
    fn equal_variants_have_equal_times_and_others_have_others() {
        let place = tempfile::tempdir().unwrap();
        let (disk, directory) = (Disk::default(), module(place.path()));
        let time = |at: &str| {
            let facts = facts();
            let variant =
                Variant { directory: &directory, metadata: &facts, compiled: place.path() };
            let at = place.path().join(at);
            variant.make(&disk, &at).unwrap().seal(&disk).unwrap();
            at.join("pkg").metadata().unwrap().mtime()
        };
        let one = time("one");
        assert_eq!(one, time("two"));
        std::fs::write(directory.join("src/pkg/new.py"), "new").unwrap();
        assert_ne!(one, time("three"));
    }

    #[test]
    fn whatever_is_changed_in_a_variant_is_found() {
        let place = tempfile::tempdir().unwrap();
        let (disk, directory) = (Disk::default(), module(place.path()));
        let compiled = place.path().join("compiled");
        std::fs::create_dir_all(&compiled).unwrap();
        std::fs::write(compiled.join("core.so"), "so").unwrap();
        let facts = ProjectMetadata { compiled: ["core.so".to_owned()].into(), ..facts() };
        let variant = Variant { directory: &directory, metadata: &facts, compiled: &compiled };
        let at = place.path().join("at");
        let made = variant.make(&disk, &at).unwrap();
        // As byte code is: written by another process before it is sealed.
        std::fs::write(at.join("pkg/code.pyc"), "byte code").unwrap();
        made.seal(&disk).unwrap();
        let entrys: Vec<_> = ["src/pkg/__init__.py", "src/pkg/deep/data.txt"]
            .iter()
            .filter_map(|path| inode(&directory.join(path)))
            .collect();
        let faults = || -> Vec<String> {
            let found =
                variant_faults(&at, &|device, number| entrys.contains(&(device, number)), true);
            found
                .iter()
                .map(|(path, what)| {
                    format!("{}: {what}", path.strip_prefix(&at).unwrap().display())
                })
                .collect()
        };
        assert!(faults().is_empty(), "{:?}", faults());
        disk.set_mode(&at.join("pkg"), 0o755).unwrap();
        std::fs::write(at.join("pkg/code.pyc"), "other").unwrap();
        assert_eq!(faults(), ["pkg/code.pyc: its content is not the compiled one"]);
        std::fs::remove_file(at.join("pkg/code.pyc")).unwrap();
        assert_eq!(faults(), ["pkg/code.pyc: it is not there"]);
        std::fs::write(at.join("pkg/new.py"), "new").unwrap();
        assert!(
            faults().contains(&"pkg/new.py: it is neither the entry's nor compiled".to_owned())
        );
    }
}
