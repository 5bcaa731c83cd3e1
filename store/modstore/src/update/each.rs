//! A module whose build runs for each of several files: one try for each, and one tree of what all have made.
//!
//! What worked goes on working. An input that fails keeps what was last made of it, and its failure is remembered of that
//! input alone; the others are built, or used as they are. Only where nothing was ever made of any input does the module
//! itself fail.

use std::{cell::RefCell, collections::BTreeMap, sync::atomic::Ordering};

use super::{
    attempts::{self, Ended, Verdict, remember},
    build_job::{BuildJob, BuildTree, Builds, is_there, pinned},
    context::UpdateContext,
    failure::Failure,
    inputs::InputsAfter,
    options::RetryPolicy,
    outcome::Outcome,
    plan::{BuildReason, Decision, Deferred, Situation, Survey, built_from, is_built_from},
    staging::Trees,
};
use crate::{
    acquire::BuiltBy,
    build::{
        self, BuildError, BuiltPart, EachInput, JoinedTree, Recipe, conditions, failing_at,
        key_but_for_source, key_of_all,
    },
    disk::{Staged, read_manifest},
    events::{Event, Step},
    model::{
        Attempt, Binding, Bound, BuildSpec, Built, BuiltInput, Class, Digest, InputOutput,
        MadeFrom, Manifest, ModuleName, Stage, TreeFile,
    },
    parallel::in_parallel,
};

/// How many outputs of one input are remembered: an edit that is taken back is not built again.
const MOST_OUTPUTS: usize = 4;

/// What has come of a module: its outcome, its tree if that is new, and its inputs.
pub(super) type Ran = (Outcome, Option<Staged>, Option<InputsAfter>);

/// Something that was made of an input before, and is in the store.
#[derive(Clone)]
struct Usable<'a> {
    output: &'a InputOutput,
    files: Vec<TreeFile>,
}

/// One input, and what is known of it.
struct SurveyedInput<'a> {
    path: &'a str,
    known: Option<&'a BuiltInput>,
    /// What was made of exactly this.
    ready: Option<Usable<'a>>,
    /// What was made of it last.
    last: Option<Usable<'a>>,
    /// The name of all that its build would depend on now.
    key: Digest,
    verdict: Verdict,
}

/// What has come of one input.
enum Came {
    Ready,
    Made(build::Built),
    Failed(Failure),
    Waiting(Deferred),
}

/// A look at the inputs of a module.
struct InputSurvey<'a> {
    inputs: Vec<SurveyedInput<'a>>,
    /// The name of all that the builds depend on.
    wanted: Digest,
    /// Whether the module as a whole is left for later.
    verdict: Verdict,
}

/// The entries that have what was made before, each looked at once.
struct KnownEntries<'a, 'c> {
    context: &'a UpdateContext<'c>,
    policy: RetryPolicy,
    seen: RefCell<BTreeMap<Digest, Option<Manifest>>>,
}

impl KnownEntries<'_, '_> {
    /// The files of an output, if all of them are there.
    fn usable<'o>(&self, output: &'o InputOutput) -> Option<Usable<'o>> {
        let mut seen = self.seen.borrow_mut();
        let manifest = seen.entry(output.entry).or_insert_with(|| {
            let whole = is_there(self.context, output.entry, self.policy);
            whole.then(|| read_manifest(self.context.store.layout, output.entry)).flatten()
        });
        let manifest = manifest.as_ref()?;
        let files = output.paths.iter().map(|path| Some(manifest.find(path.as_str().into())?.1));
        Some(Usable { output, files: files.map(|file| file.cloned()).collect::<Option<_>>()? })
    }
}

impl<'a> InputSurvey<'a> {
    fn at(
        context: &'a UpdateContext<'_>,
        at: &Situation<'_>,
        (module, spec): (&ModuleName, &BuildSpec),
        all: &'a EachInput<'_>,
    ) -> Self {
        let known = context.state.inputs().get(module).map_or(&[][..], Vec::as_slice);
        let entries = KnownEntries { context, policy: at.policy, seen: RefCell::default() };
        let look = |path| {
            let known = known.iter().find(|known| known.path == path);
            SurveyedInput::look(path, known, (all, &entries), at, spec)
        };
        let inputs: Vec<SurveyedInput<'a>> = all.paths().map(look).collect();
        let wanted = key_of_all(inputs.iter().map(|input| (input.path, input.key)));
        let clock = (at.policy, at.now);
        let verdict = attempts::before_building(at.attempt(module), wanted, clock);
        Self { inputs, wanted, verdict }
    }
}

