//! Is everything as it was written? Looks at a whole store and changes nothing.
//!
//! First without any lock, then, if something seems wrong, once more at that while nobody writes.

mod code;
mod finding;
mod looking;
mod home;
mod journal;
mod leads;
mod links;
mod declared;
mod leftovers;
mod entry;
mod content;
mod run;

pub use code::{Code, Mend, Severity};
pub use finding::{Checked, Depth, Finding, Verification};
pub(crate) use leftovers::leftovers;
pub(crate) use looking::Looking;
pub use looking::VerifyError;
pub(crate) use run::verify;
