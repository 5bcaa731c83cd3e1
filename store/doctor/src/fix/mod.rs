//! Mending: what would be done, by an installer where there is one, and by hand where not.

mod plan;
mod guard;
mod by_hand;
mod by_installer;

pub(crate) use by_hand::{ByHand, HandError};
pub(crate) use by_installer::{reinstall, requirements};
pub(crate) use guard::in_the_way;
pub(crate) use plan::{Task, plan};
