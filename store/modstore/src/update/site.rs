//! Where an update works: the store, its staging and the network, made only when first needed.
//!
//! An update that finds nothing changed writes nothing, so it must not make a staging to find that out.

use std::{
    collections::{BTreeMap, HashMap},
    sync::{Arc, Mutex, OnceLock},
};

use super::{
    attempts::{Verdict, before_asking, before_fetching},
    breaker::Breaker,
    ground::Ground,
    options::{Options, Trying},
    report::PutOff,
};
use crate::{
    Cancel,
    acquire::{MemoryBudget, Network, NetworkError},
    build::{Toolchains, failing_at, is_built_of, is_built_so, key_but_for_source},
    commit::{Attempt, Binding, Bound, Built, Fetched, Staged, Staging, StagingError, State, now},
    disk::{Disk, Layout},
    events::Events,
    model::{BuildSpec, Digest, ModuleName, Origin, RecordedSource, Revision, Stage},
};

/// What all jobs of one update share.
pub(super) struct Site<'a> {
    pub(super) disk: &'a Disk,
    pub(super) layout: &'a Layout,
    pub(super) options: &'a Options,
    pub(super) events: &'a dyn Events,
    pub(super) cancel: &'a Cancel,
    pub(super) state: State,
    /// What those modules would be without a build that were built.
    sources: BTreeMap<ModuleName, Binding>,
    /// Whether nothing that is in the store counts.
    pub(super) fresh: bool,
    /// What of that which failed before is tried again.
    pub(super) trying: Trying,
    /// When this update began, in milliseconds since 1970.
    pub(super) now: u64,
    pub(super) breaker: Breaker,
    pub(super) network: Network,
    /// What all fetches of this update may hold in memory together.
    pub(super) memory: MemoryBudget,
    /// What the tools of builds call themselves.
    pub(super) toolchains: Toolchains,
    /// Every fetched binding of any generation, newest first, by its origin. Made when first asked for: going
    /// through all of them for each repository would cost the square of their number.
    history: OnceLock<HashMap<Origin, Vec<(Digest, Fetched)>>>,
    staging: Mutex<Option<Arc<Staging>>>,
    staged: Mutex<Vec<Staged>>,
}

impl<'a> Site<'a> {
    pub(super) fn new(
        ground: Ground<'a>,
        state: State,
        fresh: bool,
        trying: Trying,
    ) -> Result<Self, NetworkError> {
        let Ground { disk, layout, options, events, cancel } = ground;
        let scratch = layout.mirrors();
        let network =
            Network::open(&scratch, options.limits, options.interactive, options.offline)?;
        let (history, staging, staged) = (OnceLock::new(), Mutex::default(), Mutex::default());
        Ok(Self {
            disk,
            layout,
            options,
            events,
            cancel,
            sources: sources(&state),
            state,
            fresh,
            trying,
            now: now(),
            breaker: Breaker::default(),
            network,
            memory: MemoryBudget::new(options.packs.memory, options.jobs),
            toolchains: Toolchains::default(),
            history,
            staging,
            staged,
        })
    }

    /// What a module is now, or would be without a build.
    pub(super) fn source(&self, module: &ModuleName) -> Option<&Binding> {
        let now = self.state.modules().get(module.as_str())?;
        Some(self.sources.get(module.as_str()).unwrap_or(now))
    }

    /// How the last try of a module ended, if it is not as it is wanted.
    pub(super) fn attempt(&self, module: &ModuleName) -> Option<&Attempt> {
        self.state.attempts().get(module.as_str())
    }

    /// What a module waits for that is to come from this host, if it is not asked for now.
    pub(super) fn put_off(
        &self,
        module: &ModuleName,
        source: &RecordedSource,
        host: Option<&str>,
    ) -> Option<PutOff> {
        let clock = (self.trying, self.now);
        match before_asking(self.attempt(module), source, host.is_none(), clock) {
            Verdict::Later(until) => Some(PutOff::Until(until)),
            Verdict::Pinned => Some(PutOff::Pinned),
            Verdict::Now => {
                let host = host.filter(|host| self.breaker.is_open(host))?;
                Some(PutOff::Host(host.to_owned()))
            }
        }
    }

    /// Whether a source, and a commit of it, is not had, because what it is, or what would be built of it, has failed
    /// before.
    pub(super) fn is_pinned(
        &self,
        module: &ModuleName,
        what: (&RecordedSource, Option<Revision>),
        build: Option<&BuildSpec>,
    ) -> bool {
        let would_be_same = |attempt: &Attempt, failed: Digest| {
            let recipe = build.and_then(|spec| self.recipe(module, spec, attempt.stage));
            let is_same = recipe.is_some_and(|recipe| is_built_so(failed, recipe));
            is_same && !self.has_built(module, failed)
        };
        let verdict = before_fetching(self.attempt(module), what, would_be_same, self.trying);
        verdict == Verdict::Pinned
    }

