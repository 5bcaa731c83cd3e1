//! The doctor on environments that know no store: the two bug reports, every code, and fixing in every
//! way there is.
//!
//! Real uv, pip, Pythons and build backends; the digits in the names of cached directories are those of the reports.

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "helpers panic, and that is how a test fails"
)]

#[path = "doctor/world.rs"]
mod world;

#[path = "doctor/reports.rs"]
mod reports;

#[path = "doctor/by_hand.rs"]
mod by_hand;

#[path = "doctor/codes.rs"]
mod codes;

#[path = "doctor/oracle.rs"]
mod oracle;

#[path = "doctor/kinds.rs"]
mod kinds;

#[path = "doctor/contents.rs"]
mod contents;

#[path = "doctor/finding.rs"]
mod finding;

#[path = "doctor/foreign.rs"]
mod foreign;

#[path = "doctor/commands.rs"]
mod commands;

#[path = "doctor/corpus.rs"]
mod corpus;
