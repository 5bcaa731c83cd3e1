//! How a [`Source`](crate::model::Source) becomes a tree: [`resolve()`] finds out which one is meant, [`fetch()`] gets it.
//!
//! Everything that needs a tree comes here: `update`, `outdated`, `reset`, `add` and `repair`. A source of a new kind is
//! a variant of `Source`, a variant of [`Resolution`], and an arm of [`fetch()`] with a file below it. A new place that may
//! hold a tree, so that no connection is made, is one file in `places` and one line in its list.
//!
//! Limits: fetching itself (git, archives, packs) is in the crate `modstore-fetch`, which knows no store.

mod key;
mod error;
mod tree;
mod resolution;
mod hosts;
mod entry;
mod known;
mod upstream;
mod shared;
mod sources;
mod repository;
mod log;
mod tiered;
mod lfs;
mod submodules;
mod beyond;
mod slices;
mod places;
mod resolve;
mod fetch;

pub use error::SourceError;
pub use resolution::{FetchReason, Resolution};
pub use tree::{BuiltBy, TreeFrom};
pub use upstream::NewerVersion;
pub(crate) use {
    entry::{BaseCommit, kept_commits, open_base, pointers_left},
    fetch::fetch,
    log::log,
    resolution::{Meaning, Pin, Request},
    resolve::resolve,
    sources::{Reach, Settings, Sources},
    submodules::submodule_address,
    tiered::built_tree,
    tree::{Acquired, AcquiredTree, FetchStats},
    upstream::{Upstream, by_upstream},
};
