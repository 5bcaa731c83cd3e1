//! [`Held`]: a registered environment under its lock, with all that is needed to work on it.
//!
//! Its lock is taken before the store's: whoever changes what an environment has, or switches what it follows,
//! holds it from the first look to the last check. Installers take a lock of their own in the environment.

use std::{
    path::{Path, PathBuf},
    time::Duration,
};

use modstore_core::{
    Cancel,
    disk::{DiskError, Layout, Lock, LockError, Patience, SMALL_FILE, read_regular},
    model::ModuleName,
};

use super::{
    registration::{Registration, RegistrationError},
    stand_in::site_file,
};
use crate::{
    build::{Prober, Subject, known},
    ground::Ground,
    run::{Installer, Interpreter, PythonError},
};

/// A registered environment, locked.
#[derive(Debug)]
pub struct Held {
    /// What the store knows of it.
    pub registration: Registration,
    /// What installs in it, where there is one.
    pub installer: Option<Installer>,
    _lock: Lock,
}

/// An environment cannot be worked on. Nothing was changed in it.
#[derive(Debug, thiserror::Error)]
pub enum HoldError {
    /// Somebody else works on it.
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
    /// Its interpreter is broken.
    #[error(transparent)]
    Python(#[from] PythonError),
    /// The disk.
    #[error(transparent)]
    Disk(#[from] DiskError),
}

impl Held {
    /// Locks the environment of this registration, and reads what is known of it once more.
    ///
    /// # Errors
    /// See [`HoldError`].
    pub fn take(
        layout: &Layout,
        command: &str,
        registration: Registration,
        patience: Patience<'_>,
    ) -> Result<Self, HoldError> {
        let prefix = registration.prefix.clone();
        let path = layout.lock(&format!("environment-{}", registration.name()));
        let lock = Lock::take(&path, command, patience)
            .map_err(|source| HoldError::Lock { prefix: prefix.clone(), source })?;
        let registration = Registration::find(layout, &prefix)?.unwrap_or(registration);
        let installer = Installer::find(&registration.places());
        Ok(Self { registration, installer, _lock: lock })
    }

    /// Who probes projects for it.
    pub fn prober<'a>(&'a self, ground: Ground<'a>) -> Prober<'a> {
        Prober {
            ground,
            installer: self.installer.as_ref(),
            python: &self.registration.python,
            prefix: &self.registration.prefix,
            tag: &self.registration.tag,
        }
    }

    /// Asks the interpreter anew when the environment's places are not where they were: it was made anew, perhaps
    /// with another Python.
    ///
    /// # Errors
    /// When the interpreter is broken.
    pub fn refresh(&mut self, cancel: &Cancel) -> Result<(), PythonError> {
        if self.registration.site.iter().any(|site| site.is_dir()) {
            return Ok(());
        }
        let Interpreter { places, tag, .. } = Interpreter::ask(&self.registration.python, cancel)?;
        (self.registration.site, self.registration.tag) = (places.site, tag);
        self.registration.settled = None;
        self.installer = Installer::find(&self.registration.places());
        Ok(())
    }
}

/// The bound modules that are not in the environment as they were installed, quickly: one file read and one path
/// resolved for each.
#[must_use]
pub fn lost(layout: &Layout, registration: &Registration) -> Vec<(ModuleName, Lost)> {
    let home = layout.resolved_home();
    let lost = registration.installed.iter().filter_map(|(module, installed)| {
        let (name, text) = site_file(&home, module, installed);
        let site = registration.site.first()?;
        let lost = match read_regular(&site.join(name), SMALL_FILE) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Lost::Gone,
            Ok(found) if found == text.as_bytes() => {
                let dead = installed.paths.iter().find(|path| !home.join(path).is_dir())?;
                Lost::Dangling(home.join(dead))
            }
            Err(_) | Ok(_) => Lost::Changed,
        };
        Some((module.clone(), lost))
    });
    lost.collect()
}

/// Whether the metadata of one of these modules, which are directories of the user's own, is not what was installed of
/// it, or is not known as the directory is now.
#[must_use]
pub fn has_moved_on<'s>(
    layout: &Layout,
    registration: &Registration,
    mut linked: impl Iterator<Item = &'s Subject>,
) -> bool {
    linked.any(|subject| {
        registration.installed.get(&subject.module).is_some_and(|installed| {
            let facts = known(layout, subject, &registration.tag);
            facts.is_none_or(|facts| facts.digest() != installed.metadata)
        })
    })
}

/// How a bound module is not as it was installed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Lost {
    /// It was uninstalled: by `uv tool upgrade`, `uv sync` or somebody.
    Gone,
    /// Something else was installed, or what was installed was edited.
    Changed,
    /// It leads nowhere.
    Dangling(PathBuf),
}

/// So long a module may take to be imported.
pub const IMPORT_LIMIT: Duration = Duration::from_secs(60);

/// The path below which everything that an environment gets from a module is.
pub(crate) fn live_prefix(layout: &Layout, module: &ModuleName) -> PathBuf {
    let home = layout.resolved_home();
    home.join(Path::new("live").join(module.as_str()))
}
