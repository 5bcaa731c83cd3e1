//! Source → Staged. May be slow; holds no store lock; nothing is visible.
//!
//! From the top: what a server says and sends (`limits` to `session`), what a pack is made of and how
//! it becomes a tree (`refusal` to `plant`), both together (`mirror`, `fetched_commit`), and archives,
//! which need neither (`archive_tree` to `archive`).

use modstore_core::{Cancel, disk, model, program};

mod limits;
pub mod network_error;
mod pace;
mod bands;
mod idle;
mod tcp;
mod helpers;
mod host;
mod host_memory;
mod listing;
mod process;
mod http_agent;
mod http_text;
mod login;
mod exchange;
mod http;
mod download;
mod connect;
mod diagnosis;
mod greeting;
mod conversation;
mod session;

mod refusal;
mod lfs;
mod delta;
mod pack_error;
mod memory_budget;
mod tag;
mod pack_bytes;
mod pack_reader;
mod allowance;
mod rebuilt_trees;
mod base;
mod content;
mod tree_plan;
mod checkout;
mod pack_objects;
mod delta_families;
mod plant;
mod pack_index;
#[cfg(test)]
mod plant_tests;

mod archive_error;
mod mirror_error;
mod acquire_error;
mod part;
mod mirror;
mod fetched_commit;
mod archive_tree;
mod unpack;
mod archive;
#[cfg(test)]
mod archive_tests;

pub use acquire_error::AcquireError;
pub use archive::{AcquiredArchive, acquire_archive};
pub use archive_error::{ArchiveError, ArchiveLimit, ArchiveLimits};
pub use base::{Base, FindObject, base_is_usable};
pub use checkout::Planted;
pub use fetched_commit::{
    BaseEntry, Destination, FetchNews, FetchedCommit, commit_from_mirror, fetch_commit,
};
pub use limits::{Counts, Limits};
pub use listing::{Resolved, Tip, Wanted};
pub use memory_budget::MemoryBudget;
pub use mirror::MirrorPlace;
pub use mirror_error::MirrorError;
pub use network_error::{Fault, FetchError, NetworkError, RemoteError};
pub use pack_error::{PackError, PackLimit, PackLimits};
pub use part::check_subdirectory;
pub use plant::{PackNews, PlantOptions, plant_pack, plant_tree};
pub use refusal::{DEEPEST, LONGEST_LINK, LONGEST_PATH, Refusal, RefusedTree};
pub use refusal::{check_link, check_name, first_that_leaves};
pub use session::{Network, RemoteNews, Session};
pub use tree_plan::Collision;
