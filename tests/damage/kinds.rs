//! Every kind of file in a home, which of them stands for it in the matrix, and what each damage is found as.

use std::path::Path;

use super::{harm::Harm, world::World};

/// A kind of file. The names are what the matrix prints.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Kind {
    Format,
    Journal,
    Declarations,
    Lockfile,
    Current,
    /// Directories of the home.
    Part,
    Generation,
    Link,
    Entry,
    /// A plain file of an entry.
    File,
    Executable,
    /// A link in an entry.
    FileLink,
    /// A directory in an entry.
    Folder,
    Manifest,
    GitNames,
    LockFile,
    /// Room for the day when the disk is full; its content is nothing.
    Reserve,
    /// A directory that a module writes to.
    State,
    /// A file that a module may have changed: it is the module's own.
    StateFile,
    /// What upstream ships to such a directory.
    StateNote,
    /// All below `mirrors/`: a cache, rebuilt when it is needed.
    Cache,
}

impl Kind {
    pub(super) const ALL: [Self; 21] = [
        Self::Format,
        Self::Journal,
        Self::Declarations,
        Self::Lockfile,
        Self::Current,
        Self::Part,
        Self::Generation,
        Self::Link,
        Self::Entry,
        Self::File,
        Self::Executable,
        Self::FileLink,
        Self::Folder,
        Self::Manifest,
        Self::GitNames,
        Self::LockFile,
        Self::Reserve,
        Self::State,
        Self::StateFile,
        Self::StateNote,
        Self::Cache,
    ];

    /// What a path below the home is; none for a name that no kind has.
    pub(super) fn of(home: &Path, path: &Path) -> Option<Self> {
        let meta = home.join(path).symlink_metadata().unwrap();
        let parts: Vec<&str> = path.iter().map(|part| part.to_str().unwrap()).collect();
        Some(match parts.as_slice() {
            ["format.json"] => Self::Format,
            ["journal"] => Self::Journal,
            ["modules.toml"] => Self::Declarations,
            ["modules.lock"] => Self::Lockfile,
            ["current"] => Self::Current,
            [_] if meta.is_dir() => Self::Part,
            ["generations", _] => Self::Generation,
            ["generations", _, _] => Self::Link,
            ["entries", _] => Self::Entry,
            ["entries", ..] if meta.is_dir() => Self::Folder,
            ["entries", ..] if meta.is_symlink() => Self::FileLink,
            ["entries", .., "run"] => Self::Executable,
            ["entries", ..] => Self::File,
            ["manifests", name] if name.ends_with(".git") => Self::GitNames,
            ["manifests", _] => Self::Manifest,
            ["locks", _] => Self::LockFile,
            ["reserve" | "verified"] => Self::Reserve,
            ["state", ".seeded"] => Self::Cache,
            ["state", ".seeded", _] => Self::StateNote,
            ["state", "keeper"] | ["state", "keeper", "modules"] => Self::State,
            ["state", ..] => Self::StateFile,
            ["mirrors", ..] => Self::Cache,
            _ => return None,
        })
    }

    /// The paths of that kind: in the current generation, and in one that only an old generation leads to.
    pub(super) fn stand_ins(self, world: &World) -> Vec<String> {
        let (old, shown) = (world.digest(1), world.digest(4));
        let in_entries = |path: &str| vec![format!("entries/{shown}/{path}")];
        match self {
            Self::Format => vec!["format.json".into()],
            Self::Journal => vec!["journal".into()],
            Self::Declarations => vec!["modules.toml".into()],
            Self::Lockfile => vec!["modules.lock".into()],
            Self::Current => vec!["current".into()],
            Self::Part => {
                modstore_core::disk::Layout::DIRECTORIES.iter().map(ToString::to_string).collect()
            }
            Self::Generation => vec!["generations/4".into(), "generations/1".into()],
            Self::Link => vec!["generations/4/tool".into(), "generations/1/tool".into()],
            Self::Entry => vec![format!("entries/{shown}"), format!("entries/{old}")],
            Self::File => {
                vec![format!("entries/{shown}/readme"), format!("entries/{old}/readme")]
            }
            Self::Executable => in_entries("run"),
            Self::FileLink => in_entries("link"),
            Self::Folder => in_entries("modules/part"),
            Self::Manifest => vec![format!("manifests/{shown}"), format!("manifests/{old}")],
            Self::GitNames => vec![format!("manifests/{shown}.git")],
            Self::LockFile => {
                ["store", "modules.toml", "format"].map(|n| format!("locks/{n}")).into()
            }
            Self::Reserve => vec!["reserve".into(), "verified".into()],
            Self::State => vec!["state/keeper/modules".into(), "state/keeper".into()],
            Self::StateFile => vec!["state/keeper/modules/part/lib.txt".into()],
            Self::StateNote => vec!["state/.seeded/keeper".into()],
            Self::Cache => vec!["mirrors/host.git".into()],
        }
    }

