//! [`Ground`]: what work on environments is given: the store, a private place, and who listens.

use std::path::Path;

use crate::{
    acquire::Cancel,
    commit::Staging,
    disk::{Barrier, Disk, Layout},
    model::ModuleName,
};

/// What work on environments is given.
#[derive(Clone, Copy)]
pub(crate) struct Ground<'a> {
    pub(crate) disk: &'a Disk,
    pub(crate) layout: &'a Layout,
    pub(crate) barrier: Barrier,
    pub(crate) staging: &'a Staging,
    pub(crate) offline: bool,
    pub(crate) cancel: &'a Cancel,
    /// Hears what is done in the environment of this directory.
    pub(crate) told: &'a (dyn Fn(&Path, Doing<'_>) + Sync),
}

/// What is done in an environment.
#[derive(Debug, Clone, Copy)]
#[non_exhaustive]
pub enum Doing<'a> {
    /// A module's own build backend tells its metadata.
    Probing(&'a ModuleName),
    /// What new versions of modules need is added.
    Adding {
        /// How many requirements.
        requirements: usize,
    },
    /// Modules are imported, to see whether they can be.
    Importing {
        /// How many.
        modules: usize,
    },
    /// Stand-ins are installed.
    Installing {
        /// How many.
        modules: usize,
    },
    /// An installer says this.
    Said(&'a str),
}
