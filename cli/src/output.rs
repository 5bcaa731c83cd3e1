//! What a command says, for people or as one JSON object.
//!
//! A reader that goes away (`modstore list | head -1`) ends the output and nothing else.

use std::{
    io,
    path::Path,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
};

use anstream::ColorChoice;
use modstore::Cancel;
use serde::Serialize;

use crate::{
    exit::Exit,
    options::{ColorMode, Global},
    page::{Page, on_stderr, on_stdout},
    report::{Failure, write_warning},
};

/// What a command has to say, in both ways: its fields are the JSON, `write` is for people.
pub(crate) trait Answer: Serialize {
    /// Writes it for a person.
    fn write(&self, to: &mut Page<'_>) -> io::Result<()>;

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
    #[serde(skip_serializing_if = "Vec::is_empty")]
    notices: Vec<String>,
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
    notices: Arc<Mutex<Vec<String>>>,
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
            notices: Arc::default(),
            interrupted: Cancel::default(),
        }
    }

    /// The same, of a command that somebody may interrupt.
    pub(crate) fn interruptible(self, interrupted: &Cancel) -> Self {
        Self { interrupted: interrupted.clone(), ..self }
    }

    /// The output when not even the command could be read.
    pub(crate) fn of_usage(json: bool) -> Self {
        let (ended, notices, interrupted) = (Arc::default(), Arc::default(), Cancel::default());
        Self { json, quiet: false, command: None, ended, notices, interrupted }
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
        let notices = self.notices.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let object = Envelope { schema: 1, command, ok, body, error, notices };
        if self.ended.swap(true, Ordering::SeqCst) {
            return Ok(());
        }
        on_stdout(|to| to.json(&object))
    }

    /// Writes for a person, unless it is a program that reads.
    pub(crate) fn for_people(
        &self,
        write: impl FnOnce(&mut Page<'_>) -> io::Result<()>,
    ) -> io::Result<()> {
        if self.json {
            return Ok(());
        }
        on_stdout(write)
    }

    fn say(&self, failures: &[Failure]) {
        on_stderr(|to| failures.iter().try_for_each(|failure| failure.write(to)));
    }

    /// Keeps something that keeps nothing from working for the object that `--json` prints.
    pub(crate) fn note(&self, text: &str) {
        self.notices.lock().unwrap_or_else(PoisonError::into_inner).push(text.to_owned());
    }

    /// Tells a person something that keeps nothing from working, on standard error.
    pub(crate) fn warn(&self, text: &str) {
        if !self.quiet {
            on_stderr(|to| write_warning(to, text));
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
