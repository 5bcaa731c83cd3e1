//! Fetches one commit or archive as a directory, checked while it arrives; knows no store.
//!
//! [`Network::connect`] lists a server's refs, [`fetch_commit`] receives one commit, [`fetch_archive`] one archive.
//! [`unpack_into`] alone turns a pack into a tree, without any network.
#![doc = ""]
#![doc = include_str!("../README.md")]

mod limits;
mod tree_rules;
mod errors;
mod submodules;
mod transport;
mod protocol;
mod pack;
mod tree;
mod subdirectory;
mod attributes;
mod lfs;
mod mirror;
mod fetched_commit;
mod commit_log;
mod pack_of_entry;
mod built_tree;
mod thin_pack;
mod large_files_of_entry;
mod work_tree;
mod local_clone;
mod composed;
mod archive;

pub use archive::{FetchedArchive, KnownFile, archive_from, fetch_archive};
pub use attributes::{Unapplied, unapplied_attributes};
pub use built_tree::{tree_from_pack, write_tree_pack};
pub use commit_log::{CommitLog, fetch_log, log_in_mirror};
pub use composed::{SUBMODULES_FILE, compose};
pub use errors::{
    AcquireError, ArchiveError, Cause, ConnectError, FetchError, LfsError, LimitError, LoginError,
    MirrorError, NetworkError, PackError, RemoteError, RemoteStage, ServerError, SubmoduleError,
    TagError, TransferError, TransportError, Words,
};
pub use fetched_commit::{
    BaseEntry, Destination, FetchedCommit, FromBase, OnStep, PlantedCommit, commit_from_base,
    commit_from_mirror, commit_from_pack, fetch_commit, needs_no_base,
};
pub use large_files_of_entry::EntryContent;
pub use lfs::{LfsObjects, OtherPlace, PointersLeft, TakeContent};
#[doc(hidden)]
pub mod internals {
    //! Readers of foreign bytes, for tests that try any bytes. Not part of what is promised.

    pub use crate::lfs::{read_batch_answer, read_pointer};
}
pub use limits::{
    ArchiveLimit, ArchiveLimits, Counts, LfsLimit, LfsLimits, Limits, PackLimit, PackLimits,
};
pub use local_clone::{CloneError, LocalClone, LocalWork, commit_from_clone};
pub use mirror::MirrorPlace;
pub use pack::{Base, FindObject, MemoryBudget, base_is_usable};
pub use pack_of_entry::{PackingError, is_longer_than, write_pack};
pub use protocol::{
    ContentSource, Network, NewerTag, Resolved, Session, Tip, Wanted, is_sha256_id, is_short_id,
};
pub use subdirectory::find_part;
pub use submodules::{Submodule, SubmoduleList};
pub use thin_pack::write_thin_pack;
pub use transport::{Lane, Lanes, Way, WayTaken};
pub use tree::{Collision, UnpackOptions, WrittenTree, checkout_into, unpack_into};
pub use tree_rules::{DEEPEST, LONGEST_LINK, LONGEST_PATH, RefusedTree, RejectReason};
pub use tree_rules::{check_link, check_name, first_that_leaves};
