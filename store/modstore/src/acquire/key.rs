//! [`TreeKey`]: the name under which any place knows a tree.

use crate::model::{Origin, Revision};

/// What is asked of a place. The same key always means the same tree.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) enum TreeKey {
    /// A commit.
    Commit {
        /// The repository.
        origin: Origin,
        /// The commit.
        revision: Revision,
    },
    /// What is made of the bytes that have this SHA-256.
    Checksum {
        /// How it is made: the kind of source.
        kind: &'static str,
        /// The checksum.
        sha256: [u8; 32],
    },
}
