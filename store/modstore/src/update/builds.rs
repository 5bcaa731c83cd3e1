//! The second half of a module that is built: its source is there, and what it is made into is found or made.
//!
//! What was built from exactly this is used as it is, however often it is asked for; what failed for exactly this is
//! left alone; only the rest is built, several at once. A name says what "exactly this" is, and it was made when the
//! build ran: nothing that was built is ever given another.

use std::{
    collections::BTreeMap,
    num::NonZeroUsize,
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicU32, Ordering},
    },
};

use super::{
    build_job::{BuildJob, BuildTree, Builds, is_there, pinned},
    carry_out::Gathered,
    context::UpdateContext,
    each::{Ran, for_each},
    failure::Failure,
    goal::Goal,
    inputs::Inputs,
    options::RetryPolicy,
    outcome::{ModuleChange, Outcome, Outcomes},
    plan::{
        BuildSurvey, Deferred, OutputDecision, Situation, Survey, built_from, decide_build,
        decide_plain,
    },
    staging::Trees,
};
use crate::{
    acquire::{BuiltBy, FetchStats},
    build::{self, BuildError, Recipe, conditions, failing_at, key_but_for_source, key_of},
    disk::Staged,
    events::{Event, Step},
    model::{Binding, BuildSpec, Built, Digest, ModuleName, Stage},
    parallel::in_parallel,
};

/// No more builds run at once, however many processors there are.
const MOST: usize = 8;

/// What has come of modules that are built: their outcomes, the trees that are new, and the inputs of those that are
/// built for each.
#[derive(Default)]
struct BuildsDone {
    outcomes: Outcomes,
    trees: Trees,
    inputs: Inputs,
}

impl BuildsDone {
    fn add(&mut self, module: &ModuleName, (outcome, staged, inputs): Ran) {
        self.outcomes.insert(module.clone(), outcome);
        self.trees.extend(staged.map(|staged| (staged.digest(), staged)));
        self.inputs.extend(inputs.map(|inputs| (module.clone(), inputs)));
    }
}

/// Turns what has come of sources into what has come of the modules that are made of them.
pub(super) fn run<'g>(
    context: &UpdateContext<'_>,
    goals: impl Iterator<Item = &'g Goal<'g>>,
    gathered: Gathered,
    policy: RetryPolicy,
) -> Gathered {
    let Gathered { mut outcomes, mut trees, newer, .. } = gathered;
    let mut work = Vec::new();
    for goal in goals {
        let Some(outcome) = outcomes.remove(goal.module) else { continue };
        match (goal.build, outcome) {
            (Some(spec), Outcome::Kept(to)) => {
                let source =
                    ModuleChange { to, warnings: Vec::new(), stats: FetchStats::default() };
                work.push(BuildJob { module: goal.module, spec, source, locked: goal.built });
            }
            (Some(spec), Outcome::Changed(source)) => {
                let (source, locked) = (*source, goal.built);
                work.push(BuildJob { module: goal.module, spec, source, locked });
            }
            (None, Outcome::Kept(source)) => {
                outcomes.insert(goal.module.clone(), plain(context, goal.module, &source));
            }
            (_, outcome) => drop(outcomes.insert(goal.module.clone(), outcome)),
        }
    }
    // Those that failed before come last, so that they never keep the others from being built.
    work.sort_by_key(|work| context.state.attempts().get(work.module).map(|attempt| attempt.last));
    let (done, built_on) = {
        let (failures, recovered) = (AtomicU32::new(0), AtomicU32::new(0));
        let built_on = Mutex::default();
        let builds = Builds { context, trees: &trees, failures, recovered, built_on };
        let done = builds.run(&work, policy);
        (done, builds.built_on.into_inner().unwrap_or_else(PoisonError::into_inner))
    };
    outcomes.extend(done.outcomes);
    trees.extend(done.trees);
    Gathered { outcomes, trees, newer, inputs: done.inputs, built_on }
}

/// A module whose source is as it was and that is not built, and may have been until now.
fn plain(context: &UpdateContext<'_>, module: &ModuleName, source: &Binding) -> Outcome {
    let survey = Survey::default();
    let at = context.situation(&survey, RetryPolicy::All);
    match decide_plain(&at, module, source) {
        OutputDecision::Keep(current) => Outcome::Kept(*current),
        OutputDecision::Switch(to) => Outcome::switched(*to),
        // Neither is decided about a module that is not built.
        OutputDecision::Build(_) | OutputDecision::Defer(_) => Outcome::Kept(source.clone()),
    }
}

impl Builds<'_, '_> {
    /// As many at once as there are processors: a build is not a wait for the network.
    fn run(&self, work: &[BuildJob<'_>], policy: RetryPolicy) -> BuildsDone {
        let all: Vec<&BuildJob<'_>> = work.iter().collect();
        let mut done = self.run_all(&all, policy);
        // Another build has found the network again, so that nothing waits for its time.
        if self.recovered.load(Ordering::Relaxed) > 0 {
            let is_waiting = |work: &&BuildJob<'_>| {
                let outcome = done.outcomes.get(work.module);
                matches!(outcome, Some(Outcome::Deferred(Deferred::Until(_))))
            };
            let waiting: Vec<&BuildJob<'_>> = work.iter().filter(is_waiting).collect();
            let later = self.run_all(&waiting, RetryPolicy::Interactive);
            done.outcomes.extend(later.outcomes);
            done.trees.extend(later.trees);
            done.inputs.extend(later.inputs);
        }
        done
    }

