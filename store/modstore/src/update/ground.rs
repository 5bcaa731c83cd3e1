//! What an update is given to work on: the store, how to work with it, and who listens.

use std::path::Path;

use super::options::Options;
use crate::events::Events;
use crate::{
    Cancel, Context,
    commit::Staging,
    consent::Consents,
    declare::Editing,
    disk::{Disk, Layout},
    environment,
    events::Doing,
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
    /// The part of it that is the same on every floor.
    pub(crate) fn context(self) -> Context<'a> {
        let Options { barrier, lock_limit, offline, ref command, .. } = *self.options;
        let Self { disk, layout, events, cancel, .. } = self;
        Context { disk, layout, barrier, lock_limit, offline, command, events, cancel }
    }

    /// The same, for work on environments.
    pub(crate) fn for_environments(
        self,
        staging: &'a Staging,
        told: &'a (dyn Fn(&Path, Doing<'_>) + Sync),
    ) -> environment::Ground<'a> {
        environment::Ground {
            disk: self.disk,
            layout: self.layout,
            barrier: self.options.barrier,
            staging,
            offline: self.options.offline,
            cancel: self.cancel,
            told,
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

    /// The same, for edits of the declarations.
    pub(crate) fn editing(self) -> Editing<'a> {
        let Options { lock_limit, ref command, .. } = *self.options;
        Editing { disk: self.disk, layout: self.layout, lock_limit, command, cancel: self.cancel }
    }
}
