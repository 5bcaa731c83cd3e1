//! [`Archives`]: archives that one command has received, kept until it has published them: an entry does not have their bytes.

use std::{
    collections::HashMap,
    path::{Path, PathBuf},
    sync::{Mutex, PoisonError},
};

use crate::{Context, disk::Staging};

/// See the module. Used from many threads. What is kept goes with it.
#[derive(Default)]
pub(super) struct Archives(Mutex<Received>);

#[derive(Default)]
struct Received {
    staging: Option<Staging>,
    /// By their SHA-256.
    files: HashMap<[u8; 32], PathBuf>,
}

impl Archives {
    /// Takes the file at `archive`. What cannot be kept is received again when it is published.
    pub(super) fn keep(&self, context: Context<'_>, sha256: [u8; 32], archive: &Path) {
        let mut received = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if received.staging.is_none() {
            received.staging = context.staging().ok();
        }
        let Some(to) = received.staging.as_ref().map(Staging::fresh) else { return };
        if context.disk.rename(archive, &to).is_ok() {
            received.files.insert(sha256, to);
        }
    }

    /// Where it is kept.
    pub(super) fn find(&self, sha256: &[u8; 32]) -> Option<PathBuf> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).files.get(sha256).cloned()
    }
}
