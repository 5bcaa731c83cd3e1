//! Damaged → as it was: what `verify` finds is mended, and what was damaged is kept aside.
//!
//! From the ground up: the home itself, the journal, the links, the entries, and last what is derived. Each
//! step looks for itself, so that a repair that was killed is finished by the next one.

mod report;
mod home;
mod tree;
mod local;
mod fetch;
mod entries;
mod run;

pub(crate) use home::is_there;
pub use report::{How, Mended, Origin, RepairReport, Unmended};
pub use run::RepairError;
pub(crate) use run::repair;
