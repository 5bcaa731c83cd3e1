//! Cache churn: modules change upstream, and a store follows them round by round while its costs are measured.
//!
//! [`Churn`] is the run; `upstream` has the modules and `server` serves them; `meter` measures and `figures` sums up. The
//! store under test is a [`Subject`], since nothing here knows one.

mod figures;
mod meter;
mod server;
mod upstream;
mod run;

pub use figures::{BenchDisk, BenchPhase, BenchReader, BenchRound, middle};
pub use meter::{Act, Meter, Phase};
pub use run::{Churn, Course, Fetched, LiveEntries, Subject};
pub use server::serve;
pub use upstream::Upstream;
