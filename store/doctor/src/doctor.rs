//! [`Doctor`]: the tools of an inspection.

use std::{fmt, path::PathBuf, time::Duration};

use modstore_core::{Cancel, disk::Disk, events::Events};

/// The tools of an inspection.
pub struct Doctor<'a> {
    /// The disk through which environments are changed.
    pub disk: Disk,
    /// The store's home, whether or not there is a store.
    pub home: Option<PathBuf>,
    /// Whether installers are to stay off the network.
    pub offline: bool,
    /// The longest wait for other processes that work on an environment.
    pub lock_limit: Duration,
    /// The wish to stop.
    pub cancel: &'a Cancel,
    /// Who listens.
    pub events: &'a dyn Events,
}

impl fmt::Debug for Doctor<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Doctor").field("home", &self.home).finish_non_exhaustive()
    }
}
