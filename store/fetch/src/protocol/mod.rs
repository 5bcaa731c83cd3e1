//! What is said to a git server: handshake, listing, request, up to the first byte of a pack.
//!
//! Packs are read by `pack`, and only handed on here.

mod listing;
mod diagnosis;
mod handshake;
mod connection;
mod session;

pub use listing::{Resolved, Tip, Wanted};
pub use session::{ContentSource, Network, Session};
