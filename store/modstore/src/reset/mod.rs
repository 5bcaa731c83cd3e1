//! Everything modstore made in a home is taken away again: `reset --purge`.
//!
//! The other half of a reset, everything fetched again and the rest swept, is an update and a sweep.

mod plan;
mod purge;

pub(crate) use plan::plan;
pub use plan::{PurgePlan, Stay};
pub use purge::{PurgeError, PurgeReport};
pub(crate) use purge::{declares, purge};
