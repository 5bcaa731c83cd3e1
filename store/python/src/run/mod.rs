//! The programs of others that are run: an environment's interpreter, asked for its paths or told to import modules,
//! and the installer.

mod interpreter;
mod import_probe;
mod installer;

pub use import_probe::{Exception, ImportProbe, ImportProbeError, Imported, Probed};
pub use installer::{Install, Installer, quoted};
pub(crate) use interpreter::meant;
pub use interpreter::{Interpreter, Places, PythonError};
