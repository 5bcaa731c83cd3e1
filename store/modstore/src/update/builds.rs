//! The second half of a module that is built: its source is there, and what it is made into is found or made.
//!
//! What was built from exactly this is used as it is, however often it is asked for; what failed for exactly this is
//! left alone; only the rest is built, several at once. A name says what "exactly this" is, and it was made when the
//! build ran: nothing that was built is ever given another.

use std::{
    collections::BTreeMap,
    num::NonZeroUsize,
    path::PathBuf,
    sync::atomic::{AtomicU32, Ordering},
};

use super::{
    attempts::moved,
    carry_out::Gathered,
    context::UpdateContext,
    failure::Failure,
    goal::Goal,
    options::RetryPolicy,
    outcome::{ModuleChange, Outcome, Outcomes},
    plan::{
        BuildSurvey, Deferred, OutputDecision, Situation, Survey, built_from, decide_build,
        decide_plain,
    },
    staging::Trees,
};
use crate::{
    acquire::FetchStats,
    build::{
        self, Build, BuildError, Material, Recipe, conditions, failing_at, key_but_for_source,
        key_of,
    },
    disk::{DiskError, Staged, Verb, is_right, is_whole, part_of, read_manifest},
    events::{Event, Step},
    model::{Attempt, Binding, Bound, BuildSpec, Built, Digest, Manifest, ModuleName, Stage},
    parallel::in_parallel,
};

/// After this many builds that found no network the others are left for later.
const MOST_FAILURES: u32 = 3;

/// No more builds run at once, however many processors there are.
const MOST: usize = 8;

/// What all builds of one update share.
struct Builds<'a, 'c> {
    context: &'a UpdateContext<'c>,
    trees: &'a Trees,
    /// How many have failed for a reason of the moment.
    failures: AtomicU32,
    /// How many have worked that had failed before for such a reason.
    recovered: AtomicU32,
}

/// A module whose source is there.
struct BuildJob<'a> {
    module: &'a ModuleName,
    spec: &'a BuildSpec,
    /// What it would be without a build, and what that cost.
    source: ModuleChange,
}

/// Turns what has come of sources into what has come of the modules that are made of them.
pub(super) fn run<'g>(
    context: &UpdateContext<'_>,
    goals: impl Iterator<Item = &'g Goal<'g>>,
    gathered: Gathered,
    policy: RetryPolicy,
) -> Gathered {
    let Gathered { mut outcomes, mut trees, newer } = gathered;
    let mut work = Vec::new();
    for goal in goals {
        let Some(outcome) = outcomes.remove(goal.module) else { continue };
        match (goal.build, outcome) {
            (Some(spec), Outcome::Kept(to)) => {
                let source =
                    ModuleChange { to, warnings: Vec::new(), stats: FetchStats::default() };
                work.push(BuildJob { module: goal.module, spec, source });
            }
            (Some(spec), Outcome::Changed(source)) => {
                work.push(BuildJob { module: goal.module, spec, source: *source });
            }
            (None, Outcome::Kept(source)) => {
                outcomes.insert(goal.module.clone(), plain(context, goal.module, &source));
            }
            (_, outcome) => drop(outcomes.insert(goal.module.clone(), outcome)),
        }
    }
    // Those that failed before come last, so that they never keep the others from being built.
    work.sort_by_key(|work| context.state.attempts().get(work.module).map(|attempt| attempt.last));
    let (built, staged) = {
        let (failures, recovered) = (AtomicU32::new(0), AtomicU32::new(0));
        Builds { context, trees: &trees, failures, recovered }.run(&work, policy)
    };
    outcomes.extend(built);
    trees.extend(staged);
    Gathered { outcomes, trees, newer }
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
    fn run(&self, work: &[BuildJob<'_>], policy: RetryPolicy) -> (Outcomes, Trees) {
        let (mut outcomes, mut trees) = self.run_all(work, policy);
        // Another build has found the network again, so that nothing waits for its time.
        if self.recovered.load(Ordering::Relaxed) > 0 {
            let is_waiting = |work: &&BuildJob<'_>| {
                let outcome = outcomes.get(work.module);
                matches!(outcome, Some(Outcome::Deferred(Deferred::Until(_))))
            };
            let waiting: Vec<&BuildJob<'_>> = work.iter().filter(is_waiting).collect();
            let (later, staged) = self.run_all(&waiting, RetryPolicy::Interactive);
            outcomes.extend(later);
            trees.extend(staged);
        }
        (outcomes, trees)
    }

    fn run_all<'w, W>(&self, work: &[W], policy: RetryPolicy) -> (Outcomes, Trees)
    where
        W: std::borrow::Borrow<BuildJob<'w>> + Sync,
    {
        let processors = std::thread::available_parallelism().map_or(1, NonZeroUsize::get);
        let store = self.context.store;
        let threads = self.context.jobs.min(processors).min(MOST);
        let done = in_parallel(threads, work, |work| {
            let (outcome, staged) = self.one(work.borrow(), policy);
            outcome.tell(store.events, work.borrow().module);
            (work.borrow().module.clone(), outcome, staged)
        });
        let (mut outcomes, mut trees) = (Outcomes::new(), Trees::new());
        for (module, outcome, staged) in done {
            outcomes.insert(module, outcome);
            trees.extend(staged.map(|staged| (staged.digest(), staged)));
        }
        (outcomes, trees)
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
            OutputDecision::Build(_) if self.failures.load(Ordering::Relaxed) >= MOST_FAILURES => {
                (Outcome::Deferred(Deferred::Builds), None)
            }
            OutputDecision::Build(_) => self.build(work, &at, &looked),
        }
    }

    fn is_staged(&self, entry: Option<Digest>) -> bool {
        entry.is_some_and(|digest| self.trees.contains_key(&digest))
    }

    fn build(
        &self,
        work: &BuildJob<'_>,
        at: &Situation<'_>,
        looked: &Looked<'_>,
    ) -> (Outcome, Option<Staged>) {
        let source = &work.source.to;
        let store = self.context.store;
        if store.cancel.is_cancelled() {
            let failure = Failure::of_build(source, BuildError::cancelled(), None);
            return (Outcome::Failed(failure), None);
        }
        store.events.happened(Event::Module { module: work.module, step: Step::Building });
        match self.run_build(work, looked) {
            Ok(build::Built { staged, key, read }) => {
                let failed = at.attempt(work.module);
                if failed.is_some_and(|attempt| attempt.next_scan().is_some()) {
                    self.recovered.fetch_add(1, Ordering::Relaxed);
                }
                let from = crate::model::MadeFrom::of(&source.bound);
                let built = Built { digest: staged.digest(), from, key, read };
                (work.becomes(built_from(source, built)), Some(staged))
            }
            Err(error) => {
                if error.is_of_the_moment() {
                    self.failures.fetch_add(1, Ordering::Relaxed);
                }
                let name = |name| failing_at(error.stage(), name, work.spec);
                let recipe = key_but_for_source(&looked.recipe, at.last_read(work.module));
                let conditions = conditions(name(recipe), name(looked.survey.key));
                (Outcome::Failed(Failure::of_build(source, error, Some(conditions))), None)
            }
        }
    }

    fn run_build(
        &self,
        work: &BuildJob<'_>,
        looked: &Looked<'_>,
    ) -> Result<build::Built, BuildError> {
        let store = self.context.store;
        let staging = (self.context.claim)().map_err(BuildError::Staging)?;
        let on_line = |line: &str| {
            let step = Step::Says(line);
            store.events.happened(Event::Module { module: work.module, step });
        };
        let build = Build {
            disk: store.disk,
            staging,
            recipe: &looked.recipe,
            material: looked.files.material(),
            cancel: store.cancel,
            on_line: &on_line,
        };
        build.run()
    }
}

