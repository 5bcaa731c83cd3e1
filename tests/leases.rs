//! A lease keeps a generation as long as any process holds it, and no holder ever misses anything.
//!
//! The collector here is a sweep that keeps nothing but the head. Limits: one machine; what a sweep decides to give
//! up is for `sweep`.

#![expect(clippy::unwrap_used, reason = "helpers panic, and that is how a test fails")]

#[path = "leases/churn.rs"]
mod churn;
#[path = "leases/programs.rs"]
mod programs;
#[path = "leases/race.rs"]
mod race;
