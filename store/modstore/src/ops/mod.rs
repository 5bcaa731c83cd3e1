//! The verbs of a [`Store`](crate::Store): one file each, with its method, its errors and its answer.
//!
//! A verb decides the order of things and leaves the work to the folders below: `update` fetches and switches,
//! `reclaim` deletes, `reset` takes a store away.

mod sweep;
mod transact;
mod edit;
mod subjects;
mod update;
mod push;
mod add;
mod link;
mod import;
mod export;
mod remove;
mod rollback;
mod hold;
mod set;
mod expose;
mod ensure;
mod activate;
mod allow;
mod bind;
mod difference;
mod patch;
mod reset;
mod purge;
mod states;
mod verify;
mod repair;

pub use activate::{ActivateError, ActivateRequest, Activated};
pub use add::{AddError, Added};
pub use allow::AllowError;
pub use difference::{Difference, DifferenceError, FileChanges};
pub use edit::EditTextError;
pub use ensure::{EnsureReport, Ensured, NotEnsured};
pub use export::{ExportError, Exported, ImportClosureError};
pub use expose::{ExposeError, PlaceFault};
pub use import::ImportError;
pub use patch::{FileLines, PatchError};
pub use push::{PushError, PushReport};
pub use remove::RemoveError;
pub use reset::{Dropped, Reset, ResetError};
pub use rollback::RollbackError;
pub use set::{Set, SetError};
pub use states::StateError;
pub use subjects::{Logged, Subjects};
pub use transact::TransactError;
