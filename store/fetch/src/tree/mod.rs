//! A commit's tree, written while its pack arrives.
//!
//! `plan` walks the tree and refuses what no tree may contain, `checkout` is the tree being written, `receive` reads the
//! pack and gives blobs to `workers`, `delta_chains` makes the blobs that are deltas, and `unpack` joins them.
//!
//! Does not seal the tree.

pub(crate) mod lfs;
mod plan;
mod checkout;
mod options;
mod workers;
mod receive;
mod delta_chains;
mod unpack;
#[cfg(test)]
mod unpack_tests;

pub(crate) use checkout::NEVER_LINKED;
pub use checkout::WrittenTree;
pub(crate) use delta_chains::LARGEST_REUSABLE;
pub use options::UnpackOptions;
pub use plan::Collision;
pub(crate) use unpack::{
    KeptPack, KnownObject, keep_commit, unpack_first_tree_into, unpack_history_into,
};
pub use unpack::{checkout_into, unpack_into};
