//! Fixes by hand: the files that say where a distribution lies are rewritten.
//!
//! ```text
//! plan       every file with every path in it, as it would be; read again before anything is written
//! lock       <venv>/.lock, which is uv's own
//! spares     of a fix that was cut off, removed
//! byte code  of a finder, removed: Python would not notice a new finder of the same size and second
//! paths      .pth lines, finders, .egg-link, which Python follows: each replaced in one step
//! source     direct_url.json, which tools show
//! record     RECORD, with the hashes and sizes of the files that are there now
//! ```
//!
//! Cut off anywhere, the next inspection finds the rest. A file is never written to in place: installers give files
//! in their caches a second name in environments. Metadata, entry points and programs stay as they were installed.

use std::path::{Path, PathBuf};

use modstore_core::disk::{
    Disk, DiskError, Lock, LockError, LockWait, Verb, names_in, random_name,
};
use modstore_python::{Finder, Pointer, PointerKind, lexical, small_if_there};
use serde_json::Value;

use super::plan::Task;
use crate::inspected::{Editable, leads_somewhere, with_files};

/// What our spares are called; no name that Python or an installer would look at.
const SPARE: &str = ".modstore-spare-";

/// A distribution was not fixed by hand.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ByHandError {
    /// The files cannot be rewritten without guessing. Nothing was changed.
    #[error("{0}")]
    NotUnderstood(String),
    /// The files are not ours to write. Nothing was changed.
    #[error("{0}")]
    LeftAlone(String),
    /// Another process changed it meanwhile. Nothing was changed.
    #[error("{} was changed by another process meanwhile", path.display())]
    Changed {
        /// The file.
        path: PathBuf,
    },
    /// Another process works on the environment. Nothing was changed.
    #[error("the environment is in use")]
    Lock(#[from] LockError),
    /// The disk. Files that were replaced before stay; the next inspection finds the rest.
    #[error(transparent)]
    Disk(#[from] DiskError),
}

/// The files to be rewritten.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ByHand {
    site: PathBuf,
    /// In this order: the current text of a file, and the new one.
    files: Vec<Rewrite>,
    /// Directories and names of modules whose byte code is stale.
    stale: Vec<(PathBuf, String)>,
    record: Option<Rewrite>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Rewrite {
    path: PathBuf,
    before: Vec<u8>,
    after: Vec<u8>,
}

impl ByHand {
    /// The files to be rewritten for a task.
    ///
    /// # Errors
    /// [`ByHandError::NotUnderstood`], and when a file cannot be read.
    pub(crate) fn plan(editable: &Editable<'_>, task: &Task) -> Result<Self, ByHandError> {
        let moving = Moving::of(editable, &task.directory)?;
        let mut planned = Self {
            site: editable.scan.site.clone(),
            files: Vec::new(),
            stale: Vec::new(),
            record: None,
        };
        let direct_url = editable.direct_url_file();
        for path in editable.pointing_files() {
            let Some(before) = small_if_there(&path)? else { continue };
            let after = if Some(&path) == direct_url.as_ref() {
                with_url(&before, &task.directory)?
            } else {
                moving.rewritten(editable, &path, &before)?
            };
            planned.add(path, before, after);
        }
        planned.record(editable)?;
        Ok(planned)
    }

    fn add(&mut self, path: PathBuf, before: Vec<u8>, after: Vec<u8>) {
        let is_module = path.extension().is_some_and(|extension| extension == "py");
        if is_module && let (Some(directory), Some(stem)) = (path.parent(), path.file_stem()) {
            let stem = stem.to_string_lossy().into_owned();
            self.stale.push((directory.join("__pycache__"), stem));
        }
        self.files.push(Rewrite { path, before, after });
    }

    fn record(&mut self, editable: &Editable<'_>) -> Result<(), ByHandError> {
        let Some(distribution) = editable.distribution else { return Ok(()) };
        let path = distribution.directory.join("RECORD");
        let Some(before) = small_if_there(&path)? else { return Ok(()) };
        let Ok(text) = std::str::from_utf8(&before) else { return Ok(()) };
        let written: Vec<(PathBuf, Vec<u8>)> =
            self.files.iter().map(|file| (file.path.clone(), file.after.clone())).collect();
        let after = with_files(&self.site, text, &written).into_bytes();
        self.record = Some(Rewrite { path, before, after });
        Ok(())
    }

    /// Whether there is nothing to write.
    pub(crate) fn is_done(&self) -> bool {
        self.files.iter().chain(&self.record).all(|file| file.before == file.after)
    }

    /// Writes, under the lock of the environment in `prefix`.
    ///
    /// # Errors
    /// See [`ByHandError`].
    pub(crate) fn carry_out(
        &self,
        disk: &Disk,
        prefix: &Path,
        patience: LockWait<'_>,
    ) -> Result<(), ByHandError> {
        let _lock = lock(disk, prefix, patience)?;
        for file in self.files.iter().chain(&self.record) {
            refuse_link(&file.path)?;
            if small_if_there(&file.path)?.as_deref() != Some(&*file.before) {
                return Err(ByHandError::Changed { path: file.path.clone() });
            }
        }
        self.remove_spares(disk)?;
        self.remove_stale(disk)?;
        for file in &self.files {
            self.replace(disk, file)?;
        }
        // An interpreter may have started in between, and have read the old one.
        self.remove_stale(disk)?;
        self.record.iter().try_for_each(|record| self.replace(disk, record))
    }

    fn replace(&self, disk: &Disk, file: &Rewrite) -> Result<(), ByHandError> {
        use std::os::unix::fs::PermissionsExt as _;
        if file.before == file.after {
            return Ok(());
        }
        let read = |error| DiskError::new(Verb::Read, &file.path, error);
        let meta = file.path.symlink_metadata().map_err(read)?;
        refuse_link(&file.path)?;
        let spare = self.site.join(format!("{SPARE}{}", random_name(&self.site)?));
        disk.create_file(&spare, &file.after)?;
        disk.set_mode(&spare, meta.permissions().mode() & 0o7777)?;
        disk.sync_file(&spare)?;
        disk.rename(&spare, &file.path)?;
        Ok(disk.sync_dir(file.path.parent().unwrap_or(&self.site))?)
    }

    fn remove_spares(&self, disk: &Disk) -> Result<(), DiskError> {
        let spares = names_in(&self.site)?
            .into_iter()
            .filter(|name| name.to_string_lossy().starts_with(SPARE));
        spares.map(|name| self.site.join(name)).try_for_each(|spare| disk.remove_file(&spare))
    }

    fn remove_stale(&self, disk: &Disk) -> Result<(), DiskError> {
        for (directory, stem) in &self.stale {
            // The files behind a link are not the environment's.
            if directory.is_symlink() {
                continue;
            }
            let of_module = format!("{stem}.");
            for name in names_in(directory)? {
                if name.to_string_lossy().starts_with(&of_module) {
                    disk.remove_file(&directory.join(name))?;
                }
            }
        }
        Ok(())
    }
}

fn refuse_link(path: &Path) -> Result<(), ByHandError> {
    if path.is_symlink() {
        return Err(ByHandError::LeftAlone(format!("{} is a link", path.display())));
    }
    Ok(())
}

/// The lock that uv takes, made if need be.
fn lock(disk: &Disk, prefix: &Path, patience: LockWait<'_>) -> Result<Lock, ByHandError> {
    let path = prefix.join(".lock");
    refuse_link(&path)?;
    if path.symlink_metadata().is_err()
        && let Err(error) = disk.create_file(&path, b"")
        && error.source.kind() != std::io::ErrorKind::AlreadyExists
    {
        return Err(error.into());
    }
    let start = std::time::Instant::now();
    loop {
        if let Some(lock) = Lock::try_take_existing(&path)? {
            return Ok(lock);
        }
        if (patience.stop)() {
            return Err(LockError::Stopped.into());
        }
        if start.elapsed() >= patience.limit {
            return Err(LockError::busy(&path).into());
        }
        std::thread::sleep(std::time::Duration::from_millis(20));
    }
}

/// The old project's directory, and the one in its place.
struct Moving {
    from: PathBuf,
    to: PathBuf,
}

impl Moving {
    /// From where the distribution leads now to the project in `directory`.
    fn of(editable: &Editable<'_>, directory: &Path) -> Result<Self, ByHandError> {
        let not_understood = |what: String| ByHandError::NotUnderstood(what);
        if let Some((file, why)) = &editable.unparsed {
            return Err(not_understood(format!("{}: {why}", file.display())));
        }
        let leaving = leaving(editable);
        let Some(first) = leaving.first() else {
            return Err(not_understood("no file says where it lies".into()));
        };
        if editable.followed.iter().any(|pointer| pointer.how == PointerKind::Build) {
            return Err(not_understood("it is built whenever it is imported".into()));
        }
        // In a stand-in, Python follows its link.
        let is_stand_in = directory.join("stand-in.json").is_file();
        let to = if is_stand_in { directory.join("current") } else { directory.to_owned() };
        let by_record = editable.recorded.clone();
        let by_end = ends(&first.target);
        let fits = |from: &PathBuf| {
            let moving = Self { from: from.clone(), to: to.clone() };
            moving.finds_all(editable, &leaving)
        };
        match by_record.into_iter().chain(by_end).find(fits) {
            Some(from) => Ok(Self { from, to }),
            None => Err(not_understood(format!(
                "{} has nothing in the place of {}",
                to.display(),
                first.target.display()
            ))),
        }
    }

    /// Whether every path of the distribution exists in its new place, and has the modules that are imported from it.
    fn finds_all(&self, editable: &Editable<'_>, leaving: &[&Pointer]) -> bool {
        let all = editable.followed.iter().map(|pointer| {
            let is_leaving = leaving.contains(pointer);
            let target =
                if is_leaving { self.moved(&pointer.target)? } else { pointer.target.clone() };
            Some((*pointer, target))
        });
        let Some(moved) = all.collect::<Option<Vec<(&Pointer, PathBuf)>>>() else { return false };
        let roots: Vec<&PathBuf> = moved
            .iter()
            .filter(|(pointer, _)| pointer.how == PointerKind::Pth)
            .map(|(_, root)| root)
            .collect();
        let holds = |name: &String| {
            let top = name.split('.').next().unwrap_or_default();
            roots
                .iter()
                .any(|root| root.join(top).is_dir() || root.join(format!("{top}.py")).is_file())
        };
        let by_finder = moved.iter().filter_map(|(pointer, _)| pointer.name.clone());
        let by_finder: Vec<String> = by_finder.collect();
        let is_found = |name: &String| {
            let top = name.split('.').next().unwrap_or_default();
            by_finder.iter().any(|found| found.split('.').next() == Some(top))
        };
        moved.iter().all(|(pointer, target)| is_there(pointer, target))
            && editable.imports().iter().all(|name| is_found(name) || holds(name))
    }

    fn moved(&self, target: &Path) -> Option<PathBuf> {
        let below = target.strip_prefix(&self.from).ok()?;
        Some(if below.as_os_str().is_empty() { self.to.clone() } else { self.to.join(below) })
    }

    /// A file with every path that leads to the old project leading to the new one.
    fn rewritten(
        &self,
        editable: &Editable<'_>,
        path: &Path,
        before: &[u8],
    ) -> Result<Vec<u8>, ByHandError> {
        let not_understood =
            || ByHandError::NotUnderstood(format!("{} is not understood", path.display()));
        let text = std::str::from_utf8(before).map_err(|_| not_understood())?;
        let pointers: Vec<&Pointer> =
            editable.followed.iter().copied().filter(|pointer| pointer.file == path).collect();
        let after = match pointers.first().map(|pointer| pointer.how) {
            Some(PointerKind::Pth | PointerKind::EggLink) => self.lines(editable, text),
            Some(_) => self.literals(text).filter(|after| self.is_moved(editable, text, after)),
            None => None,
        };
        after.map(String::into_bytes).ok_or_else(not_understood)
    }

    /// The lines of a `.pth` or an `.egg-link`.
    fn lines(&self, editable: &Editable<'_>, text: &str) -> Option<String> {
        let is_own = |target: &Path| editable.followed.iter().any(|it| it.target == target);
        let mut after = String::with_capacity(text.len());
        for line in text.split_inclusive(['\n', '\r']) {
            let said = line.trim_end().trim_start_matches('\u{feff}');
            let target = lexical(&editable.scan.site, Path::new(said));
            match (!said.is_empty() && is_own(&target)).then(|| self.moved(&target)).flatten() {
                Some(moved) => {
                    after.push_str(plain(&moved)?);
                    after.push_str(line.get(line.trim_end().len()..).unwrap_or_default());
                }
                None => after.push_str(line),
            }
        }
        Some(after)
    }

    /// The texts of a finder, by what they begin with.
    fn literals(&self, text: &str) -> Option<String> {
        let from = plain(&self.from)?;
        let to = plain(&self.to)?;
        let mut after = text.to_owned();
        for sign in ['\'', '"'] {
            for end in ['/', sign] {
                after = after.replace(&format!("{sign}{from}{end}"), &format!("{sign}{to}{end}"));
            }
        }
        Some(after)
    }

    /// Whether the finder leads to the same modules in the new place, and to nothing else.
    fn is_moved(&self, editable: &Editable<'_>, before: &str, after: &str) -> bool {
        let site = &editable.scan.site;
        let (Ok(Some(before)), Ok(Some(after))) =
            (Finder::read(site, before), Finder::read(site, after))
        else {
            return false;
        };
        let moved = |path: &PathBuf| self.moved(path).unwrap_or_else(|| path.clone());
        // How a single module's file is named is looked up on the disk, and so may change with the place.
        let bare = |path: &Path| {
            if path.extension().is_some_and(|end| end == "py") {
                path.with_extension("")
            } else {
                path.to_owned()
            }
        };
        let named = |pairs: &[(String, PathBuf)], moved: &dyn Fn(&PathBuf) -> PathBuf| {
            pairs.iter().map(|(name, path)| (name.clone(), bare(&moved(path)))).collect::<Vec<_>>()
        };
        let as_is = |path: &PathBuf| path.clone();
        named(&before.modules, &moved) == named(&after.modules, &as_is)
            && named(&before.namespaces, &moved) == named(&after.namespaces, &as_is)
            && before.paths.iter().map(moved).collect::<Vec<_>>() == after.paths
    }
}

/// The pointers of a distribution that should lead elsewhere: those that lead nowhere, and all of them if none does.
fn leaving<'a>(editable: &Editable<'a>) -> Vec<&'a Pointer> {
    let all = || editable.followed.iter().copied();
    let dangling: Vec<&Pointer> =
        all().filter(|pointer| !leads_somewhere(&pointer.target)).collect();
    if dangling.is_empty() { all().collect() } else { dangling }
}

