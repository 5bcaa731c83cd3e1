//! The transaction of an update: what has become of the modules becomes current, and how each failed is remembered.

use std::{
    collections::BTreeSet,
    time::{Duration, Instant},
};

use super::{
    error::UpdateError,
    inputs::{InputNotes, Inputs, InputsAfter, input_notes},
    memory::{self, Notes, Sightings},
    options::{Retry, RetryPolicy, UpdateRequest},
    outcome::{Outcome, Outcomes},
    staging::{LazyStaging, Trees},
    transact::{Committed, begin, commit_if_changed},
};
use crate::{
    Context,
    commit::{BeginError, BuiltOn, Change, State, Transaction, is_unfinished, now, shown},
    declare,
    disk::{LockError, Staged, Staging, is_right, is_usable, is_whole, use_reserve},
    environment::SyncReport,
    events::Event,
    model::{Declarations, Digest, Generation, ModuleName, causes},
};

/// Another process that is writing is waited for this long when there is nothing but failures to remember.
const BRIEF: Duration = Duration::from_millis(500);

/// What a transaction is made of.
pub(super) struct Switch<'a> {
    pub(super) context: Context<'a>,
    pub(super) retry: Retry,
    /// What the update began with.
    pub(super) state: &'a State,
    /// What the store adds up to now, as far as is known without its lock.
    pub(super) before: &'a State,
    pub(super) declared: &'a Declarations,
    pub(super) request: &'a UpdateRequest,
}

/// Where an update stands when its transaction is over.
pub(super) struct Switched {
    pub(super) outcomes: Outcomes,
    /// What is remembered of each module.
    pub(super) notes: Notes,
    /// What has come of the inputs of modules that are built for each of them.
    pub(super) inputs: Inputs,
    /// The current generation.
    pub(super) generation: Option<Generation>,
    /// Whether this update made it.
    pub(super) is_committed: bool,
    /// What the store adds up to, if that has changed.
    pub(super) after: Option<State>,
    /// How long the transaction took.
    pub(super) committing: Duration,
    /// What was done in the environments.
    pub(super) environments: Vec<SyncReport>,
    /// What changes of what is known of commits that are too young.
    pub(super) sightings: Sightings,
    /// Modules that are no longer held.
    pub(super) released: Vec<ModuleName>,
}

impl Switch<'_> {
    /// Makes it, if there is anything to switch to, to remember, or to finish that a crash left.
    pub(super) fn make(
        &self,
        staging: LazyStaging<'_>,
        built: (Trees, BuiltOn),
        (outcomes, inputs): (Outcomes, Inputs),
    ) -> Result<Switched, UpdateError> {
        let context = self.context;
        let is_switching = self.is_switching(&outcomes, &inputs);
        let clock = (self.retry, now());
        let mut notes = memory::notes(&outcomes, self.before, self.declared, is_switching, clock);
        notes.retain(|_, attempt| !self.request.dry_declare || attempt.is_none());
        let input_notes = input_notes(&inputs, &outcomes, self.before, self.declared, is_switching);
        let unchanged = Switched {
            notes,
            inputs,
            generation: shown(context.layout),
            is_committed: false,
            after: None,
            committing: Duration::ZERO,
            environments: Vec::new(),
            sightings: memory::sightings(&outcomes, self.before, self.declared, is_switching),
            released: memory::released(&outcomes, self.state, self.declared, is_switching),
            outcomes,
        };
        let releases = !unchanged.released.is_empty();
        if is_switching || releases || is_unfinished(context.layout, self.state) {
            let start = Instant::now();
            let staging = staging.into_inner()?;
            let switched = self.commit((staging, built), is_switching, input_notes, unchanged)?;
            return Ok(Switched { committing: start.elapsed(), ..switched });
        }
        let has_notes = !(unchanged.notes.is_empty() && unchanged.sightings.is_empty());
        if has_notes || !input_notes.is_empty() {
            // What was staged may be what has filled the disk, and the journal needs room.
            drop(staging);
            let more = (unchanged.sightings.clone(), input_notes);
            remember(context, unchanged.notes.clone(), more)?;
        }
        Ok(unchanged)
    }

    fn is_switching(&self, outcomes: &Outcomes, inputs: &Inputs) -> bool {
        let has_all = outcomes.values().all(Outcome::is_as_declared)
            && inputs.values().all(InputsAfter::is_whole);
        let is_change = outcomes.values().any(Outcome::is_change);
        (is_change || (self.request.refetch && has_all))
            && (has_all || !self.request.all_or_nothing)
    }

    /// The transaction. Unless something `is_switching`, it only ends holds and finishes what a crash left.
    fn commit(
        &self,
        (staging, (trees, built_on)): (Staging, (Trees, BuiltOn)),
        is_switching: bool,
        mut inputs: InputNotes,
        so_far: Switched,
    ) -> Result<Switched, UpdateError> {
        let refetch = self.request.refetch && is_switching;
        // Who wants everything tried does not believe sizes and times either.
        let doubts = refetch || self.request.policy == RetryPolicy::All;
        let corrupt = self.corrupt(&trees, doubts);
        let mut transaction = begin(self.context, staging)?;
        let mut outcomes = so_far.outcomes;
        let (notes, sightings) = (so_far.notes.clone(), so_far.sightings.clone());
        let holds = so_far.released.iter().map(|module| (module.clone(), None)).collect();
        let keeps_lock = self.request.locked;
        let mut change = Change {
            corrupt,
            notes,
            holds,
            sightings,
            is_new: refetch,
            keeps_lock,
            built_on,
            ..Change::default()
        };
        if is_switching {
            let is_change = |outcome: Option<&Outcome>| outcome.is_some_and(Outcome::is_change);
            let were: Vec<ModuleName> =
                inputs.keys().filter(|module| is_change(outcomes.get(*module))).cloned().collect();
            outcomes = self.without_superseded(&transaction, outcomes);
            // What another process has made of the module is known to the journal.
            let lost = were.iter().filter(|module| !is_change(outcomes.get(*module)));
            lost.for_each(|module| drop(inputs.remove(module)));
            fill(&mut change, &outcomes, trees);
        }
        transaction.change = Change { inputs, ..change };
        let Committed { generation, after } = commit_if_changed(self.context, transaction)?;
        Ok(Switched { outcomes, generation, is_committed: after.is_some(), after, ..so_far })
    }

    /// Which of the trees that came are in the store already and not what they should be. Every byte is read, of large
    /// ones only if there are doubts, and no lock is held.
    fn corrupt(&self, trees: &Trees, doubts: bool) -> BTreeSet<Digest> {
        let layout = self.context.layout;
        let is_corrupt = |digest: Digest, staged: &Staged| match doubts {
            true => !is_right(layout, digest),
            false => is_whole(layout, digest) && (staged.replaces() || !is_usable(layout, digest)),
        };
        let corrupt = trees.iter().filter(|(digest, staged)| is_corrupt(**digest, staged));
        corrupt.map(|(digest, _)| *digest).collect()
    }

    /// Leaves alone what another process has changed since this update looked: what it did counts as done after this
    /// one. And what is not declared any more does not come back.
    fn without_superseded(&self, transaction: &Transaction, outcomes: Outcomes) -> Outcomes {
        let (now, then) = (transaction.state().modules(), self.state.modules());
        let declared = declare::read(self.context.layout).ok().map(|(_, declared)| declared);
        let is_declared = |module: &ModuleName| {
            declared.as_ref().is_none_or(|declared| declared.get(module).is_some())
        };
        let holds = self.request.heeded(transaction.state());
        let left = outcomes.into_iter().filter_map(|(module, outcome)| {
            // It was held meanwhile.
            if let (Outcome::Changed(_), Some(hold)) = (&outcome, holds.get(&module)) {
                return Some((module, Outcome::Held(hold.clone())));
            }
            let is_ours = now.get(&module) == then.get(&module);
            let is_superseded = match &outcome {
                Outcome::Changed(_) => !is_ours || !is_declared(&module),
                Outcome::Removed => !is_ours,
                Outcome::Kept(_)
                | Outcome::Held(_)
                | Outcome::Cooling(_)
                | Outcome::Deferred(_)
                | Outcome::Pinned(_)
                | Outcome::Failed(_) => false,
            };
            match (is_superseded, &outcome) {
                (false, _) => Some((module, outcome)),
                (true, Outcome::Removed) => None,
                (true, _) => {
                    let kept = Outcome::Kept(now.get(&module)?.clone());
                    Some((module, kept))
                }
            }
        });
        left.collect()
    }
}

