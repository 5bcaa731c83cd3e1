//! What a pack is made of, read while it arrives and within limits: entries, deltas, tags, and the entry of the store
//! that is the other half of a thin pack.
//!
//! Writes no tree.

mod memory_budget;
mod allowance;
pub(crate) mod delta;
mod delta_writer;
mod content;
mod tag;
mod bytes;
mod reader;
mod rebuilt_trees;
mod base;
mod objects;

pub(crate) use allowance::{Allowance, Room};
pub use base::{Base, FindObject, base_is_usable};
pub(crate) use base::{
    BeforeLink, HashingReader, contents, find_checked, finish, hash_of, hasher_of, name_of, os_path,
};
pub(crate) use bytes::{Inflated, Inflater, PackBytes};
pub(crate) use content::{Content, Scratch, drain, from_stream};
pub(crate) use delta::DeltaReader;
pub(crate) use delta_writer::delta_of;
pub(crate) use memory_budget::FetchMemory;
pub use memory_budget::MemoryBudget;
pub(crate) use objects::{Filed, PackEntry, PackObjects, root_in};
pub(crate) use reader::{Encoding, EntryHeader, PackReader};
pub(crate) use rebuilt_trees::mode_of;
pub(crate) use tag::check_tag;
