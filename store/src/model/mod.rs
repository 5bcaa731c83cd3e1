//! Plain values: no I/O, no clock.

mod digest;
mod manifest;
mod git_tree;
mod generation;

pub use digest::{ContentHash, Digest, ParseDigestError};
pub use generation::{Generation, ParseGenerationError};
pub use git_tree::GitTree;
pub use manifest::{
    FileKind, Manifest, ManifestError, TREE_CONTEXT, TreeFile, canonical_bytes, digest_of,
};