/// Adds to the change what is to become current, and the trees that this needs.
fn fill(change: &mut Change, outcomes: &Outcomes, trees: Trees) {
    let bound = outcomes.iter().filter_map(|(module, outcome)| match outcome {
        Outcome::Changed(changed) => Some((module.clone(), Some(changed.to.clone()))),
        Outcome::Removed => Some((module.clone(), None)),
        Outcome::Kept(_)
        | Outcome::Held(_)
        | Outcome::Cooling(_)
        | Outcome::Deferred(_)
        | Outcome::Pinned(_)
        | Outcome::Failed(_) => None,
    });
    change.bindings = bound.collect();
    let gone = outcomes.iter().filter(|(_, outcome)| matches!(outcome, Outcome::Removed));
    change.gone = gone.map(|(module, _)| module.clone()).collect();
    let bindings = change.bindings.values().flatten();
    let needed = bindings.flat_map(|to| [to.digest(), to.material()]).flatten();
    let needed: BTreeSet<Digest> = needed.collect();
    change.entering = trees.into_iter().filter(|(digest, _)| needed.contains(digest)).collect();
}

/// Remembers how modules failed, and which commits are too young, when there is nothing else to write. Where another process is writing, or the disk
/// cannot be written, nothing is remembered: that does not make a failure worse. Only a sync that failed is an error here
/// as everywhere.
pub(super) fn remember(
    context: Context<'_>,
    notes: Notes,
    (sightings, inputs): (Sightings, InputNotes),
) -> Result<(), UpdateError> {
    let context = Context { lock_limit: BRIEF, ..context };
    let write = || -> Result<(), UpdateError> {
        use_reserve(context.disk, context.layout);
        let staging = context.staging()?;
        let mut transaction = begin(context, staging)?;
        transaction.change.notes = notes;
        transaction.change.sightings = sightings;
        transaction.change.inputs = inputs;
        if transaction.notes_anything() {
            transaction.commit_notes().map_err(UpdateError::Remember)?;
        }
        Ok(())
    };
    match write() {
        Ok(()) | Err(UpdateError::Begin(BeginError::Lock(LockError::Busy { .. }))) => {}
        Err(error) if context.disk.has_failed_to_sync() => return Err(error),
        Err(error) => {
            let why = causes(&error).join(": ");
            let text = format!("what an update should remember could not be written: {why}");
            context.events.happened(Event::Notice { text: &text });
        }
    }
    Ok(())
}
