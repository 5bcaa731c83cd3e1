//! What a server, a pack and an archive may cost, and what talking to servers has cost.

mod counts;
mod network;
mod pack;
mod archive;
mod lfs;

pub use archive::{ArchiveLimit, ArchiveLimits};
pub use counts::Counts;
pub use lfs::{LfsLimit, LfsLimits};
pub use network::Limits;
pub use pack::{PackLimit, PackLimits};
pub(crate) use {
    counts::Counters,
    network::{CHATTER, LowSpeed},
};
