//! [`decide`]: what is done about each module, and why. Pure: what is there was looked up before, what sources mean was
//! asked before, and the clock is passed in.
//!
//! `outdated` prints the plan and `update` carries it out, so that both say the same. It is made in two steps, as what a
//! module is built into can only be decided when its source is there: first about the source of each module
//! ([`before_asking`], [`decide`]), then about the build of each whose source is there ([`decide_build`]).

use std::collections::{BTreeMap, BTreeSet};

use super::{
    attempts::{self, Verdict},
    failure::{Failure, LockMismatch},
    goal::Goal,
    options::RetryPolicy,
};
use crate::{
    acquire::{FetchReason, Meaning, Resolution, SourceError},
    build::{is_built_of, is_built_so},
    commit::State,
    model::{
        Attempt, Binding, Bound, Built, Declarations, Digest, Hold, MadeFrom, ModuleName, RefName,
        Sighting,
    },
};

/// What is done about each module.
pub(super) type Plan = BTreeMap<ModuleName, Decision>;

/// What is done about a module.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub enum Decision {
    /// Nothing: it is as it is declared.
    Keep,
    /// Its source is fetched, if the store does not have it, and what is built from it is built, if that is not there.
    Fetch(Resolution, FetchReason),
    /// Nothing is fetched: what it is to be is in the store, or is the user's own directory.
    Switch(Box<Binding>),
    /// Its source is there, and it is built from it.
    Build(BuildReason),
    /// It is removed: it is not declared any more.
    Remove,
    /// It is left as it is for now.
    Defer(Deferred),
    /// It is left as it is until the commit that its source leads to is old enough.
    Cool(Cooling),
    /// It is held: it is left as it is until a person asks for it by name or ends the hold.
    Hold(Hold),
    /// Nothing can be done.
    Fail(Failure),
}

/// What is decided about a module whose source is there.
#[derive(Debug, Clone)]
pub(super) enum OutputDecision {
    /// It is as it is declared, which is this.
    Keep(Box<Binding>),
    /// What it is to be is in the store, or is the user's own directory.
    Switch(Box<Binding>),
    /// It is built.
    Build(BuildReason),
    /// It is not built now.
    Defer(Deferred),
}

impl From<OutputDecision> for Decision {
    fn from(decision: OutputDecision) -> Self {
        match decision {
            OutputDecision::Keep(_) => Self::Keep,
            OutputDecision::Switch(to) => Self::Switch(to),
            OutputDecision::Build(reason) => Self::Build(reason),
            OutputDecision::Defer(deferred) => Self::Defer(deferred),
        }
    }
}

/// Why a module is built although its source is as it was.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum BuildReason {
    /// It was not built before.
    New,
    /// Something that the build depends on is not what it was: its inputs, its commands, its tools.
    Inputs,
    /// What was built is not in the store.
    OutputGone,
    /// All is to be built again.
    Rebuild,
}

/// What a module waits for that is not as it is declared.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Deferred {
    /// This time, in milliseconds since 1970.
    Until(u64),
    /// A change of what it is made from or with: it failed, and would fail again.
    Pinned,
    /// The next command: this host has failed several times in this one.
    Host(String),
    /// The next command: several builds have found no network in this one.
    Builds,
}

/// A commit that is too young to be taken.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Cooling {
    /// The commit, and since when the store knows it.
    pub sighting: Sighting,
    /// The reference that was followed to it.
    pub reference: Option<RefName>,
    /// When it is old enough, in milliseconds since 1970.
    pub until: u64,
}

/// What is known when a decision is made.
#[derive(Clone, Copy)]
pub(super) struct Situation<'a> {
    /// What the store adds up to.
    pub(super) state: &'a State,
    /// What a look at the disk has found.
    pub(super) survey: &'a Survey,
    /// Which of the modules that failed before are tried again.
    pub(super) policy: RetryPolicy,
    /// Whether everything is fetched and built again, as if the store had nothing.
    pub(super) refetch: bool,
    /// In milliseconds since 1970.
    pub(super) now: u64,
}

