//! `selftest`: whether modstore keeps its promises on this machine. The trials are the laboratory's.

use std::{
    env, fs, io,
    path::{Path, PathBuf},
};

use clap::Args;
use modstore_core::disk::FileSystem;
use modstore_testbed::{LabError, Machine, Outcome, SelfTest, Trial};
use schemars::JsonSchema;
use serde::Serialize;

use super::Runnable;
use crate::{
    context::Context, exit::Exit, output::Answer, page::Page, report::Failure, text::count,
};

/// Try on this machine what modstore promises, and report the result
///
/// Runs the demo, writers and readers at the same time, names that fold, damage and its repair, and the doctor on a
/// broken Python environment. All of it happens in directories for temporary files, which are removed. Takes about a minute.
/// Needs git; without python3 the last trial is skipped.
///
/// The report is one JSON file: the versions of the system and of its programs, each promise, and what was seen. It
/// has no environment variables, and no name of a person, a machine or a home directory: it can be sent to the project.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  modstore selftest
  modstore selftest --report modstore-selftest.json     (a file to send)")]
pub(crate) struct SelftestArgs {
    /// Write the report into this file
    #[arg(long, value_name = "FILE")]
    report: Option<PathBuf>,
}

/// The answer of `selftest`, and the report.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct SelftestAnswer {
    generation: Option<u64>,
    /// The version of modstore.
    version: &'static str,
    /// Whether no promise was broken.
    passed: bool,
    /// The system.
    machine: Machine,
    /// Each promise, in the order in which they were tried.
    trials: Vec<Trial>,
}

impl Runnable for SelftestArgs {
    type Answer = SelftestAnswer;

    fn run(&self, context: &Context) -> Result<SelftestAnswer, Failure> {
        context.heed();
        let program = env::current_exe().map_err(LabError::cannot("find this program"))?;
        let test = SelfTest {
            program: &program,
            print: &|line| context.output.for_people(|to| writeln!(to, "{line}")),
            is_cancelled: &|| context.cancel().is_cancelled(),
        };
        let (mut machine, trials) = test.run()?;
        if context.cancel().is_cancelled() {
            return Err(Failure::new(Exit::Interrupted, "interrupted"));
        }
        machine.file_system = FileSystem::of(&env::temp_dir()).ok().map(|found| found.kind);
        let passed = trials.iter().all(|trial| trial.outcome != Outcome::Failed);
        let version = env!("CARGO_PKG_VERSION");
        let answer = SelftestAnswer { generation: None, version, passed, machine, trials };
        if let Some(file) = &self.report {
            write_report(&answer, file)?;
        }
        Ok(answer)
    }
}

fn write_report(answer: &SelftestAnswer, file: &Path) -> Result<(), Failure> {
    let written = serde_json::to_string_pretty(answer)
        .map_err(io::Error::from)
        .and_then(|text| fs::write(file, text + "\n"));
    written.map_err(|error| {
        Failure::new(Exit::Failed, format!("cannot write the report {}", file.display()))
            .because(vec![error.to_string()])
    })
}

impl SelftestAnswer {
    fn of(&self, outcome: Outcome) -> usize {
        self.trials.iter().filter(|trial| trial.outcome == outcome).count()
    }
}

impl Answer for SelftestAnswer {
    fn write(&self, to: &mut Page<'_>) -> io::Result<()> {
        writeln!(to)?;
        let skipped = self.of(Outcome::Skipped);
        let kept = count(self.of(Outcome::Passed), "promise");
        writeln!(to, "{kept} kept, {} broken, {skipped} skipped.", self.of(Outcome::Failed))
    }

    fn failure(&self) -> Option<Failure> {
        let broken = self.of(Outcome::Failed);
        let failure = Failure::new(Exit::Failed, format!("{} broken", count(broken, "promise")));
        (!self.passed).then(|| failure.hint("run it again with --report FILE, and send that file"))
    }
}
