//! [`Workspace`]: what work on environments needs: the store, and a private directory in it.

use std::path::Path;

use modstore_core::{
    Context,
    disk::Staging,
    events::{Doing, Event},
};

/// What work on environments needs.
#[derive(Clone, Copy)]
pub struct Workspace<'a> {
    /// The store, who listens, and who may stop the work.
    pub store: Context<'a>,
    /// A private directory, removed afterwards.
    pub staging: &'a Staging,
}

impl Workspace<'_> {
    /// Reports what is being done in the environment of this directory.
    pub(crate) fn report(&self, prefix: &Path, doing: Doing<'_>) {
        self.store.events.happened(Event::Environment { prefix, doing });
    }
}
