//! `demo`: the main job on real repositories, by this same program. The story is the laboratory's.

use std::io;

use clap::Args;
use modstore_testbed::{Demo, DemoStep, LabError};
use schemars::JsonSchema;
use serde::Serialize;

use super::Runnable;
use crate::{context::Context, output::Answer, page::Page, report::Failure, text::count};

/// See it work on real repositories, in a temporary directory
///
/// Shows an update, a fetch that breaks off, a rollback and a sweep. Makes a few git repositories of its own, runs
/// the commands that a person would type, prints what they print, and checks every claim it makes. Needs git and
/// nothing else; touches nothing outside the temporary directory, which it removes at the end.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  modstore demo
  modstore demo --keep               (leaves the directory, to look around)")]
pub(crate) struct DemoArgs {
    /// Leave the temporary directory
    #[arg(long)]
    keep: bool,
}

/// The answer of `demo`.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub(crate) struct DemoAnswer {
    /// The current generation of the demo's own store.
    generation: Option<u64>,
    /// The temporary directory.
    directory: String,
    /// Whether the directory is still there.
    kept: bool,
    /// The steps.
    steps: Vec<DemoStep>,
}

impl Runnable for DemoArgs {
    type Answer = DemoAnswer;

    fn run(&self, context: &Context) -> Result<DemoAnswer, Failure> {
        context.heed();
        let program = std::env::current_exe().map_err(LabError::cannot("find this program"))?;
        let demo = Demo {
            program: &program,
            keep: self.keep,
            print: &|line| context.output.for_people(|to| writeln!(to, "{line}")),
            is_cancelled: &|| context.cancel().is_cancelled(),
        };
        let played = demo.play()?;
        Ok(DemoAnswer {
            generation: played.generation,
            directory: played.directory.display().to_string(),
            kept: self.keep,
            steps: played.steps,
        })
    }
}

impl Answer for DemoAnswer {
    fn write(&self, to: &mut Page<'_>) -> io::Result<()> {
        let checks = self.steps.iter().map(DemoStep::checks).sum();
        writeln!(to)?;
        writeln!(to, "{} held.", count(checks, "check"))?;
        if self.kept {
            return writeln!(to, "All of it is still in {}", self.directory);
        }
        writeln!(to, "The temporary directory is removed; `modstore demo --keep` leaves it.")
    }
}
