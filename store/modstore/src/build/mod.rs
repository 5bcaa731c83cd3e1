//! Source tree → built tree: a command of the module's own, run on a scratch copy, and a name for all it depends on.
//!
//! No reader sees anything of this: a built tree is staged, and becomes current by a transaction like any other tree.

mod error;
mod platform;
mod recipe;
mod inputs;
mod depfile;
mod built;
mod each;
mod run;

pub(crate) use each::{BuiltPart, EachInput, JoinedTree, key_of_all};
pub use error::BuildError;
pub(crate) use inputs::{Material, key_but_for_source, key_of};
pub(crate) use platform::this_platform;
pub(crate) use recipe::{Recipe, Toolchains, conditions, failing_at, is_built_of, is_built_so};
pub(crate) use run::{Build, Built};
