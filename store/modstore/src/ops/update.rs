//! `update`, the main job, and `outdated`, the same without changing anything.

use std::path::Path;

use crate::{
    Cancel, Context, Store,
    acquire::{BuiltBy, TreeFrom},
    commit::{CommitError, State, lock_there},
    declare,
    disk::names_in,
    events::{Event, Events},
    model::{Binding, Declarations, Lockfile, ModuleName, TierSettings, causes},
    project::{report_strangers, settle_lock},
    tier::Tiers,
    update::{
        self, Ahead, Done, Environments, NotPublished, Outdated, Publication, Publisher,
        UpdateError, UpdateReport, UpdateRequest, Updated,
    },
};

impl Store {
    /// Fetches what `modules.toml` declares and makes it current, in one transaction. A module that cannot be fetched
    /// keeps its current version.
    ///
    /// # Errors
    /// When nothing could be fetched or committed at all. Modules that fail are no error; they are in the report.
    pub fn update(
        &self,
        request: &UpdateRequest,
        events: &dyn Events,
        cancel: &Cancel,
    ) -> Result<UpdateReport, UpdateError> {
        let _leftovers = self.report_leftovers(events);
        // The state first: a module that another process declares and adds in between is then not taken for undeclared.
        let state = self.state()?;
        let declared = self.declarations()?;
        if declared.modules.is_empty() && request.meant().is_empty() && self.is_empty() {
            return Ok(UpdateReport::default());
        }
        let context = self.context(events, cancel);
        match self.update_declared(context, state, &declared, request) {
            // A sweep deleted an old entry that this update wanted to make current again: it is fetched now.
            Err(UpdateError::Commit(CommitError::Swept { .. })) => {
                self.update_declared(context, self.state()?, &declared, request)
            }
            done => done,
        }
    }

    /// Updates from a state and declarations that were read before.
    pub(super) fn update_declared(
        &self,
        context: Context<'_>,
        state: State,
        declared: &Declarations,
        request: &UpdateRequest,
    ) -> Result<UpdateReport, UpdateError> {
        self.ensure_writable(context)?;
        let lock = if request.locked { Some(declare::read_lock(self.layout())?) } else { None };
        let from = (lock.as_ref(), self.options().tiers.as_slice());
        self.update_from(context, state, declared, request, from)
    }

    /// The same from this lock, if there is one, and with these tiers.
    pub(super) fn update_from(
        &self,
        context: Context<'_>,
        state: State,
        declared: &Declarations,
        request: &UpdateRequest,
        (lock, tiers): (Option<&Lockfile>, &[TierSettings]),
    ) -> Result<UpdateReport, UpdateError> {
        let tiers = Tiers::open(context, tiers)?.listed_by_git(lock.is_none());
        let (tiers, options) = (&tiers, self.options());
        let publisher =
            Publisher { context, tiers, declared, options, lock: None, after_update: true };
        let ahead = goes_ahead(publisher, request).then(|| Ahead::new(publisher));
        // What no update changes is renewed too.
        let before = tiers.renew().then(|| state.clone());
        let (mut report, after) = Ahead::during(ahead.as_ref(), |ahead| {
            let store = (context, tiers, ahead);
            let Done { report, after } =
                update::update(store, options, state, declared, lock, request)?;
            match lock.filter(|_| request.locked) {
                None => settle_lock(context, declared, &report)?,
                Some(lock) if self.layout().project().is_some() => {
                    report_strangers(context, declared, lock);
                }
                Some(_) => {}
            }
            publish(publisher, ahead, (&report, after.as_ref()));
            if let Some(state) = before.as_ref().map(|before| after.as_ref().unwrap_or(before)) {
                // Where there is no place to write packs, the next update renews.
                let _ = publisher.renew(state.modules());
            }
            Ok::<_, UpdateError>((report, after))
        })?;
        report.tier = Some(tiers.counts()).filter(|_| !tiers.is_empty());
        self.sweep_briefly(context, after.as_ref());
        Ok(report)
    }

    /// Whether the store never had a generation, and no process that died on the way to one left anything.
    fn is_empty(&self) -> bool {
        let nothing_in = |at: &Path| names_in(at).is_ok_and(|names| names.is_empty());
        self.current().is_none()
            && nothing_in(&self.layout().staging())
            && nothing_in(&self.layout().generations())
    }

    /// What an update would change. Changes nothing.
    ///
    /// # Errors
    /// As for [`update`](Self::update).
    pub fn outdated(
        &self,
        names: &[ModuleName],
        events: &dyn Events,
        cancel: &Cancel,
    ) -> Result<Vec<Outdated>, UpdateError> {
        let declared = self.declarations()?;
        update::outdated(self.context(events, cancel), self.options(), &declared, names)
    }
}

/// Whether packs are published while others are fetched: where a module that is fetched cannot fail any more for what others
/// come to.
fn goes_ahead(publisher: Publisher<'_>, request: &UpdateRequest) -> bool {
    let Publisher { context, tiers, .. } = publisher;
    tiers.publishes() && !request.all_or_nothing && Environments::are_none(context)
}

/// Publishes what an update has made current, to tiers that updates write to, and what they have that is old or wrong. What
/// goes wrong is reported and changes nothing.
fn publish(
    publisher: Publisher<'_>,
    ahead: Option<&Ahead<'_>>,
    (report, after): (&UpdateReport, Option<&State>),
) {
    let Publisher { context, tiers, .. } = publisher;
    let is_built = |updated: &Updated| updated.built_by == Some(BuiltBy::ThisMachine);
    let is_meant = |updated: &&Updated| match updated.came_from {
        _ if is_built(updated) => true,
        None => false,
        Some(TreeFrom::Tier) => wants_again(tiers, &updated.to),
        Some(_) => true,
    };
    let changed = report.updated.iter().filter(is_meant);
    let changed: Vec<(&ModuleName, &Binding)> =
        changed.map(|updated| (&updated.module, &updated.to)).collect();
    if changed.is_empty() || !report.committed || !tiers.publishes() {
        return;
    }
    // What went ahead is not asked for again.
    ahead.into_iter().for_each(Ahead::finish);
    let lock = lock_there(context.layout);
    let publisher = Publisher { lock: lock.as_ref(), ..publisher };
    let notice = |text: &str| context.events.happened(Event::Notice { text });
    match publisher.publish(&changed) {
        Err(error) => notice(&format!("nothing was published: {}", causes(&error).join(": "))),
        Ok(published) => {
            for (module, publication) in published {
                if let Publication::Not(why) = publication
                    && is_worth_a_line(&why)
                {
                    notice(&format!("`{module}` was not published: {why}"));
                }
            }
            // There was a place for the whole packs.
            if let Some(state) = after {
                let _ = publisher.publish_thin(&changed, state);
            }
        }
    }
}

/// Whether a pack of a module that came from a tier is to be written again there.
fn wants_again(tiers: &Tiers, binding: &Binding) -> bool {
    let commit = binding.bound.fetched();
    commit.is_some_and(|commit| tiers.wants_again(&commit.revision.to_string()))
}

/// Whether a person wants to know it after each update: what the configuration says, and what a tier has said, is known.
fn is_worth_a_line(why: &NotPublished) -> bool {
    !matches!(
        why.innermost(),
        NotPublished::NoTier
            | NotPublished::Linked
            | NotPublished::Trouble
            | NotPublished::Cancelled
    )
}
