//! `events`: what the journal has recorded, as lines for a program; and what it records from now on.
//!
//! The journal is looked at ten times a second: a look is one call to the system, and needs nothing that only one
//! system has.

use std::{io, os::unix::fs::MetadataExt as _, path::Path, time::Duration};

use clap::Args;
use modstore::{
    Store,
    commit::{Attempt as StoreAttempt, Frame, Record},
};
use serde_json::{Map, Value, json};

use super::{Effect, Run};
use crate::{
    context::Context,
    exit::Exit,
    json::{Attempt, Events, Served},
    output::Answer,
    page::{Page, on_stdout},
    report::Failure,
    time,
};

/// Between two looks at the journal.
const PAUSE: Duration = Duration::from_millis(100);

/// Tell what happened, one JSON object a line, for a host to follow
///
/// From the journal: each generation with what it changed, each failure, each module that is as it is wanted
/// again, each sweep. All have the number of their journal frame, in `sequence`: a host that has seen number N
/// goes on with --since N.
///
/// With --follow it goes on as things happen, until it is interrupted. A host that only wants to know of new
/// generations can watch the link `current` in the store's directory instead: it is replaced for each.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  modstore events
  modstore events --since 42 --follow")]
pub(crate) struct EventsArgs {
    /// Only what was recorded after this frame
    #[arg(long, value_name = "N", default_value_t = 0)]
    since: u64,
    /// Go on with what happens from now on
    #[arg(long)]
    follow: bool,
}

impl Run for EventsArgs {
    type Answer = Events;
    const EFFECT: Effect = Effect::Reads;

    fn run(&self, context: &Context) -> Result<Events, Failure> {
        if context.global.json && self.follow {
            let failure =
                Failure::new(Exit::Usage, "--follow prints a line for each event, for ever");
            return Err(failure.hint("leave out --json: every line is JSON anyway"));
        }
        let store = context.store()?;
        let frames = store.frames(self.since)?;
        let last = frames.last().map_or(self.since, |frame| frame.sequence);
        let generation = store.current().map(|shown| shown.number());
        let told = Events { generation, events: frames.iter().flat_map(events).collect() };
        if self.follow {
            context.heed();
            write_lines(&told.events)?;
            return Err(follow(context, &store, last)?);
        }
        Ok(told)
    }
}

/// Goes on until somebody wishes to stop, which is how it ends.
fn follow(context: &Context, store: &Store, mut last: u64) -> Result<Failure, Failure> {
    let mut seen = None;
    while !context.cancel().is_cancelled() {
        let now = look(&store.layout().journal());
        if now != seen {
            let frames = store.frames(last)?;
            write_lines(&frames.iter().flat_map(events).collect::<Vec<_>>())?;
            last = frames.last().map_or(last, |frame| frame.sequence);
            seen = now;
        }
        std::thread::sleep(PAUSE);
    }
    Ok(Failure::new(Exit::Interrupted, "interrupted"))
}

/// What changes whenever the journal does.
fn look(journal: &Path) -> Option<(u64, u64, i64, i64)> {
    let meta = journal.metadata().ok()?;
    Some((meta.ino(), meta.len(), meta.mtime(), meta.mtime_nsec()))
}

fn write_lines(events: &[Value]) -> Result<(), Failure> {
    let written = on_stdout(|to| events.iter().try_for_each(|event| to.json(event)));
    written.map_err(|error| match error.kind() {
        // Whoever read has read enough.
        io::ErrorKind::BrokenPipe => Failure::new(Exit::Interrupted, "nobody reads any more"),
        _ => error.into(),
    })
}

/// The events of one frame. All have its number, so that a reader can go on after it.
fn events(frame: &Frame) -> Vec<Value> {
    let mut told: Vec<Value> = Vec::new();
    let (mut generations, mut entries) = (Vec::new(), 0_u64);
    for record in &frame.records {
        match record {
            Record::Checkpoint { at, reason } => {
                told.push(json!({"event": "checkpoint", "at": time::stamp(*at), "reason": reason}));
            }
            Record::Generation { number, at, reason, restores } => told.push(json!({
                "event": "generation", "generation": number.number(), "at": time::stamp(*at), "reason": reason,
                "restores": restores.map(|restores| restores.number()), "changes": [],
            })),
            Record::Bound { module, binding } => {
                change(&mut told, json!({"module": module, "to": Served::from(binding)}));
            }
            Record::Unbound { module } => {
                change(&mut told, json!({"module": module, "to": null}));
            }
            Record::Attempted { module, attempt } => told.push(failed(module, attempt)),
            Record::Cleared { module } => told.push(json!({"event": "cleared", "module": module})),
            Record::Retired { number } => generations.push(number.number()),
            Record::Forgotten { .. } => entries += 1,
            _ => {}
        }
    }
    if !generations.is_empty() || entries > 0 {
        told.push(json!({"event": "swept", "generations": generations, "entries": entries}));
    }
    told.into_iter().map(|event| numbered(frame.sequence, event)).collect()
}

/// Adds a module to the generation that was told last.
fn change(told: &mut [Value], change: Value) {
    let last = told.iter_mut().rev().find_map(|event| event.get_mut("changes")?.as_array_mut());
    last.into_iter().for_each(|changes| changes.push(change.clone()));
}

fn failed(module: &str, attempt: &StoreAttempt) -> Value {
    json!({"event": "failed", "module": module, "attempt": Attempt::from(attempt)})
}

fn numbered(sequence: u64, event: Value) -> Value {
    let mut numbered = Map::new();
    numbered.insert("sequence".into(), sequence.into());
    if let Value::Object(fields) = event {
        numbered.extend(fields);
    }
    Value::Object(numbered)
}

impl Answer for Events {
    fn write(&self, to: &mut Page<'_>) -> io::Result<()> {
        self.events.iter().try_for_each(|event| to.json(event))
    }
}
