//! What came of one module's part of a job: values, for the report.

use std::{collections::BTreeSet, sync::Arc, time::Duration};

use super::{plan::Impossible, report::PutOff};
use crate::{
    acquire::AcquireError,
    build::BuildError,
    commit::Binding,
    model::{BuildSpec, Class, Digest, ModuleName, Revision, Stage},
};

/// What came of one module.
#[derive(Debug)]
pub(super) struct Answer {
    pub(super) module: ModuleName,
    pub(super) outcome: Outcome,
}

/// How a module stands.
#[derive(Debug)]
pub(super) enum Outcome {
    /// As it was.
    Unchanged(Binding),
    /// Something else, whose entry is in staging or in the store.
    Bound { binding: Binding, warnings: Vec<String>, got: Got },
    /// Not to be had; and the commit that was wanted, if that was found out.
    Failed(Why, Option<Revision>),
    /// Not tried now.
    Waiting(PutOff),
}

/// Why a module is not to be had.
#[derive(Debug)]
pub(super) enum Why {
    /// It was tried; modules of one repository share the reason.
    Acquire(Arc<AcquireError>),
    /// It was not even tried.
    Impossible(Impossible),
    /// It was not built; and a name for all that it was to be built from, where that is known.
    Build(Arc<BuildError>, Option<Digest>),
}

/// What one fetch brought.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Got {
    pub(super) written: u64,
    pub(super) linked: u64,
    pub(super) received: u64,
}

/// The modules that were not tried because their time has not come.
pub(super) fn waiting(answers: &[Answer]) -> BTreeSet<&ModuleName> {
    let waits = |answer: &&Answer| matches!(answer.outcome, Outcome::Waiting(PutOff::Until(_)));
    answers.iter().filter(waits).map(|answer| &answer.module).collect()
}

/// Puts later answers in the place of earlier ones of the same modules.
pub(super) fn replace(answers: &mut Vec<Answer>, later: Vec<Answer>) {
    let modules: BTreeSet<&ModuleName> = later.iter().map(|answer| &answer.module).collect();
    answers.retain(|answer| !modules.contains(&answer.module));
    answers.extend(later);
}

impl Answer {
    pub(super) fn unchanged(module: &ModuleName, binding: Binding) -> Self {
        Self { module: module.clone(), outcome: Outcome::Unchanged(binding) }
    }

    pub(super) fn bound(
        module: &ModuleName,
        binding: Binding,
        warnings: Vec<String>,
        got: Got,
    ) -> Self {
        Self { module: module.clone(), outcome: Outcome::Bound { binding, warnings, got } }
    }

    /// Why it failed, if it did.
    pub(super) const fn why(&self) -> Option<&Why> {
        match &self.outcome {
            Outcome::Failed(why, _) => Some(why),
            Outcome::Unchanged(_) | Outcome::Bound { .. } | Outcome::Waiting(_) => None,
        }
    }

    /// Its build is not allowed, so that not even its source is fetched.
    pub(super) fn not_allowed(module: &ModuleName, spec: &BuildSpec) -> Self {
        let error = Arc::new(BuildError::not_allowed(module, spec));
        let outcome = Outcome::Failed(Why::Build(error, None), None);
        Self { module: module.clone(), outcome }
    }

    pub(super) fn failed(module: &ModuleName, error: Arc<AcquireError>) -> Self {
        Self { module: module.clone(), outcome: Outcome::Failed(Why::Acquire(error), None) }
    }

    /// It failed, and this is the commit that it would have been.
    pub(super) fn failed_at(
        module: &ModuleName,
        error: Arc<AcquireError>,
        revision: Revision,
    ) -> Self {
        let outcome = Outcome::Failed(Why::Acquire(error), Some(revision));
        Self { module: module.clone(), outcome }
    }

    pub(super) fn waiting(module: &ModuleName, put_off: PutOff) -> Self {
        Self { module: module.clone(), outcome: Outcome::Waiting(put_off) }
    }
}

impl Why {
    pub(super) fn class(&self) -> Class {
        match self {
            Self::Acquire(error) => error.class(),
            Self::Impossible(_) => Class::Permanent,
            Self::Build(error, _) => error.class(),
        }
    }

    pub(super) fn stage(&self) -> Stage {
        match self {
            Self::Acquire(error) => error.stage(),
            Self::Impossible(_) => Stage::Resolve,
            Self::Build(error, _) => error.stage(),
        }
    }

    /// Whether anything was really tried, so that it says something about the next time.
    pub(super) fn is_telling(&self) -> bool {
        match self {
            Self::Acquire(error) => !error.is_cancelled() && !error.is_offline(),
            Self::Impossible(_) => false,
            Self::Build(error, _) => error.is_telling(),
        }
    }

    /// How long the server asked us to stay away.
    pub(super) fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::Acquire(error) => error.retry_after(),
            Self::Impossible(_) | Self::Build(..) => None,
        }
    }

    /// A name for all that it depended on.
    pub(super) const fn conditions(&self) -> Option<Digest> {
        match self {
            Self::Build(_, conditions) => *conditions,
            Self::Acquire(_) | Self::Impossible(_) => None,
        }
    }

    /// A name for the cause that never changes, where there is one.
    pub(super) fn code(&self) -> Option<&'static str> {
        match self {
            Self::Build(error, _) => error.code(),
            Self::Acquire(_) | Self::Impossible(_) => None,
        }
    }

    pub(super) fn hint(&self) -> Option<String> {
        match self {
            Self::Acquire(error) => error.hint(),
            Self::Build(error, _) => error.hint(),
            Self::Impossible(_) => Some("run `modstore update` without --locked first".into()),
        }
    }
}
