//! `events`: what the journal has recorded, as lines for a program; and what it records from now on.
//!
//! Ten times a second `--follow` asks the file system whether the journal changed: that is one system call, and works
//! on every system.

mod event;

use std::{io, os::unix::fs::MetadataExt as _, path::Path, time::Duration};

use clap::Args;
use modstore::Store;
use schemars::JsonSchema;
use serde::Serialize;

use self::event::Event;
use super::Runnable;
use crate::{
    context::Context,
    effect::Effect,
    exit::Exit,
    output::Answer,
    page::{Page, on_stdout},
    report::Failure,
};

/// Between two looks at the journal.
const PAUSE: Duration = Duration::from_millis(100);

/// List what happened, one JSON object per line, for a host to follow
///
/// Reads the journal: each generation with its changes, each failure, each module that has recovered, each
/// sweep. Every event has the number of its journal frame, `sequence`: a host that has seen number N goes on
/// with --since N.
///
/// With --follow it goes on as things happen, until it is interrupted. A host that only waits for new
/// generations can watch the link `current` in the store's directory instead: every switch replaces it.
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

/// The answer of `events`. Without `--json`, each event is a line of its own.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct EventsAnswer {
    generation: Option<u64>,
    /// What happened, the oldest first.
    events: Vec<Event>,
}

impl Runnable for EventsArgs {
    type Answer = EventsAnswer;
    const EFFECT: Effect = Effect::Reads;

    fn run(&self, context: &Context) -> Result<EventsAnswer, Failure> {
        if context.global.json && self.follow {
            let failure =
                Failure::new(Exit::Usage, "--follow has no end, and --json prints one object");
            return Err(failure.hint("leave out --json: every line is JSON anyway"));
        }
        let store = context.store_without_tiers()?;
        let frames = store.frames(self.since)?;
        let last = frames.last().map_or(self.since, |frame| frame.sequence);
        let answer = EventsAnswer {
            generation: store.current().map(|shown| shown.number()),
            events: frames.iter().flat_map(Event::of_frame).collect(),
        };
        if self.follow {
            context.heed();
            write_lines(&answer.events)?;
            return Err(follow(context, &store, last)?);
        }
        Ok(answer)
    }
}

/// Goes on until it is interrupted, which is how it ends.
fn follow(context: &Context, store: &Store, mut last: u64) -> Result<Failure, Failure> {
    let mut seen = None;
    while !context.cancel().is_cancelled() {
        let now = stamp(&store.layout().journal());
        if now != seen {
            let frames = store.frames(last)?;
            write_lines(&frames.iter().flat_map(Event::of_frame).collect::<Vec<_>>())?;
            last = frames.last().map_or(last, |frame| frame.sequence);
            seen = now;
        }
        std::thread::sleep(PAUSE);
    }
    Ok(Failure::new(Exit::Interrupted, "interrupted"))
}

/// What changes whenever the journal does.
fn stamp(journal: &Path) -> Option<(u64, u64, i64, i64)> {
    let meta = journal.metadata().ok()?;
    Some((meta.ino(), meta.len(), meta.mtime(), meta.mtime_nsec()))
}

fn write_lines(events: &[Event]) -> Result<(), Failure> {
    let written = on_stdout(|to| events.iter().try_for_each(|event| to.json(event)));
    written.map_err(|error| match error.kind() {
        // The reader has read enough.
        io::ErrorKind::BrokenPipe => Failure::new(Exit::Interrupted, "the reader has gone away"),
        _ => error.into(),
    })
}

impl Answer for EventsAnswer {
    fn write(&self, to: &mut Page<'_>) -> io::Result<()> {
        self.events.iter().try_for_each(|event| to.json(event))
    }
}