impl BuildJob<'_> {
    /// The module is to be this, for what its source cost.
    fn becomes(&self, to: Binding) -> Outcome {
        Outcome::changed(to, self.source.warnings.clone(), self.source.stats)
    }
}

/// A module whose build would fail as before.
fn pinned(attempt: Option<&Attempt>, source: &Binding) -> Outcome {
    let moved = attempt.map(|attempt| (attempt, moved(attempt, source)));
    match moved {
        Some((attempt, moved)) if *attempt != moved => Outcome::Pinned(Box::new(moved)),
        _ => Outcome::Deferred(Deferred::Pinned),
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

/// Whether what was built is there: by size and time of each file, or, when everything is to be tried, read to the last
/// byte.
fn is_there(context: &UpdateContext<'_>, digest: Digest, policy: RetryPolicy) -> bool {
    let layout = context.store.layout;
    context.state.entry(digest).is_some()
        && match policy {
            RetryPolicy::All => is_right(layout, digest),
            RetryPolicy::Interactive | RetryPolicy::DueOnly => is_whole(layout, digest),
        }
}

/// The files that a module is built from, wherever they are by now.
pub(super) enum BuildTree {
    Tree { at: PathBuf, manifest: Manifest, part: String },
    Directory(PathBuf),
}

impl BuildTree {
    pub(super) fn of(
        context: &UpdateContext<'_>,
        source: &Binding,
        trees: &Trees,
    ) -> Result<Self, DiskError> {
        let layout = context.store.layout;
        let (digest, part) = match &source.bound {
            Bound::Linked { path } => return Ok(Self::Directory(layout.linked(path))),
            Bound::Entry { digest, subdirectory, .. } => (*digest, subdirectory.as_ref()),
            Bound::Built(built) => (built.digest, None),
            Bound::Kept(kept) => (kept.source, kept.subdirectory.as_ref()),
        };
        let staged = trees.get(&digest);
        let found =
            match staged.and_then(|staged| Some((staged.tree().to_owned(), staged.manifest()?))) {
                Some(staged) => Some(staged),
                None => read_manifest(layout, digest).map(|list| (layout.entry(digest), list)),
            };
        let lost = || std::io::Error::from(std::io::ErrorKind::NotFound);
        let (at, manifest) =
            found.ok_or_else(|| DiskError::new(Verb::Read, layout.manifest(digest), lost()))?;
        let part = part.map(|part| part_of(&at, &manifest, part)).transpose();
        let part = part.map_err(|error| {
            DiskError::new(Verb::Read, layout.manifest(digest), std::io::Error::other(error))
        })?;
        let part = part.map_or_else(String::new, |part| part.path().to_owned());
        Ok(Self::Tree { at, manifest, part })
    }

    fn material(&self) -> Material<'_> {
        match self {
            Self::Tree { at, manifest, part } => Material::Tree { at, manifest, part },
            Self::Directory(at) => Material::Directory { at },
        }
    }
}
