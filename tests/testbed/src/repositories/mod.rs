//! Git repositories: made by the real git, one at a time or as a corpus, and packs written by hand.

mod command;
mod listing;
mod repo;
mod corpus;
#[cfg(feature = "packs")]
mod pack;

pub use command::{GitError, git};
pub use corpus::{Corpus, ModuleFiles, Shape, share};
pub use listing::{Item, listing};
#[cfg(feature = "packs")]
pub use pack::{Delta, PackWriter, commit_object, deflate, object_id, tree_object};
pub use repo::{Change, Repo};

#[cfg(feature = "full")]
pub(crate) use command::{helper, line, run};
pub(crate) use command::isolate;
#[cfg(feature = "full")]
pub(crate) use listing::walk;
