//! Shows an update while it runs, on standard error: bars, lines, JSON or nothing.
//!
//! The events come from many threads. What went wrong is not told here but at the end, with its causes.

mod bars;
mod lines;
mod objects;

use std::io::{self, IsTerminal as _};

use anstream::AutoStream;
use modstore::{Event, Events};

use self::{bars::Bars, lines::Lines, objects::Objects};
use crate::{
    args::{Global, ProgressMode},
    output::Output,
    report::write_warning,
};

/// Listens to an update and shows it.
#[derive(Debug)]
pub(crate) struct Progress {
    how: How,
    quiet: bool,
    output: Output,
}

#[derive(Debug)]
enum How {
    Bars(Bars),
    Lines(Lines),
    Objects(Objects),
    Nothing,
}

impl Progress {
    /// Shows it as the options say.
    pub(crate) fn new(global: &Global, output: Output) -> Self {
        let terminal = io::stderr().is_terminal() && !global.interactive;
        let how = match global.progress {
            ProgressMode::Json => How::Objects(Objects::default()),
            ProgressMode::None => How::Nothing,
            _ if global.quiet => How::Nothing,
            ProgressMode::Auto | ProgressMode::Bar if terminal => How::Bars(Bars::default()),
            _ => How::Lines(Lines::new(global.verbose)),
        };
        Self { how, quiet: global.quiet, output }
    }

    /// Tells what a person should know even where no progress is shown.
    fn warn(&self, text: &str) {
        // Nobody can be told when standard error is gone.
        let say = || drop(write_warning(&mut AutoStream::auto(io::stderr().lock()), text));
        match &self.how {
            _ if self.quiet => {}
            How::Bars(bars) => bars.aside(say),
            _ => say(),
        }
    }
}

impl Events for Progress {
    fn happened(&self, event: Event<'_>) {
        if let Event::Notice { text } = event {
            self.output.note(text);
        }
        match (&self.how, event) {
            (How::Objects(objects), _) => objects.happened(event),
            (_, Event::Notice { text }) => self.warn(text),
            (How::Bars(bars), _) => bars.happened(event),
            (How::Lines(lines), _) => lines.happened(event),
            (How::Nothing, _) => {}
        }
    }
}
