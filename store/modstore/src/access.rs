//! [`AccessError`]: why a store is not changed at all, found out before anything is begun.

use std::path::{Path, PathBuf};

use crate::{
    disk::{FileSystem, FormatError},
    events::{Event, Events},
};

/// The store is not for this version to use, or cannot be read. Nothing was changed.
#[derive(Debug, thiserror::Error)]
#[error(transparent)]
pub struct OpenError(#[from] pub FormatError);

/// The store cannot be changed. Nothing was changed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum AccessError {
    /// The store cannot be made, is another version's, or its home is not safe to write to.
    #[error(transparent)]
    Format(#[from] FormatError),
    /// The home is read-only for this user.
    #[error("the store in {} is not writable", home.display())]
    ReadOnly {
        /// The home.
        home: PathBuf,
        /// The system's reason.
        source: std::io::Error,
    },
    /// A sync failed earlier in this process: after that, it is not known what is durable. Open the store again.
    #[error("a sync failed earlier, so this process no longer writes")]
    Poisoned,
}

/// Warns, once in a store's life, of the guarantees that its file system does not give. A file system that cannot be
/// identified is no error.
pub(crate) fn warn_of_file_system(home: &Path, events: &dyn Events) {
    let Ok(found) = FileSystem::of(home) else { return };
    for concern in found.serious() {
        let text = format!(
            "the store in {} lies on {found}, a file system that {concern}",
            home.display()
        );
        events.happened(Event::Notice { text: &text });
    }
}
