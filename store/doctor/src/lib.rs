//! Finds and fixes faults in the Python environments and caches of this machine, whether or not a store is involved.
//!
//! Reads files, and then lets each environment's own Python import the distributions that lie elsewhere. Makes no store
//! and needs none. It reports files that it cannot parse, and leaves them as they are. docs/doctor.md has every code.

mod finding;
mod report;
mod ownership;
mod hosts;
mod cache;
mod inspected;
mod catalog;
mod wanted;
mod check;
mod doctor;
mod fix;
mod snapshot;
mod run;

pub use check::codes;
pub use doctor::Doctor;
pub use finding::{About, Candidate, Code, Finding, Fix};
pub use modstore_core::findings::Severity;
pub use report::{Examined, FailedFix, Fixed, Report, UnparsedFile};
pub use run::{DoctorError, Request};
