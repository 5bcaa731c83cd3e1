//! A commit's tree, written while its pack arrives: which files it will have, who writes them, and the blobs that are
//! deltas of others.
//!
//! Does not seal the tree.

pub(crate) mod lfs;
mod plan;
mod checkout;
mod delta_chains;
mod unpack;
#[cfg(test)]
mod unpack_tests;

pub use checkout::WrittenTree;
pub(crate) use delta_chains::LARGEST_REUSABLE;
pub use plan::Collision;
pub(crate) use unpack::{KeptPack, KnownObject, unpack_history_into};
pub use unpack::{UnpackOptions, checkout_into, unpack_into};
