//! The output of a command, for people or as one JSON object.
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
use schemars::JsonSchema;
use serde::Serialize;

use crate::{
    exit::Exit,
    options::{ColorMode, Global},
    page::{Page, on_stderr, on_stdout},
    report::{Failure, write_warning},
};

/// The version of what `--json` prints: `docs/json.schema.json` describes it.
pub(crate) const SCHEMA: u8 = 2;

/// The answer of a command, in two forms: its fields are the JSON, `write` is for people.
pub(crate) trait Answer: Serialize + JsonSchema {
    /// Writes it for a person.
    fn write(&self, to: &mut Page<'_>) -> io::Result<()>;

    /// Each thing that failed, for standard error.
    fn troubles(&self) -> Vec<Failure> {
        Vec::new()
    }

    /// Why the command as a whole failed, if it did.
    fn failure(&self) -> Option<Failure> {
        None
    }

    /// Is called when it is written.
    fn after(self)
    where
        Self: Sized,
    {
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

/// What is known if a command fails without an answer.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct NoAnswer {
    generation: Option<u64>,
}

/// How a command prints.
#[derive(Debug, Clone, Default)]
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
        Self { json: global.json, quiet: global.quiet, command: Some(command), ..Self::default() }
    }

    /// The same, for a command that a signal can interrupt.
    pub(crate) fn interruptible(self, interrupted: &Cancel) -> Self {
        Self { interrupted: interrupted.clone(), ..self }
    }

    /// The output if not even the command could be read.
    pub(crate) fn of_usage(json: bool) -> Self {
        Self { json, ..Self::default() }
    }

    /// Prints how the command ended, and gives the exit code.
    pub(crate) fn end<A: Answer>(
        &self,
        generation: impl FnOnce() -> Option<u64>,
        result: Result<A, Failure>,
    ) -> u8 {
        match result {
            Ok(answer) => {
                let exit = self.answer(&answer);
                answer.after();
                exit
            }
            // Whatever error the interruption caused, this is the reason.
            Err(failure) if self.interrupted.is_cancelled() => {
                self.fail(generation(), &failure.with_exit(Exit::Interrupted.code()))
            }
            Err(failure) => self.fail(generation(), &failure),
        }
    }

    fn answer<A: Answer>(&self, answer: &A) -> u8 {
        let troubles = answer.troubles();
        let failure = answer.failure();
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

    /// Prints that the command failed, and gives the exit code.
    pub(crate) fn fail(&self, generation: Option<u64>, failure: &Failure) -> u8 {
        let body = NoAnswer { generation };
        let written = if self.json { self.envelope(&body, Some(failure)) } else { Ok(()) };
        self.say(std::slice::from_ref(failure));
        self.written(written, failure.exit)
    }

    fn envelope<T: Serialize>(&self, body: &T, error: Option<&Failure>) -> io::Result<()> {
        let object = Envelope {
            schema: SCHEMA,
            command: self.command,
            ok: error.is_none(),
            body,
            error,
            notices: self.notices.lock().unwrap_or_else(PoisonError::into_inner).clone(),
        };
        if self.ended.swap(true, Ordering::SeqCst) {
            return Ok(());
        }
        on_stdout(|to| to.json(&object))
    }

    /// Writes for a person; with `--json`, nothing.
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

    /// Adds a notice to the object that `--json` prints: something that prevents nothing from working.
    pub(crate) fn note(&self, text: &str) {
        self.notices.lock().unwrap_or_else(PoisonError::into_inner).push(text.to_owned());
    }

    /// Prints a warning on standard error: something that prevents nothing from working.
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

    /// Prints the end of a command that is interrupted in the middle.
    pub(crate) fn interrupted(&self, home: Option<&Path>) {
        let generation = home.and_then(shown);
        self.fail(generation, &Failure::new(Exit::Interrupted, "interrupted"));
    }
}

/// The number of the current generation of the store in `home`.
pub(crate) fn shown(home: &Path) -> Option<u64> {
    modstore::internals::commit::shown(&modstore_core::disk::Layout::new(home))
        .map(|shown| shown.number())
}