    fn run_all(&self, work: &[&BuildJob<'_>], policy: RetryPolicy) -> BuildsDone {
        let processors = std::thread::available_parallelism().map_or(1, NonZeroUsize::get);
        let store = self.context.store;
        let threads = self.context.jobs.min(processors).min(MOST);
        let (once, each): (Vec<&BuildJob<'_>>, Vec<&BuildJob<'_>>) =
            work.iter().partition(|work| work.spec.each.is_empty());
        let built = in_parallel(threads, &once, |work| {
            let (outcome, staged) = self.one(work, policy);
            outcome.tell(store.events, work.module);
            (work.module, (outcome, staged, None))
        });
        let mut done = BuildsDone::default();
        built.into_iter().for_each(|(module, ran)| done.add(module, ran));
        // Each of these fills all threads by itself.
        for work in each {
            let ran = for_each(self, work, policy, threads);
            ran.0.tell(store.events, work.module);
            done.add(work.module, ran);
        }
        done
    }

    fn one(&self, work: &BuildJob<'_>, policy: RetryPolicy) -> (Outcome, Option<Staged>) {
        let source = &work.source.to;
        let survey = Survey::default();
        let at = self.context.situation(&survey, policy);
        let looked = look(self.context, &at, work.module, (work.spec, source), self.trees);
        let looked = match looked {
            Ok(looked) => looked,
            Err(error) => return (Outcome::Failed(Failure::of_build(source, error, None)), None),
        };
        let is_new = looked.survey.ready.is_none() && !at.refetch;
        if let Some(taken) = work.locked.filter(|_| is_new).and_then(|locked| {
            let key = key_of(&looked.recipe, looked.files.material(), &locked.read).ok()?;
            self.take_locked(work, (&looked.recipe, looked.files.material()), (locked, key))
        }) {
            return taken;
        }
        match decide_build(&at, work.module, source, &looked.survey) {
            // Its source is staged because the entry is gone: it has to come back with a transaction.
            OutputDecision::Keep(current) if self.is_staged(current.material()) => {
                (work.becomes(*current), None)
            }
            OutputDecision::Keep(current) => (Outcome::Kept(*current), None),
            OutputDecision::Switch(to) => (work.becomes(*to), None),
            OutputDecision::Defer(Deferred::Pinned) => {
                (pinned(at.attempt(work.module), source), None)
            }
            OutputDecision::Defer(deferred) => (Outcome::Deferred(deferred), None),
            OutputDecision::Build(_) if self.is_given_up() => {
                (Outcome::Deferred(Deferred::Builds), None)
            }
            OutputDecision::Build(_) => self.build(work, &at, &looked),
        }
    }

    fn build(
        &self,
        work: &BuildJob<'_>,
        at: &Situation<'_>,
        looked: &Looked<'_>,
    ) -> (Outcome, Option<Staged>) {
        let source = &work.source.to;
        let store = self.context.store;
        store.events.happened(Event::Module { module: work.module, step: Step::Building });
        match self.run_build(work.module, (&looked.recipe, looked.files.material()), None) {
            Ok(build::Built { staged, key, read }) => {
                self.worked_after(at.attempt(work.module));
                self.tell((staged.digest(), key), looked.recipe.lockable_on(&read));
                let from = crate::model::MadeFrom::of(&source.bound);
                let built = Built { digest: staged.digest(), from, key, read };
                let to = built_from(source, built);
                (work.becomes_built(to, BuiltBy::ThisMachine), Some(staged))
            }
            Err(error) => {
                self.failed(&error);
                let name = |name| failing_at(error.stage(), name, work.spec);
                let recipe = key_but_for_source(&looked.recipe, at.last_read(work.module));
                let conditions = conditions(name(recipe), name(looked.survey.key));
                (Outcome::Failed(Failure::of_build(source, error, Some(conditions))), None)
            }
        }
    }
}

/// What a look at a build has found.
pub(super) struct Looked<'a> {
    pub(super) survey: BuildSurvey,
    recipe: Recipe<'a>,
    files: BuildTree,
}

/// Looks up what the decision about a build needs to know: what it would be built from now, and whether that was built
/// before.
pub(super) fn look<'a>(
    context: &UpdateContext<'_>,
    at: &Situation<'_>,
    module: &ModuleName,
    (spec, source): (&'a BuildSpec, &Binding),
    trees: &Trees,
) -> Result<Looked<'a>, BuildError> {
    let store = context.store;
    let recipe = context.toolchains.recipe(spec, store.cancel).map_err(BuildError::Toolchain)?;
    let files = BuildTree::of(context, source, trees).map_err(BuildError::Inputs)?;
    let key = |read: &[String]| key_of(&recipe, files.material(), read).map_err(BuildError::Inputs);
    let mut keys: BTreeMap<&[String], Digest> = BTreeMap::new();
    let mut ready = None;
    for known in at.built(module) {
        let now = match keys.get(&*known.read) {
            Some(now) => *now,
            None => *keys.entry(&known.read).or_insert(key(&known.read)?),
        };
        if now == known.key && is_there(context, known.digest, at.policy) {
            ready = Some(known.clone());
            break;
        }
    }
    let key = key(at.last_read(module))?;
    let failed_at = at.attempt(module).map_or(Stage::Build, |attempt| attempt.stage);
    let depends_on = failing_at(failed_at, key, spec);
    Ok(Looked { survey: BuildSurvey { ready, key, depends_on }, recipe, files })
}
