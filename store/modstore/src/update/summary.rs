//! The report of an update, from what has come of each module.

use super::{
    inputs::InputsAfter,
    outcome::Outcome,
    plan::Deferred,
    report::{Cooled, Cost, Failed, Held, Unchanged, UpdateReport, Updated, Waiting, Warning},
    switch::Switched,
};
use crate::{
    acquire::{TreeFrom, pointers_left},
    commit::State,
    disk::Layout,
    model::{Binding, ModuleName},
};

/// The report of an update that began with `state`; `cost` is what is known of it besides.
pub(super) fn report(
    layout: &Layout,
    state: &State,
    switched: Switched,
    cost: Cost,
) -> UpdateReport {
    let mut report = UpdateReport {
        generation: switched.generation,
        committed: switched.is_committed,
        environments: switched.environments,
        released: switched.released,
        cost: Cost { committing: switched.committing, ..cost },
        ..UpdateReport::default()
    };
    let mut inputs = switched.inputs;
    for (module, outcome) in switched.outcomes {
        let current = state.modules().get(&module).cloned();
        if let Some(inputs) = inputs.remove(&module) {
            let now = outcome.change().map(|change| change.to.clone()).filter(|_| report.committed);
            add_inputs(&mut report, &module, inputs, now.or_else(|| current.clone()).as_ref());
        }
        match outcome {
            Outcome::Kept(binding) => {
                let entry = binding.bound.source_entry();
                let left = entry.map(|digest| pointers_left(layout, digest)).unwrap_or_default();
                let text = left.any().then(|| left.to_string());
                report.warnings.extend(text.map(|text| Warning { module: module.clone(), text }));
                report.unchanged.push(Unchanged { module, binding });
            }
            Outcome::Changed(change) => {
                let warning = |text| Warning { module: module.clone(), text };
                report.warnings.extend(change.warnings.into_iter().map(warning));
                report.cost.written += change.stats.written;
                report.cost.linked += change.stats.linked;
                report.cost.received += change.stats.received;
                let path = layout.current().join(&module);
                let warned = module.clone();
                let came_from =
                    change.stats.from.or(is_entry(&change.to).then_some(TreeFrom::Store));
                let (from, to, built_by) = (current, change.to, change.stats.built);
                let updated = Updated { module, from, to, path, came_from, built_by };
                let text = updated.tag_warning();
                report.warnings.extend(text.map(|text| Warning { module: warned, text }));
                report.updated.push(updated);
            }
            Outcome::Removed => report.removed.push(module),
            Outcome::Held(hold) => report.held.push(Held { module, hold, current }),
            Outcome::Cooling(cooling) => report.cooling.push(Cooled { module, cooling, current }),
            Outcome::Deferred(deferred) => {
                let attempt = state.attempts().get(&module).cloned();
                report.waiting.push(Waiting {
                    module,
                    input: None,
                    deferred,
                    attempt,
                    serving: current,
                });
            }
            Outcome::Pinned(attempt) => {
                let (deferred, attempt) = (Deferred::Pinned, Some(*attempt));
                report.waiting.push(Waiting {
                    module,
                    input: None,
                    deferred,
                    attempt,
                    serving: current,
                });
            }
            Outcome::Failed(failure) => {
                let attempt = switched.notes.get(&module).cloned().flatten();
                report.failed.push(Failed::of(module, failure, current, attempt));
            }
        }
    }
    report
}

/// Adds the inputs that are not built as they are.
fn add_inputs(
    report: &mut UpdateReport,
    module: &ModuleName,
    inputs: InputsAfter,
    serving: Option<&Binding>,
) {
    for (input, failure) in &inputs.failed {
        let attempt = failure.tried.as_ref().and_then(|_| inputs.attempt(input));
        let failed = Failed::of(module.clone(), failure.clone(), serving.cloned(), attempt);
        report.failed.push(Failed { input: Some(input.clone()), ..failed });
    }
    for (input, deferred) in &inputs.waiting {
        report.waiting.push(Waiting {
            module: module.clone(),
            input: Some(input.clone()),
            deferred: deferred.clone(),
            attempt: inputs.attempt(input),
            serving: serving.cloned(),
        });
    }
}

fn is_entry(to: &Binding) -> bool {
    to.bound.source_entry().is_some()
}
