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

use modstore_core::{Context, disk, events, model, parallel, program};
use modstore_python as environment;

mod keep;
mod commit;
mod tier;
mod acquire;
mod access;
mod build;
mod reclaim;
mod naming;
mod declare;
mod consent;
mod update;
mod project;
mod import;
mod closure;
mod check;
mod reset;
mod store;
mod ops;

// The handle, and how it works.
pub use {
    modstore_core::Cancel,
    reclaim::Policy,
    store::Store,
    update::{Options, Retry, RetryPolicy},
};

// What is asked.
pub use {
    check::Depth,
    declare::Addition,
    naming::Required,
    ops::ActivateRequest,
    update::{BindRequest, UpdateRequest},
};

// What is answered.
pub use {
    check::{Finding, RepairReport, Verification},
    commit::State,
    consent::DeclaredBuild,
    ops::{Activated, Added, Difference, EnsureReport, Ensured, Reset, Set},
    reclaim::{Lease, Leased, SweepPlan, SweepReport},
    reset::{PurgePlan, PurgeReport},
    update::{
        BindReport, Cooled, Cooling, Decision, Deferred, Failed, Held, Outdated, UpdateReport,
        Updated, Waiting, Warning,
    },
};

// What happens meanwhile.
pub use modstore_core::events::{Event, Events, Silent, Step};

/// What can go wrong: one error for each verb. Each says whether the change happened.
pub mod errors {
    pub use crate::{
        access::{AccessError, OpenError},
        check::{RepairError, VerifyError},
        commit::JournalError,
        declare::DeclareError,
        ops::{
            ActivateError, AddError, AllowError, DifferenceError, ExposeError, RemoveError,
            ResetError, RollbackError, SetError, StateError,
        },
        reclaim::{LeaseError, PlanError, SweepError},
        reset::PurgeError,
        update::{BindError, UpdateError},
    };
}

// The values in all of these.
pub use modstore_core::model::{Digest, Generation, ModuleName, Source, escaped};

/// The parts that the command line, the tests and the benchmarks of this repository use besides. No promise is made
/// about any of them.
#[doc(hidden)]
pub mod internals {
    macro_rules! open {
        ($($module:ident),*) => {$(
            #[expect(missing_docs, reason = "the module has a page of its own")]
            pub mod $module {
                pub use crate::$module::*;
            }
        )*};
    }

    open!(acquire, build, check, commit, import, keep, ops, reclaim, reset, tier, update);
}

/// The examples of the guides, which must compile.
#[cfg(doctest)]
mod guides {
    #[doc = include_str!("../../../README.md")]
    struct Readme;

    #[doc = include_str!("../../../docs/hosts.md")]
    struct Hosts;
}
