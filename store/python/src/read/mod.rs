//! What lies in a directory of Python distributions, and what each thing in it points at: read, never run.
//!
//! Python itself follows three things: the path lines of `.pth` files, finders that `import` lines or `.start` files set
//! up, and old `.egg-link` files by way of a `.pth`. `direct_url.json` is only what tools show. A finder is a program; what
//! the known backends write into theirs is data in one line of it, and that line is read. All else is said to be not
//! understood, never guessed.

mod limits;
mod literals;
mod pth;
mod finder;
mod direct_url;
mod metadata;
mod record;
mod distribution;
mod scan;
mod importable;
mod byte_code;
mod environment_paths;

pub use direct_url::{Commit, DirectUrl};
pub use distribution::{Distribution, DistributionError};
pub use metadata::{EntryPoint, Metadata};
pub use record::RecordedFile;
pub use scan::{How, Pointer, Scan, ScanError, Trouble};

pub use byte_code::{DIRECTORY, is_byte_code};
pub(crate) use environment_paths::named_interpreter;
pub use environment_paths::{EnvironmentPaths, PythonVersion};
pub use finder::Finder;
pub(crate) use finder::{Unclear, package_directory};
pub(crate) use importable::named_by;
pub use importable::{is_identifier, names_below};
pub use limits::{small_bytes, small_if_there, small_text};
pub use pth::{Line, lexical, lines};
pub(crate) use pth::{NotText, started};