/// What a look at the disk, and at the tools of builds, has found about some modules.
#[derive(Debug, Clone, Default)]
pub(super) struct Survey {
    /// Those whose source is an entry that is not there.
    pub(super) gone: BTreeSet<ModuleName>,
    /// How those would be built now that could not be built before: a name for all but their source. No name where the
    /// tools do not say what they are.
    pub(super) recipes: BTreeMap<ModuleName, Digest>,
}

/// What is known of a build whose source is there.
#[derive(Debug, Clone)]
pub(super) struct BuildSurvey {
    /// What was built from exactly this before, if it is in the store, whole.
    pub(super) ready: Option<Built>,
    /// The name of all that the build depends on.
    pub(super) key: Digest,
    /// A name for what a failed build of this would depend on.
    pub(super) depends_on: Digest,
}

impl<'a> Situation<'a> {
    /// What a module is now.
    pub(super) fn current(&self, module: &ModuleName) -> Option<&'a Binding> {
        self.state.modules().get(module)
    }

    /// How the last try of a module ended, if it is not as it is declared.
    pub(super) fn attempt(&self, module: &ModuleName) -> Option<&'a Attempt> {
        self.state.attempts().get(module)
    }

    /// Why a module's source is to be fetched that means this now; none, when it is there.
    fn reason(&self, goal: &Goal<'_>, resolution: &Resolution) -> Option<FetchReason> {
        let Some(current) = self.current(goal.module) else { return Some(FetchReason::New) };
        let bound = current.bound.unbuilt();
        // A directory of a project that was moved is the same, whatever its path was before.
        let is_same_directory = matches!((resolution, &bound),
            (Resolution::Directory(path), Bound::Linked { path: now }) if path == now);
        if current.source != goal.recorded && !is_same_directory {
            return Some(FetchReason::Source);
        }
        let difference =
            resolution.difference(&bound, goal.source.subdirectory(), goal.pin.as_ref());
        let is_entry = !matches!(bound, Bound::Linked { .. });
        match difference {
            Some(reason) => Some(reason),
            None if self.refetch && is_entry => Some(FetchReason::Refetch),
            None if self.survey.gone.contains(goal.module) => Some(FetchReason::EntryGone),
            None => None,
        }
    }

    /// How long the commit that a module's source leads to is still too young; nothing, if it is taken. What a person or the lock
    /// has chosen is taken at once, and so is the first version of a module.
    fn cooling(&self, goal: &Goal<'_>, resolution: &Resolution) -> Option<Cooling> {
        let (commit, None) = (resolution.commit()?, &goal.pin) else { return None };
        let cooldown = u64::try_from(goal.cooldown.as_millis()).unwrap_or(u64::MAX);
        let known = self.state.sightings().get(goal.module);
        let known = known.filter(|it| it.source == goal.recorded && it.revision == commit.revision);
        // A clock that went back must not make a module wait for the years between.
        let at = known.map_or(self.now, |it| it.at.min(self.now));
        let until = at.saturating_add(cooldown);
        let (source, revision) = (goal.recorded.clone(), commit.revision);
        let (sighting, reference) = (Sighting { source, revision, at }, commit.reference.clone());
        (until > self.now).then_some(Cooling { sighting, reference, until })
    }

    /// What is decided about a module whose new commit is too young. What it has is fetched again where it is gone, or all
    /// is to be fetched again.
    fn decide_cooling(&self, goal: &Goal<'_>, cooling: Cooling) -> Decision {
        let current = self.current(goal.module).and_then(Resolution::recorded);
        match current {
            Some(current) if self.survey.gone.contains(goal.module) => {
                Decision::Fetch(current, FetchReason::EntryGone)
            }
            Some(current) if self.refetch => Decision::Fetch(current, FetchReason::Refetch),
            _ => Decision::Cool(cooling),
        }
    }

    /// Whether there is no use in fetching this: it, or what would be built of it, has failed before and would again.
    fn is_pinned(&self, goal: &Goal<'_>, resolution: &Resolution) -> bool {
        let is_built_alike = |failed: Digest| {
            let recipe = self.survey.recipes.get(goal.module);
            let is_same = recipe.is_some_and(|recipe| is_built_so(failed, *recipe));
            is_same && !self.has_built(goal.module, failed)
        };
        let what = (&goal.recorded, resolution.revision());
        let attempt = self.attempt(goal.module);
        !matches!(resolution, Resolution::Directory(_))
            && attempts::before_fetching(attempt, what, is_built_alike, self.policy)
                == Verdict::Pinned
    }

    /// Whether something is in the store that was built under these conditions.
    fn has_built(&self, module: &ModuleName, conditions: Digest) -> bool {
        let is_there = |built: &&Built| self.state.entry(built.digest).is_some();
        let mut built = self.built(module).filter(is_there);
        built.any(|built| is_built_of(conditions, built.key))
    }

    /// What was ever built for a module, what is current first.
    pub(super) fn built(&self, module: &ModuleName) -> impl Iterator<Item = &'a Built> {
        let (state, module) = (self.state, module.clone());
        let current = state.modules().get(&module).filter(|_| !self.refetch);
        let generations = if self.refetch { &[] } else { state.generations() };
        let before = generations.iter().rev().flat_map(|info| &info.changes);
        let before = before.filter(move |(name, _)| *name == module);
        let all = current.into_iter().chain(before.filter_map(|(_, to)| to.as_ref()));
        all.filter_map(|binding| match &binding.bound {
            Bound::Built(built) => Some(&**built),
            Bound::Entry { .. } | Bound::Linked { .. } | Bound::Kept(_) => None,
        })
    }

    /// The files that the last build of a module said it has read.
    pub(super) fn last_read(&self, module: &ModuleName) -> &'a [String] {
        self.built(module).next().map_or(&[], |built| &built.read)
    }
}

