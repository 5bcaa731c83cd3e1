//! What is wrong with the environments and caches of this machine, adopted or not, and mending it.
//!
//! Looks by files alone, then lets each environment's own Python import what lies elsewhere. Makes no store and needs
//! none. What it does not understand it says, and leaves as it is. docs/doctor.md has every code.

use modstore_core::{Cancel, disk, events, model, program};
use modstore_python as environment;

mod code;
mod finding;
mod requirement;
mod recorded;
mod checkout;
mod caches;
mod candidates;
mod settings;
mod hands;
mod discover;
mod patient;
mod shared;
mod findings;
mod mend;
mod report;
mod look;
mod tools;
mod work;
mod run;

pub use code::{Code, Severity};
pub use finding::{Candidate, Finding};
pub use report::{Examined, Mended, Report, Trial};
pub use run::{DoctorError, Request};
pub use tools::Doctor;
