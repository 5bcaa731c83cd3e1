//! The first half of an update: all sources are resolved, decided about and fetched, in parallel and without any lock.
//! Nothing is visible until the transaction.
//!
//! Threads of their own wait for the network; the work on what comes is rayon's.

use std::collections::BTreeMap;

use super::{
    context::UpdateContext,
    failure::Failure,
    goal::Goal,
    inputs::Inputs,
    options::RetryPolicy,
    outcome::{Outcome, Outcomes},
    parallel::in_lanes,
    plan::{Decision, Deferred, Plan, before_asking, decide},
    staging::{Trees, add_tree},
};
use crate::{
    acquire::{
        Acquired, AcquiredTree, BaseCommit, FetchStats, NewerVersion, Request, Resolution,
        SourceError, Upstream, by_upstream, fetch, resolve,
    },
    commit::BuiltOn,
    model::{Attempt, Binding, Contents, ModuleName, TreePart},
};

/// What has come of the sources, and the trees that were staged for them.
#[derive(Debug, Default)]
pub(super) struct Gathered {
    pub(super) outcomes: Outcomes,
    pub(super) trees: Trees,
    pub(super) newer: NewerVersions,
    /// What has come of the inputs of modules that are built for each of several files.
    pub(super) inputs: Inputs,
    /// On which platform trees were built, as far as a lock may name them.
    pub(super) built_on: BuiltOn,
}

/// The newer version of each module that follows the tag of a version, if there is one.
pub(super) type NewerVersions = BTreeMap<ModuleName, NewerVersion>;

/// What is decided about the sources of a group.
pub(super) struct PlannedGroup {
    pub(super) plan: Plan,
    pub(super) newer: NewerVersions,
    /// The connection, if one was made.
    pub(super) upstream: Upstream,
}

/// Goals whose sources come from one place.
pub(super) type Group<'a> = Vec<Goal<'a>>;

/// The goals in groups, one for each repository, archive or directory.
pub(super) fn groups(goals: Vec<Goal<'_>>) -> Vec<Group<'_>> {
    by_upstream(goals, |goal| &goal.source)
}

/// Decides about the sources of a group: one listing at most.
pub(super) fn plan_sources(
    context: &UpdateContext<'_>,
    group: &[Goal<'_>],
    policy: RetryPolicy,
) -> PlannedGroup {
    let survey = context.survey(group);
    let at = context.situation(&survey, policy);
    let mut upstream = Upstream::of(group.iter().map(|goal| &goal.source));
    let early = group.iter().map(|goal| (goal, before_asking(&at, goal)));
    let (decided, open): (Vec<_>, Vec<_>) = early.partition(|(_, decision)| decision.is_some());
    let requests: Vec<Request<'_>> = open.iter().map(|(goal, _)| goal.request()).collect();
    let resolved = resolve(&context.sources, &mut upstream, &requests);
    let decided =
        decided.into_iter().filter_map(|(goal, decision)| Some((goal.module.clone(), decision?)));
    let newer = newer_versions(&upstream, open.iter().map(|(goal, _)| *goal).zip(&resolved));
    let later = open
        .iter()
        .zip(resolved)
        .map(|((goal, _), resolved)| (goal.module.clone(), decide(&at, goal, resolved)));
    PlannedGroup { plan: decided.chain(later).collect(), newer, upstream }
}

/// The newer versions of what these goals have become.
fn newer_versions<'g>(
    upstream: &Upstream,
    resolved: impl Iterator<Item = (&'g Goal<'g>, &'g Result<Resolution, SourceError>)>,
) -> NewerVersions {
    let newer = resolved.filter_map(|(goal, resolved)| {
        let reference = resolved.as_ref().ok()?.commit()?.reference.as_ref()?;
        Some((goal.module.clone(), upstream.newer(reference)?.clone()))
    });
    newer.collect()
}

/// Decides about all sources and fetches what is to be fetched, as much at once as there are lanes to each host. What waits for its
/// time because the network had failed it is tried once more where its host has answered meanwhile.
pub(super) fn gather(
    context: &UpdateContext<'_>,
    groups: &[Group<'_>],
    policy: RetryPolicy,
) -> Gathered {
    context.sources.expect(groups.len());
    let mut gathered = gather_once(context, groups, policy);
    let answering = context.sources.hosts.answering();
    let is_worth_it = |goal: &&Goal<'_>| {
        let outcome = gathered.outcomes.get(goal.module);
        matches!(outcome, Some(Outcome::Deferred(Deferred::Until(_))))
            && goal.source.host().is_some_and(|host| answering.contains(&host))
            && failed_by_the_network(context, goal.module)
    };
    let again = groups.iter().map(|group| group.iter().filter(is_worth_it).cloned().collect());
    let again: Vec<Group<'_>> = again.filter(|group: &Group<'_>| !group.is_empty()).collect();
    if !again.is_empty() && !context.store.cancel.is_cancelled() {
        let later = gather_once(context, &again, RetryPolicy::All);
        gathered.outcomes.extend(later.outcomes);
        gathered.newer.extend(later.newer);
        let later = later.trees.into_values();
        later.for_each(|tree| add_tree(context.store.disk, &mut gathered.trees, tree));
    }
    gathered
}

fn failed_by_the_network(context: &UpdateContext<'_>, module: &ModuleName) -> bool {
    let retry = context.retry;
    let attempt: Option<&Attempt> = context.state.attempts().get(module);
    attempt.is_some_and(|it| it.may_end_with_an_answer(retry.wait(it.count)))
}

fn gather_once(context: &UpdateContext<'_>, groups: &[Group<'_>], policy: RetryPolicy) -> Gathered {
    let host = |group: &Group<'_>| group.first().and_then(|goal| goal.source.host());
    let done = in_lanes(&context.sources.lanes, groups, host, |group| {
        let PlannedGroup { plan, newer, mut upstream } = plan_sources(context, group, policy);
        let mut gathered = carry_out(context, group, plan, &mut upstream);
        gathered.newer = newer;
        for (module, outcome) in &gathered.outcomes {
            outcome.tell(context.store.events, module);
        }
        gathered
    });
    let mut all = Gathered::default();
    for Gathered { outcomes, trees, newer, .. } in done {
        all.outcomes.extend(outcomes);
        trees.into_values().for_each(|tree| add_tree(context.store.disk, &mut all.trees, tree));
        all.newer.extend(newer);
    }
    all
}

