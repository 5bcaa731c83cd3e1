//! [`Event`]: what one frame of the journal records, for programs.

use modstore::internals::commit::{Frame, Record};
use modstore_core::model::BuiltInput;
use schemars::JsonSchema;
use serde::Serialize;

use crate::json::{Attempt, Binding, Revision, Time};

/// Something that the journal recorded.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct Event {
    /// The number of the journal frame; several events can have the same.
    sequence: u64,
    #[serde(flatten)]
    recorded: Recorded,
}

/// What happened.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(tag = "event", rename_all = "kebab-case")]
enum Recorded {
    /// The journal was compacted: the events that follow describe everything it keeps.
    Checkpoint {
        /// When.
        at: Time,
        /// The command that did it.
        reason: String,
    },
    /// A new generation became current.
    Generation {
        /// Its number.
        generation: u64,
        /// When it was made.
        at: Time,
        /// The command that made it.
        reason: String,
        /// The generation that a rollback went back to; null if it was not a rollback.
        restores: Option<u64>,
        /// What it changed.
        changes: Vec<RecordedChange>,
    },
    /// A module failed. It keeps its current version.
    Failed {
        /// The module.
        module: String,
        /// The failed try.
        attempt: Attempt,
    },
    /// A module that had failed is in the state that modules.toml asks for.
    Recovered {
        /// The module.
        module: String,
    },
    /// `gc`, or the end of an update, removed what was not needed.
    Swept {
        /// Generations that were retired.
        generations: Vec<u64>,
        /// How many entries were deleted.
        entries: u64,
    },
    /// Updates leave a module as it is.
    Held {
        /// The module.
        module: String,
        /// Since when.
        at: Time,
        /// The command that did it.
        reason: String,
    },
    /// Updates change a module again that was held.
    Released {
        /// The module.
        module: String,
    },
    /// A module's source leads to a commit that is too young to be taken.
    Seen {
        /// The module.
        module: String,
        /// The commit.
        revision: Revision,
        /// Since when the store knows it.
        at: Time,
    },
    /// A link at a place of a host's leads to a module.
    Exposed {
        /// The module.
        module: String,
        /// Where the link is.
        place: String,
    },
    /// There is no such link any more.
    Unexposed {
        /// Where it was.
        place: String,
    },
    /// What is known of the inputs of a module, whose build runs for each of several files, has changed.
    Inputs {
        /// The module.
        module: String,
        /// The inputs that are failing now.
        failing: Vec<FailingInput>,
    },
}

/// An input that is failing.
#[derive(Debug, Serialize, JsonSchema)]
struct FailingInput {
    /// Its path in the module.
    input: String,
    /// The failed try.
    attempt: Attempt,
}

/// A module that a generation changed.
#[derive(Debug, Serialize, JsonSchema)]
struct RecordedChange {
    /// The module.
    module: String,
    /// What it is now; null if it was removed.
    to: Option<Binding>,
}

impl Event {
    /// The events of one frame.
    pub(super) fn of_frame(frame: &Frame) -> Vec<Self> {
        let mut events = Vec::new();
        let mut retired = Vec::new();
        let mut deleted = 0;
        for record in &frame.records {
            match record {
                Record::Bound { module, binding } => {
                    add_change(&mut events, module, Some(Binding::from(binding)));
                }
                Record::Unbound { module } => add_change(&mut events, module, None),
                Record::Retired { number } => retired.push(number.number()),
                Record::Forgotten { .. } => deleted += 1,
                record => events.extend(Recorded::of(record)),
            }
        }
        if !retired.is_empty() || deleted > 0 {
            events.push(Recorded::Swept { generations: retired, entries: deleted });
        }
        let numbered = |recorded| Self { sequence: frame.sequence, recorded };
        events.into_iter().map(numbered).collect()
    }
}

impl FailingInput {
    fn of(known: &BuiltInput) -> Option<Self> {
        let attempt = Attempt::from(known.attempt.as_deref()?);
        Some(Self { input: known.path.clone(), attempt })
    }
}

impl Recorded {
    /// The event that a record is by itself.
    fn of(record: &Record) -> Option<Self> {
        match record {
            Record::Checkpoint { at, reason } => {
                Some(Self::Checkpoint { at: Time::new(*at), reason: reason.clone() })
            }
            Record::Generation { number, at, reason, restores } => Some(Self::Generation {
                generation: number.number(),
                at: Time::new(*at),
                reason: reason.clone(),
                restores: restores.map(|restores| restores.number()),
                changes: Vec::new(),
            }),
            Record::Attempted { module, attempt } => Some(Self::Failed {
                module: module.to_string(),
                attempt: Attempt::from(&**attempt),
            }),
            Record::Cleared { module } => Some(Self::Recovered { module: module.to_string() }),
            Record::Held { module, hold } => Some(Self::Held {
                module: module.to_string(),
                at: Time::new(hold.at),
                reason: hold.reason.clone(),
            }),
            Record::Released { module } => Some(Self::Released { module: module.to_string() }),
            Record::Exposed { place, exposure } => Some(Self::Exposed {
                module: exposure.module.to_string(),
                place: place.to_string(),
            }),
            Record::Sighted { module, sighting } => Some(Self::Seen {
                module: module.to_string(),
                revision: Revision::new(sighting.revision),
                at: Time::new(sighting.at),
            }),
            Record::Unexposed { place } => Some(Self::Unexposed { place: place.to_string() }),
            Record::Inputs { module, inputs } => Some(Self::Inputs {
                module: module.to_string(),
                failing: inputs.iter().filter_map(FailingInput::of).collect(),
            }),
            _ => None,
        }
    }
}

/// Adds a change to the latest generation.
fn add_change(events: &mut [Recorded], module: impl ToString, to: Option<Binding>) {
    let latest = events.iter_mut().rev().find_map(|event| match event {
        Recorded::Generation { changes, .. } => Some(changes),
        _ => None,
    });
    if let Some(changes) = latest {
        changes.push(RecordedChange { module: module.to_string(), to });
    }
}
