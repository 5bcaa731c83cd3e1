//! Mending: what would be done, by an installer where there is one, and by hand where not.

mod plan;
mod by_hand;
mod by_installer;

pub(crate) use by_hand::{ByHand, HandError};
pub(crate) use by_installer::{reinstall, requirements};
pub(crate) use plan::{Task, plan};
