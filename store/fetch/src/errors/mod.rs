//! Why a commit or an archive did not become a tree: one type for each subject, with its class, its code and its hint.
//!
//! | type | subject |
//! |---|---|
//! | [`TransportError`] | an exchange with a server: connecting, transferring, logging in, the answer |
//! | [`RemoteError`], [`FetchError`] | a commit that could not be named or received |
//! | [`PackError`], [`LimitError`], [`TagError`] | a pack that did not become a tree |
//! | [`ArchiveError`], [`MirrorError`], [`LfsError`] | an archive, a mirror, the content of a large file |
//! | [`SubmoduleError`] | a submodule that is refused before it is asked for |
//! | [`AcquireError`] | any of these, for the caller of a whole fetch |
//!
//! Nothing here holds a secret: addresses are redacted before they come in.

mod transport;
mod remote;
mod limit;
mod tag;
mod pack;
mod archive;
mod mirror;
mod lfs;
mod acquire;
mod submodule;
#[cfg(test)]
mod code_tests;

pub use acquire::AcquireError;
pub use archive::ArchiveError;
pub use lfs::LfsError;
pub use limit::LimitError;
pub use mirror::MirrorError;
pub use pack::PackError;
pub use remote::{FetchError, NetworkError, RemoteError, RemoteStage};
pub use submodule::SubmoduleError;
pub use tag::TagError;
pub use transport::{
    Cause, ConnectError, LoginError, ServerError, TransferError, TransportError, Words,
};
