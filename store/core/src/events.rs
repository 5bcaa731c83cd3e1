//! What an update tells while it runs.
//!
//! For progress only: an update is the same whether anybody listens or not. Events of different
//! modules come from different threads, in any order.

use std::path::Path;

use gix::bstr::BStr;

use crate::{
    disk::Holder,
    model::{Generation, ModuleName},
};

/// Something happened.
#[derive(Debug, Clone, Copy)]
#[non_exhaustive]
pub enum Event<'a> {
    /// This many modules are looked at.
    Began {
        /// How many.
        modules: usize,
    },
    /// Clones of another program are looked at, before they are imported. Told of each, from many threads.
    Looking {
        /// How many have been looked at.
        done: usize,
        /// Of how many.
        of: usize,
    },
    /// A module went on.
    Module {
        /// Which.
        module: &'a ModuleName,
        /// To what.
        step: Step<'a>,
    },
    /// Somebody else holds the lock of the store or of a repository's mirror; said once, after a
    /// second.
    Waiting {
        /// Who, if the lock's file tells.
        holder: Option<&'a Holder>,
    },
    /// Something a person should know, that keeps nothing from working.
    Warning {
        /// The module it is about.
        module: &'a ModuleName,
        /// One line.
        text: &'a str,
    },
    /// Something about the store as a whole that a person should know, and that keeps nothing from
    /// working. Said once, by the call that makes the store.
    Notice {
        /// One line.
        text: &'a str,
    },
    /// Files are being read and hashed. Told of every mebibyte, from many threads.
    Hashing {
        /// Bytes so far.
        bytes: u64,
        /// Bytes in all.
        of: u64,
    },
    /// Something is done in an environment that follows the store.
    Environment {
        /// Its directory.
        prefix: &'a Path,
        /// What.
        doing: Doing<'a>,
    },
    /// All is fetched; it is being made durable and shown.
    Committing,
    /// The switch has happened.
    Shown {
        /// What is shown now.
        generation: Generation,
    },
    /// What was given up is being deleted.
    Deleting {
        /// How many trees and files are deleted.
        done: usize,
        /// Of how many.
        of: usize,
    },
}

/// Where a module is on its way.
#[derive(Debug, Clone, Copy)]
#[non_exhaustive]
pub enum Step<'a> {
    /// Its repository is asked for its references.
    Listing,
    /// A pack is being received.
    Receiving {
        /// Bytes so far.
        bytes: u64,
        /// Objects so far.
        objects: u64,
        /// Objects in all, once the pack's head is there.
        of: Option<u64>,
    },
    /// A submodule of it is being fetched: where it lies.
    Submodule(&'a BStr),
    /// The server says what it is doing.
    Remote(&'a str),
    /// The server does not give its commit by the id: all branches and tags come, with their history.
    History,
    /// It is as it was.
    Unchanged,
    /// Its new tree is in staging.
    Fetched,
    /// It is being built.
    Building,
    /// Its build says this.
    Says(&'a str),
    /// Another process works with the mirror of its repository; reported once, after a second.
    WaitingForLock {
        /// That process, if the lock's file says.
        holder: Option<&'a Holder>,
    },
    /// It is not tried now.
    Waiting,
    /// It is held: it stays as it is.
    Held,
    /// Its new commit is too young: it stays as it is.
    Cooling,
    /// It could not be had.
    Failed(&'a str),
}

/// What is done in an environment.
#[derive(Debug, Clone, Copy)]
#[non_exhaustive]
pub enum Doing<'a> {
    /// A module's own build backend tells its metadata.
    Probing {
        /// Which module.
        module: &'a ModuleName,
        /// The number of this module among those that are asked, from 1 on.
        number: usize,
        /// How many are asked.
        of: usize,
    },
    /// What new versions of modules need is added.
    Adding {
        /// How many requirements.
        requirements: usize,
    },
    /// Modules are imported, to see whether they can be.
    Importing {
        /// How many were imported, or could not be.
        done: usize,
        /// Of how many.
        of: usize,
    },
    /// Stand-ins are installed.
    Installing {
        /// How many.
        modules: usize,
    },
    /// An installer says this.
    Said(&'a str),
}

/// Listens to an update. Called from many threads.
pub trait Events: Sync {
    /// Hears of one event; must return soon.
    fn happened(&self, event: Event<'_>);
}

/// Listens to nothing.
#[derive(Debug, Clone, Copy)]
pub struct Silent;

impl Events for Silent {
    fn happened(&self, _: Event<'_>) {}
}
