//! What is current and no update reads is renewed by the updates that publish: a few modules each time, and each module once in
//! a period.
//!
//! Which are due is known without a request, from what this store has seen before. Limits: a module is looked at when
//! the object of its commit, or archive, is due; its other parts are as old. Thin packs are not renewed: they only save bytes.

use std::{collections::BTreeMap, time::SystemTime};

use modstore_tier::Key;

use super::{Publisher, parts::PublishRun};
use crate::{
    commit::lock_there,
    disk::StagingError,
    model::{Binding, ModuleName},
    tier::{PublishTo, Renewals},
};

/// The most modules that one update looks at. With as many threads, the questions take one wait, and the packs another.
const AT_MOST: usize = 32;

impl Publisher<'_> {
    /// Looks at those of these modules that are due, those first that are due for the longest time, and publishes again what is
    /// old or gone.
    ///
    /// # Errors
    /// There is no place to write packs.
    pub(crate) fn renew(
        &self,
        modules: &BTreeMap<ModuleName, Binding>,
    ) -> Result<(), StagingError> {
        let mut renewals = Renewals::read(self.context.layout);
        // What this command has read or published is not due.
        self.tiers.tell(&mut renewals);
        let due = self.due(modules, &renewals);
        if !due.is_empty() {
            let chosen: Vec<_> = due.iter().map(|due| due.module).collect();
            let lock = lock_there(self.context.layout);
            Publisher { lock: lock.as_ref(), ..*self }.publish(&chosen)?;
        }
        // What cannot be published is not tried by each update.
        for Due { key, tiers, .. } in &due {
            tiers.iter().for_each(|tier| tier.was_looked_at(key));
        }
        self.remember_renewals(renewals);
        Ok(())
    }

    /// Remembers when the objects that this command has seen were written.
    pub(crate) fn remember_renewals(&self, mut renewals: Renewals) {
        self.tiers.tell(&mut renewals);
        // Where it cannot be written, they are looked at once more.
        let _ = renewals.keep(self.context);
    }

    fn due<'m>(
        &self,
        modules: &'m BTreeMap<ModuleName, Binding>,
        renewals: &Renewals,
    ) -> Vec<Due<'_, 'm>> {
        let run = PublishRun::new(self);
        let due = modules.iter().filter_map(|(module, binding)| {
            let part = run.first_part(module, binding).ok()?;
            let meant = self.meant(&part).ok()?.into_iter();
            let due = meant.filter_map(|tier| Some((tier.due(renewals, &part.key)?, tier)));
            let (since, tiers): (Vec<_>, Vec<_>) = due.unzip();
            // What nothing is known of comes last: most of it is young.
            let since = since.into_iter().map(|since| (since.is_none(), since)).min()?;
            Some(Due { since, key: part.key, module: (module, binding), tiers })
        });
        let mut due: Vec<Due<'_, '_>> = due.collect();
        due.sort_by_key(|due| due.since);
        due.truncate(AT_MOST);
        due
    }
}

/// A module that is to be looked at.
struct Due<'t, 'm> {
    since: (bool, Option<SystemTime>),
    key: Key,
    module: (&'m ModuleName, &'m Binding),
    /// Where it is due.
    tiers: Vec<PublishTo<'t>>,
}
