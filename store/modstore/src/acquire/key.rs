//! [`TreeKey`]: the name under which any place knows a tree.

use crate::model::{Contents, Origin, Revision};

/// What is asked of a place. The same key always means the same tree. A commit that has nothing beyond its own tree is
/// the same tree whatever is wanted; a place that knows that finds it under each key.
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
    /// What is made of the bytes that have this SHA-256.
    Checksum {
        /// How it is made: the kind of source.
        kind: &'static str,
        /// The checksum.
        sha256: [u8; 32],
    },
}

impl TreeKey {
    /// The key of the same commit with nothing said of what is wanted beyond it.
    pub(super) fn without_contents(&self) -> Self {
        let mut key = self.clone();
        if let Self::Commit { contents, .. } = &mut key {
            *contents = Contents::USUAL;
        }
        key
    }
}
