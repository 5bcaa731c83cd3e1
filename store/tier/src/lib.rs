//! A shared tier: objects under keys, at a place that needs no trust.
//!
//! Objects are never changed and prove themselves, so a place needs to do very little: give the bytes of a key, and take bytes
//! for a key. Who reads an object proves it; this crate only carries it.

mod key;
mod error;
mod objects;
mod check;
mod address;
mod options;
mod directory;
#[cfg(feature = "remote")]
mod remote;
mod open;

pub use address::{AddressError, TierAddress};
pub use check::{TierCheck, TierProbe, check};
pub use error::TierError;
pub use key::Key;
pub use objects::{Content, Found, Objects, Observed, Published};
pub use open::{OpenError, open};
pub use options::TierOptions;
