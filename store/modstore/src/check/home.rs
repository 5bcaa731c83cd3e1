//! The home itself: its directories, lock files, marker and permissions, without which nothing else can be read or
//! repaired.
//!
//! `modules.toml` and names that are not the store's are never touched. A new marker gives the store a new identity,
//! since the old one is written nowhere else.

use std::{
    fs::Metadata,
    io,
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
};

use modstore_core::findings::codes;

use super::{
    code::{Code, Repair},
    finding::Finding,
    names::unknown,
    report::{How, RepairError},
    view::View,
    work::{Check, RepairStep, Work},
};
use crate::disk::{DiskError, Format, FormatError, Layout, names_in, random_name};

codes! { pub(super) CODES of Code:
    /// There is a store, but no `format.json`.
    FORMAT_MISSING = "format-missing", Damage, Repair::Rewrite;
    /// `format.json` cannot be read, or is not a marker.
    FORMAT_DAMAGED = "format-damaged", Damage, Repair::Rewrite;
    /// A directory that every store has is missing.
    DIRECTORY_MISSING = "directory-missing", Damage, Repair::Create;
    /// Something else, for example a link, is in the place of a directory or a lock file.
    DIRECTORY_REPLACED = "directory-replaced", Damage, Repair::Create;
    /// The owner lacks a permission on a file or directory of the home that commands need.
    PERMISSIONS = "permissions", Damage, Repair::SetMode;
}

pub(super) const CHECK: Check =
    Check { codes: CODES, find, repair: RepairStep::LooksItself(repair) };

/// Whether there is a store at all, or one whose making was interrupted.
pub(super) fn has_store(layout: &Layout) -> bool {
    let is_filled = |path: &Path| path.symlink_metadata().is_ok_and(|meta| meta.len() > 0);
    is_there(&layout.format()) || is_there(&layout.current()) || is_filled(&layout.journal())
}

/// Whether there is anything of a store that could be repaired.
pub(crate) fn has_parts(layout: &Layout) -> bool {
    let parts = [layout.format(), layout.journal(), layout.current(), layout.generations()];
    parts.iter().any(|path| is_there(path))
}

fn is_there(path: &Path) -> bool {
    path.symlink_metadata().is_ok()
}

fn find(view: &mut View<'_>, found: &mut Vec<Finding>) {
    let layout = view.context.layout;
    found.extend(marker(layout));
    found.extend(Layout::DIRECTORIES.iter().filter_map(|name| {
        let path = layout.home().join(name);
        must_be_directory(&path, 0o700)
    }));
    found.extend(Layout::LATER.iter().filter_map(|name| {
        let path = layout.home().join(name);
        must_be_directory(&path, 0).filter(|finding| finding.code != DIRECTORY_MISSING)
    }));
    // Where a user keeps the home, and through which link it is reached, is the user's choice.
    let home = layout.home().canonicalize();
    found.extend(must_be_directory(home.as_deref().unwrap_or(layout.home()), 0o700));
    locks(layout, found);
}

fn marker(layout: &Layout) -> Option<Finding> {
    let path = layout.format();
    let damaged = |what: &str| Finding::new(FORMAT_DAMAGED, &path, what);
    match Format::read(layout) {
        Ok(Some(format)) if format.is_plausible() => must_allow(&path, 0o400),
        Ok(Some(_)) => Some(damaged("the marker has values that no store has")),
        Ok(None) => Some(Finding::new(FORMAT_MISSING, &path, "there is no format marker")),
        // A store of a newer version is refused when it is opened.
        Err(FormatError::Newer { .. }) => None,
        Err(FormatError::Malformed { source, .. }) => {
            Some(damaged(&format!("this is not a format marker: {source}")))
        }
        Err(_) => Some(damaged("the format marker cannot be read")),
    }
}

fn locks(layout: &Layout, found: &mut Vec<Finding>) {
    let at = layout.home().join("locks");
    for name in names_in(&at).unwrap_or_default() {
        let path = at.join(&name);
        let Ok(meta) = path.symlink_metadata() else { continue };
        found.extend(if !is_lock(&path) {
            Some(unknown(&path))
        } else if meta.is_file() {
            allows(&path, &meta, 0o600)
        } else {
            Some(Finding::new(DIRECTORY_REPLACED, path, "this is not a lock file"))
        });
    }
}

/// Whether a path in `locks/` has the name of a lock file of the store, of a mirror or of an environment.
fn is_lock(path: &Path) -> bool {
    let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
    ["store", "modules.toml", "format", "trash"].contains(&name)
        || ["origin-", "environment-"].iter().any(|prefix| name.starts_with(prefix))
}

/// What keeps `path` from being a directory that its owner may use in this way.
fn must_be_directory(path: &Path, need: u32) -> Option<Finding> {
    match path.symlink_metadata() {
        Ok(meta) if meta.is_dir() => allows(path, &meta, need),
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            Some(Finding::new(DIRECTORY_MISSING, path, "there is no such directory"))
        }
        _ => Some(Finding::new(DIRECTORY_REPLACED, path, "this is not a directory")),
    }
}

/// What its owner may not do with `path`, which is there.
pub(super) fn must_allow(path: &Path, need: u32) -> Option<Finding> {
    allows(path, &path.metadata().ok()?, need)
}

