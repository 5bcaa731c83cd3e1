//! [`Context`]: what work on a store is given, the same on every floor.

use std::time::Duration;

use crate::{
    Cancel,
    disk::{Barrier, Disk, Layout, Lock, LockError, LockWait, Staging, StagingError},
    events::{Event, Events},
};

/// What work on a store is given: where it is, how it is written to, who listens, and who may stop it. `Copy`, so that
/// each floor hands it down as it is and adds what it alone needs beside it.
#[derive(Clone, Copy)]
pub struct Context<'a> {
    /// The disk, and who watches it.
    pub disk: &'a Disk,
    /// Where everything is in the home.
    pub layout: &'a Layout,
    /// How content is made durable.
    pub barrier: Barrier,
    /// The longest wait for a lock.
    pub lock_limit: Duration,
    /// Whether to stay off the network.
    pub offline: bool,
    /// The command, as those who wait for a lock read it. Holds no secret.
    pub command: &'a str,
    /// Who listens.
    pub events: &'a dyn Events,
    /// The wish to stop.
    pub cancel: &'a Cancel,
}

impl Context<'_> {
    /// Takes the lock `name` of the store, for as long as the context allows to wait.
    ///
    /// # Errors
    /// See [`Lock::take`].
    pub fn lock(self, name: &str) -> Result<Lock, LockError> {
        self.waiting(|wait| Lock::take(&self.layout.lock(name), self.command, wait))
    }

    /// A private directory to work in.
    ///
    /// # Errors
    /// See [`Staging::claim`].
    pub fn staging(self) -> Result<Staging, StagingError> {
        Staging::claim(self.disk, self.layout, self.command)
    }

    /// Takes a lock as `take` does, for as long as the context allows to wait, and reports which process holds it.
    pub fn waiting<T>(self, take: impl FnOnce(LockWait<'_>) -> T) -> T {
        take(LockWait {
            limit: self.lock_limit,
            stop: &|| self.cancel.is_cancelled(),
            on_wait: &|holder| self.events.happened(Event::Waiting { holder }),
        })
    }
}
