//! What is wrong with the environments and caches of this machine, adopted or not, and mending it.
//!
//! Looks by files alone, then lets each environment's own Python import what lies elsewhere. Makes no store and needs
//! none. What it does not understand it says, and leaves as it is. docs/doctor.md has every code.

mod code;
mod finding;
mod report;
mod ownership;
mod cache;
mod hosts;
mod inspected;
mod catalog;
mod check;
mod fix;
mod inspection;
mod doctor;
mod work;
mod run;

pub use code::{Code, Severity};
pub use doctor::Doctor;
pub use finding::{Candidate, Finding};
pub use report::{Examined, Mended, Report, Trial};
pub use run::{DoctorError, Request};
