//! What the tiers of one command came to.

use std::sync::atomic::{AtomicU64, Ordering};

use serde::Serialize;

/// What the tiers of one command came to.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct TierCounts {
    /// Objects that came from a tier and proved to be what was asked for.
    pub hits: u64,
    /// Hits that were thin packs: what changed since a commit that this store has.
    pub thin: u64,
    /// Objects that no tier has.
    pub misses: u64,
    /// Objects that did not prove to be what was asked for.
    pub refused: u64,
    /// Requests that failed.
    pub errors: u64,
    /// Bytes received from tiers.
    pub bytes: u64,
    /// Objects published.
    pub published: u64,
    /// Objects that were to be published and are not.
    pub deferred: u64,
}

/// The same while the command runs.
#[derive(Debug, Default)]
pub(super) struct Counting {
    pub(super) hits: AtomicU64,
    pub(super) thin: AtomicU64,
    pub(super) misses: AtomicU64,
    pub(super) refused: AtomicU64,
    pub(super) errors: AtomicU64,
    pub(super) bytes: AtomicU64,
    pub(super) published: AtomicU64,
    pub(super) deferred: AtomicU64,
}

impl Counting {
    pub(super) fn so_far(&self) -> TierCounts {
        let read = |count: &AtomicU64| count.load(Ordering::Relaxed);
        TierCounts {
            hits: read(&self.hits),
            thin: read(&self.thin),
            misses: read(&self.misses),
            refused: read(&self.refused),
            errors: read(&self.errors),
            bytes: read(&self.bytes),
            published: read(&self.published),
            deferred: read(&self.deferred),
        }
    }
}

/// Counts one more.
pub(super) fn one_more(count: &AtomicU64) {
    count.fetch_add(1, Ordering::Relaxed);
}
