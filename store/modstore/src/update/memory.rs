//! What an update leaves to be remembered: for each module that failed how, and for each that is as it is declared that
//! nothing is wrong any more. Pure.

use std::collections::BTreeMap;

use super::{
    attempts::{Ended, remember},
    options::Retry,
    outcome::{Outcome, Outcomes},
};
use crate::{
    commit::State,
    model::{Attempt, Declarations, ModuleName, Sighting},
};

/// What is to be noted of each module.
pub(super) type Notes = BTreeMap<ModuleName, Option<Attempt>>;

/// The commit that each of these modules waits for; none where it waits for none any more.
pub(super) type Sightings = BTreeMap<ModuleName, Option<Sighting>>;

/// What is to be remembered. `is_switching`: whether what is new is about to become current.
pub(super) fn notes(
    outcomes: &Outcomes,
    state: &State,
    declared: &Declarations,
    is_switching: bool,
    clock: (Retry, u64),
) -> Notes {
    let is_settled = |module: &&ModuleName| match outcomes.get(*module) {
        Some(Outcome::Kept(_)) => true,
        Some(Outcome::Changed(_)) => is_switching,
        Some(
            Outcome::Removed
            | Outcome::Held(_)
            | Outcome::Cooling(_)
            | Outcome::Deferred(_)
            | Outcome::Pinned(_)
            | Outcome::Failed(_),
        )
        | None => declared.get(module).is_none(),
    };
    let settled = state.attempts().keys().filter(is_settled);
    let mut notes: Notes = settled.map(|module| (module.clone(), None)).collect();
    let pinned = outcomes.iter().filter_map(|(module, outcome)| match outcome {
        Outcome::Pinned(attempt) => Some((module.clone(), Some((**attempt).clone()))),
        _ => None,
    });
    notes.extend(pinned);
    notes.extend(failures(outcomes, state, clock));
    notes
}

/// What changes of what is known of commits that are too young: each is remembered until its module has it, or follows
/// another. `is_switching`: whether what is new is about to become current.
pub(super) fn sightings(
    outcomes: &Outcomes,
    state: &State,
    declared: &Declarations,
    is_switching: bool,
) -> Sightings {
    let is_over = |(module, known): &(&ModuleName, &Sighting)| match outcomes.get(*module) {
        Some(Outcome::Kept(_)) => true,
        // What is fetched again of the commit before is not what it waits for.
        Some(Outcome::Changed(change)) => {
            let before = state.modules().get(*module).and_then(|it| it.bound.fetched());
            let is_other = change.to.bound.fetched() != before || change.to.source != known.source;
            is_switching && is_other
        }
        Some(Outcome::Removed) => is_switching,
        Some(_) => false,
        None => declared.get(module).is_none(),
    };
    let over = state.sightings().iter().filter(is_over);
    let over = over.map(|(module, _)| (module.clone(), None));
    let seen = outcomes.iter().filter_map(|(module, outcome)| {
        let Outcome::Cooling(cooling) = outcome else { return None };
        Some((module.clone(), Some(cooling.sighting.clone())))
    });
    let all = over.chain(seen);
    all.filter(|(module, it)| state.sightings().get(module) != it.as_ref()).collect()
}

/// The holds that end: those of the modules that a person has asked for by name, and that are as they are declared
/// then; and those of modules that nothing is left of. `is_switching`: whether what is new is about to become current.
pub(super) fn released(
    outcomes: &Outcomes,
    state: &State,
    declared: &Declarations,
    is_switching: bool,
) -> Vec<ModuleName> {
    let is_over = |module: &&ModuleName| match outcomes.get(*module) {
        Some(Outcome::Kept(_)) => true,
        Some(Outcome::Changed(_) | Outcome::Removed) => is_switching,
        Some(
            Outcome::Held(_)
            | Outcome::Cooling(_)
            | Outcome::Deferred(_)
            | Outcome::Pinned(_)
            | Outcome::Failed(_),
        ) => false,
        None => declared.get(module).is_none() && !state.modules().contains_key(*module),
    };
    state.holds().keys().filter(is_over).cloned().collect()
}

/// As [`notes`], of what failed only.
pub(super) fn failures(outcomes: &Outcomes, state: &State, clock: (Retry, u64)) -> Notes {
    let attempt = |(module, outcome): (&ModuleName, &Outcome)| {
        let Outcome::Failed(failure) = outcome else { return None };
        let tried = failure.tried.as_ref()?;
        let before = state.attempts().get(module);
        let ended = Ended { class: failure.class, stage: failure.stage, error: &*failure.error };
        Some((module.clone(), Some(remember(tried, &ended, before, clock))))
    };
    outcomes.iter().filter_map(attempt).collect()
}
