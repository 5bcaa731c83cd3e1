//! What Python follows: environments whose editable installs lead into the store, and those that never heard of it.

mod interpreter;
mod importable;
mod import_probe;

pub use import_probe::{Exception, ImportProbe, ImportProbeError, Imported, Probed};
pub use interpreter::{Interpreter, Places, PythonError};
