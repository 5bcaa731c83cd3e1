//! For programs: one JSON object per line.
//!
//! Receiving a module, and hashing, are reported ten times a second at most.

use std::{
    collections::BTreeSet,
    sync::{Mutex, PoisonError},
    time::Duration,
};

use modstore::{Event, ModuleName, Step};
use schemars::JsonSchema;
use serde::Serialize;

use super::{lines::doing_text, pace::Pace};
use crate::{json::Time, page::on_stderr};

const PAUSE: Duration = Duration::from_millis(100);

/// The objects.
#[derive(Debug)]
pub(super) struct Objects {
    pace: Pace,
    count: Mutex<Count>,
}

/// The modules that are at the end of their way, and of how many.
#[derive(Debug, Default)]
struct Count {
    done: BTreeSet<ModuleName>,
    of: usize,
}

/// A line of `--progress json`, on standard error.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(tag = "event", rename_all = "kebab-case")]
pub(crate) enum ProgressEvent {
    /// The command looks at this many modules.
    Started {
        /// How many.
        modules: usize,
    },
    /// A module made a step.
    Module {
        /// The module.
        module: String,
        /// How many modules are at the end of their way.
        done: usize,
        /// Of how many.
        of: usize,
        #[serde(flatten)]
        step: ProgressStep,
    },
    /// Another process holds a lock; sent once, after a second.
    WaitingForLock {
        /// The process; null if the lock does not say.
        holder: Option<LockHolder>,
    },
    /// Something that a person should know about a module.
    Warning {
        /// The module.
        module: String,
        /// One line.
        message: String,
    },
    /// Something that a person should know about the store as a whole, such as what its file system cannot promise.
    Notice {
        /// One line.
        message: String,
    },
    /// Something is done in a Python environment that follows the store.
    Environment {
        /// The environment's directory.
        environment: String,
        /// What is done.
        message: String,
    },
    /// `verify` reads and hashes files.
    Hashing {
        /// Bytes so far.
        bytes: u64,
        /// Bytes in all.
        total_bytes: u64,
    },
    /// Everything is fetched, and the switch begins.
    Committing,
    /// The switch has happened.
    Switched {
        /// The generation that is current now.
        generation: u64,
    },
    /// Clones are looked at, before they are imported.
    Looking {
        /// How many have been looked at.
        done: usize,
        /// How many there are.
        total: usize,
    },
    /// Trees and files in the trash are deleted.
    Deleting {
        /// How many are deleted.
        done: usize,
        /// How many there are.
        total: usize,
    },
}

/// A step of a module.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(tag = "step", rename_all = "kebab-case")]
pub(crate) enum ProgressStep {
    /// Its repository is asked for its references.
    Listing,
    /// Its pack is received.
    Receiving {
        /// Bytes so far.
        bytes: u64,
        /// Objects so far.
        objects: u64,
        /// Objects in all; null until that is known.
        total_objects: Option<u64>,
    },
    /// A submodule of it is fetched.
    Submodule {
        /// Where it lies in the module's repository.
        path: String,
    },
    /// The server does not give its commit by the id: all branches and tags come, with their history.
    History,
    /// The server wrote a message.
    Remote {
        /// The message.
        message: String,
    },
    /// It is as it was.
    Unchanged,
    /// Its new tree is in staging.
    Fetched,
    /// It is being built.
    Building,
    /// Its build wrote a line.
    BuildOutput {
        /// The line.
        message: String,
    },
    /// It is not tried now, because it failed earlier.
    Deferred,
    /// It is held: it keeps its current version until `modstore update NAME` or `modstore unhold`.
    Held,
    /// Its new commit is too young: it keeps its current version until the cooldown is over.
    Cooling,
    /// It failed.
    Failed {
        /// What went wrong, in one clause.
        message: String,
    },
    /// A step that this version has no name for.
    Other,
}

/// A process that holds a lock.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct LockHolder {
    /// The process.
    pid: u32,
    /// Its command.
    command: String,
    /// When it took the lock.
    since: Time,
}

impl Objects {
    pub(super) fn new() -> Self {
        Self { pace: Pace::at_once(PAUSE), count: Mutex::default() }
    }

    pub(super) fn happened(&self, event: Event<'_>) {
        match event {
            Event::Module { module, step: Step::Receiving { .. } }
                if !self.pace.is_time(Some(module)) => {}
            Event::Hashing { bytes, of } if bytes < of && !self.pace.is_time(None) => {}
            _ => {
                // Until it is written: no line may say less than the one before.
                let mut count = self.count.lock().unwrap_or_else(PoisonError::into_inner);
                count.note(&event);
                if let Some(object) = ProgressEvent::of(event, &count) {
                    on_stderr(|to| to.json(&object));
                }
            }
        }
    }
}

impl Count {
    fn note(&mut self, event: &Event<'_>) {
        match event {
            Event::Began { modules } => *self = Self { of: *modules, ..Self::default() },
            Event::Module { module, step } if is_last(step) => {
                self.done.insert((*module).clone());
                self.of = self.of.max(self.done.len());
            }
            _ => {}
        }
    }
}

/// Whether a module is at the end of its way, as far as is known: what is fetched may be built yet.
const fn is_last(step: &Step<'_>) -> bool {
    matches!(
        step,
        Step::Unchanged
            | Step::Fetched
            | Step::Held
            | Step::Cooling
            | Step::Waiting
            | Step::Failed(_)
    )
}

impl ProgressEvent {
    /// The object of an event. Some need no line.
    fn of(event: Event<'_>, count: &Count) -> Option<Self> {
        Some(match event {
            Event::Began { modules } => Self::Started { modules },
            Event::Module { module, step } => Self::Module {
                module: module.to_string(),
                done: count.done.len(),
                of: count.of,
                step: ProgressStep::from(step),
            },
            Event::Waiting { holder } => Self::WaitingForLock {
                holder: holder.map(|holder| LockHolder {
                    pid: holder.pid,
                    command: holder.command.clone(),
                    since: Time::new(holder.since.saturating_mul(1000)),
                }),
            },
            Event::Warning { module, text } => {
                Self::Warning { module: module.to_string(), message: text.to_owned() }
            }
            Event::Notice { text } => Self::Notice { message: text.to_owned() },
            Event::Environment { prefix, doing } => Self::Environment {
                environment: prefix.display().to_string(),
                message: doing_text(doing, true)?,
            },
            Event::Hashing { bytes, of } => Self::Hashing { bytes, total_bytes: of },
            Event::Committing => Self::Committing,
            Event::Shown { generation } => Self::Switched { generation: generation.number() },
            Event::Looking { done, of } => Self::Looking { done, total: of },
            Event::Deleting { done, of } => Self::Deleting { done, total: of },
            _ => return None,
        })
    }
}

impl From<Step<'_>> for ProgressStep {
    fn from(step: Step<'_>) -> Self {
        match step {
            Step::Listing => Self::Listing,
            Step::Receiving { bytes, objects, of } => {
                Self::Receiving { bytes, objects, total_objects: of }
            }
            Step::Submodule(path) => Self::Submodule { path: path.to_string() },
            Step::History => Self::History,
            Step::Remote(text) => Self::Remote { message: text.to_owned() },
            Step::Unchanged => Self::Unchanged,
            Step::Fetched => Self::Fetched,
            Step::Building => Self::Building,
            Step::Says(text) => Self::BuildOutput { message: text.to_owned() },
            Step::Waiting => Self::Deferred,
            Step::Held => Self::Held,
            Step::Cooling => Self::Cooling,
            Step::Failed(text) => Self::Failed { message: text.to_owned() },
            _ => Self::Other,
        }
    }
}
