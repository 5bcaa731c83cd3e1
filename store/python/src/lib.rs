//! Python environments: what Python follows in them, and how their editable installs follow a store.
//!
//! `read` looks at files and runs nothing; `run` starts the programs of others; `build` learns from a module's project
//! what can be installed; `follow` keeps the environments that follow a store up to date.

mod read;
mod run;
mod workspace;
mod build;
mod follow;

pub use build::{
    LayoutError, ModuleTree, ProbeError, Project, ProjectMetadata, known_metadata,
    needed_by_several, variant_faults,
};
pub use follow::{
    Drift, EnvironmentLockError, IMPORT_LIMIT, Installed, LockedEnvironment, NotPrepared,
    OnFailure, Owner, PYTHON_HOST, Preparation, PrepareError, Registration, RegistrationError,
    StandIn, SyncError, SyncReport, has_stale_metadata, is_interrupted, modules_of, pinned,
    prepare, prepare_without_import, release, site_file, sync, tool_install_command,
};
pub use read::{
    Commit, DIRECTORY as BYTE_CODE, DirectUrl, Distribution, DistributionError, EntryPoint,
    EnvironmentPaths, Finder, Line, Metadata, Pointer, PointerKind, Promise, PythonVersion,
    RecordedFile, Scan, ScanError, Unparsed, is_beside, is_byte_code, is_identifier, lexical,
    lines, parts_of, small_bytes, small_if_there, small_text,
};
pub use run::{
    Exception, ImportProbe, ImportProbeError, ImportRequest, ImportResult, Install, Installer,
    Interpreter, ModulePlace, ModuleSearch, PythonError, SharedImports, SitesWithoutStart,
    StartTrace, quoted,
};
pub use workspace::Workspace;
