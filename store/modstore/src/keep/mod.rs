//! What a module writes into its own directory, and survives its updates: it lies in `state/<module>/`, and the module's
//! tree leads there.
//!
//! An entry never changes, so a module that keeps something has one of its own: the tree as it came, with a link in the
//! place of each kept path (`points`, `tree`). What upstream ships at these paths is put into the state when it is first
//! seen, and follows upstream for as long as it is not changed there (`settle`). A state that is gone or cannot be used is
//! found (`faults`) and made again (`repair`).
//!
//! Nothing here deletes what lies in the state, nor follows a link in it: both are the user's.

mod points;
mod tree;
mod state;
mod settle;
mod faults;
mod repair;
mod error;

pub(crate) use error::KeptError;
pub(crate) use faults::state_faults;
pub(crate) use points::{KeepError, points};
pub(crate) use repair::{RepairedState, repair_state};
pub use settle::KeptState;
pub(crate) use settle::{conflicts, kept_state, settle};
pub(crate) use state::{StateFault, forget, is_lost, names_stored, states};
pub(crate) use tree::{AssembleError, LinkedTree};
