//! The fall-back for servers that cannot give one commit alone: a bare repository of our own, with the history that
//! such a server insists on.
//!
//! Limits: one repository for each origin; nothing is shared between origins.

mod objects;
mod index;
mod attempt;
mod place;
mod keep;
mod fetch;

pub use place::MirrorPlace;
pub(crate) use {
    attempt::{AttemptError, CommitSource},
    objects::MirrorObjects,
    place::Mirror,
};
