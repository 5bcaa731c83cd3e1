//! retired → gone: what no kept generation and no lease names is given up, and then deleted.

mod lease;
mod policy;
mod environments;
mod roots;
mod plan;
mod sizes;
mod trash;
mod sweep;

pub use environments::ForgetError;
pub use lease::{Lease, LeaseError, Leased, leases};
pub use plan::{Disagreement, Gone, Kept, PlanError, SweepPlan};
pub use policy::Policy;
pub use roots::Root;
pub use sizes::{EntrySize, Sizes};
pub use sweep::{SweepError, SweepReport};

pub(crate) use sizes::measure;
pub(crate) use sweep::{SweepContext, compact, plan_now, sweep, sweep_briefly};