/// What is decided about a module's source before anything is asked; nothing, if it is to be resolved.
pub(super) fn before_asking(at: &Situation<'_>, goal: &Goal<'_>) -> Option<Decision> {
    if let Some(hold) = &goal.hold {
        return Some(held(at, goal, hold));
    }
    match goal.request().meaning() {
        // A look at this machine costs nothing, and the directory may have changed.
        Meaning::Directory(_) => return None,
        Meaning::Known(resolution) if at.reason(goal, &resolution).is_none() => {
            return Some(Decision::Keep);
        }
        Meaning::Known(_) | Meaning::Named(_) => {}
    }
    let (attempt, is_local) = (at.attempt(goal.module), goal.source.host().is_none());
    match attempts::before_asking(attempt, &goal.recorded, is_local, (at.policy, at.now)) {
        Verdict::Now => None,
        Verdict::Later(until) => Some(Decision::Defer(Deferred::Until(until))),
        Verdict::Pinned => Some(Decision::Defer(Deferred::Pinned)),
    }
}

/// What is decided about a module that is held. If exactly the lock is wanted, it must be at that commit.
fn held(at: &Situation<'_>, goal: &Goal<'_>, hold: &Hold) -> Decision {
    let fetched = at.current(goal.module).and_then(|current| current.bound.fetched());
    match &goal.pin {
        Some(pin) if fetched.is_none_or(|fetched| fetched.revision != pin.revision) => {
            Decision::Fail(Failure::of_lock(LockMismatch::Held))
        }
        _ => Decision::Hold(hold.clone()),
    }
}

