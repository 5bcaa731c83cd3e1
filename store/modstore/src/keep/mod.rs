//! What a module writes into its own directory, and survives its updates: it lies in `state/<module>/`, and the module's
//! tree leads there.
//!
//! An entry never changes, so a module that keeps something has one of its own: the tree as it came, with a link in the
//! place of each kept path (`points`, `tree`). What upstream ships at these paths is put into the state when it is first
//! seen, and follows upstream for as long as it is not changed there (`settle`).
//!
//! Nothing here deletes what lies in the state, nor follows a link in it: both are the user's.

mod points;
mod tree;
mod state;
mod settle;
mod error;

pub(crate) use error::KeptError;
pub(crate) use points::{KeepError, points};
pub use settle::KeptState;
pub(crate) use settle::{conflicts, kept_state, make_room, settle};
pub(crate) use state::{forget, names_stored, states};
pub(crate) use tree::LinkedTree;
