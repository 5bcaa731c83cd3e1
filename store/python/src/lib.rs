//! What Python follows: environments whose editable installs lead into the store, and those that never heard of it.

use modstore_core::{Cancel, disk, events, model, program};

mod interpreter;
mod importable;
mod reading;
mod import_probe;
mod installer;
mod registration;
mod facts;
mod project;
mod stand_in;
mod byte_code;
mod variant;
mod subject;
mod ground;
mod told;
mod probe;
mod held;
mod ready;
mod bridge;
mod settle;
mod pin;

/// A file for hosts that are written in Python: `import modstore_host; modstore_host.pin()`. Only Python's standard
/// library.
pub const PYTHON_HOST: &str = include_str!("modstore_host.py");

pub use facts::Facts;
pub use held::{HoldError, Lost, lost};
pub use import_probe::{Exception, ImportProbe, ImportProbeError, Imported, Probed};
pub use installer::{Install, Installer, quoted};
pub use interpreter::{Interpreter, Places, PythonError};
pub use pin::pinned;
pub use probe::ProbeError;
pub use reading::{
    Commit, DirectUrl, Distribution, DistributionError, EntryPoint, How, Metadata, Pointer,
    RecordedFile, Scan, ScanError, Trouble,
};
pub use ready::{NotReady, Unready};
pub use registration::{Installed, Registration, RegistrationError};
pub use settle::{SettleError, Settled, with_editables};
pub use stand_in::{StandIn, site_file};
pub use told::TellError;

pub use bridge::is_up as is_interrupted;
pub use byte_code::{DIRECTORY as BYTE_CODE, is_byte_code};
pub use ground::Ground;
pub use held::{Held, IMPORT_LIMIT, has_moved_on};
pub use importable::{is_identifier, names_below};
pub use probe::known;
pub use project::Project;
pub use reading::{Finder, Line, lexical, lines, small_bytes, small_if_there, small_text};
pub use ready::{Readiness, equip, ready};
pub use settle::{OnFailure, settle};
pub use subject::Subject;
pub use variant::faults;
