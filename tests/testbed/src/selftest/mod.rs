//! The self-test: whether the program keeps its promises on this machine. A person runs it once on a system that the
//! project's own tests do not reach, and sends the report.
//!
//! `trials` are the promises, each tried with real programs in a directory of its own; `run` tries one after the other;
//! `machine` is what the report says of the system; `scrub` takes names and places of the person out of it.
//!
//! Limits: it cuts no power and fills no disk; those need rights, and are tests of the project.

mod machine;
mod scrub;
mod trials;
mod run;

pub use machine::Machine;
pub use run::{Outcome, SelfTest, Trial};
