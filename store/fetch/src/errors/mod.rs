//! Why a commit or an archive did not become a tree: one type for each subject, with its class and its hint.
//!
//! Nothing here holds a secret: addresses are redacted before they come in.

mod remote;
mod pack;
mod archive;
mod mirror;
mod acquire;

pub use acquire::AcquireError;
pub use archive::{ArchiveError, ArchiveLimit, ArchiveLimits};
pub use mirror::MirrorError;
pub use pack::{PackError, PackLimit, PackLimits};
pub use remote::{Cause, Class, Fault, FetchError, NetworkError, RemoteError, Stage};
