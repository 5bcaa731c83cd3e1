//! The files of environments and projects: read, never run.
//!
//! Python itself follows three things: the path lines of `.pth` files, finders that `import` lines or `.start` files set
//! up, and old `.egg-link` files by way of a `.pth`. Only tools read `direct_url.json`. A finder is a program;
//! the known backends write data into one line of theirs, and that line is read. Anything else is reported as
//! unparsed, never guessed.

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
pub use scan::{Pointer, PointerKind, Scan, ScanError, Unparsed};

pub use byte_code::{DIRECTORY, is_byte_code};
pub(crate) use environment_paths::named_interpreter;
pub use environment_paths::{EnvironmentPaths, PythonVersion};
pub use finder::Finder;
pub(crate) use finder::{Unclear, package_directory};
pub(crate) use importable::named_by;
pub(crate) use importable::names_below;
pub use importable::{Promise, is_beside, is_identifier, parts_of};
pub use limits::{small_bytes, small_if_there, small_text};
pub use pth::{Line, lexical, lines};
pub(crate) use pth::{NotText, started};
