//! What an update would change, found out without fetching or writing anything: the plan that the next update would
//! carry out.

use super::{
    builds,
    carry_out::{Group, NewerVersions, PlannedGroup, groups, plan_sources, source_of},
    context::UpdateContext,
    each,
    error::{UpdateError, unknown},
    failure::Failure,
    goal::{Goal, Holds, goals, select},
    kept,
    options::{Options, RetryPolicy},
    parallel::in_lanes,
    plan::{Decision, Plan, Survey, decide_build, decide_plain, foregone, undeclared},
    report::{Failed, Outdated},
    staging::{LazyStaging, Trees},
};
use crate::{
    Context,
    acquire::{Acquired, Resolution},
    commit::{Journal, State},
    events::Event,
    model::{Binding, Declarations, Declared, ModuleName},
};

/// For each module of these names, or all: what an update that a person asks for would do.
///
/// # Errors
/// As for an update; nothing is ever changed.
pub(crate) fn outdated(
    context: Context<'_>,
    options: &Options,
    declared: &Declarations,
    names: &[ModuleName],
) -> Result<Vec<Outdated>, UpdateError> {
    let selected = select(declared, names).map_err(|name| unknown(declared, name))?;
    let state = Journal::state(&context.layout.journal())?;
    context.events.happened(Event::Began { modules: selected.len() });
    let consents = options.consents(context.layout, declared);
    // What a held module would be is worth knowing.
    let cooldown = |module: &Declared| options.cooldown(declared, module);
    let (goals, refused) = goals(selected, None, &consents, &Holds::new(), cooldown);
    let mut plan = foregone(refused, undeclared(&state, declared, names));
    let (planned, mut newer) = plan_all(context, &options.told_by(declared), &state, goals)?;
    plan.extend(planned);
    if context.cancel.is_cancelled() {
        return Err(UpdateError::Cancelled);
    }
    let outdated = plan.into_iter().map(|(module, decision)| {
        let current = state.modules().get(&module).cloned();
        let hold = state.holds().get(&module).filter(|_| !matches!(decision, Decision::Remove));
        let newer = newer.remove(&module);
        Outdated { current, decision, hold: hold.cloned(), newer, module }
    });
    Ok(outdated.collect())
}

fn plan_all(
    context: Context<'_>,
    options: &Options,
    state: &State,
    goals: Vec<Goal<'_>>,
) -> Result<(Plan, NewerVersions), UpdateError> {
    let staging = LazyStaging::new(context);
    let claim = || staging.get();
    let context = UpdateContext::new((context, options), state, false, &claim);
    context.open_network(&goals)?;
    if goals.iter().any(|goal| goal.source.repository().is_some()) {
        context.sources.look_for_newer()?;
    }
    let groups = groups(goals);
    let host = |group: &Group<'_>| group.first().and_then(|goal| goal.source.host());
    let plans = in_lanes(&context.sources.lanes, &groups, host, |group| {
        let PlannedGroup { plan, newer, .. } =
            plan_sources(&context, group, RetryPolicy::Interactive);
        let whole = group.iter().filter_map(|goal| {
            let decision = plan.get(goal.module)?.clone();
            Some((goal.module.clone(), whole_decision(&context, goal, decision)))
        });
        (whole.collect::<Plan>(), newer)
    });
    let (mut all, mut all_newer) = (Plan::new(), NewerVersions::new());
    for (plan, newer) in plans {
        all.extend(plan);
        all_newer.extend(newer);
    }
    Ok((all, all_newer))
}

/// The decision about a module, its build included, when its source is there already.
fn whole_decision(context: &UpdateContext<'_>, goal: &Goal<'_>, decision: Decision) -> Decision {
    let source = match &decision {
        Decision::Keep => source_of(context, goal.module),
        Decision::Fetch(resolution @ Resolution::Directory(path), _) => {
            let bound = resolution.bound(None, &Acquired::Directory(path.clone()));
            Some(Binding { source: goal.recorded.clone(), bound })
        }
        _ => None,
    };
    let Some(source) = source else { return decision };
    let survey = Survey::default();
    let at = context.situation(&survey, RetryPolicy::Interactive);
    let Some(spec) = goal.build else {
        return match kept::wanted(context, goal, &source, &Trees::new()) {
            Ok(Some(wanted)) => decide_plain(&at, goal.module, &wanted.to).into(),
            Ok(None) => decide_plain(&at, goal.module, &source).into(),
            Err(error) => Decision::Fail(Failure::of_kept(&source, error)),
        };
    };
    if !spec.each.is_empty() {
        return each::decision(context, &at, goal.module, (spec, &source))
            .unwrap_or_else(|error| Decision::Fail(Failure::of_build(&source, error, None)));
    }
    match builds::look(context, &at, goal.module, (spec, &source), &Trees::new()) {
        Ok(looked) => decide_build(&at, goal.module, &source, &looked.survey).into(),
        Err(error) => Decision::Fail(Failure::of_build(&source, error, None)),
    }
}

impl Outdated {
    /// Why the update would fail for this module, if it would.
    #[must_use]
    pub fn failed(&self) -> Option<Failed> {
        match &self.decision {
            Decision::Fail(failure) => {
                Some(Failed::of(self.module.clone(), failure.clone(), self.current.clone(), None))
            }
            _ => None,
        }
    }
}
