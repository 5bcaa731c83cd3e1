//! `link` and `unlink`: a directory of the user's stands in for a module's source, and no longer.

use std::path::Path;

use crate::{
    Cancel, Store,
    consent::{self, Consents},
    declare,
    events::Events,
    model::{self, Declarations, EditError, ModuleName, Source},
    ops::add::AddError,
    update::UpdateReport,
};

impl Store {
    /// Makes a directory stand in for a module's source; declares the module when it is not declared yet.
    ///
    /// # Errors
    /// As for [`add`](Self::add).
    pub fn link(
        &self,
        name: &ModuleName,
        path: &Path,
        events: &dyn Events,
        cancel: &Cancel,
    ) -> Result<UpdateReport, AddError> {
        self.relink(name, events, cancel, |text, declared| match declared.get(name) {
            Some(_) => model::link_module(text, name, &self.layout().written(path)),
            None => {
                let source = declare::as_written(self.layout(), &Source::linked(path));
                model::add_module(text, name, &source)
            }
        })
    }

    /// Makes a module come from its source again.
    ///
    /// # Errors
    /// As for [`add`](Self::add).
    pub fn unlink(
        &self,
        name: &ModuleName,
        events: &dyn Events,
        cancel: &Cancel,
    ) -> Result<UpdateReport, AddError> {
        self.relink(name, events, cancel, |text, _| model::unlink_module(text, name))
    }

    /// Changes where a module comes from, and updates it.
    fn relink(
        &self,
        name: &ModuleName,
        events: &dyn Events,
        cancel: &Cancel,
        change: impl FnOnce(&str, &Declarations) -> Result<String, EditError>,
    ) -> Result<UpdateReport, AddError> {
        let (context, _leftovers) = self.begin(events, cancel)?;
        let declared = self.declarations()?;
        let edited = declare::edit(self.editing(cancel), name, |text| change(text, &declared))?;
        self.keep_allowed(&declared, name, cancel);
        self.follow(context, edited, true)
    }

    /// Keeps an allowed build allowed with the directory that a person has just linked or unlinked. Where that cannot
    /// be recorded, the build fails and says that it is not allowed.
    fn keep_allowed(&self, before: &Declarations, name: &ModuleName, cancel: &Cancel) {
        let built = before.get(name).filter(|declared| declared.build.is_some());
        if built.is_some_and(|declared| Consents::recorded(self.layout()).permit(name, declared)) {
            let _ = consent::allow(self.editing(cancel), std::slice::from_ref(name));
        }
    }
}
