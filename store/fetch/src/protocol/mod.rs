//! What is said to a git server: handshake, listing, request, up to the first byte of a pack.
//!
//! Packs are read by `pack`, and only handed on here.

mod newer_tags;
mod listing;
mod diagnosis;
mod handshake;
mod connection;
mod session;

pub use listing::{Resolved, Tip, Wanted, is_sha256_id, is_short_id};
pub use newer_tags::NewerTag;
pub use session::{ContentSource, Network, Session};