/// What is decided about a module's source when it is known what that means.
pub(super) fn decide(
    at: &Situation<'_>,
    goal: &Goal<'_>,
    resolved: Result<Resolution, SourceError>,
) -> Decision {
    let resolution = match resolved {
        Ok(resolution) => resolution,
        Err(SourceError::HostGivenUp { host }) => return Decision::Defer(Deferred::Host(host)),
        Err(error) => return Decision::Fail(Failure::of_source(&goal.recorded, error, None)),
    };
    match at.reason(goal, &resolution) {
        None => Decision::Keep,
        Some(_) if at.is_pinned(goal, &resolution) => Decision::Defer(Deferred::Pinned),
        Some(FetchReason::Commit) => match at.cooling(goal, &resolution) {
            Some(cooling) => at.decide_cooling(goal, cooling),
            None => Decision::Fetch(resolution, FetchReason::Commit),
        },
        Some(reason) => Decision::Fetch(resolution, reason),
    }
}

/// What is decided about a module whose source is there, and is `source`, when it is not built, or not any more.
pub(super) fn decide_plain(
    at: &Situation<'_>,
    module: &ModuleName,
    source: &Binding,
) -> OutputDecision {
    let source = Box::new(source.clone());
    if at.current(module) == Some(&*source) {
        OutputDecision::Keep(source)
    } else {
        OutputDecision::Switch(source)
    }
}

/// What is decided about the build of a module whose source is there, and is `source`.
pub(super) fn decide_build(
    at: &Situation<'_>,
    module: &ModuleName,
    source: &Binding,
    survey: &BuildSurvey,
) -> OutputDecision {
    let current = at.current(module);
    if let Some(built) = &survey.ready {
        return match current.filter(|current| is_built_from(current, built, source)) {
            Some(current) => OutputDecision::Keep(Box::new(current.clone())),
            None => OutputDecision::Switch(Box::new(built_from(source, built.clone()))),
        };
    }
    let clock = (at.policy, at.now);
    match attempts::before_building(at.attempt(module), survey.depends_on, clock) {
        Verdict::Later(until) => OutputDecision::Defer(Deferred::Until(until)),
        Verdict::Pinned => OutputDecision::Defer(Deferred::Pinned),
        Verdict::Now => OutputDecision::Build(match at.built(module).next() {
            _ if at.refetch => BuildReason::Rebuild,
            None => BuildReason::New,
            Some(last) if last.key == survey.key => BuildReason::OutputGone,
            Some(_) => BuildReason::Inputs,
        }),
    }
}

/// The module as it was built from `source`.
pub(super) fn built_from(source: &Binding, built: Built) -> Binding {
    let from = MadeFrom::of(&source.bound);
    Binding {
        source: source.source.clone(),
        bound: Bound::Built(Box::new(Built { from, ..built })),
    }
}

/// Whether a module is this already, built from the same.
pub(super) fn is_built_from(current: &Binding, built: &Built, source: &Binding) -> bool {
    let Bound::Built(now) = &current.bound else { return false };
    let from = MadeFrom::of(&source.bound);
    let is_directory = |from: &MadeFrom| matches!(from, MadeFrom::Directory { .. });
    // Where a directory lies says nothing of what is in it: a home that was moved stays as it is.
    let is_moved = is_directory(&now.from) && is_directory(&from);
    let is_same_place = now.from == from && current.source == source.source;
    now.digest == built.digest && now.key == built.key && (is_same_place || is_moved)
}

/// The decisions that need no look at anything: these `refused` goals fail, and when all modules are meant, those that
/// are not declared any more are removed.
pub(super) fn foregone(
    refused: Vec<(ModuleName, Failure)>,
    undeclared: impl Iterator<Item = ModuleName>,
) -> Plan {
    let refused = refused.into_iter().map(|(module, failure)| (module, Decision::Fail(failure)));
    refused.chain(undeclared.map(|module| (module, Decision::Remove))).collect()
}

/// Modules that the store has and that are not declared any more; none, when only some modules are meant by `names`.
pub(super) fn undeclared<'a>(
    state: &'a State,
    declared: &'a Declarations,
    names: &'a [ModuleName],
) -> impl Iterator<Item = ModuleName> + 'a {
    let all = state.modules().keys().filter(|_| names.is_empty());
    all.filter(|module| declared.get(module).is_none()).cloned()
}