    /// A name for how a module is built now, or tried, when that is where it failed. Nothing, when its tools do not tell
    /// what they are.
    fn recipe(&self, module: &ModuleName, spec: &BuildSpec, failed_at: Stage) -> Option<Digest> {
        let recipe = self.toolchains.recipe(spec, self.cancel).ok()?;
        let name = key_but_for_source(&recipe, self.last_read(module));
        Some(failing_at(failed_at, name, spec))
    }

    /// Whether something is in the store that was built under these conditions.
    fn has_built(&self, module: &ModuleName, conditions: Digest) -> bool {
        let is_there = |built: &&Built| self.state.entry(built.digest).is_some();
        self.built(module).filter(is_there).any(|built| is_built_of(conditions, built.key))
    }

    /// What was ever built for a module, what is shown now first.
    pub(super) fn built(&self, module: &ModuleName) -> impl Iterator<Item = &Built> {
        let now = self.state.modules().get(module.as_str()).filter(|_| !self.fresh);
        let generations = if self.fresh { &[] } else { self.state.generations() };
        let before = generations.iter().rev().flat_map(|info| &info.changes);
        let before = before.filter(move |(name, _)| name == module);
        let all = now.into_iter().chain(before.filter_map(|(_, to)| to.as_ref()));
        all.filter_map(|binding| match &binding.bound {
            Bound::Built(built) => Some(&**built),
            _ => None,
        })
    }

    /// The files that the last build of a module said it has read.
    pub(super) fn last_read(&self, module: &ModuleName) -> &[String] {
        self.built(module).next().map_or(&[], |built| &built.read)
    }

    /// The staging, which the first one to ask makes.
    pub(super) fn staging(&self) -> Result<Arc<Staging>, StagingError> {
        let mut staging = self.staging.lock().expect("no thread panics while it holds this");
        if let Some(staging) = &*staging {
            return Ok(Arc::clone(staging));
        }
        let made = Arc::new(Staging::claim(self.disk, self.layout, &self.options.command)?);
        *staging = Some(Arc::clone(&made));
        Ok(made)
    }

    /// Every entry that any generation bound from this repository, newest first.
    pub(super) fn history_of(&self, origin: &Origin) -> &[(Digest, Fetched)] {
        let history = self.history.get_or_init(|| history(&self.state));
        history.get(origin).map_or(&[], Vec::as_slice)
    }

    /// Keeps a staged tree for the transaction.
    pub(super) fn keep(&self, staged: Staged) {
        self.staged.lock().expect("no thread panics while it holds this").push(staged);
    }

    /// What is staged so far, to be looked at.
    pub(super) fn with_staged<T>(&self, look: impl FnOnce(&[&Staged]) -> T) -> T {
        let staged = self.staged.lock().expect("no thread panics while it holds this");
        look(&staged.iter().collect::<Vec<_>>())
    }

    /// The staging and what was staged, once all jobs are done.
    pub(super) fn into_staging(self) -> Result<(Staging, Vec<Staged>), StagingError> {
        let staging = self.staging()?;
        *self.staging.lock().expect("no thread panics while it holds this") = None;
        let staged = self.staged.into_inner().expect("no thread panics while it holds this");
        let staging = Arc::into_inner(staging).expect("all jobs are done, so nobody else has it");
        Ok((staging, staged))
    }
}

fn sources(state: &State) -> BTreeMap<ModuleName, Binding> {
    let built = state.modules().iter().filter(|(_, now)| matches!(now.bound, Bound::Built(_)));
    let unbuilt = built.map(|(module, now)| {
        let (source, bound) = (now.source.clone(), now.bound.unbuilt());
        (module.clone(), Binding { source, bound })
    });
    unbuilt.collect()
}

fn history(state: &State) -> HashMap<Origin, Vec<(Digest, Fetched)>> {
    let mut history: HashMap<Origin, Vec<_>> = HashMap::new();
    let changes = state.generations().iter().rev().flat_map(|info| &info.changes);
    for binding in changes.filter_map(|(_, binding)| binding.as_ref()) {
        if let (Some(fetched), Some(digest)) =
            (binding.bound.fetched(), binding.bound.source_entry())
        {
            let origin = history.entry(fetched.origin.clone()).or_default();
            origin.push((digest, fetched.clone()));
        }
    }
    history
}
