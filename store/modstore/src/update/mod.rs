//! What is declared becomes current: what an update decides, what it reports, and what has come of it.
//!
//! Decide first (`plan`, pure), then fetch and build in parallel without any lock (`carry_out`, `builds`), then one
//! transaction (`switch`). Knows nothing of how things are printed.

mod options;
mod publish;
mod attempts;
mod parallel;
mod staging;
mod environments;
mod error;
mod failure;
mod goal;
mod plan;
mod outcome;
mod report;
mod memory;
mod context;
mod inputs;
mod carry_out;
mod build_job;
mod locked_builds;
mod each;
mod builds;
mod kept;
mod bind;
mod transact;
mod switch;
mod summary;
mod run;
mod outdated;
mod log;
#[cfg(test)]
mod plan_laws;

pub use bind::{BindError, BindReport, BindRequest};
pub use environments::{EquipError, TakenBack};
pub use error::UpdateError;
pub use failure::{Failure, LockMismatch};
pub use log::CommitRange;
pub use options::{CloneOf, Options, Retry, RetryPolicy, UpdateRequest};
pub use plan::{BuildReason, Cooling, Decision, Deferred};
pub use publish::{NotPublished, Publication};
pub use report::{
    Cooled, Cost, Failed, Held, Outdated, Unchanged, UpdateReport, Updated, Waiting, Warning,
};

pub(crate) use bind::{bind, unbind};
pub(crate) use environments::{Environments, give_back};
pub(crate) use error::unknown;
pub(crate) use log::logs;
pub(crate) use outdated::outdated;
pub(crate) use publish::{Ahead, Publisher, write_file};
pub(crate) use run::{Done, update};
pub(crate) use transact::{begin, commit_if_changed};
