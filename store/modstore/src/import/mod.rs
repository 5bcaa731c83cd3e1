//! Directories of clones that other programs keep become modules: what is found, and what would be made of it. Changes
//! nothing; `ops/import` does.

mod layouts;
mod plan;

pub use layouts::CloneLayout;
pub(crate) use plan::plan;
pub use plan::{ImportItem, ImportPlan, Imported};
