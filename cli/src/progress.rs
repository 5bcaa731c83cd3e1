//! Shows an update while it runs, on standard error: bars, lines, JSON or nothing.
//!
//! The events come from many threads. Failures are not printed here but at the end, with their causes.

mod pace;
mod transfer;
mod lines;
mod bars;
mod objects;

use std::io::{self, IsTerminal as _};

use modstore::{Event, Events};

#[cfg(test)]
pub(crate) use self::objects::ProgressEvent;
use self::{bars::Bars, lines::Lines, objects::Objects};
use crate::{
    interrupt::Switching,
    options::{Global, ProgressMode},
    output::Output,
    page::on_stderr,
    report::write_warning,
};

/// Receives the events of an update and shows them.
#[derive(Debug)]
pub(crate) struct Progress {
    how: How,
    quiet: bool,
    switching: Switching,
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
    /// Shows progress as the options say.
    pub(crate) fn new(global: &Global, switching: &Switching, output: Output) -> Self {
        let terminal = io::stderr().is_terminal() && !global.interactive;
        let how = match global.progress {
            ProgressMode::Json => How::Objects(Objects::new()),
            ProgressMode::None => How::Nothing,
            _ if global.quiet => How::Nothing,
            ProgressMode::Auto | ProgressMode::Bar if terminal => How::Bars(Bars::default()),
            _ => How::Lines(Lines::new(global.verbose)),
        };
        Self { how, quiet: global.quiet, switching: switching.clone(), output }
    }

    /// Prints what a person should know even without progress.
    fn warn(&self, text: &str) {
        let say = || on_stderr(|to| write_warning(to, text));
        match &self.how {
            _ if self.quiet => {}
            How::Bars(bars) => bars.aside(say),
            _ => say(),
        }
    }
}

impl Events for Progress {
    fn happened(&self, event: Event<'_>) {
        match event {
            Event::Committing => self.switching.set(true),
            Event::Shown { .. } => self.switching.set(false),
            Event::Notice { text } => self.output.note(text),
            _ => {}
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
