//! [`Ground`]: what work on environments is given: the store, a private place, and who listens.

use std::path::Path;

use modstore_core::{
    Cancel,
    disk::{Barrier, Disk, Layout, Staging},
    events::Doing,
};

/// What work on environments is given.
#[derive(Clone, Copy)]
pub struct Ground<'a> {
    /// The disk, and who watches it.
    pub disk: &'a Disk,
    /// Where things are in the store.
    pub layout: &'a Layout,
    /// How content is made durable.
    pub barrier: Barrier,
    /// A private place.
    pub staging: &'a Staging,
    /// Whether to stay off the network.
    pub offline: bool,
    /// The wish to stop.
    pub cancel: &'a Cancel,
    /// Hears what is done in the environment of this directory.
    pub told: &'a (dyn Fn(&Path, Doing<'_>) + Sync),
}
