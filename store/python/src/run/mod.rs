//! The programs of others that are run: an environment's interpreter, queried for its paths, asked where modules are, or
//! importing them, the installer, and build backends.

mod interpreter;
mod module_search;
mod start_trace;
mod import_probe;
mod installer;
mod build_hooks;

pub(crate) use build_hooks::{BuildHooks, HookProject};
pub use import_probe::{
    Exception, ImportProbe, ImportProbeError, ImportRequest, ImportResult, SharedImports,
};
pub use installer::{Install, Installer, quoted};
pub use interpreter::{Interpreter, PythonError};
pub use module_search::{ModulePlace, ModuleSearch};
pub use start_trace::{SitesWithoutStart, StartTrace};
