//! The format marker, `format.json`, and the making of a new store.
//!
//! The marker is the last thing made: where it is, the whole layout is. A program that meets a
//! feature it does not know refuses the store (`incompat`), or only reads it (`ro_compat`).

use std::{os::unix::fs::PermissionsExt as _, path::Path};

use serde::{Deserialize, Serialize};

use super::{
    layout::Layout,
    lock::{Lock, LockError, LockWait},
    ownership::{UnsafeHome, is_to_be_closed},
    reserve::ensure_reserve,
    verbs::{Disk, DiskError, random_name, read_own_if_there},
};

/// The format this version writes.
const VERSION: u32 = 1;

/// What `format.json` says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Format {
    /// The version of the layout.
    pub format: u32,
    /// A random identity of this store, 32 hex digits.
    pub store: String,
    /// Features that any program may ignore.
    #[serde(default)]
    pub compat: Vec<String>,
    /// Features that a program must know to write.
    #[serde(default)]
    pub ro_compat: Vec<String>,
    /// Features that a program must know to read.
    #[serde(default)]
    pub incompat: Vec<String>,
}

/// There is a store to write to, and who made it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Ensured {
    /// It was there.
    Found(Format),
    /// This call has made it.
    Made(Format),
}

/// The home is no store that this version can use. Directories of a new one may have been made.
#[derive(Debug, thiserror::Error)]
pub enum FormatError {
    /// The marker cannot be read or the layout not be made.
    #[error("the store cannot be opened")]
    Disk(#[from] DiskError),
    /// Another process is making this store and does not come to an end.
    #[error("the store cannot be made")]
    Lock(#[from] LockError),
    /// Others may do as they like in the home. Nothing was changed.
    #[error("the store's home is not safe to work in")]
    Unsafe(#[from] UnsafeHome),
    /// The marker is no JSON of ours.
    #[error("{path} is not the format marker of a store")]
    Malformed {
        /// The marker's path.
        path: String,
        /// What is wrong with it.
        source: serde_json::Error,
    },
    /// The store was made by a newer version.
    #[error("the store has format {found}{}, and this version knows format {VERSION}", features(.unknown))]
    Newer {
        /// The store's format.
        found: u32,
        /// Its features that this version does not know.
        unknown: Vec<String>,
    },
}

fn features(unknown: &[String]) -> String {
    if unknown.is_empty() { String::new() } else { format!(" with {}", unknown.join(", ")) }
}

impl Format {
    /// Whether it says what a store says: a version from 1, and an identity of 32 hex digits.
    #[must_use]
    pub fn is_plausible(&self) -> bool {
        let is_hex = |byte: u8| matches!(byte, b'0'..=b'9' | b'a'..=b'f');
        self.format > 0 && self.store.len() == 32 && self.store.bytes().all(is_hex)
    }

    /// Reads the marker; `None` when there is no store yet.
    ///
    /// # Errors
    /// When the store is not for this version to read.
    pub fn read(layout: &Layout) -> Result<Option<Self>, FormatError> {
        let path = layout.format();
        let Some(bytes) = read_own_if_there(&path)? else { return Ok(None) };
        let format: Self = serde_json::from_slice(&bytes).map_err(|source| {
            FormatError::Malformed { path: path.display().to_string(), source }
        })?;
        if format.format > VERSION || !format.incompat.is_empty() {
            return Err(FormatError::Newer { found: format.format, unknown: format.incompat });
        }
        Ok(Some(format))
    }

    /// Reads the marker of a store that is to be written, making the store when there is none.
    ///
    /// # Errors
    /// Some directories may have been made; the next call goes on from there.
    pub fn ensure(
        disk: &Disk,
        layout: &Layout,
        patience: LockWait<'_>,
    ) -> Result<Ensured, FormatError> {
        if let Some(format) = Self::read(layout)? {
            return match format.ro_compat.is_empty() {
                true => Ok(Ensured::Found(format)),
                false => {
                    Err(FormatError::Newer { found: format.format, unknown: format.ro_compat })
                }
            };
        }
        make_home(disk, layout.home())?;
        hide_from_git(disk, layout)?;
        for name in Layout::DIRECTORIES {
            disk.ensure_dir(&layout.home().join(name))?;
        }
        let _lock = Lock::take(&layout.lock("format"), "making the store", patience)?;
        match Self::read(layout)? {
            Some(format) => Ok(Ensured::Found(format)),
            None => Self::create(disk, layout).map(Ensured::Made),
        }
    }

    fn create(disk: &Disk, layout: &Layout) -> Result<Self, FormatError> {
        let random = || random_name(layout.home());
        let none = Vec::new;
        let store = random()? + &random()?;
        let format =
            Self { format: VERSION, store, compat: none(), ro_compat: none(), incompat: none() };
        if read_own_if_there(&layout.journal())?.is_none() {
            disk.create_file(&layout.journal(), b"")?;
        }
        // A name may reach the disk before what it stands for: on a file system without a journal, an old
        // block would then be read as its content, and for a journal of ours that must not be.
        disk.sync_file(&layout.journal())?;
        for name in Layout::DIRECTORIES {
            disk.sync_dir(&layout.home().join(name))?;
        }
        ensure_reserve(disk, layout);
        disk.sync_dir(layout.home())?;
        // A crash here leaves the spare; the next one to hold the lock removes it.
        let spare = layout.format().with_extension("json.new");
        disk.remove_file(&spare)?;
        let text = serde_json::to_string(&format).expect("strings and numbers are JSON") + "\n";
        disk.replace_file(&layout.format(), &spare, text.as_bytes())?;
        Ok(format)
    }
}

/// Keeps a project's home out of its repository, before anything else is in it.
fn hide_from_git(disk: &Disk, layout: &Layout) -> Result<(), DiskError> {
    let path = layout.home().join(Layout::IGNORED);
    if layout.project().is_none() || path.is_file() {
        return Ok(());
    }
    match disk.create_file(&path, b"# written by modstore\n*\n") {
        Err(error) if error.source.kind() == std::io::ErrorKind::AlreadyExists => Ok(()),
        done => done,
    }
}

/// Makes the home and what leads to it durable: each directory first, its name after it.
fn make_home(disk: &Disk, home: &Path) -> Result<(), DiskError> {
    let missing: Vec<&Path> = home.ancestors().take_while(|path| !path.is_dir()).collect();
    disk.ensure_dir(home)?;
    if is_to_be_closed(home) {
        let mode = home.metadata().map_or(0o755, |meta| meta.permissions().mode());
        disk.set_mode(&home.canonicalize().unwrap_or_else(|_| home.to_owned()), mode & 0o7755)?;
    }
    missing.iter().try_for_each(|made| disk.sync_dir(made))?;
    let Some(highest) = missing.last() else { return Ok(()) };
    let parent = highest.parent().filter(|parent| *parent != Path::new(""));
    disk.sync_dir(parent.unwrap_or(Path::new(".")))
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn ensure(layout: &Layout) -> Result<Ensured, FormatError> {
        Format::ensure(&Disk::default(), layout, LockWait::at_most(Duration::from_secs(5)))
    }

    #[test]
    fn a_store_is_made_once_and_keeps_its_identity() {
        let dir = tempfile::tempdir().unwrap();
        let layout = Layout::new(dir.path().join("a/b"));
        assert_eq!(Format::read(&layout).unwrap(), None);
        let Ensured::Made(made) = ensure(&layout).unwrap() else { panic!("it was not there") };
        assert_eq!(ensure(&layout).unwrap(), Ensured::Found(made.clone()));
        assert_eq!(Format::read(&layout).unwrap(), Some(made));
    }

    #[test]
    fn a_newer_format_or_an_unknown_feature_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        let layout = Layout::new(dir.path());
        for text in [
            r#"{"format":2,"store":""}"#,
            r#"{"format":1,"store":"","incompat":["x"]}"#,
            r#"{"format":1,"store":"","ro_compat":["x"]}"#,
        ] {
            std::fs::write(layout.format(), text).unwrap();
            assert!(matches!(ensure(&layout), Err(FormatError::Newer { .. })), "{text}");
        }
        std::fs::write(layout.format(), r#"{"format":1,"store":"","compat":["x"]}"#).unwrap();
        assert!(ensure(&layout).is_ok());
        std::fs::write(layout.format(), "gone").unwrap();
        assert!(matches!(ensure(&layout), Err(FormatError::Malformed { .. })));
    }
}
