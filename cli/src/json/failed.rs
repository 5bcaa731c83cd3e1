//! [`Failed`] and [`Deferred`]: modules that are not in the state that modules.toml asks for.

use modstore::{Deferred as StoreDeferred, Failed as StoreFailed, Waiting as StoreWaiting};
use modstore_core::model::{Class, Stage};
use modstore_python::Exception;
use schemars::JsonSchema;
use serde::Serialize;

use super::{Attempt, Binding, Time};
use crate::causes::{causes, exception};

/// A module, or one input of a module, that failed. It keeps its current version.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub(crate) struct Failed {
    /// The module.
    pub(crate) module: String,
    /// The path of the input that failed, where the module's build runs for each of several files: the module has what was
    /// built from the others, and what was last built from this one. Null if the module failed as a whole.
    pub(crate) input: Option<String>,
    /// When another try can succeed.
    pub(crate) class: Class,
    /// How far it came.
    pub(crate) stage: Stage,
    /// A name for the cause, which never changes its meaning.
    #[schemars(schema_with = "super::failure_code")]
    pub(crate) code: String,
    /// What went wrong, in one clause.
    pub(crate) message: String,
    /// Why, outermost first.
    pub(crate) causes: Vec<String>,
    /// The next thing to do.
    pub(crate) hint: Option<String>,
    /// What importing the module raised, if that is the cause.
    pub(crate) exception: Option<Exception>,
    /// The module's current version; null if it has none.
    pub(crate) current: Option<Binding>,
    /// What the store remembers of this failure; null if the module was not really tried: with `--offline`, if
    /// modules.lock lacks it, or if its build is not allowed.
    pub(crate) attempt: Option<Attempt>,
}

impl From<&StoreFailed> for Failed {
    fn from(failed: &StoreFailed) -> Self {
        Self {
            module: failed.module.to_string(),
            input: failed.input.clone(),
            class: failed.class,
            stage: failed.stage,
            code: failed.code.to_string(),
            message: failed.error.to_string(),
            causes: causes(&*failed.error),
            hint: failed.hint.clone(),
            exception: exception(&*failed.error),
            current: failed.serving.as_ref().map(Binding::from),
            attempt: failed.attempt.as_ref().map(Attempt::from),
        }
    }
}

/// A module, or one input of a module, that failed earlier and was not tried now. It keeps its current version.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub(crate) struct Deferred {
    /// The module.
    pub(crate) module: String,
    /// The path of the input, where the module's build runs for each of several files; null for the module as a whole.
    pub(crate) input: Option<String>,
    /// Why it was not tried.
    pub(crate) why: DeferredReason,
    /// When it is due, for `not-due`.
    pub(crate) until: Option<Time>,
    /// The host, for `host-unavailable`.
    pub(crate) host: Option<String>,
    /// The last try; null if there was none.
    pub(crate) attempt: Option<Attempt>,
    /// The module's current version; null if it has none.
    pub(crate) current: Option<Binding>,
}

/// Why a module was not tried.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum DeferredReason {
    /// The delay until its next try has not elapsed.
    NotDue,
    /// It would fail again: nothing that it depends on has changed.
    Unchanged,
    /// Its host failed several times in this update.
    HostUnavailable,
    /// Several builds found no network in this update.
    NetworkUnavailable,
}

impl From<&StoreWaiting> for Deferred {
    fn from(waiting: &StoreWaiting) -> Self {
        let mut json = Self {
            module: waiting.module.to_string(),
            input: waiting.input.clone(),
            why: DeferredReason::Unchanged,
            until: None,
            host: None,
            attempt: waiting.attempt.as_ref().map(Attempt::from),
            current: waiting.serving.as_ref().map(Binding::from),
        };
        match &waiting.deferred {
            StoreDeferred::Until(until) => {
                json.why = DeferredReason::NotDue;
                json.until = Some(Time::new(*until));
            }
            StoreDeferred::Host(host) => {
                json.why = DeferredReason::HostUnavailable;
                json.host = Some(host.clone());
            }
            StoreDeferred::Builds => json.why = DeferredReason::NetworkUnavailable,
            _ => {}
        }
        json
    }
}