/// Where the old project may have been: above the target, the longest end first that may be the same in the new one.
fn ends(target: &Path) -> impl Iterator<Item = PathBuf> {
    let mut above: Vec<PathBuf> = target.ancestors().take(5).map(Path::to_owned).collect();
    above.retain(|path| path.parent().is_some());
    above.into_iter().rev()
}

/// Whether the target of a pointer exists in its new place.
fn is_there(pointer: &Pointer, target: &Path) -> bool {
    // A finder may name a module without the end of its file's name.
    leads_somewhere(target) || (pointer.name.is_some() && target.with_extension("py").is_file())
}

/// A path that can be written in any of these files as it is.
fn plain(path: &Path) -> Option<&str> {
    let text = path.to_str()?;
    let is_odd = |c: char| c.is_control() || matches!(c, '\'' | '"' | '\\' | '#');
    (!text.contains(is_odd)).then_some(text)
}

/// A `direct_url.json` with the URL of this directory.
fn with_url(text: &[u8], directory: &Path) -> Result<Vec<u8>, ByHandError> {
    let not_understood = |_| ByHandError::NotUnderstood("direct_url.json is not understood".into());
    let mut value: Value = serde_json::from_slice(text).map_err(not_understood)?;
    let url = url_of(directory);
    if value.get("url").and_then(Value::as_str) == Some(&*url) {
        return Ok(text.to_vec());
    }
    if let Some(written) = value.get_mut("url") {
        *written = url.into();
    }
    serde_json::to_vec(&value).map_err(not_understood)
}

/// The `file:` URL of a directory, as installers write it.
fn url_of(directory: &Path) -> String {
    use std::{fmt::Write as _, os::unix::ffi::OsStrExt as _};
    let mut url = "file://".to_owned();
    for byte in directory.as_os_str().as_bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' => url.push(char::from(*byte)),
            b'-' | b'.' | b'_' | b'~' | b'/' | b'!' | b'$' | b'&' | b'(' | b')' | b'+' | b','
            | b';' | b'=' | b':' | b'@' => {
                url.push(char::from(*byte));
            }
            byte => {
                let _ = write!(url, "%{byte:02X}");
            }
        }
    }
    url
}
