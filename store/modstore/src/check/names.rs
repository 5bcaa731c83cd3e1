//! Names in the home that are not the store's, things that are kept there for a person, and the file system below it.
//!
//! No repair touches any of it.

use std::path::Path;

use modstore_core::findings::codes;

use super::{
    code::{Code, Repair},
    finding::Finding,
    view::View,
    work::{Check, RepairStep},
};
use crate::disk::{Concern, FileSystem, Layout, names_in};

codes! { pub(super) CODES of Code:
    /// The file system does not keep the promise, or only a part of it.
    FILE_SYSTEM = "file-system", Warning, Repair::Nothing;
    /// Something to know about the file system.
    FILE_SYSTEM_REMARK = "file-system-remark", Note, Repair::Nothing;
    /// A spare file that the making of the store left.
    SPARE_LEFT = "spare-left", Leftover, Repair::Remove;
    /// Bytes of the journal that were set aside.
    JOURNAL_KEPT = "journal-kept", Note, Repair::Nothing;
    /// A damaged copy that was replaced and is kept for a person to inspect.
    QUARANTINED = "quarantined", Note, Repair::Nothing;
    /// A name that does not belong to the store.
    NAME_UNKNOWN = "name-unknown", Note, Repair::Nothing;
}

pub(super) const CHECK: Check = Check { codes: CODES, find, repair: RepairStep::None };

/// Names in a home besides its directories.
const FILES: [&str; 14] = [
    "modules.toml",
    "modules.lock",
    "format.json",
    "format.json.new",
    "journal",
    "current",
    "condemned",
    "quarantine",
    "reserve",
    "verified",
    "environments",
    "probes",
    "allowed.json",
    "state",
];

fn find(view: &mut View<'_>, found: &mut Vec<Finding>) {
    let layout = view.context.layout;
    found.extend(file_system(layout));
    for name in names_in(layout.home()).unwrap_or_default() {
        if layout.project().is_none() || name != Layout::IGNORED {
            found.extend(name_in_home(&layout.home().join(&name), &name.to_string_lossy()));
        }
    }
}

fn file_system(layout: &Layout) -> Vec<Finding> {
    let Ok(below) = FileSystem::of(layout.home()) else { return Vec::new() };
    let finding = |concern: &Concern| {
        let code = if concern.is_serious() { FILE_SYSTEM } else { FILE_SYSTEM_REMARK };
        Finding::new(
            code,
            layout.home(),
            format!("it lies on {below}, a file system that {concern}"),
        )
    };
    below.concerns.iter().map(finding).collect()
}

fn name_in_home(path: &Path, name: &str) -> Option<Finding> {
    let is_damaged =
        || name.contains(".damaged-") && FILES.iter().any(|file| name.starts_with(file));
    match name {
        "quarantine" => quarantine(path),
        "format.json.new" => {
            Some(Finding::new(SPARE_LEFT, path, "the making of the store was interrupted"))
        }
        _ if name.starts_with("journal.") => {
            Some(Finding::new(JOURNAL_KEPT, path, "bytes of the journal, set aside"))
        }
        _ if is_damaged() => Some(Finding::new(QUARANTINED, path, "a damaged copy is kept here")),
        _ if FILES.contains(&name) || Layout::DIRECTORIES.contains(&name) => None,
        _ => Some(unknown(path)),
    }
}

fn quarantine(path: &Path) -> Option<Finding> {
    let kept = names_in(path).map_or(0, |names| names.len());
    let what = match kept {
        0 => return None,
        1 => "one damaged thing is kept here".to_owned(),
        kept => format!("{kept} damaged things are kept here"),
    };
    Some(Finding::new(QUARANTINED, path, what))
}

/// A name that does not belong to the store.
pub(super) fn unknown(path: &Path) -> Finding {
    Finding::new(NAME_UNKNOWN, path, "it does not belong to the store")
}
