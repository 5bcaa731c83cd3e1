//! A module as a Python project: which of its files its metadata depends on, the result of its build, and the files that
//! are made for one Python.

mod project_metadata;
mod build_system;
mod project;
pub(crate) mod variant;
mod module_tree;
mod editable_layout;
mod static_layout;
mod static_project;
#[cfg(test)]
mod static_laws;
mod shared_build;
mod probe;

pub use editable_layout::LayoutError;
pub use module_tree::ModuleTree;
pub use probe::{ProbeError, known_metadata};
pub(crate) use probe::{Probed, ProbedProject, Prober};
pub use project::Project;
pub use project_metadata::ProjectMetadata;
pub use project_metadata::needed_by_several;
pub(crate) use project_metadata::required;
#[cfg(test)]
pub(crate) use project_metadata::tests::facts;
pub use variant::variant_faults;
