//! The repositories in the caches of hosts: read, and never written to.

mod checkout;
mod cached;
mod candidates;

pub(crate) use cached::{Cached, distribution_in, source_of, without_secret};
pub(crate) use candidates::Search;
pub(crate) use checkout::{Checkout, is_commit, short};
