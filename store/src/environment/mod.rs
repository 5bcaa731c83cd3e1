//! What Python follows: environments whose editable installs lead into the store, and those that never heard of it.

mod interpreter;
mod importable;
mod import_probe;
mod registration;
mod project;
mod facts;
mod stand_in;
mod variant;

pub use facts::Facts;
pub use import_probe::{Exception, ImportProbe, ImportProbeError, Imported, Probed};
pub use interpreter::{Interpreter, Places, PythonError};
pub use registration::{Installed, Registration, RegistrationError};
pub use stand_in::{StandIn, site_file};
