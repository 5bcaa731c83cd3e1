//! Source → Staged. May be slow; holds no store lock; nothing is visible.
//!
//! From the bottom: [`transport`] moves bytes, [`protocol`] speaks git, [`pack`] reads what git sends, [`tree`] writes
//! it down; [`mirror`] is the fall-back for old servers, [`archive`] needs no git. [`fetched_commit`] joins them.

mod limits;
mod tree_rules;
mod errors;
mod transport;
mod protocol;
mod pack;
mod tree;
mod subdirectory;
mod mirror;
mod fetched_commit;
mod archive;

pub use archive::{FetchedArchive, fetch_archive};
pub use errors::{
    AcquireError, ArchiveError, Cause, ConnectError, FetchError, LimitError, LoginError,
    MirrorError, NetworkError, PackError, RemoteError, RemoteStage, ServerError, TagError,
    TransferError, TransportError,
};
pub use fetched_commit::{
    BaseEntry, Destination, FetchedCommit, OnStep, commit_from_mirror, fetch_commit,
};
pub use limits::{ArchiveLimit, ArchiveLimits, Counts, Limits, PackLimit, PackLimits};
pub use mirror::MirrorPlace;
pub use pack::{Base, FindObject, MemoryBudget, base_is_usable};
pub use protocol::{Network, Resolved, Session, Tip, Wanted};
pub use subdirectory::check_subdirectory;
pub use tree::{Collision, UnpackOptions, WrittenTree, checkout_into, unpack_into};
pub use tree_rules::{DEEPEST, LONGEST_LINK, LONGEST_PATH, RefusedTree, RejectReason};
pub use tree_rules::{check_link, check_name, first_that_leaves};
