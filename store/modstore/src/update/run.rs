//! The main job: what is declared becomes current, in one transaction.
//!
//! First it is decided about all sources and they are fetched (`carry_out`), then built (`builds`), without any lock;
//! then environments are made ready, one transaction makes current what has become of all that (`switch`), and the
//! environments follow. The report is made at the end (`summary`).

use std::{collections::BTreeMap, time::Instant};

use modstore_fetch::{Counts, WayTaken};

use super::{
    builds,
    carry_out::{Gathered, gather, groups},
    context::UpdateContext,
    environments::Environments,
    error::{UpdateError, unknown},
    failure::Failure,
    goal::{Goal, goals, select},
    inputs::InputNotes,
    kept,
    memory::{self, Sightings},
    options::{Options, Retry, UpdateRequest},
    outcome::{Outcome, Outcomes},
    plan::{foregone, undeclared},
    publish::Ahead,
    report::{Cost, UpdateReport},
    staging::{LazyStaging, Trees},
    summary::report,
    switch::{Switch, Switched, remember},
    transact::{begin, commit_if_changed},
};
use crate::{
    Context,
    commit::{Journal, State, now},
    disk::Staging,
    events::Event,
    model::{Binding, Declarations, Declared, Lockfile, ModuleName},
    tier::Tiers,
};

/// What an update came to.
pub(crate) struct Done {
    /// For the caller.
    pub(crate) report: UpdateReport,
    /// What the store adds up to, if this update changed that.
    pub(crate) after: Option<State>,
}

/// Makes current what `declared` says, as far as it can be fetched and built.
///
/// # Errors
/// See [`UpdateError`]. Modules that fail are no error; they are in the report.
pub(crate) fn update(
    (context, tiers, ahead): (Context<'_>, &Tiers, Option<&Ahead<'_>>),
    options: &Options,
    state: State,
    declared: &Declarations,
    lock: Option<&Lockfile>,
    request: &UpdateRequest,
) -> Result<Done, UpdateError> {
    Staging::remove_dead(context.disk, context.layout).map_err(UpdateError::Leftovers)?;
    let meant = request.meant();
    let selected = select(declared, &meant).map_err(|name| unknown(declared, name))?;
    context.events.happened(Event::Began { modules: selected.len() });

    let start = Instant::now();
    let staging = LazyStaging::new(context);
    let consents = options.consents(context.layout, declared);
    let cooldown = |module: &Declared| options.cooldown(declared, module);
    let (goals, refused) = goals(selected, lock, &consents, &request.heeded(&state), cooldown);
    let goals: Vec<Goal<'_>> = goals
        .into_iter()
        .map(|goal| {
            let clone = request.clones.get(goal.module);
            goal.cloned(clone)
        })
        .collect();
    let told = options.told_by(declared);
    let (Gathered { mut outcomes, trees, newer, inputs, built_on }, counts, transports) =
        gather_all((context, &told, (tiers, ahead)), &state, &staging, goals, request)?;
    for (module, decision) in foregone(refused, undeclared(&state, declared, &meant)) {
        if let Some(outcome) = Outcome::of(decision, || None) {
            outcome.tell(context.events, &module);
            outcomes.insert(module, outcome);
        }
    }
    if context.cancel.is_cancelled() {
        return Err(UpdateError::Cancelled);
    }
    let acquiring = start.elapsed();

    let is_change = outcomes.values().any(Outcome::is_change);
    let mut environments = Environments::hold_if_needed(context, &state, is_change)?;
    // Another process that has switched while this one waited for the environments has settled them for that.
    let before = if environments.is_empty() {
        state.clone()
    } else {
        Journal::state(&context.layout.journal())?
    };
    try_out((context, &before), &environments, (&staging, &trees), &mut outcomes)?;
    let switch =
        Switch { context, retry: options.retry, state: &state, before: &before, declared, request };
    let switched = switch.make(staging, (trees, built_on), (outcomes, inputs))?;
    let mut switched = follow((context, options.retry), &mut environments, &before, switched)?;
    let Counts { requests, connections, .. } = counts;
    let cost = Cost { requests, connections, acquiring, ..Cost::default() };
    let after = switched.after.take();
    let report = report(context.layout, &state, switched, cost);
    Ok(Done { report: UpdateReport { transports, newer, ..report }, after })
}