impl<'a> SurveyedInput<'a> {
    fn look(
        path: &'a str,
        known: Option<&'a BuiltInput>,
        (all, entries): (&EachInput<'_>, &KnownEntries<'_, '_>),
        at: &Situation<'_>,
        spec: &BuildSpec,
    ) -> Self {
        let outputs = known.map_or(&[][..], |known| known.outputs.as_slice());
        let is_of_now = |output: &&InputOutput| all.key(path, &output.read) == output.key;
        let same = outputs.iter().filter(|_| !at.refetch).filter(is_of_now);
        let ready = { same }.find_map(|output| entries.usable(output));
        let last = outputs.iter().find_map(|output| entries.usable(output));
        let read = outputs.first().map_or(&[][..], |output| output.read.as_slice());
        let key = ready.as_ref().map_or_else(|| all.key(path, read), |ready| ready.output.key);
        let attempt = known.and_then(|known| known.attempt.as_deref());
        let stage = attempt.map_or(Stage::Build, |attempt| attempt.stage);
        let clock = (at.policy, at.now);
        let verdict = attempts::before_building(attempt, failing_at(stage, key, spec), clock);
        Self { path, known, ready, last, key, verdict }
    }

    fn attempt(&self) -> Option<&'a Attempt> {
        self.known?.attempt.as_deref()
    }

    fn read(&self) -> &'a [String] {
        self.known.and_then(|known| known.outputs.first()).map_or(&[], |output| &output.read)
    }

    fn is_to_be_built(&self) -> bool {
        self.ready.is_none() && self.verdict == Verdict::Now
    }

    /// What it is left for, if it is not built now.
    fn waits(&self) -> Option<Deferred> {
        match self.verdict {
            _ if self.ready.is_some() => None,
            Verdict::Now => None,
            Verdict::Later(until) => Some(Deferred::Until(until)),
            Verdict::Pinned => Some(Deferred::Pinned),
        }
    }

    fn usable(&self) -> Option<&Usable<'a>> {
        self.ready.as_ref().or(self.last.as_ref())
    }
}

/// What an update would do about a module whose source is there, and is `source`.
pub(super) fn decision(
    context: &UpdateContext<'_>,
    at: &Situation<'_>,
    module: &ModuleName,
    (spec, source): (&BuildSpec, &Binding),
) -> Result<Decision, BuildError> {
    let toolchains = &context.toolchains;
    let recipe = toolchains.recipe(spec, context.store.cancel).map_err(BuildError::Toolchain)?;
    let files = BuildTree::of(context, source, &Trees::new()).map_err(BuildError::Inputs)?;
    let all = EachInput::of(&recipe, files.material())?;
    let look = InputSurvey::at(context, at, (module, spec), &all);
    let waits =
        look.inputs.iter().filter_map(SurveyedInput::waits).min_by_key(|waits| match waits {
            Deferred::Until(until) => *until,
            _ => u64::MAX,
        });
    let used =
        look.inputs.iter().filter_map(|input| Some((input.path, input.usable()?.output.key)));
    let used: Vec<_> = used.collect();
    let key = key_of_all(used.into_iter());
    let is_current = at.current(module).is_some_and(|current| match &current.bound {
        Bound::Built(built) => built.key == key && built.from == MadeFrom::of(&source.bound),
        _ => false,
    });
    let is_left =
        look.verdict != Verdict::Now || !look.inputs.iter().any(SurveyedInput::is_to_be_built);
    Ok(match (is_left, waits) {
        (true, Some(waits)) if is_current || at.current(module).is_none() => Decision::Defer(waits),
        (true, None) if is_current => Decision::Keep,
        _ if at.built(module).next().is_none() => Decision::Build(BuildReason::New),
        _ => Decision::Build(BuildReason::Inputs),
    })
}

