//! How a store is worked with, and what an update is asked for.

use std::time::Duration;

use crate::{
    acquire::{Limits, PackLimits},
    disk::Barrier,
    model::ModuleName,
    reclaim::Policy,
};

/// How a store is worked with.
#[derive(Debug, Clone)]
pub struct Options {
    /// How long to wait for a lock.
    pub lock_limit: Duration,
    /// How content is made durable.
    pub barrier: Barrier,
    /// How many repositories are asked at once.
    pub jobs: usize,
    /// Whether to stay off the network.
    pub offline: bool,
    /// Whether a credential helper or ssh may ask a person.
    pub interactive: bool,
    /// Time limits of the network.
    pub limits: Limits,
    /// What one pack may cost.
    pub packs: PackLimits,
    /// What is swept after an update, briefly and never while offline; nothing, when there is no policy.
    pub sweep: Option<Policy>,
    /// The command, as those who wait for a lock, and who list leases, read it. Holds no secret.
    pub command: String,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            lock_limit: Duration::from_secs(300),
            barrier: Barrier::FileSystem,
            jobs: 8,
            offline: false,
            interactive: false,
            limits: Limits::default(),
            packs: PackLimits::default(),
            sweep: Some(Policy::default()),
            command: "a host".into(),
        }
    }
}

/// What an update is asked for.
#[derive(Debug, Clone, Default)]
pub struct UpdateRequest {
    /// These modules, or all when there are none.
    pub names: Vec<ModuleName>,
    /// Show nothing new unless every module could be had.
    pub all_or_nothing: bool,
    /// Take exactly the revisions of `modules.lock`.
    pub locked: bool,
    /// Have everything anew, as if the store had nothing, and show it as a new generation.
    pub fresh: bool,
}
