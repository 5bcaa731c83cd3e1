//! The home itself: the marker, the directories and lock files every store has, the file system, and names
//! that are none of the store's.

use std::{fs::Metadata, io, os::unix::fs::PermissionsExt as _, path::Path};

use super::{code::Code, finding::Finding};
use crate::disk::{FileSystem, Format, FormatError, Layout, names_in};

/// Names in a home besides its directories.
const FILES: [&str; 12] = [
    "modules.toml",
    "modules.lock",
    "format.json",
    "format.json.new",
    "journal",
    "current",
    "condemned",
    "quarantine",
    "reserve",
    "environments",
    "probes",
    "allowed.json",
];

/// What a store's own lock files are called; those of mirrors are `origin-…`, of environments `environment-…`.
const LOCKS: [&str; 4] = ["store", "modules.toml", "format", "trash"];

/// Whether there is a store at all, or the making of one that did not come to its end.
pub(super) fn has_store(layout: &Layout) -> bool {
    let is_there = |path: &Path| path.symlink_metadata().is_ok();
    let is_filled = |path: &Path| path.symlink_metadata().is_ok_and(|meta| meta.len() > 0);
    is_there(&layout.format()) || is_there(&layout.current()) || is_filled(&layout.journal())
}

/// Looks at everything but the journal and what it speaks of.
pub(super) fn look(layout: &Layout, findings: &mut Vec<Finding>) {
    findings.extend(file_system(layout));
    findings.extend(marker(layout));
    findings.extend(Layout::DIRECTORIES.iter().filter_map(|name| {
        let path = layout.home().join(name);
        must_be_directory(&path, 0o700)
    }));
    findings.extend(Layout::LATER.iter().filter_map(|name| {
        let path = layout.home().join(name);
        must_be_directory(&path, 0).filter(|finding| finding.code != Code::DirectoryMissing)
    }));
    // Where a user keeps the home, and through which link it is reached, is the user's choice.
    let home = layout.home().canonicalize();
    findings.extend(must_be_directory(home.as_deref().unwrap_or(layout.home()), 0o700));
    locks(layout, findings);
    names(layout, findings);
}

fn marker(layout: &Layout) -> Option<Finding> {
    let path = layout.format();
    let damaged = |what: &str| Finding::new(Code::FormatDamaged, &path, what);
    match Format::read(layout) {
        Ok(Some(format)) if format.format == 0 || !is_identity(&format.store) => {
            Some(damaged("the marker says what no store says"))
        }
        Ok(Some(_)) => must_allow(&path, 0o400),
        Ok(None) => Some(Finding::new(Code::FormatMissing, &path, "there is no format marker")),
        // A store of a newer version is refused when it is opened.
        Err(FormatError::Newer { .. }) => None,
        Err(FormatError::Malformed { source, .. }) => {
            Some(damaged(&format!("this is no format marker: {source}")))
        }
        Err(_) => Some(damaged("the format marker cannot be read")),
    }
}

fn is_identity(text: &str) -> bool {
    text.len() == 32 && text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
}

fn file_system(layout: &Layout) -> Vec<Finding> {
    let Ok(found) = FileSystem::of(layout.home()) else { return Vec::new() };
    let told = |concern: &crate::disk::Concern| {
        let code = if concern.is_serious() { Code::FileSystem } else { Code::FileSystemRemark };
        Finding::new(code, layout.home(), format!("the file system is {found}: {concern}"))
    };
    found.concerns.iter().map(told).collect()
}

fn locks(layout: &Layout, findings: &mut Vec<Finding>) {
    let at = layout.home().join("locks");
    for name in names_in(&at).unwrap_or_default() {
        let path = at.join(&name);
        let ours = name.to_str().is_some_and(|name| {
            let of_one = ["origin-", "environment-"];
            LOCKS.contains(&name) || of_one.iter().any(|prefix| name.starts_with(prefix))
        });
        let Ok(meta) = path.symlink_metadata() else { continue };
        findings.extend(match (ours, meta.is_file()) {
            (false, _) => Some(unknown(&path)),
            (true, false) => {
                Some(Finding::new(Code::DirectoryReplaced, path, "this is no lock file"))
            }
            (true, true) => allows(&path, &meta, 0o600),
        });
    }
}

fn names(layout: &Layout, findings: &mut Vec<Finding>) {
    for name in names_in(layout.home()).unwrap_or_default() {
        let path = layout.home().join(&name);
        let text = name.to_string_lossy();
        findings.extend(match text.as_ref() {
            "quarantine" => quarantine(&path),
            "format.json.new" => {
                Some(Finding::new(Code::SpareLeft, path, "the making of the store was interrupted"))
            }
            text if text.starts_with("journal.") => {
                Some(Finding::new(Code::JournalKept, path, "bytes of the journal, kept aside"))
            }
            text if text.contains(".damaged-")
                && FILES.iter().any(|file| text.starts_with(file)) =>
            {
                Some(Finding::new(Code::Quarantined, path, "what was damaged is kept here"))
            }
            text if FILES.contains(&text) || Layout::DIRECTORIES.contains(&text) => None,
            _ => Some(unknown(&path)),
        });
    }
}

fn quarantine(path: &Path) -> Option<Finding> {
    let kept = names_in(path).map_or(0, |names| names.len());
    let what = match kept {
        0 => return None,
        1 => "one thing that was damaged is kept here".to_owned(),
        kept => format!("{kept} things that were damaged are kept here"),
    };
    Some(Finding::new(Code::Quarantined, path, what))
}

/// A name that is none of the store's.
pub(super) fn unknown(path: &Path) -> Finding {
    Finding::new(Code::NameUnknown, path, "this is none of the store's")
}

/// What keeps `path` from being a directory that its owner may use so.
pub(super) fn must_be_directory(path: &Path, need: u32) -> Option<Finding> {
    match path.symlink_metadata() {
        Ok(meta) if meta.is_dir() => allows(path, &meta, need),
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            Some(Finding::new(Code::DirectoryMissing, path, "there is no such directory"))
        }
        _ => Some(Finding::new(Code::DirectoryReplaced, path, "this is no directory")),
    }
}

/// What its owner may not do with `path`, which is there.
pub(super) fn must_allow(path: &Path, need: u32) -> Option<Finding> {
    allows(path, &path.metadata().ok()?, need)
}

fn allows(path: &Path, meta: &Metadata, need: u32) -> Option<Finding> {
    let missing = need & !meta.permissions().mode();
    let what = [(0o400, "read it"), (0o200, "write to it"), (0o100, "look into it")];
    let what: Vec<&str> =
        what.iter().filter(|(bit, _)| missing & bit != 0).map(|(_, what)| *what).collect();
    let told = || format!("its owner may not {}", what.join(" or "));
    (!what.is_empty()).then(|| Finding::new(Code::Permissions, path, told()))
}
