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

pub use checkout::Planted;
pub(crate) use delta_chains::MODEST;
pub use plan::Collision;
pub(crate) use unpack::{KeptPack, KnownObject, plant_history};
pub use unpack::{PackNews, PlantOptions, plant_pack, plant_tree};