/// Builds a module for each of its inputs, as far as that is due.
pub(super) fn for_each(
    builds: &Builds<'_, '_>,
    work: &BuildJob<'_>,
    policy: RetryPolicy,
    threads: usize,
) -> Ran {
    let context = builds.context;
    let source = &work.source.to;
    let failed = |error| (Outcome::Failed(Failure::of_build(source, error, None)), None, None);
    let recipe = match context.toolchains.recipe(work.spec, context.store.cancel) {
        Ok(recipe) => recipe,
        Err(error) => return failed(BuildError::Toolchain(error)),
    };
    let files = match BuildTree::of(context, source, builds.trees) {
        Ok(files) => files,
        Err(error) => return failed(BuildError::Inputs(error)),
    };
    let survey = Survey::default();
    let at = context.situation(&survey, policy);
    let conditions = |wanted| conditions(key_but_for_source(&recipe, &[]), wanted);
    let all = match EachInput::of(&recipe, files.material()) {
        Ok(all) => all,
        Err(error) => {
            let nothing = conditions(key_of_all([].into_iter()));
            let failure = Failure::of_build(source, error, Some(nothing));
            return (Outcome::Failed(failure), None, None);
        }
    };
    let look = InputSurvey::at(context, &at, (work.module, work.spec), &all);
    match look.verdict {
        Verdict::Pinned => return (pinned(at.attempt(work.module), source), None, None),
        Verdict::Later(until) => {
            return (Outcome::Deferred(Deferred::Until(until)), None, None);
        }
        Verdict::Now => {}
    }
    if let Some(whole) = as_a_whole(context, &at, work, &look) {
        return (whole, None, None);
    }
    if let Some((taken, staged)) = from_lock(builds, work, (&recipe, &files), (&look, &all)) {
        return (taken, staged, None);
    }
    let conditions = conditions(look.wanted);
    let run = EachRun { builds, work, recipe: &recipe, files: &files, at, look, conditions };
    run.finish(run.build(threads))
}

/// What was built of exactly this, though it is not known any more which of its files were made of which input: the journal was lost.
fn as_a_whole(
    context: &UpdateContext<'_>,
    at: &Situation<'_>,
    work: &BuildJob<'_>,
    look: &InputSurvey<'_>,
) -> Option<Outcome> {
    if !look.inputs.iter().any(SurveyedInput::is_to_be_built) {
        return None;
    }
    let is_same =
        |built: &&Built| built.key == look.wanted && is_there(context, built.digest, at.policy);
    let built = at.built(work.module).find(is_same)?;
    let current = at.current(work.module);
    Some(match current.filter(|current| is_built_from(current, built, &work.source.to)) {
        Some(current) => Outcome::Kept(current.clone()),
        None => work.becomes(built_from(&work.source.to, built.clone())),
    })
}

