//! `activate`: everything that a host does at its start, in one call: the sources it needs are there, its Python
//! environment follows them, and the generation is leased.
//!
//! When all is as it should be, nothing is locked but the lease, and nothing is run.

use std::path::{Path, PathBuf};

use crate::{
    Cancel, Store,
    commit::JournalError,
    environment::{Drift, Registration, RegistrationError},
    events::Events,
    model::ModuleName,
    naming::Required,
    ops::ensure::EnsureReport,
    reclaim::{Lease, LeaseError},
    update::{BindError, BindReport, BindRequest, UpdateError},
};

/// What a host needs at its start.
#[derive(Debug, Clone, Default)]
pub struct ActivateRequest {
    /// The sources.
    pub required: Vec<Required>,
    /// The Python environment that follows them: its interpreter, its directory, or a name in `PATH`.
    pub python: Option<PathBuf>,
    /// A file of constraints for the installer, from now on. `None`: what was said before.
    pub constraints: Option<PathBuf>,
}

/// What a host has at its start.
#[derive(Debug)]
pub struct Activated {
    /// What came of the sources.
    pub ensured: EnsureReport,
    /// What was done in the environment, if there is one and anything was to be done.
    pub bound: Option<BindReport>,
    /// Keeps the generation: everything below its directory stays. None, where there is no generation yet.
    pub lease: Option<Lease>,
    /// The directories that the leased generation puts on the import path of the environment.
    pub import_path: Vec<PathBuf>,
}

/// The host has nothing to run with. Each error within says what has happened.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ActivateError {
    /// The sources could not be ensured.
    #[error(transparent)]
    Ensure(#[from] UpdateError),
    /// The environment could not be bound. The sources are there.
    #[error(transparent)]
    Bind(#[from] BindError),
    /// What is known of environments cannot be read. The sources are there.
    #[error(transparent)]
    Registration(#[from] RegistrationError),
    /// No lease could be taken. Everything else is done.
    #[error(transparent)]
    Lease(#[from] LeaseError),
    /// The import path of the generation could not be found out. Everything else is done.
    #[error("the store cannot be read")]
    Journal(#[from] JournalError),
}

impl Store {
    /// [Ensures](Self::ensure) sources, [binds](Self::bind) those that are there to an environment, if it does not have
    /// them already, and leases the generation.
    ///
    /// # Errors
    /// Each variant of [`ActivateError`] says how far it came. Sources that cannot be fetched and modules that cannot be
    /// bound are in the answer.
    pub fn activate(
        &self,
        request: &ActivateRequest,
        events: &dyn Events,
        cancel: &Cancel,
    ) -> Result<Activated, ActivateError> {
        let ensured = self.ensure(&request.required, events, cancel)?;
        let names = ensured.names();
        let mut bound = None;
        let mut registration = None;
        if let Some(python) = request.python.as_deref().filter(|_| !names.is_empty()) {
            registration = self.settled(python, &names, request.constraints.as_deref())?;
            if registration.is_none() {
                let request = BindRequest {
                    python: python.to_owned(),
                    modules: names,
                    constraints: request.constraints.clone(),
                    compile: None,
                    take_over: false,
                };
                let report = self.bind(&request, events, cancel)?;
                registration = Some(report.registration.clone());
                bound = Some(report);
            }
        }
        let lease = match self.lease() {
            Err(LeaseError::Empty) => None,
            leased => Some(leased?),
        };
        let import_path = match (&registration, &lease) {
            (Some(registration), Some(lease)) => self.pinned_paths(lease, registration)?,
            _ => Vec::new(),
        };
        Ok(Activated { ensured, bound, lease, import_path })
    }

    /// The registration of an environment that has all of these modules as they are now, as far as a quick look tells.
    fn settled(
        &self,
        python: &Path,
        names: &[ModuleName],
        constraints: Option<&Path>,
    ) -> Result<Option<Registration>, RegistrationError> {
        let current = self.current();
        let is_settled = |registration: &Registration| {
            registration.is_named_by(python)
                && !registration.is_missing()
                && registration.is_synced_to(current)
                && names.iter().all(|name| registration.binds(name))
                && constraints.is_none_or(|wanted| {
                    let absolute = std::path::absolute(wanted).ok();
                    absolute.is_some() && registration.constraints == absolute
                })
                && Drift::of(self.layout(), registration).is_empty()
        };
        Ok(self.environments()?.into_iter().find(is_settled))
    }
}
