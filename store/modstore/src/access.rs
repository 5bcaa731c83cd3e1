//! [`AccessError`]: why a store is not changed at all, found out before anything is begun.

use std::path::{Path, PathBuf};

use crate::{
    Context,
    disk::{Disk, Ensured, FileSystem, Format, FormatError, Layout, LockWait, UnsafeHome, is_ours},
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
    /// A sync failed earlier in this process: after that, nobody knows what is durable. Open the store again.
    #[error("a sync failed earlier, so this process no longer writes")]
    Poisoned,
}

/// Whether the home is worked in, whoever owns it and may write to it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Trust {
    /// Only when it is this user's alone.
    OursOnly,
    /// Always: the user said so.
    Always,
}

/// Makes the store if there is none, and finds out early whether it can be written to.
pub(crate) fn ensure_writable(context: Context<'_>, trust: Trust) -> Result<(), AccessError> {
    let Context { disk, layout, .. } = context;
    may_write(disk, layout, trust)?;
    let stop = || context.cancel.is_cancelled();
    let patience = LockWait { stop: &stop, ..LockWait::at_most(context.lock_limit) };
    if let Ensured::Made(_) = Format::ensure(disk, layout, patience)? {
        // Where others may write to its parent, the home may have become one of theirs just now.
        must_be_ours(layout, trust).map_err(FormatError::from)?;
        warn_of_file_system(layout.home(), context.events);
    }
    rustix::fs::access(layout.staging(), rustix::fs::Access::WRITE_OK).map_err(|source| {
        AccessError::ReadOnly { home: layout.home().to_owned(), source: source.into() }
    })
}

/// Whether this process may write to a home that is there, without making anything.
pub(crate) fn may_write(disk: &Disk, layout: &Layout, trust: Trust) -> Result<(), AccessError> {
    if disk.has_failed_to_sync() {
        return Err(AccessError::Poisoned);
    }
    Ok(must_be_ours(layout, trust).map_err(FormatError::from)?)
}

/// Refuses a home that other users may write to, unless it is trusted as it is.
pub(crate) fn must_be_ours(layout: &Layout, trust: Trust) -> Result<(), UnsafeHome> {
    match trust {
        Trust::Always => Ok(()),
        Trust::OursOnly => is_ours(layout),
    }
}

/// Warns, once in a store's life, of the guarantees that its file system does not give. A file system that cannot be
/// identified is no error.
fn warn_of_file_system(home: &Path, events: &dyn Events) {
    let Ok(found) = FileSystem::of(home) else { return };
    for concern in found.serious() {
        let text = format!(
            "the store in {} lies on {found}, a file system that {concern}",
            home.display()
        );
        events.happened(Event::Notice { text: &text });
    }
}
