//! [`TreeKey`]: the name under which any place knows a tree.

use crate::model::{ArchiveSource, Contents, Origin, Revision};

/// What is asked of a place. The same key always means the same tree: a commit of a repository with what is wanted
/// beyond it, or the archive that has this checksum. A commit that has nothing beyond it is the same tree whatever is
/// wanted; a place that knows that finds it under each key.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) enum TreeKey {
    /// A commit.
    Commit {
        /// The repository.
        origin: Origin,
        /// The commit.
        revision: Revision,
        /// What is wanted beyond its tree.
        contents: Contents,
    },
    /// An archive, by its SHA-256.
    Archive([u8; 32]),
}

impl From<&ArchiveSource> for TreeKey {
    fn from(source: &ArchiveSource) -> Self {
        Self::Archive(source.sha256)
    }
}