/// A goal whose source is to be fetched, and what that means.
type Wish<'a> = (&'a Goal<'a>, Resolution);

/// Does what was decided about the sources of a group.
fn carry_out(
    context: &UpdateContext<'_>,
    group: &[Goal<'_>],
    mut plan: Plan,
    upstream: &mut Upstream,
) -> Gathered {
    let mut gathered = Gathered::default();
    let mut wishes: BTreeMap<_, Vec<Wish<'_>>> = BTreeMap::new();
    for goal in group {
        match plan.remove(goal.module) {
            Some(Decision::Fetch(resolution, _)) => {
                let tree = (resolution.revision(), goal.source.contents());
                wishes.entry(tree).or_default().push((goal, resolution));
            }
            Some(decision) => {
                let outcome = Outcome::of(decision, || source_of(context, goal.module));
                let outcome = outcome.map(|outcome| (goal.module.clone(), outcome));
                gathered.outcomes.extend(outcome);
            }
            None => {}
        }
    }
    for wishes in wishes.into_values() {
        fetch_one(context, upstream, &wishes, &mut gathered);
    }
    gathered
}

/// What a module is now, or would be without a build.
pub(super) fn source_of(context: &UpdateContext<'_>, module: &ModuleName) -> Option<Binding> {
    let current = context.state.modules().get(module)?;
    Some(Binding { source: current.source.clone(), bound: current.bound.unbuilt() })
}

/// Fetches what several goals mean, which is one tree or directory, and gives each its part of it.
fn fetch_one(
    context: &UpdateContext<'_>,
    upstream: &mut Upstream,
    wishes: &[Wish<'_>],
    gathered: &mut Gathered,
) {
    let Some((goal, resolution)) = wishes.first() else { return };
    let meant = (resolution, goal.source.contents().unwrap_or(&Contents::USUAL));
    let modules: Vec<&ModuleName> = wishes.iter().map(|(goal, _)| goal.module).collect();
    let base = base(context, wishes);
    let fetched = fetch(&context.sources, upstream, meant, base, &modules);
    let mut acquired = match fetched {
        Ok(acquired) => acquired,
        Err(error) => {
            let failed = wishes.iter().map(|(goal, resolution)| {
                (goal.module.clone(), failure(goal, resolution, error.clone()))
            });
            return gathered.outcomes.extend(failed);
        }
    };
    for (goal, resolution) in wishes {
        let outcome = bind(context, goal, resolution, &mut acquired);
        gathered.outcomes.insert(goal.module.clone(), outcome);
    }
    let Acquired::Tree(tree) = acquired else { return };
    if let Some(pack) = tree.pack {
        publish_ahead(context, wishes, &gathered.outcomes, pack);
    }
    if let Some(staged) = tree.staged {
        add_tree(context.store.disk, &mut gathered.trees, staged);
    }
}

/// Publishes the pack that wishes have come by, if one of them is to be what was wished for and has nothing before it that can
/// fail.
fn publish_ahead(
    context: &UpdateContext<'_>,
    wishes: &[Wish<'_>],
    outcomes: &Outcomes,
    pack: Vec<u8>,
) {
    let is_done = |(goal, _): &&Wish<'_>| {
        let is_changed = matches!(outcomes.get(goal.module), Some(Outcome::Changed(_)));
        is_changed && goal.build.is_none() && goal.keep.is_empty()
    };
    let done = wishes.iter().find(is_done);
    let done = done.and_then(|(goal, resolution)| Some((goal, resolution.commit()?)));
    if let (Some(ahead), Some((goal, commit))) = (context.ahead, done) {
        ahead.offer(commit, goal.source.repository(), context.sources.network(), pack);
    }
}

fn failure(goal: &Goal<'_>, resolution: &Resolution, error: SourceError) -> Outcome {
    match error {
        SourceError::HostGivenUp { host } => Outcome::Deferred(Deferred::Host(host)),
        error => Outcome::Failed(Failure::of_source(&goal.recorded, error, resolution.revision())),
    }
}

/// What one of the modules leads to now is nearest to what it will lead to.
fn base(context: &UpdateContext<'_>, wishes: &[Wish<'_>]) -> Option<BaseCommit> {
    let mut bases = wishes.iter().filter_map(|(goal, resolution)| {
        let bound = &context.state.modules().get(goal.module)?.bound;
        let (now, commit) = (bound.fetched()?, resolution.commit()?);
        (now.origin == commit.origin).then_some((bound.source_entry()?, now.revision))
    });
    bases.next()
}

/// What a module becomes whose tree, or directory, is there.
fn bind(
    context: &UpdateContext<'_>,
    goal: &Goal<'_>,
    resolution: &Resolution,
    acquired: &mut Acquired,
) -> Outcome {
    let subdirectory = goal.source.subdirectory();
    let bound = resolution.bound(subdirectory, acquired);
    let to = Binding { source: goal.recorded.clone(), bound };
    let Acquired::Tree(tree) = acquired else { return Outcome::switched(to) };
    let locked = goal.pin.as_ref().and_then(|pin| pin.digest);
    let part = match tree.check(context.store.layout, locked, subdirectory) {
        Ok(TreePart::File(path)) if goal.build.is_some() => Err(SourceError::FileToBuild { path }),
        checked => checked,
    };
    let part = match part {
        Ok(part) => part,
        Err(error) => return failure(goal, resolution, error),
    };
    // A tree that is fetched again for what the module is already: the entry is gone.
    if tree.staged.is_none() && source_of(context, goal.module).as_ref() == Some(&to) {
        return Outcome::Kept(to);
    }
    // An archive has no attributes, whatever is called so in it.
    let attributes = resolution.commit().and_then(|_| tree.attributes(context.store.layout, &part));
    let (mut warnings, stats) = counted_once(tree);
    warnings.extend(attributes);
    warnings.extend(taken_at_once(context, goal, resolution));
    let stats = FetchStats { from: Some(tree.from), ..stats };
    Outcome::changed(to, warnings, stats)
}

/// What a person should know who asks for commits of an age, of a module that had no other commit to stay at.
fn taken_at_once(
    context: &UpdateContext<'_>,
    goal: &Goal<'_>,
    resolution: &Resolution,
) -> Option<String> {
    let current = context.state.modules().get(goal.module);
    let is_first = current.is_none_or(|current| current.source != goal.recorded);
    let commit = resolution.commit().filter(|commit| commit.reference.is_some())?;
    let cools = is_first && goal.pin.is_none() && !goal.cooldown.is_zero();
    cools.then(|| {
        let revision = commit.revision.short();
        format!("its source is new here, so {revision} was taken at once; the cooldown counts for the commits after it")
    })
}

/// What was fetched for several modules is counted, and warned of, once.
fn counted_once(tree: &mut AcquiredTree) -> (Vec<String>, FetchStats) {
    (std::mem::take(&mut tree.warnings), std::mem::take(&mut tree.stats))
}
