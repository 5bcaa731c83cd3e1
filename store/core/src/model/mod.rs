//! Plain values: no I/O, no clock.

mod digest;
mod manifest;
mod generation;
mod class;
mod failure_code;
mod causes;
mod deceptive;
mod nearest;

mod archive_address;
mod login_text;
mod written;
mod module_name;
mod distribution_name;
mod revision;
mod subdirectory;
mod tree_part;
mod reference;
mod ref_name;
mod linked_path;
mod source_error;
pub mod amounts;
mod toml_fields;
mod tier_settings;
mod keep;
mod contents;
mod git_tree;
mod kept_commits;
mod commit_subject;
mod remote_url;
mod origin;
mod comparison;
mod source;
mod source_identity;
mod source_grammar;
mod recorded_source;
mod build_spec;
mod declared_probe;
mod transport;
mod declarations;
mod declarations_edit;
mod platform;
mod locked_build;
mod lockfile;
mod binding;
mod built_input;
mod hold;
mod sighting;
mod exposure;
mod verified;

pub use binding::{Attempt, Binding, Bound, Built, Fetched, Kept, KeptPath, MadeFrom, one_by_one};
pub use built_input::{BuiltInput, InputOutput};
pub use class::{Class, Stage};
pub use commit_subject::CommitSubject;
pub use deceptive::{escaped, is_deceptive};
pub use digest::{ContentHash, Digest, ParseDigestError};
pub use exposure::Exposure;
pub use failure_code::FailureCode;
pub use generation::{Generation, ParseGenerationError};
pub use git_tree::GitTree;
pub use hold::Hold;
pub use keep::{Keep, KeptPattern, ParseKeepError};
pub use kept_commits::KeptCommits;
pub use manifest::{
    FileKind, Manifest, ManifestError, TREE_CONTEXT, TreeFile, canonical_bytes, digest_of,
};
pub use nearest::{distance, nearest};

pub use archive_address::ArchiveKind;
pub use build_spec::{BuildSpec, command_line};
pub use contents::{Contents, Submodules};
pub use declarations::{DeclarationFault, Declarations, Declared, ParseDeclarationsError};
pub use declarations_edit::{
    EditError, add_module, add_modules, keep_paths, link_module, remove_module, unlink_module,
    with_same_line_ends,
};
pub use declared_probe::DeclaredProbe;
pub use distribution_name::{DistributionName, ParseDistributionNameError};
pub use linked_path::LinkedPath;
pub use locked_build::LockedBuild;
pub use lockfile::{Locked, Lockfile, LockfileFault, ParseLockfileError};
pub use login_text::printable_login;
pub use module_name::{ModuleName, ParseModuleNameError};
pub use origin::{Origin, ParseOriginError};
pub use platform::{ParsePlatformError, Platform};
pub use recorded_source::RecordedSource;
pub use ref_name::RefName;
pub use reference::{ParseReferenceError, Reference};
pub use remote_url::{RemoteUrl, Scheme};
pub use revision::{ParseRevisionError, Revision};
pub use sighting::Sighting;
pub use source::{ArchiveSource, ArchiveUrl, GitSource, Locking, Source};
pub use source_error::{Expected, ParseSourceError};
pub use subdirectory::{ParseSubdirectoryError, Subdirectory};
pub use tier_settings::{OriginPattern, TierMode, TierSettings, TierSettingsError, read_tiers};
pub use toml_fields::TomlFault;
pub use transport::{ParseTransportError, Transport};
pub use tree_part::{TreePart, TreePartError};

pub use causes::causes;
pub use verified::{Round, Verified, VerifiedEntries};
