//! Fixes, by an installer where there is one, and by hand where not.

mod plan;
mod requirements;
mod guard;
mod by_hand;
mod fixer;

pub(crate) use fixer::{Done, Fixer};
pub(crate) use guard::in_the_way;
pub(crate) use requirements::adding_command;
