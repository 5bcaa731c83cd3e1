//! [`Doctor`]: who looks, and with what.

use std::{
    path::{Path, PathBuf},
    time::Duration,
};

use modstore_core::{Cancel, disk::Disk, events::Doing};

/// Who looks, and what that may use.
pub struct Doctor<'a> {
    /// Through which environments are changed.
    pub disk: Disk,
    /// The store's home, whether or not there is a store.
    pub home: Option<PathBuf>,
    /// Whether installers are to stay off the network.
    pub offline: bool,
    /// So long others who work on an environment are waited for.
    pub lock_limit: Duration,
    /// The wish to stop.
    pub cancel: &'a Cancel,
    /// Hears what is done in the environment of this directory.
    pub told: &'a dyn Fn(&Path, Doing<'_>),
}

impl std::fmt::Debug for Doctor<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Doctor").field("home", &self.home).finish_non_exhaustive()
    }
}
