//! Shared tiers, as one command uses them: which may be asked, what they gave, and when one is left alone.
//!
//! A tier is a source of bytes that needs no trust: what takes the bytes proves them. So a tier's trouble says nothing
//! of a module, and never fails one where git may be asked instead.

mod configured;
mod counts;
mod trouble;
mod archives;
mod renewals;
mod tiers;

/// Of a commit whose pack has more bytes than this there may be a thin pack too. For a shorter one it is not worth the question: a
/// round trip takes as long as this many bytes.
pub(crate) const LONG_PACK: u64 = 1 << 20;

pub use configured::{TierConfigError, configured_tiers, tier_options};
pub use counts::TierCounts;
pub(crate) use renewals::Renewals;
pub use tiers::TierSetupError;
pub(crate) use tiers::{PublishTo, Refusal, Tiers};
