//! `bind` and `unbind`: Python environments that follow the store.

use std::path::Path;

use crate::{
    Cancel, Store,
    environment::SyncReport,
    events::Events,
    model::ModuleName,
    update::{self, BindError, BindReport, BindRequest},
};

impl Store {
    /// Binds an environment: registers it, and installs stand-ins of modules in it, which follow every switch from
    /// then on. Run again, it repairs what is missing.
    ///
    /// # Errors
    /// Nothing was bound, unless a variant of [`BindError`] says otherwise. Modules that fail are in the report.
    pub fn bind(
        &self,
        request: &BindRequest,
        events: &dyn Events,
        cancel: &Cancel,
    ) -> Result<BindReport, BindError> {
        let (context, _leftovers) = self.begin(events, cancel)?;
        update::bind(context, request)
    }

    /// Removes the stand-ins of these modules, or of all, from an environment.
    ///
    /// # Errors
    /// Nothing was removed, unless a variant of [`BindError`] says otherwise.
    pub fn unbind(
        &self,
        python: &Path,
        names: &[ModuleName],
        events: &dyn Events,
        cancel: &Cancel,
    ) -> Result<SyncReport, BindError> {
        let (context, _leftovers) = self.begin(events, cancel)?;
        update::unbind(context, python, names)
    }
}
