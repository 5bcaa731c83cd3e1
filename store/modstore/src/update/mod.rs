//! Declared → shown: what an update decides, what it tells, and what came of it.
//!
//! Decide first (`plan`), then fetch in parallel without any lock (`gather`), then one transaction
//! (`run`). Knows nothing of how things are printed.

mod options;
mod attempts;
mod report;
mod memory;
mod breaker;
mod plan;
mod ground;
mod site;
mod answer;
mod repository;
mod gather;
mod builds;
mod environments;
mod bind;
mod run;
mod outdated;
mod difference;

pub use crate::events::{Event, Events, Silent, Step};
pub use bind::{BindError, BindReport, BindRequest};
pub use environments::{EquipError, TakenBack};
pub use options::{Options, Retry, Trying, UpdateRequest};
pub use report::{
    Cost, Difference, Failed, FileChanges, Outdated, PutOff, Unchanged, UpdateReport, Updated,
    Waiting, Warning, Would,
};
pub use run::UpdateError;

pub(crate) use bind::{bind, unbind};
pub(crate) use difference::difference;
pub(crate) use environments::{Environments, give_back};
pub(crate) use ground::Ground;
pub(crate) use outdated::outdated;
pub(crate) use repository::tell_fetch;
pub(crate) use run::{Done, begin, commit_if_changed, update};
