//! An archive becomes a staged tree.

use super::{acquire_error::AcquireError, limits::Cancel, session::Network};
use crate::{
    commit::{Staged, Staging},
    disk::Disk,
    model::ArchiveSource,
};

/// An archive in staging.
#[derive(Debug)]
pub struct AcquiredArchive {
    /// Its tree.
    pub staged: Staged,
    /// Lines a person should read.
    pub warnings: Vec<String>,
    /// Bytes received.
    pub received: u64,
}

/// Why an archive did not become a tree.
#[derive(Debug, thiserror::Error)]
pub enum ArchiveError {}

/// placeholder
pub fn acquire_archive(
    _: &Network,
    _: &ArchiveSource,
    _: &Disk,
    _: &Staging,
    _: &Cancel,
) -> Result<AcquiredArchive, AcquireError> {
    unimplemented!()
}
