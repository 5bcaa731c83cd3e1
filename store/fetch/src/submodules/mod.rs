//! Where the submodules of a tree lie, and where they come from.
//!
//! Pure: texts in, addresses out. git decides what is meant: a submodule is what the tree has a commit for; one that
//! `.gitmodules` says nothing of is left out, and so is one with `update = none`. What git only ignores with a warning,
//! such as names with `..`, is refused.
//!
//! Limits: asks no server and reads no file. `branch`, `shallow`, `ignore` and `fetchRecurseSubmodules` mean nothing here,
//! as the recorded commit is fetched, alone.

mod relative;
mod list;

pub use list::{Submodule, SubmoduleList};
pub(crate) use relative::address;
