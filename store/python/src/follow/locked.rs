//! [`LockedEnvironment`]: a registered environment under its lock, with what is needed to work on it.
//!
//! Its lock is taken before the store's. A process that changes an environment, or switches the generation that it
//! follows, holds it from the first look to the last check. Installers take a lock of their own in the environment.

use std::{path::PathBuf, time::Duration};

use modstore_core::{
    Cancel, Context,
    disk::{Lock, LockError},
};

use super::registration::{Registration, RegistrationError};
use crate::{
    build::Prober,
    run::{Installer, Interpreter, PythonError},
    workspace::Workspace,
};

/// The longest time that the import of one module may take.
pub const IMPORT_LIMIT: Duration = Duration::from_secs(60);

/// A registered environment, locked.
#[derive(Debug)]
pub struct LockedEnvironment {
    /// What the store knows of it.
    pub registration: Registration,
    /// The program that installs in it, where there is one.
    pub installer: Option<Installer>,
    pub(super) lock: Lock,
}

/// An environment cannot be worked on. Nothing was changed in it.
#[derive(Debug, thiserror::Error)]
pub enum EnvironmentLockError {
    /// Another process works on it.
    #[error("the environment {} cannot be worked on", prefix.display())]
    Lock {
        /// Its directory.
        prefix: PathBuf,
        /// Why not.
        source: LockError,
    },
    /// What the store knows of it cannot be read.
    #[error(transparent)]
    Registration(#[from] RegistrationError),
}

impl LockedEnvironment {
    /// Locks the environment of this registration, and reads again what the store knows of it.
    ///
    /// # Errors
    /// See [`EnvironmentLockError`].
    pub fn lock(
        store: Context<'_>,
        registration: Registration,
    ) -> Result<Self, EnvironmentLockError> {
        let lock = store.lock(&format!("environment-{}", registration.name()));
        let lock = lock.map_err(|source| EnvironmentLockError::Lock {
            prefix: registration.prefix.clone(),
            source,
        })?;
        let current = Registration::find(store.layout, &registration.prefix)?;
        let registration = current.unwrap_or(registration);
        let installer = Installer::find(&registration.paths());
        let mut environment = Self { registration, installer, lock };
        // A broken interpreter does not stop the work on other environments: what needs it here fails by itself.
        let _ = environment.refresh(store.cancel);
        Ok(environment)
    }

    /// Queries the interpreter again if the environment's directories are not where they were: it was made from
    /// scratch, perhaps with another Python.
    fn refresh(&mut self, cancel: &Cancel) -> Result<(), PythonError> {
        if self.registration.site.iter().any(|site| site.is_dir()) {
            return Ok(());
        }
        let Interpreter { paths, tag, .. } = Interpreter::query(&self.registration.python, cancel)?;
        self.registration.site = paths.site;
        self.registration.tag = tag;
        self.registration.synced = None;
        self.installer = Installer::find(&self.registration.paths());
        Ok(())
    }

    /// The prober that builds projects for this environment.
    pub(crate) fn prober<'a>(&'a self, workspace: Workspace<'a>) -> Prober<'a> {
        Prober {
            workspace,
            installer: self.installer.as_ref(),
            python: &self.registration.python,
            prefix: &self.registration.prefix,
            tag: &self.registration.tag,
        }
    }
}
