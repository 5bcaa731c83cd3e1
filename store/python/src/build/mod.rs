//! A module as a Python project: which of its files its metadata depends on, what its build backend makes of it, and
//! the files that are made for one Python.

mod project_metadata;
mod project;
pub(crate) mod variant;
mod module_tree;
mod editable_layout;
mod probe;

pub use editable_layout::TellError;
pub use module_tree::Subject;
pub(crate) use probe::{Probe, Prober};
pub use probe::{ProbeError, known};
pub use project::Project;
pub use project_metadata::Facts;
pub(crate) use project_metadata::required;
#[cfg(test)]
pub(crate) use project_metadata::tests::facts;
