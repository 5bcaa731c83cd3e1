//! [`Cooled`]: that a module's new commit is too young to be taken.

use modstore::{Cooled as StoreCooled, Cooling as StoreCooling};
use schemars::JsonSchema;
use serde::Serialize;

use super::{Binding, Revision, Time};
use crate::text::short;

/// How long a commit is too young to be taken.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub(crate) struct Cooldown {
    /// When this store first saw the commit at the reference; the dates that the commit gives itself do not count.
    pub(crate) seen: Time,
    /// When it is old enough.
    pub(crate) until: Time,
}

/// A module whose new commit is too young: it keeps its current version, which is no failure.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub(crate) struct Cooled {
    /// The module.
    pub(crate) module: String,
    /// The commit.
    pub(crate) revision: Revision,
    /// The full name of the reference that led to it; null if it was followed by none.
    pub(crate) reference: Option<String>,
    #[serde(flatten)]
    pub(crate) cooldown: Cooldown,
    /// The module's current version.
    pub(crate) current: Option<Binding>,
}

impl From<&StoreCooling> for Cooldown {
    fn from(cooling: &StoreCooling) -> Self {
        Self { seen: Time::new(cooling.sighting.at), until: Time::new(cooling.until) }
    }
}

impl From<&StoreCooled> for Cooled {
    fn from(cooled: &StoreCooled) -> Self {
        let cooling = &cooled.cooling;
        Self {
            module: cooled.module.to_string(),
            revision: Revision::new(cooling.sighting.revision),
            reference: cooling.reference.as_ref().map(ToString::to_string),
            cooldown: Cooldown::from(cooling),
            current: cooled.current.as_ref().map(Binding::from),
        }
    }
}

impl Cooled {
    /// `weather: 5d6e7f8 is not taken before 2026-12-07 19:00:00 (in 7 days)`.
    pub(crate) fn summary(&self) -> String {
        format!("{}: {} is not taken {}", self.module, short(&self.revision), self.cooldown.until())
    }
}

impl Cooldown {
    /// `before 2026-12-07 19:00:00 (in 7 days)`.
    pub(crate) fn until(&self) -> String {
        format!("before {} ({})", self.until.local(), self.until.left())
    }
}
