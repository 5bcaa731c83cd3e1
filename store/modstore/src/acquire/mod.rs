//! How a [`Source`](crate::model::Source) becomes a tree: [`resolve()`] finds out which one is meant, [`fetch()`] gets it.
//!
//! Everything that needs a tree comes here: `update`, `outdated`, `reset`, `add` and `repair`. A source of a new kind is
//! a variant of `Source`; each `match` of this folder then names what is missing. A new place that may hold a tree, so
//! that no connection is made, is one file in `places` and one line in its list.
//!
//! Limits: fetching itself (git, archives, packs) is in the crate `modstore-fetch`, which knows no store.

mod key;
mod error;
mod tree;
mod resolution;
mod hosts;
mod known;
mod entry;
mod sources;
mod upstream;
mod repository;
mod beyond;
mod archive;
mod places;
mod resolve;
mod fetch;

pub use error::SourceError;
pub use resolution::{FetchReason, Resolution};
pub(crate) use {
    entry::BaseCommit,
    fetch::fetch,
    resolution::{Meaning, Pin, Request},
    resolve::resolve,
    sources::{Reach, Settings, Sources},
    tree::{Acquired, AcquiredTree, FetchStats, TreeFrom},
    upstream::{Upstream, by_upstream},
};
