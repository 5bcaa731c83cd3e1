//! Source → Staged. May be slow; holds no store lock; nothing is visible.

// The network half of a fetch.
pub mod limits;
pub mod network_error;
mod idle;
mod host;
pub mod listing;
mod process;
mod http_agent;
mod http_text;
mod exchange;
mod http;
mod connect;
mod diagnosis;
mod greeting;
mod conversation;
pub mod session;
mod refusal;
mod lfs;
mod delta;
mod pack_error;
mod pack_bytes;
mod pack_reader;
mod rebuilt_trees;
mod base;
mod tree_plan;
mod checkout;
mod pack_objects;
mod delta_families;
mod plant;
#[cfg(test)]
mod plant_tests;

pub use base::{Base, base_is_usable};
pub use checkout::Planted;
pub use pack_error::{PackError, PackLimits};
pub use plant::{FindObject, PackNews, PlantOptions, plant_pack, plant_tree};
pub use refusal::{DEEPEST, LONGEST_LINK, LONGEST_PATH, Refusal, RefusedTree};
pub use tree_plan::Collision;