/// What the lock says was built of all of this, though it is not known which of its files were made of which input.
fn from_lock(
    builds: &Builds<'_, '_>,
    work: &BuildJob<'_>,
    (recipe, files): (&Recipe<'_>, &BuildTree),
    (look, all): (&InputSurvey<'_>, &EachInput<'_>),
) -> Option<(Outcome, Option<Staged>)> {
    let is_due = look.inputs.iter().any(SurveyedInput::is_to_be_built);
    // Each run is tried by itself, and what each has read is not in the lock.
    let is_plain = work.spec.validate.is_none() && work.spec.depfile.is_none();
    let locked = work.locked.filter(|_| is_due && is_plain && !builds.context.refetch)?;
    let keys: Vec<(&str, Digest)> = all.paths().map(|path| (path, all.key(path, &[]))).collect();
    let key = key_of_all(keys.into_iter());
    builds.take_locked(work, (recipe, files.material()), (locked, key))
}

/// The builds of one module.
struct EachRun<'a, 'c> {
    builds: &'a Builds<'a, 'c>,
    work: &'a BuildJob<'a>,
    recipe: &'a Recipe<'a>,
    files: &'a BuildTree,
    at: Situation<'a>,
    look: InputSurvey<'a>,
    /// A name for all that the module's own failure depends on.
    conditions: Digest,
}

impl EachRun<'_, '_> {
    /// What has come of each input, in their order.
    fn build(&self, threads: usize) -> Vec<Came> {
        let inputs = &self.look.inputs;
        let numbered = || inputs.iter().enumerate();
        let mut due: Vec<(usize, &SurveyedInput<'_>)> =
            numbered().filter(|(_, input)| input.is_to_be_built()).collect();
        // Those that failed before come last, so that they never keep the others from being built.
        due.sort_by_key(|(_, input)| input.attempt().map(|attempt| attempt.last));
        let before = self.builds.recovered.load(Ordering::Relaxed);
        let mut came = self.build_all(&due, threads);
        // One of them has found the network again, so that none waits for its time.
        if self.builds.recovered.load(Ordering::Relaxed) > before {
            let waits =
                |input: &SurveyedInput<'_>| matches!(input.waits(), Some(Deferred::Until(_)));
            let waiting: Vec<_> = numbered().filter(|(_, input)| waits(input)).collect();
            came.extend(self.build_all(&waiting, threads));
        }
        let rest = |(at, input): (usize, &SurveyedInput<'_>)| {
            came.remove(&at).unwrap_or_else(|| input.waits().map_or(Came::Ready, Came::Waiting))
        };
        numbered().map(rest).collect()
    }

    fn build_all(
        &self,
        due: &[(usize, &SurveyedInput<'_>)],
        threads: usize,
    ) -> BTreeMap<usize, Came> {
        if !due.is_empty() {
            let step = Step::Building;
            let module = self.work.module;
            self.builds.context.store.events.happened(Event::Module { module, step });
        }
        let built = in_parallel(threads, due, |(at, input)| (*at, self.one(input)));
        built.into_iter().collect()
    }

    fn one(&self, input: &SurveyedInput<'_>) -> Came {
        if self.builds.is_given_up() {
            return Came::Waiting(Deferred::Builds);
        }
        let how = (self.recipe, self.files.material());
        match self.builds.run_build(self.work.module, how, Some(input.path)) {
            Ok(built) => {
                self.builds.worked_after(input.attempt());
                Came::Made(built)
            }
            Err(error) => {
                self.builds.failed(&error);
                let name = |name| failing_at(error.stage(), name, self.work.spec);
                let recipe = key_but_for_source(self.recipe, input.read());
                let conditions = conditions(name(recipe), name(input.key));
                Came::Failed(Failure::of_build(&self.work.source.to, error, Some(conditions)))
            }
        }
    }

    /// Makes one tree of what was made.
    fn finish(&self, came: Vec<Came>) -> Ran {
        let mut after = self.unmade(&came);
        let layout = self.builds.context.store.layout;
        let inputs = self.look.inputs.iter().zip(&came);
        let parts = inputs.filter_map(|(input, came)| match came {
            Came::Made(built) => {
                let (root, files) = (built.staged.tree().to_owned(), built.staged.manifest()?);
                let files = files.files().to_vec();
                Some((
                    BuiltPart { input: input.path, root, files },
                    built.key,
                    built.read.as_slice(),
                ))
            }
            Came::Ready | Came::Failed(_) | Came::Waiting(_) => {
                let Usable { output, files } = input.usable()?.clone();
                let root = layout.entry(output.entry);
                Some((BuiltPart { input: input.path, root, files }, output.key, &output.read))
            }
        });
        let (parts, used): (Vec<_>, Vec<_>) =
            parts.map(|(part, key, read)| (part, (key, read.to_vec()))).unzip();
        if parts.is_empty() {
            let outcome = self.nothing(&after);
            return (outcome, None, Some(after));
        }
        let key = key_of_all(parts.iter().zip(&used).map(|(part, (key, _))| (part.input, *key)));
        match self.join(&parts, key) {
            Ok((outcome, staged, digest)) => {
                if after.is_whole() && used.iter().all(|(_, read)| read.is_empty()) {
                    self.builds.tell((digest, key), self.recipe.lockable_on(&[]));
                }
                let names = |part: &BuiltPart<'_>| {
                    part.files.iter().map(|file| file.path.to_string()).collect::<Vec<_>>()
                };
                let made = parts.iter().zip(used).map(|(part, (key, read))| {
                    let output = InputOutput { key, entry: digest, paths: names(part), read };
                    (part.input, output)
                });
                after.made = self.made(&after, &came, made.collect());
                (outcome, staged, Some(after))
            }
            Err(error) => (self.failed(error), None, Some(after)),
        }
    }

    fn failed(&self, error: BuildError) -> Outcome {
        Outcome::Failed(Failure::of_build(&self.work.source.to, error, Some(self.conditions)))
    }

    /// What has come of a module of whose inputs nothing was ever made.
    fn nothing(&self, after: &InputsAfter) -> Outcome {
        if after.failed.is_empty() {
            return match after.waiting.first() {
                Some((_, waits)) => Outcome::Deferred(waits.clone()),
                None => Outcome::Deferred(Deferred::Pinned),
            };
        }
        let attempts = after.unmade.iter().filter_map(|input| Some(input.attempt.as_ref()?.class));
        let classes: Vec<Class> = attempts.collect();
        let class = [Class::Transient, Class::Permanent].into_iter();
        let class = { class }.find(|class| classes.contains(class)).unwrap_or(Class::Deterministic);
        self.failed(BuildError::NoOutputs { class })
    }

    /// The module with these parts.
    fn join(
        &self,
        parts: &[BuiltPart<'_>],
        key: Digest,
    ) -> Result<(Outcome, Option<Staged>, Digest), BuildError> {
        let context = self.builds.context;
        let source = &self.work.source.to;
        let joined = JoinedTree::of(parts)?;
        let (digest, from) = (joined.manifest.digest(), MadeFrom::of(&source.bound));
        let built = Built { digest, from, key, read: Vec::new() };
        let is_there = is_there(context, digest, self.at.policy);
        let current = self.at.current(self.work.module);
        match current.filter(|current| is_built_from(current, &built, source)) {
            Some(current) if is_there && !self.at.refetch => {
                // Its source is staged because the entry is gone: it has to come back with a transaction.
                if self.builds.is_staged(current.material()) {
                    return Ok((self.work.becomes(current.clone()), None, digest));
                }
                return Ok((Outcome::Kept(current.clone()), None, digest));
            }
            _ => {}
        }
        let mut staged = None;
        if !is_there {
            let staging = (context.claim)().map_err(BuildError::Staging)?;
            staged = Some(joined.stage(context.store.disk, staging)?);
        }
        let to = built_from(source, built);
        let outcome = match staged.is_some() {
            true => self.work.becomes_built(to, BuiltBy::ThisMachine),
            false => self.work.becomes(to),
        };
        Ok((outcome, staged, digest))
    }

    /// What is known of each input when nothing of what was built is taken.
    fn unmade(&self, came: &[Came]) -> InputsAfter {
        let mut after = InputsAfter::default();
        for (input, came) in self.look.inputs.iter().zip(came) {
            let outputs = input.known.map(|known| known.outputs.clone()).unwrap_or_default();
            let mut attempt = input.attempt().cloned();
            match came {
                Came::Ready | Came::Made(_) => {}
                Came::Failed(failure) => {
                    attempt = self.remembered(input, failure).or(attempt);
                    after.failed.push((input.path.to_owned(), failure.clone()));
                }
                Came::Waiting(waits) => {
                    after.waiting.push((input.path.to_owned(), waits.clone()));
                }
            }
            let (path, attempt) = (input.path.to_owned(), attempt.map(Box::new));
            after.unmade.push(BuiltInput { path, outputs, attempt });
        }
        after.unmade.extend(self.gone());
        after
    }

    /// What is known of the inputs that are not there now: they may come back.
    fn gone(&self) -> Vec<BuiltInput> {
        let state = self.builds.context.state;
        let known = state.inputs().get(self.work.module).into_iter().flatten();
        let gone = known.filter(|known| !self.look.inputs.iter().any(|it| it.path == known.path));
        let gone = gone.filter_map(|known| {
            let mut known = BuiltInput { attempt: None, ..known.clone() };
            known.outputs.retain(|output| state.entry(output.entry).is_some());
            (!known.outputs.is_empty()).then_some(known)
        });
        gone.collect()
    }

    fn remembered(&self, input: &SurveyedInput<'_>, failure: &Failure) -> Option<Attempt> {
        let ended = Ended { class: failure.class, stage: failure.stage, error: &*failure.error };
        let clock = (self.builds.context.retry, crate::commit::now());
        Some(remember(failure.tried.as_ref()?, &ended, input.attempt(), clock))
    }

    /// What is known of each input when the module is what it has become.
    fn made(
        &self,
        after: &InputsAfter,
        came: &[Came],
        mut made: BTreeMap<&str, InputOutput>,
    ) -> Vec<BuiltInput> {
        let mut all = after.unmade.clone();
        for (known, came) in all.iter_mut().zip(came) {
            if matches!(came, Came::Ready | Came::Made(_)) {
                known.attempt = None;
            }
            if let Some(output) = made.remove(known.path.as_str()) {
                known.outputs.retain(|before| before.key != output.key);
                known.outputs.insert(0, output);
                known.outputs.truncate(MOST_OUTPUTS);
            }
        }
        all
    }
}
