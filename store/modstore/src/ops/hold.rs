//! `hold` and `unhold`: modules that updates leave as they are.
//!
//! A hold is in the journal, so that a rollback and what it holds are one change, and no file that a person keeps is
//! written. It says nothing of a version: a held module stays at what it is.

use std::collections::BTreeMap;

use crate::{
    Cancel, Store,
    commit::now,
    disk::Staging,
    events::Events,
    model::{Hold, ModuleName},
    update::{self, UpdateError},
};

impl Store {
    /// Holds modules: until [`unhold`](Self::unhold), or an update that a person asks for by their names, no update
    /// changes them. Gives those that were not held before.
    ///
    /// # Errors
    /// Nothing is held that was not before, unless the error of the transaction says that it may be.
    pub fn hold(
        &self,
        names: &[ModuleName],
        events: &dyn Events,
        cancel: &Cancel,
    ) -> Result<Vec<ModuleName>, UpdateError> {
        let declared = self.declarations()?;
        if let Some(name) = names.iter().find(|name| declared.get(name).is_none()) {
            return Err(update::unknown(&declared, name));
        }
        let hold = Hold { at: now(), reason: self.options().command.clone() };
        self.change_holds(names, Some(&hold), events, cancel)
    }

    /// Ends the hold of these modules, or of all. Gives those that were held.
    ///
    /// # Errors
    /// As for [`hold`](Self::hold).
    pub fn unhold(
        &self,
        names: &[ModuleName],
        events: &dyn Events,
        cancel: &Cancel,
    ) -> Result<Vec<ModuleName>, UpdateError> {
        if names.is_empty() {
            let all: Vec<ModuleName> = self.state()?.holds().keys().cloned().collect();
            return self.change_holds(&all, None, events, cancel);
        }
        self.change_holds(names, None, events, cancel)
    }

    /// Makes the holds of modules this, where there is none yet or one to end.
    fn change_holds(
        &self,
        names: &[ModuleName],
        hold: Option<&Hold>,
        events: &dyn Events,
        cancel: &Cancel,
    ) -> Result<Vec<ModuleName>, UpdateError> {
        let (context, _leftovers) = self.begin(events, cancel)?;
        Staging::remove_dead(context.disk, context.layout).map_err(UpdateError::Leftovers)?;
        let mut transaction = update::begin(context, context.staging()?)?;
        let held = transaction.state().holds();
        let differs = |name: &&ModuleName| held.contains_key(*name) != hold.is_some();
        let changed: BTreeMap<ModuleName, Option<Hold>> =
            names.iter().filter(differs).map(|name| (name.clone(), hold.cloned())).collect();
        let names = changed.keys().cloned().collect();
        transaction.change.holds = changed;
        update::commit_if_changed(context, transaction)?;
        Ok(names)
    }
}