/// Decides about all goals, fetches and builds.
fn gather_all(
    (store, options, (tiers, ahead)): (Context<'_>, &Options, (&Tiers, Option<&Ahead<'_>>)),
    state: &State,
    staging: &LazyStaging<'_>,
    goals: Vec<Goal<'_>>,
    request: &UpdateRequest,
) -> Result<(Gathered, Counts, Vec<WayTaken>), UpdateError> {
    let claim = || staging.get();
    let clones = goals.iter().filter_map(|goal| {
        let clone = request.clones.get(goal.module)?;
        Some(((goal.source.origin()?, clone.revision), clone.repository.clone()))
    });
    let context = UpdateContext::new((store, options), state, request.refetch, &claim)
        .with_clones(clones)
        .tiered(tiers, ahead);
    context.open_network(&goals)?;
    let groups = groups(goals);
    let gathered = gather(&context, &groups, request.policy);
    let built = builds::run(&context, groups.iter().flatten(), gathered, request.policy);
    let kept = kept::run(&context, groups.iter().flatten(), built, request.policy);
    Ok((kept, context.sources.counts(), context.sources.ways()))
}

/// Makes the environments ready for what is to change. A module that one of them is not ready for fails.
fn try_out(
    (context, before): (Context<'_>, &State),
    environments: &Environments,
    (staging, trees): (&LazyStaging<'_>, &Trees),
    outcomes: &mut Outcomes,
) -> Result<(), UpdateError> {
    let changed = outcomes
        .iter()
        .filter_map(|(module, outcome)| Some((module.clone(), outcome.change()?.to.clone())));
    let changed: BTreeMap<ModuleName, Binding> = changed.collect();
    if environments.is_empty() || changed.is_empty() {
        return Ok(());
    }
    let mut after = before.modules().clone();
    after.retain(|module, _| !matches!(outcomes.get(module), Some(Outcome::Removed)));
    after.extend(changed.clone());
    let names = changed.keys().cloned().collect();
    let not_prepared = environments.prepare(context, (staging.get()?, trees), &names, &after);
    let failed = not_prepared.into_iter().filter_map(|(module, not_prepared)| {
        let failure = Failure::of_environment(changed.get(&module)?, not_prepared);
        Some((module, Outcome::Failed(failure)))
    });
    outcomes.extend(failed);
    if context.cancel.is_cancelled() {
        return Err(UpdateError::Cancelled);
    }
    Ok(())
}

/// Gives the environments the stand-ins of what is current. If one cannot follow, what was current `before` is current
/// again.
fn follow(
    (context, retry): (Context<'_>, Retry),
    environments: &mut Environments,
    before: &State,
    mut switched: Switched,
) -> Result<Switched, UpdateError> {
    let error = match environments.settle(context, switched.after.as_ref().unwrap_or(before)) {
        Ok(settled) => return Ok(Switched { environments: settled, ..switched }),
        Err(error) => error,
    };
    let (Some(_), Some(head)) = (&switched.after, before.head()) else {
        // There is nothing to go back to, or nothing was changed: the next update tries again.
        return Err(UpdateError::Environment(error));
    };
    let staging = context.staging()?;
    let mut transaction = begin(context, staging)?;
    transaction.restore(head.number)?;
    let held = before.holds().iter().map(|(module, hold)| (module.clone(), Some(hold.clone())));
    transaction.change.holds = held.collect();
    let seen = before.sightings().iter().map(|(module, it)| (module.clone(), Some(it.clone())));
    transaction.change.sightings = seen.collect();
    let restored = commit_if_changed(context, transaction)?;
    if context.cancel.is_cancelled() {
        // An installer that was stopped says nothing of the modules. The next update puts back what it took out.
        return Err(UpdateError::Cancelled);
    }
    let mut taken_back = Outcomes::new();
    for (module, outcome) in &mut switched.outcomes {
        if outcome.is_change() {
            let to = outcome.change().map(|change| &change.to);
            *outcome = Outcome::Failed(Failure::taken_back(to, error.clone()));
            taken_back.insert(module.clone(), outcome.clone());
        }
    }
    let notes = memory::failures(&taken_back, before, (retry, now()));
    remember(context, notes.clone(), (Sightings::new(), InputNotes::new()))?;
    switched.notes.extend(notes);
    // As far as it goes: what cannot be put back now is put back by the next update.
    let settled = environments.settle(context, restored.after.as_ref().unwrap_or(before));
    Ok(Switched {
        environments: settled.unwrap_or_default(),
        generation: restored.generation,
        is_committed: false,
        released: Vec::new(),
        after: restored.after,
        ..switched
    })
}
