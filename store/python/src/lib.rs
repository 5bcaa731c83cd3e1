//! What Python follows: environments whose editable installs lead into the store, and those that never heard of it.
//!
//! `read` looks at files and runs nothing; `run` starts the programs of others; `build` makes of a module what can be
//! installed; `follow` keeps the environments that follow a store up to date.

mod read;
mod run;
mod ground;
mod build;
mod follow;

pub use build::{Facts, ProbeError, Project, Subject, TellError, known, variant::faults};
pub use follow::{
    Held, HoldError, IMPORT_LIMIT, Installed, Lost, NotReady, OnFailure, PYTHON_HOST, Readiness,
    Registration, RegistrationError, SettleError, Settled, StandIn, Unready, equip, has_moved_on,
    is_up as is_interrupted, lost, pinned, ready, settle, site_file, with_editables,
};
pub use ground::Ground;
pub use read::{
    Commit, DIRECTORY as BYTE_CODE, DirectUrl, Distribution, DistributionError, EntryPoint, Finder,
    How, Line, Metadata, Pointer, RecordedFile, Scan, ScanError, Trouble, is_byte_code,
    is_identifier, lexical, lines, names_below, small_bytes, small_if_there, small_text,
};
pub use run::{
    Exception, ImportProbe, ImportProbeError, Imported, Install, Installer, Interpreter, Places,
    Probed, PythonError, quoted,
};
