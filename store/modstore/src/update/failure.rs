//! [`Failure`]: why a module is not what it is declared to be.

use std::{error::Error, sync::Arc};

use super::{attempts::Tried, environments::TakenBack};
use crate::{
    acquire::SourceError,
    build::BuildError,
    environment::{NotPrepared, PrepareError},
    keep::KeptError,
    model::{
        Binding, BuildSpec, Class, Digest, FailureCode, ModuleName, RecordedSource, Revision, Stage,
    },
};

/// Why a module is not what it is declared to be.
#[derive(Debug, Clone)]
pub struct Failure {
    /// When it is worth trying again.
    pub class: Class,
    /// How far it came.
    pub stage: Stage,
    /// A name for the cause that never changes.
    pub code: FailureCode,
    /// What went wrong, with its causes behind it; holds no secret.
    pub error: Arc<dyn Error + Send + Sync>,
    /// The next thing to do.
    pub hint: Option<String>,
    /// What was tried; nothing, when the failure says nothing about the next time.
    pub(super) tried: Option<Tried>,
}

/// What `modules.lock` says does not fit what is declared.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum LockMismatch {
    /// The module is not in it.
    #[error("modules.lock does not have it")]
    NotLocked,
    /// It has another source there.
    #[error("modules.lock has it from another source")]
    OtherSource,
    /// It is held at another commit.
    #[error("it is held, and modules.lock has another commit of it")]
    Held,
}

/// When it is worth trying again, how far it came, and a name for the cause.
type Judgement = (Class, Stage, FailureCode);

impl Failure {
    /// It says nothing about the next time.
    fn new(
        (class, stage, code): Judgement,
        hint: Option<String>,
        error: impl Error + Send + Sync + 'static,
    ) -> Self {
        Self { class, stage, code, hint, error: Arc::new(error), tried: None }
    }

    /// Its source did not become a tree. `revision`: the commit that was wanted, if that much was found out.
    pub(super) fn of_source(
        source: &RecordedSource,
        error: SourceError,
        revision: Option<Revision>,
    ) -> Self {
        let tried = error.is_telling().then(|| Tried {
            source: source.clone(),
            revision,
            conditions: None,
            retry_after: error.retry_after(),
        });
        let verdict = (error.class(), error.stage(), error.code());
        Self { tried, ..Self::new(verdict, error.hint(), error) }
    }

    /// It was not built. `conditions`: a name for all that the build depended on, where that is known.
    pub(super) fn of_build(
        source: &Binding,
        error: BuildError,
        conditions: Option<Digest>,
    ) -> Self {
        let tried = error.is_telling().then(|| Tried { conditions, ..Tried::of(source) });
        Self { tried, ..Self::untried_build(error) }
    }

    /// Its build is not allowed, so that not even its source is fetched.
    pub(super) fn not_allowed(module: &ModuleName, spec: &BuildSpec) -> Self {
        Self::untried_build(BuildError::not_allowed(module, spec))
    }

    fn untried_build(error: BuildError) -> Self {
        Self::new((error.class(), error.stage(), error.code()), error.hint(), error)
    }

    /// What `modules.lock` says does not fit.
    pub(super) fn of_lock(mismatch: LockMismatch) -> Self {
        let hint = match mismatch {
            LockMismatch::Held => "`modstore unhold` ends the hold".into(),
            _ => "run `modstore update` without --locked first".into(),
        };
        Self::new((Class::Permanent, Stage::Resolve, FailureCode::Lock), Some(hint), mismatch)
    }

    /// The tree of a module that keeps something was not made.
    pub(super) fn of_kept(source: &Binding, error: KeptError) -> Self {
        let hint = match &error {
            KeptError::Refused(_) => Some("change `keep` in modules.toml".to_owned()),
            _ => None,
        };
        let verdict = match &error {
            KeptError::Refused(_) => (Class::Deterministic, Stage::Place, FailureCode::Keep),
            _ => (Class::Transient, Stage::Place, FailureCode::Store),
        };
        Self { tried: Some(Tried::of(source)), ..Self::new(verdict, hint, error) }
    }

    /// An environment is not ready for what the module was to become.
    pub(super) fn of_environment(to: &Binding, not_prepared: NotPrepared) -> Self {
        let hint = match &*not_prepared.source {
            PrepareError::Import(exception) => exception.name.as_ref().map(|name| {
                format!("`{name}` is not to be found in {}", not_prepared.prefix.display())
            }),
            _ => None,
        };
        let verdict = judge(&not_prepared.source);
        Self { tried: Some(Tried::of(to)), ..Self::new(verdict, hint, not_prepared) }
    }

    /// An environment could not follow, so that the switch was taken back. `to`: what the module was to be, unless it
    /// was to be removed.
    pub(super) fn taken_back(to: Option<&Binding>, error: TakenBack) -> Self {
        let verdict = (Class::Transient, Stage::Install, FailureCode::Install);
        Self { tried: to.map(Tried::of), ..Self::new(verdict, None, error) }
    }
}

/// What an installer could not get may be available at another time; what a module does when it is imported does not change
/// by itself.
fn judge(error: &PrepareError) -> Judgement {
    match error {
        PrepareError::Requirements(_) | PrepareError::Needed { .. } => {
            (Class::Transient, Stage::Install, FailureCode::Requirement)
        }
        PrepareError::Import(_) => (Class::Deterministic, Stage::Import, FailureCode::Import),
        PrepareError::Variant(_) => (Class::Transient, Stage::Build, FailureCode::Build),
        PrepareError::Probe(error) if error.may_be_the_network() => {
            (Class::Transient, Stage::Build, FailureCode::Build)
        }
        _ => (Class::Deterministic, Stage::Build, FailureCode::Build),
    }
}
