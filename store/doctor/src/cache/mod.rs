//! The caches that hosts keep repositories in: read, and never written to.

mod checkout;
mod cached;
mod candidates;

pub(crate) use cached::{Cached, Meta, cached_above, distribution_in, hash_of, source_of};
pub(crate) use candidates::{Choice, Search};
pub(crate) use checkout::{is_commit, short};
