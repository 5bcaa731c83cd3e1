//! [`UpdateContext`]: what all threads of one update share.

use std::{collections::BTreeSet, path::PathBuf};

use modstore_fetch::NetworkError;

use super::{
    goal::Goal,
    options::{Options, Retry, RetryPolicy},
    plan::{Situation, Survey},
    publish::Ahead,
};
use crate::{
    Context,
    acquire::{Reach, Sources},
    build::{Toolchains, failing_at, key_but_for_source},
    commit::{State, now},
    disk::{Staging, StagingError, is_directory},
    model::{Digest, ModuleName, Origin, Revision},
    tier::Tiers,
};

/// What all threads of one update, or of one look at what an update would do, share.
pub(super) struct UpdateContext<'a> {
    pub(super) store: Context<'a>,
    /// How many repositories are asked at once.
    pub(super) jobs: usize,
    /// How long failures wait for the next try.
    pub(super) retry: Retry,
    /// What the store added up to when it began.
    pub(super) state: &'a State,
    pub(super) sources: Sources<'a>,
    /// What the tools of builds call themselves.
    pub(super) toolchains: Toolchains,
    /// Whether everything is fetched and built again.
    pub(super) refetch: bool,
    /// When it began, in milliseconds since 1970.
    pub(super) now: u64,
    /// Makes the staging when it is first needed.
    pub(super) claim: &'a (dyn Fn() -> Result<&'a Staging, StagingError> + Sync + 'a),
    /// What is fetched and can be published at once.
    pub(super) ahead: Option<&'a Ahead<'a>>,
}

impl<'a> UpdateContext<'a> {
    pub(super) fn new(
        (store, options): (Context<'a>, &Options),
        state: &'a State,
        refetch: bool,
        claim: &'a (dyn Fn() -> Result<&'a Staging, StagingError> + Sync + 'a),
    ) -> Self {
        let reach = if refetch { Reach::OriginOnly } else { Reach::Everywhere };
        Self {
            store,
            jobs: options.jobs,
            retry: options.retry,
            state,
            sources: Sources::new(store, options.settings(), reach, state, claim)
                .sharing(options.shared.as_deref()),
            toolchains: Toolchains::default(),
            refetch,
            now: now(),
            claim,
            ahead: None,
        }
    }

    /// The same, with shared tiers, and what is published to them while others are fetched.
    pub(super) fn tiered(self, tiers: &'a Tiers, ahead: Option<&'a Ahead<'a>>) -> Self {
        Self { sources: self.sources.tiered(tiers), ahead, ..self }
    }

    /// The same, with the repositories of clones.
    pub(super) fn with_clones(
        self,
        clones: impl Iterator<Item = ((Origin, Revision), PathBuf)>,
    ) -> Self {
        Self { sources: self.sources.with_clones(clones), ..self }
    }

    /// Reads the host's git configuration, if one of these may have to be fetched: what is wrong with it is no failure of
    /// a module.
    pub(super) fn open_network(&self, goals: &[Goal<'_>]) -> Result<(), NetworkError> {
        if goals.iter().any(|goal| goal.source.address().is_some()) {
            self.sources.network()?;
        }
        Ok(())
    }

    /// What is known for a decision.
    pub(super) const fn situation<'s>(
        &'s self,
        survey: &'s Survey,
        policy: RetryPolicy,
    ) -> Situation<'s> {
        let (refetch, now) = (self.refetch, self.now);
        Situation { state: self.state, survey, policy, refetch, now }
    }

    /// Looks up what a decision about these goals needs to know of the disk and of tools.
    pub(super) fn survey(&self, goals: &[Goal<'_>]) -> Survey {
        let is_gone = |goal: &&Goal<'_>| {
            let current = self.state.modules().get(goal.module);
            let entry = current.and_then(|current| current.bound.source_entry());
            entry.is_some_and(|digest| !is_directory(&self.store.layout.entry(digest)))
        };
        let gone: BTreeSet<ModuleName> =
            goals.iter().filter(is_gone).map(|goal| goal.module.clone()).collect();
        let recipes =
            goals.iter().filter_map(|goal| Some((goal.module.clone(), self.recipe(goal)?)));
        Survey { gone, recipes: recipes.collect() }
    }

    /// A name for how a module is built now, or tried, when that is where it failed before.
    fn recipe(&self, goal: &Goal<'_>) -> Option<Digest> {
        let attempt = self.state.attempts().get(goal.module)?;
        let (spec, _) = (goal.build?, attempt.conditions?);
        let recipe = self.toolchains.recipe(spec, self.store.cancel).ok()?;
        let survey = Survey::default();
        let situation = self.situation(&survey, RetryPolicy::All);
        let name = key_but_for_source(&recipe, situation.last_read(goal.module));
        Some(failing_at(attempt.stage, name, spec))
    }
}
