//! `allow`: which builds may run in this store.

use crate::{
    Cancel, Store,
    access::AccessError,
    consent::{self, DeclaredBuild},
    declare::DeclareError,
    events::Events,
    model::{Declarations, ModuleName},
};

/// Consent is as it was.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum AllowError {
    /// The store cannot be changed.
    #[error(transparent)]
    Access(#[from] AccessError),
    /// A module is not declared or has no build, or consent cannot be recorded.
    #[error(transparent)]
    Declare(#[from] DeclareError),
}

impl Store {
    /// Allows the builds of these modules in this store, each exactly as it is declared now. Until then, and after each
    /// change of its declaration, a module with a build fails with the code `build-not-allowed` and keeps its current
    /// version. Runs nothing.
    ///
    /// # Errors
    /// Nothing is allowed when one of the modules is not declared or has no build, or when that cannot be recorded.
    pub fn allow(
        &self,
        names: &[ModuleName],
        events: &dyn Events,
        cancel: &Cancel,
    ) -> Result<Vec<DeclaredBuild>, AllowError> {
        self.ensure_writable(self.context(events, cancel))?;
        Ok(consent::allow(self.editing(cancel), names)?)
    }

    /// Revokes the consent for these modules, and returns those that had any. What was built stays.
    ///
    /// # Errors
    /// Consent is as it was.
    pub fn revoke(
        &self,
        names: &[ModuleName],
        events: &dyn Events,
        cancel: &Cancel,
    ) -> Result<Vec<ModuleName>, AllowError> {
        self.ensure_writable(self.context(events, cancel))?;
        Ok(consent::revoke(self.editing(cancel), names)?)
    }

    /// Every module whose declaration has a build, and whether it is allowed.
    #[must_use]
    pub fn builds(&self, declared: &Declarations) -> Vec<DeclaredBuild> {
        self.options().consents(self.layout(), declared).of(declared.modules.iter())
    }
}
