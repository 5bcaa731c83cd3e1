//! How an environment follows the store: the stand-ins installed in it in the modules' place, prepared before a switch
//! and brought up to date after it.

mod registration;
mod owner;
mod stand_in;
mod overrides;
mod drift;
mod locked;
mod prepare_error;
mod projects;
mod variants;
mod prepare;
mod temporary_pth;
mod sync_error;
mod sync;
mod pin;

pub use drift::{Drift, has_stale_metadata};
pub use locked::{EnvironmentLockError, IMPORT_LIMIT, LockedEnvironment};
pub use owner::{Owner, modules_of, release};
pub use pin::pinned;
pub use prepare::{Preparation, prepare, prepare_without_import};
pub use prepare_error::{NotPrepared, PrepareError};
pub use registration::{Installed, Registration, RegistrationError};
pub use stand_in::{StandIn, site_file};
pub use sync::{OnFailure, SyncReport, sync, tool_install_command};
pub use sync_error::SyncError;
pub use temporary_pth::is_interrupted;

/// A file for hosts that are written in Python: `import modstore_host; modstore_host.pin()`. Only Python's standard
/// library.
pub const PYTHON_HOST: &str = include_str!("modstore_host.py");
