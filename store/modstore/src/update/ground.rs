//! What an update is given to work on: the store, how to work with it, and who listens.

use modstore_core::Context;

use super::options::Options;
use crate::events::Events;
use crate::{
    Cancel,
    consent::Consents,
    disk::{Disk, Layout},
    model::Declarations,
};

/// What an update works on.
#[derive(Clone, Copy)]
pub(crate) struct Ground<'a> {
    pub(crate) disk: &'a Disk,
    pub(crate) layout: &'a Layout,
    pub(crate) options: &'a Options,
    pub(crate) events: &'a dyn Events,
    pub(crate) cancel: &'a Cancel,
}

impl<'a> Ground<'a> {
    /// The same, for crates below this one.
    pub(crate) const fn context(self) -> Context<'a> {
        Context {
            disk: self.disk,
            layout: self.layout,
            barrier: self.options.barrier,
            lock_limit: self.options.lock_limit,
            offline: self.options.offline,
            command: self.options.command.as_str(),
            events: self.events,
            cancel: self.cancel,
        }
    }

    /// Which of the builds that are declared may run.
    pub(crate) fn consents(self, declared: &Declarations) -> Consents {
        let builds = declared.modules.values().any(|declared| declared.build.is_some());
        match builds && !self.options.allow_builds {
            true => Consents::recorded(self.layout),
            false => Consents::Everything,
        }
    }
}
