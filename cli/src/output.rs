//! Standard output, for people or as one JSON object. Nobody else prints there.
//!
//! A reader that goes away (`modstore list | head -1`) ends the output and nothing else.

use std::{
    io::{self, Write},
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use anstream::{AutoStream, ColorChoice};
use modstore::{Cancel, Exit};
use serde::Serialize;

use crate::{
    args::{ColorMode, Global},
    report::{Failure, write_warning},
};

/// What a command has to say, in both ways: its fields are the JSON, `write` is for people.
pub(crate) trait Answer: Serialize {
    /// Writes it for a person.
    fn write(&self, to: &mut dyn Write) -> io::Result<()>;

    /// What did not work, one by one, for standard error.
    fn troubles(&self) -> Vec<Failure> {
        Vec::new()
    }

    /// Why the command as a whole has not succeeded, if it has not.
    fn failure(&self) -> Option<Failure> {
        None
    }
}

/// The object that `--json` prints.
#[derive(Serialize)]
struct Envelope<'a, T> {
    schema: u8,
    command: Option<&'a str>,
    ok: bool,
    #[serde(flatten)]
    body: T,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<&'a Failure>,
}

/// What a failure without an answer says of the store.
#[derive(Serialize)]
struct NoAnswer {
    generation: Option<u64>,
}

/// Where the output goes, and in which form.
#[derive(Debug, Clone)]
pub(crate) struct Output {
    json: bool,
    quiet: bool,
    command: Option<&'static str>,
    ended: Arc<AtomicBool>,
    interrupted: Cancel,
}

impl Output {
    /// The output of `command`, as the options say.
    pub(crate) fn new(global: &Global, command: &'static str) -> Self {
        match global.color {
            ColorMode::Auto => {}
            ColorMode::Always => ColorChoice::Always.write_global(),
            ColorMode::Never => ColorChoice::Never.write_global(),
        }
        Self {
            json: global.json,
            quiet: global.quiet,
            command: Some(command),
            ended: Arc::default(),
            interrupted: Cancel::default(),
        }
    }

    /// The same, of a command that somebody may interrupt.
    pub(crate) fn interruptible(self, interrupted: &Cancel) -> Self {
        Self { interrupted: interrupted.clone(), ..self }
    }

    /// The output when not even the command could be read.
    pub(crate) fn of_usage(json: bool) -> Self {
        let (ended, interrupted) = (Arc::default(), Cancel::default());
        Self { json, quiet: false, command: None, ended, interrupted }
    }

    /// Says how the command ended, and gives the exit code.
    pub(crate) fn end<A: Answer>(
        &self,
        generation: impl FnOnce() -> Option<u64>,
        result: Result<A, Failure>,
    ) -> u8 {
        match result {
            Ok(answer) => self.answer(&answer),
            // Whatever it says that it failed of, this is why.
            Err(failure) if self.interrupted.is_cancelled() => {
                self.fail(generation(), &failure.with_exit(Exit::Interrupted.code()))
            }
            Err(failure) => self.fail(generation(), &failure),
        }
    }

    fn answer<A: Answer>(&self, answer: &A) -> u8 {
        let (troubles, failure) = (answer.troubles(), answer.failure());
        let written = if self.json {
            self.envelope(answer, failure.as_ref())
        } else {
            self.for_people(|to| answer.write(to))
        };
        self.say(&troubles);
        if troubles.is_empty() {
            self.say(failure.as_slice());
        }
        self.written(written, failure.map_or(0, |failure| failure.exit))
    }

    /// Says that the command failed, and gives the exit code.
    pub(crate) fn fail(&self, generation: Option<u64>, failure: &Failure) -> u8 {
        let body = NoAnswer { generation };
        let written = if self.json { self.envelope(&body, Some(failure)) } else { Ok(()) };
        self.say(std::slice::from_ref(failure));
        self.written(written, failure.exit)
    }

    fn envelope<T: Serialize>(&self, body: &T, error: Option<&Failure>) -> io::Result<()> {
        let (ok, command) = (error.is_none(), self.command);
        let object = Envelope { schema: 1, command, ok, body, error };
        let mut text = serde_json::to_vec(&object).map_err(io::Error::other)?;
        text.push(b'\n');
        if self.ended.swap(true, Ordering::SeqCst) {
            return Ok(());
        }
        let mut to = io::stdout().lock();
        to.write_all(&text)?;
        to.flush()
    }

    /// Writes for a person, unless it is a program that reads.
    pub(crate) fn for_people(
        &self,
        write: impl FnOnce(&mut dyn Write) -> io::Result<()>,
    ) -> io::Result<()> {
        if self.json {
            return Ok(());
        }
        // As it is: the paths of some people hold what would be taken for a colour and dropped.
        let mut to = io::BufWriter::new(io::stdout().lock());
        write(&mut to)?;
        to.flush()
    }

    fn say(&self, failures: &[Failure]) {
        let mut to = AutoStream::auto(io::stderr().lock());
        for failure in failures {
            // Nobody can be told when standard error is gone.
            let _ = failure.write(&mut to);
        }
    }

    /// Tells a person something that keeps nothing from working, on standard error.
    pub(crate) fn warn(&self, text: &str) {
        if !self.quiet {
            // As above.
            let _ = write_warning(&mut AutoStream::auto(io::stderr().lock()), text);
        }
    }

    fn written(&self, written: io::Result<()>, exit: u8) -> u8 {
        match written {
            Err(error) if error.kind() != io::ErrorKind::BrokenPipe => {
                self.say(&[error.into()]);
                exit.max(Exit::Failed.code())
            }
            _ => exit,
        }
    }

    /// The last words of a command that is interrupted in the middle.
    pub(crate) fn interrupted(&self, home: Option<&Path>) {
        let generation = home.and_then(shown);
        self.fail(generation, &Failure::new(Exit::Interrupted, "interrupted"));
    }
}

/// The number of the generation that the store in `home` shows.
pub(crate) fn shown(home: &Path) -> Option<u64> {
    modstore::commit::shown(&modstore::disk::Layout::new(home)).map(|shown| shown.number())
}
