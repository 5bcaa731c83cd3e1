//! A shared tier: objects under keys, at a place that nobody has to trust.
//!
//! Objects are never changed and prove themselves, so a place needs to do very little: give the bytes of a key, and take bytes
//! for a key. Who reads an object proves it; this crate only carries it.

mod error;
mod key;
mod objects;

pub use error::TierError;
pub use key::Key;
pub use objects::{Found, Objects, Published};