fn allows(path: &Path, meta: &Metadata, need: u32) -> Option<Finding> {
    let missing = need & !meta.permissions().mode();
    let acts = [(0o400, "read it"), (0o200, "write to it"), (0o100, "list it")];
    let lacking: Vec<&str> =
        acts.iter().filter(|(bit, _)| missing & bit != 0).map(|(_, act)| *act).collect();
    let what = || format!("its owner may not {}", lacking.join(" or "));
    (!lacking.is_empty()).then(|| Finding::new(PERMISSIONS, path, what()))
}

/// Repairs all that every command needs.
fn repair(work: &mut Work<'_>) -> Result<(), RepairError> {
    let layout = work.context.layout;
    open_up(work, layout.home(), 0o700)?;
    open_up(work, &layout.format(), 0o600)?;
    if let Err(newer @ FormatError::Newer { .. }) = Format::read(layout) {
        return Err(newer.into());
    }
    // The lock cannot be taken without these.
    repair_quarantine(work)?;
    repair_directory(work, &layout.home().join("locks"))?;
    repair_locks(work)?;
    let lock = work.context.lock("store")?;
    for name in Layout::DIRECTORIES {
        repair_directory(work, &layout.home().join(name))?;
    }
    repair_later_directories(work)?;
    open_up_files(work)?;
    let is_marked = set_bad_marker_aside(work)?;
    drop(lock);
    work.context.waiting(|wait| Format::ensure(work.context.disk, layout, wait))?;
    if !is_marked {
        work.repaired(layout.format(), How::Created, None);
    }
    Ok(())
}

/// Gives the owner these rights, if the path is there and lacks them.
fn open_up(work: &mut Work<'_>, path: &Path, rights: u32) -> Result<(), DiskError> {
    let Ok(meta) = path.symlink_metadata() else { return Ok(()) };
    let mode = meta.permissions().mode();
    if meta.is_symlink() || mode & rights == rights {
        return Ok(());
    }
    work.context.disk.set_mode(path, (mode | rights) & 0o777)?;
    work.repaired(path.to_owned(), How::SetRight, None);
    Ok(())
}

/// A thing in the place of the quarantine cannot be moved into it.
fn repair_quarantine(work: &mut Work<'_>) -> Result<(), DiskError> {
    let path = work.context.layout.quarantine();
    if path.symlink_metadata().is_ok_and(|meta| !meta.is_dir()) {
        let aside = move_beside(work, &path)?;
        work.repaired(path, How::SetAside, Some(aside));
        return Ok(());
    }
    open_up(work, &path, 0o700)
}

/// Renames a thing of the home to `<name>.damaged-<random>`, beside its own name.
fn move_beside(work: &Work<'_>, path: &Path) -> Result<PathBuf, DiskError> {
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(format!(".damaged-{}", random_name(path)?));
    let aside = path.with_file_name(name);
    work.context.disk.move_tree(path, &aside)?;
    work.context.disk.sync_dir(work.context.layout.home())?;
    Ok(aside)
}

/// A directory that every store has. A link is not one: what the store deletes would lie at its target.
fn repair_directory(work: &mut Work<'_>, path: &Path) -> Result<(), DiskError> {
    let there = path.symlink_metadata().ok();
    if there.as_ref().is_some_and(Metadata::is_dir) {
        return open_up(work, path, 0o700);
    }
    let aside = there.map(|_| work.put_away(path)).transpose()?;
    work.context.disk.create_dir(path)?;
    work.context.disk.sync_dir(work.context.layout.home())?;
    work.repaired(path.to_owned(), How::Created, aside);
    Ok(())
}

/// Directories that commands create when they need them: only a thing in their place is moved away.
fn repair_later_directories(work: &mut Work<'_>) -> Result<(), DiskError> {
    for path in Layout::LATER.map(|name| work.context.layout.home().join(name)) {
        if path.symlink_metadata().is_ok_and(|meta| !meta.is_dir()) {
            let aside = work.put_away(&path)?;
            work.repaired(path, How::SetAside, Some(aside));
        }
    }
    Ok(())
}

/// Lock files; the next process that takes a lock creates its file.
fn repair_locks(work: &mut Work<'_>) -> Result<(), DiskError> {
    let locks = work.context.layout.home().join("locks");
    for name in names_in(&locks)? {
        let path = locks.join(name);
        if path.symlink_metadata().is_ok_and(|meta| meta.is_file()) {
            open_up(work, &path, 0o600)?;
        } else if is_lock(&path) {
            let aside = work.put_away(&path)?;
            work.repaired(path, How::Created, Some(aside));
        }
    }
    Ok(())
}

/// The rights to files and to directories of links.
fn open_up_files(work: &mut Work<'_>) -> Result<(), DiskError> {
    let layout = work.context.layout;
    for path in [layout.journal(), layout.modules_lock()] {
        open_up(work, &path, 0o600)?;
    }
    for (directory, rights) in [(layout.generations(), 0o700), (layout.manifests(), 0o400)] {
        for name in names_in(&directory)? {
            open_up(work, &directory.join(name), rights)?;
        }
    }
    Ok(())
}

/// Sets a bad marker aside, and returns whether there is a good one.
fn set_bad_marker_aside(work: &mut Work<'_>) -> Result<bool, RepairError> {
    let path = work.context.layout.format();
    match Format::read(work.context.layout) {
        Ok(None) => Ok(false),
        Ok(Some(format)) if format.is_plausible() => Ok(true),
        Err(newer @ FormatError::Newer { .. }) => Err(newer.into()),
        Ok(Some(_)) | Err(_) => {
            let aside = move_beside(work, &path)?;
            work.repaired(path, How::SetAside, Some(aside));
            Ok(false)
        }
    }
}
