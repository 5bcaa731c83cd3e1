//! How an environment follows the store: what is installed in it in the modules' place, prepared before a switch and
//! brought up to date after it.

mod registration;
mod stand_in;
mod locked;
mod prepare;
mod temporary_pth;
mod sync;
mod pin;

pub use locked::{Held, HoldError, IMPORT_LIMIT, Lost, has_moved_on, lost};
pub use pin::pinned;
pub use prepare::{NotReady, Readiness, Unready, equip, ready};
pub use registration::{Installed, Registration, RegistrationError};
pub use stand_in::{StandIn, site_file};
pub use sync::{OnFailure, SettleError, Settled, settle, with_editables};
pub use temporary_pth::is_up;

/// A file for hosts that are written in Python: `import modstore_host; modstore_host.pin()`. Only Python's standard
/// library.
pub const PYTHON_HOST: &str = include_str!("modstore_host.py");
