//! [`Hold`]: that updates leave a module as it is.

use modstore::{Held as StoreHeld, State};
use modstore_core::model::Hold as StoreHold;
use schemars::JsonSchema;
use serde::Serialize;

use super::{Binding, Time};

/// Since when, and by which command, updates leave a module as it is.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub(crate) struct Hold {
    /// Since when.
    pub(crate) at: Time,
    /// The command that did it: `modstore hold`, or a rollback.
    pub(crate) reason: String,
}

/// A module that is held: it keeps its current version.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub(crate) struct Held {
    /// The module.
    pub(crate) module: String,
    #[serde(flatten)]
    pub(crate) hold: Hold,
    /// The module's current version; null if it has none.
    pub(crate) current: Option<Binding>,
}

impl From<&StoreHold> for Hold {
    fn from(hold: &StoreHold) -> Self {
        Self { at: Time::new(hold.at), reason: hold.reason.clone() }
    }
}

impl From<&StoreHeld> for Held {
    fn from(held: &StoreHeld) -> Self {
        Self {
            module: held.module.to_string(),
            hold: Hold::from(&held.hold),
            current: held.current.as_ref().map(Binding::from),
        }
    }
}

impl Held {
    /// `weather at 1a2b3c4, since 2 days (modstore rollback)`.
    pub(crate) fn summary(&self) -> String {
        let at = match &self.current {
            Some(current) => format!("at {}", current.brief()),
            None => "without a version".into(),
        };
        format!("{} {at}, since {} ({})", self.module, self.hold.at.local(), self.hold.reason)
    }
}

/// Every module that is held.
pub(crate) fn held_of(state: &State) -> Vec<Held> {
    let held = state.holds().iter().map(|(module, hold)| Held {
        module: module.to_string(),
        hold: Hold::from(hold),
        current: state.modules().get(module).map(Binding::from),
    });
    held.collect()
}
