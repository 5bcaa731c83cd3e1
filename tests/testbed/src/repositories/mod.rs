//! Git repositories: made by the real git, one at a time or as a corpus, and packs written by hand.

mod command;
mod listing;
mod change;
mod repo;
mod module_files;
mod corpus;
#[cfg(feature = "full")]
mod large;
#[cfg(feature = "packs")]
mod pack;

pub use change::Change;
pub use command::{GitError, git};
pub use corpus::Corpus;
#[cfg(feature = "full")]
pub use large::{lfs_oid, lfs_pointer};
pub use listing::{Item, listing};
pub use module_files::{Contents, ModuleFiles, Shape, share};
#[cfg(feature = "packs")]
pub use pack::{Delta, PackWriter, commit_object, deflate, object_id, tree_object};
pub use repo::Repo;

pub(crate) use command::isolate;
#[cfg(feature = "full")]
pub(crate) use command::{helper, line, run};
pub(crate) use listing::walk;
