//! `reset --purge`: the whole store is deleted.

use crate::{
    Cancel, Store,
    environment::Owner,
    events::Events,
    reset::{self, PurgeError, PurgePlan, PurgeReport},
    update,
};

impl Store {
    /// What [`purge`](Self::purge) would delete, and what would stay. Changes nothing.
    ///
    /// # Errors
    /// When a directory of the store cannot be read.
    pub fn plan_purge(&self) -> Result<PurgePlan, PurgeError> {
        let planned = reset::plan(self.layout(), reset::declares(self.layout()));
        let environments = self.environments()?.into_iter();
        let ours = environments.filter(|each| Owner::of(self.layout(), each).other().is_none());
        let environments = ours.map(|each| each.prefix).collect();
        Ok(PurgePlan { environments, ..planned.map_err(PurgeError::NotDone)? })
    }

    /// Deletes everything that modstore made, unless a process has a lease: first the stand-ins from the environments
    /// that are bound, then the store. `modules.toml`, lock files and names that are not modstore's stay. The next
    /// update makes the store again.
    ///
    /// # Errors
    /// [`PurgeError`] says what is gone. An environment that keeps its stand-ins keeps the store.
    pub fn purge(&self, events: &dyn Events, cancel: &Cancel) -> Result<PurgeReport, PurgeError> {
        let _leftovers = self.report_leftovers(events);
        let context = self.context(events, cancel);
        self.may_write()?;
        let planned = self.plan_purge()?;
        if planned.remove.is_empty() {
            return Ok(PurgeReport { stay: planned.stay, ..PurgeReport::default() });
        }
        if !planned.leases.is_empty() {
            return Err(PurgeError::Leased(planned.leases));
        }
        for directory in [self.layout().home().join("locks"), self.layout().staging()] {
            context.disk.ensure_dir(&directory).map_err(PurgeError::NotDone)?;
        }
        for environment in self.environments()? {
            update::unbind(context, &environment.prefix, &[])?;
        }
        let report = reset::purge(context)?;
        Ok(PurgeReport { environments: planned.environments, ..report })
    }
}
