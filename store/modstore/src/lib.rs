//! modstore: a transactional, content-addressed store for the modules a host program installs from git.
//!
//! The folders are the data flow: `acquire` turns a Source into a Staged tree, `commit` makes it an
//! Entry and shows it, both on `disk` and `model`; `update` is the main job made of the two, and
//! [`Store`] the handle. Imports only go down.
//!
//! ```no_run
//! use modstore::{Cancel, Options, Silent, Store, UpdateRequest};
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let store = Store::open("/home/me/.local/share/modstore".as_ref(), Options::default())?;
//! let report = store.update(&UpdateRequest::default(), &Silent, &Cancel::new())?;
//! for updated in &report.updated {
//!     println!("{} is now at {}", updated.module, updated.path.display());
//! }
//! # Ok(()) }
//! ```

pub use modstore_core::{disk, events, model, program};
pub use modstore_doctor as doctor;
pub use modstore_python as environment;

pub mod commit;
pub mod acquire;
mod access;
pub mod build;
pub mod reclaim;
mod declare;
mod consent;
pub mod update;
pub mod check;
pub mod reset;
mod store;
mod ops;

pub use access::{AccessError, OpenError};
pub use check::RepairReport;
pub use consent::DeclaredBuild;
pub use declare::{Addition, DeclareError};
pub use modstore_core::{Cancel, Context};
pub use ops::{
    AddError, Added, AllowError, DifferenceError, Dropped, RemoveError, Reset, ResetError,
    RollbackError, TransactError,
};
pub use reclaim::{Lease, LeaseError, Leased, Policy, SweepError, SweepPlan, SweepReport};
pub use reset::{PurgeError, PurgePlan, PurgeReport};
pub use store::Store;
pub use update::{
    BindRequest, Event, Events, Options, Retry, RetryPolicy, Silent, Step, UpdateReport,
    UpdateRequest,
};

/// The examples of the guides, which must compile.
#[cfg(doctest)]
mod guides {
    #[doc = include_str!("../../../README.md")]
    struct Readme;

    #[doc = include_str!("../../../docs/hosts.md")]
    struct Hosts;
}
