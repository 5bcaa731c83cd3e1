//! [`SelfTest`]: tries one promise after the other, each in a directory of its own that goes when it ends.

use std::{io, path::Path, time::Instant};

use schemars::JsonSchema;
use serde::Serialize;

use super::{
    machine::Machine,
    scrub::Scrub,
    trials::{TRIALS, Unproved},
};
use crate::{failure::LabError, sandbox::Sandbox};

/// A self-test that is about to run.
pub struct SelfTest<'a> {
    /// The program that is tried.
    pub program: &'a Path,
    /// Prints a line.
    pub print: &'a dyn Fn(&str) -> io::Result<()>,
    /// Whether to stop.
    pub is_cancelled: &'a dyn Fn() -> bool,
}

/// How a trial ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Outcome {
    /// The promise was kept.
    Passed,
    /// It was not kept, or could not be tried to the end.
    Failed,
    /// What it needs is not on this machine.
    Skipped,
}

/// A promise that was tried.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub struct Trial {
    /// The promise.
    pub promise: String,
    /// How the trial ended.
    pub outcome: Outcome,
    /// How many milliseconds it took.
    milliseconds: u64,
    /// What was seen, or why it failed or was skipped. Names and places of the person are replaced.
    pub details: Vec<String>,
}

impl SelfTest<'_> {
    /// Tries every promise, and describes the machine. A trial that fails ends only itself.
    ///
    /// # Errors
    /// A directory cannot be made, a line cannot be printed, or it is to stop.
    pub fn run(&self) -> Result<(Machine, Vec<Trial>), LabError> {
        let machine = Machine::this();
        let mut trials = Vec::new();
        for (promise, attempt) in TRIALS {
            if (self.is_cancelled)() {
                break;
            }
            let sandbox = Sandbox::new(self.program)?;
            let began = Instant::now();
            let result = attempt(&sandbox, &machine);
            let trial = Trial {
                promise: (*promise).to_owned(),
                outcome: outcome_of(&result),
                milliseconds: u64::try_from(began.elapsed().as_millis()).unwrap_or(u64::MAX),
                details: details_of(result, &Scrub::new(sandbox.path())),
            };
            self.say(&trial)?;
            trials.push(trial);
        }
        Ok((machine, trials))
    }

    fn say(&self, trial: &Trial) -> Result<(), LabError> {
        let word = match trial.outcome {
            Outcome::Passed => "passed ",
            Outcome::Failed => "FAILED ",
            Outcome::Skipped => "skipped",
        };
        let first = format!("{word} {} ({} ms)", trial.promise, trial.milliseconds);
        let details = trial.details.iter().map(|line| format!("        {line}"));
        let mut lines = std::iter::once(first).chain(details);
        match lines.try_for_each(|line| (self.print)(&line)) {
            // The reader has read enough; the trials go on.
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
            printed => printed.map_err(LabError::cannot("write the output")),
        }
    }
}

const fn outcome_of(result: &Result<Vec<String>, Unproved>) -> Outcome {
    match result {
        Ok(_) => Outcome::Passed,
        Err(Unproved::Needs(_)) => Outcome::Skipped,
        Err(Unproved::Broken(_) | Unproved::Lab(_) | Unproved::Demo(_)) => Outcome::Failed,
    }
}

fn details_of(result: Result<Vec<String>, Unproved>, scrub: &Scrub) -> Vec<String> {
    let details = match result {
        Ok(seen) => seen,
        Err(Unproved::Broken(said)) => said,
        Err(error) => chain(&error),
    };
    details.iter().map(|line| scrub.text(line)).collect()
}

/// An error and its causes, a line each.
fn chain(error: &dyn std::error::Error) -> Vec<String> {
    let causes = std::iter::successors(Some(error), |error| error.source());
    causes.map(ToString::to_string).collect()
}
