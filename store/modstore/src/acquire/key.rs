//! [`TreeKey`]: the name under which any place knows a tree.

use crate::model::{ArchiveSource, Origin, Revision};

/// What is asked of a place. The same key always means the same tree: a commit of a repository, or the archive that
/// has this checksum.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) enum TreeKey {
    /// A commit.
    Commit {
        /// The repository.
        origin: Origin,
        /// The commit.
        revision: Revision,
    },
    /// An archive, by its SHA-256.
    Archive([u8; 32]),
}

impl From<&ArchiveSource> for TreeKey {
    fn from(source: &ArchiveSource) -> Self {
        Self::Archive(source.sha256)
    }
}
