//! The machine: file systems made for a test, and tests that it cannot run.

mod skip;
mod mounts;

pub use mounts::{BindMount, Mount, Unsynced};
pub use skip::skip_loudly;

pub(crate) use mounts::attempt;
pub(crate) use skip::is_root;
