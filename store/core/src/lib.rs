//! What all crates of modstore rest on: the wish to stop, plain values, the verbs that change a disk, the events of
//! long work, and programs that are run.
//!
//! Knows no git, no Python and no store: those are the crates above it.

mod cancel;
pub mod in_json;
pub mod findings;
pub mod model;
pub mod disk;
pub mod events;
mod context;
pub mod program;
pub mod parallel;

pub use cancel::Cancel;
pub use context::Context;
