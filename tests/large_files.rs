//! Git LFS: content that git has pointers to. The original is the oracle: what `git clone` with git-lfs checks out is what a
//! module has.
//!
//! Limits: no TLS; contents are small.

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "helpers panic, and that is how a test fails"
)]

#[path = "large_files/world.rs"]
mod world;
#[path = "large_files/content.rs"]
mod content;
#[path = "large_files/places.rs"]
mod places;
#[path = "large_files/ways.rs"]
mod ways;
#[path = "large_files/hostile.rs"]
mod hostile;
#[path = "large_files/original.rs"]
mod original;
