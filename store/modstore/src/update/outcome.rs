//! [`Outcome`]: what has come of one module's decision.

use std::collections::BTreeMap;

use super::{
    failure::Failure,
    plan::{Cooling, Decision, Deferred},
};
use crate::{
    acquire::FetchStats,
    events::{Event, Events, Step},
    model::{Attempt, Binding, Hold, ModuleName},
};

/// What has come of one module.
#[derive(Debug, Clone)]
pub(super) enum Outcome {
    /// It is as it was.
    Kept(Binding),
    /// It is to be something else, whose entry is in staging or in the store.
    Changed(Box<ModuleChange>),
    /// It is to be removed.
    Removed,
    /// It is held, and stays what it is.
    Held(Hold),
    /// It stays what it is until the new commit of its source is old enough.
    Cooling(Cooling),
    /// It is left for later.
    Deferred(Deferred),
    /// It is left until something changes that it depends on: now that its source is there it shows that its build
    /// would fail as before. That is remembered of this source too, so that it is not fetched again to find it out.
    Pinned(Box<Attempt>),
    /// It failed, and stays what it is.
    Failed(Failure),
}

/// What a module is to be, and what that cost.
#[derive(Debug, Clone)]
pub(super) struct ModuleChange {
    pub(super) to: Binding,
    /// Lines that a person should read.
    pub(super) warnings: Vec<String>,
    pub(super) stats: FetchStats,
}

/// What has come of all modules.
pub(super) type Outcomes = BTreeMap<ModuleName, Outcome>;

impl Outcome {
    /// What comes of a decision that takes no work, or of whose work nothing is done yet; nothing of one that is about
    /// to fetch. `source`: what the module is now, or would be without a build.
    pub(super) fn of(decision: Decision, source: impl FnOnce() -> Option<Binding>) -> Option<Self> {
        match decision {
            // What is built of a source that is there is decided later.
            Decision::Keep | Decision::Build(_) => source().map(Self::Kept),
            Decision::Switch(to) => Some(Self::switched(*to)),
            Decision::Remove => Some(Self::Removed),
            Decision::Defer(deferred) => Some(Self::Deferred(deferred)),
            Decision::Cool(cooling) => Some(Self::Cooling(cooling)),
            Decision::Hold(hold) => Some(Self::Held(hold)),
            Decision::Fail(failure) => Some(Self::Failed(failure)),
            Decision::Fetch(..) => None,
        }
    }

    /// It is to be this, which cost nothing.
    pub(super) fn switched(to: Binding) -> Self {
        Self::changed(to, Vec::new(), FetchStats::default())
    }

    pub(super) fn changed(to: Binding, warnings: Vec<String>, stats: FetchStats) -> Self {
        Self::Changed(Box::new(ModuleChange { to, warnings, stats }))
    }

    /// What it is to be, if that is something else than it was.
    pub(super) const fn change(&self) -> Option<&ModuleChange> {
        match self {
            Self::Changed(change) => Some(change),
            Self::Kept(_)
            | Self::Removed
            | Self::Held(_)
            | Self::Cooling(_)
            | Self::Deferred(_)
            | Self::Pinned(_)
            | Self::Failed(_) => None,
        }
    }

    /// Whether it is, or is to be, as a person wants it: as it is declared, or held, or no younger than it may be.
    pub(super) const fn is_as_declared(&self) -> bool {
        match self {
            Self::Kept(_) | Self::Changed(_) | Self::Removed | Self::Held(_) | Self::Cooling(_) => {
                true
            }
            Self::Deferred(_) | Self::Pinned(_) | Self::Failed(_) => false,
        }
    }

    /// Whether the store is to change by it.
    pub(super) const fn is_change(&self) -> bool {
        matches!(self, Self::Changed(_) | Self::Removed)
    }

    /// Reports it.
    pub(super) fn tell(&self, events: &dyn Events, module: &ModuleName) {
        let step = |step: Step<'_>| events.happened(Event::Module { module, step });
        match self {
            Self::Kept(_) => step(Step::Unchanged),
            Self::Changed(change) => {
                step(Step::Fetched);
                let warnings = change.warnings.iter();
                warnings.for_each(|text| events.happened(Event::Warning { module, text }));
            }
            Self::Removed => {}
            Self::Held(_) => step(Step::Held),
            Self::Cooling(_) => step(Step::Cooling),
            Self::Deferred(_) | Self::Pinned(_) => step(Step::Waiting),
            Self::Failed(failure) => step(Step::Failed(&failure.error.to_string())),
        }
    }
}