    /// Which byte a flipped bit is in: where a check covers it.
    pub(super) fn flipped_byte(self, length: usize) -> usize {
        match self {
            Self::Format | Self::Declarations => 0,
            _ => length / 2,
        }
    }

    /// The code a full look finds it by, and whether a quick look does, too. None: it is no damage at all.
    pub(super) fn found_as(self, harm: Harm) -> Option<(&'static str, bool)> {
        use Harm::{Deleted, Directory, Flipped, Permissions, SilentlyFlipped, Truncated};
        let (code, quick) = match (self, harm) {
            (Self::Cache | Self::Reserve | Self::StateFile, _) => return None,
            (Self::State, Deleted) => ("state-missing", true),
            (Self::State, Permissions) => ("state-permissions", true),
            (Self::State, _) => ("state-replaced", true),
            (Self::StateNote, _) => ("state-note", true),
            // The process that takes the lock makes it again; its content is for people.
            (Self::LockFile, Deleted | Truncated | Flipped | SilentlyFlipped) => return None,
            (Self::LockFile, Directory) => ("directory-replaced", true),
            (Self::Declarations, Permissions) => ("declarations-unreadable", true),
            (Self::Entry | Self::Folder, Permissions) => ("folder-permissions", true),
            (Self::File | Self::Executable, Permissions) => ("file-permissions", true),
            (_, Permissions) => ("permissions", true),
            (Self::Format, Deleted) => ("format-missing", true),
            (Self::Format, _) => ("format-damaged", true),
            (Self::Journal, Deleted) => ("journal-missing", true),
            (Self::Journal, Truncated) => ("current-ahead", true),
            (Self::Journal, Directory) => ("journal-unreadable", true),
            (Self::Journal, _) => ("journal-damaged", true),
            (Self::Declarations, Deleted) => ("declarations-missing", true),
            (Self::Declarations, _) => ("declarations-unreadable", true),
            (Self::Lockfile, _) => ("lock-stale", true),
            (Self::Current, Deleted) => ("current-missing", true),
            (Self::Current, _) => ("current-replaced", true),
            (Self::Part, Deleted) => ("directory-missing", true),
            (Self::Part, _) => ("directory-replaced", true),
            (Self::Generation, Deleted) => ("generation-missing", true),
            (Self::Generation, _) => ("generation-replaced", true),
            (Self::Link, Deleted) => ("link-missing", true),
            (Self::Link, _) => ("link-wrong", true),
            (Self::Entry, Deleted) => ("entry-missing", true),
            (Self::Entry, _) => ("entry-replaced", true),
            (Self::File | Self::Executable | Self::FileLink, Deleted) => ("file-missing", true),
            (Self::File | Self::Executable | Self::FileLink, Truncated) => ("file-size", true),
            (Self::File | Self::Executable, Flipped | SilentlyFlipped) => ("file-content", false),
            (Self::FileLink, Flipped | SilentlyFlipped) => ("file-content", true),
            (Self::File | Self::Executable | Self::FileLink, Directory) => ("file-kind", true),
            (Self::Folder, Deleted) => ("file-missing", true),
            (Self::Folder, _) => ("file-unknown", true),
            (Self::Manifest, Deleted) => ("manifest-missing", true),
            (Self::Manifest, _) => ("manifest-damaged", true),
            (Self::GitNames, _) => ("git-damaged", true),
        };
        Some((code, quick))
    }

    /// Where the finding is, for damage to `path`.
    pub(super) fn found_at(self, harm: Harm, path: &str) -> String {
        match (self, harm) {
            (Self::Journal, Harm::Truncated) => "current".into(),
            (Self::Folder, Harm::Deleted) => format!("{path}/lib.txt"),
            _ => path.to_owned(),
        }
    }
}
