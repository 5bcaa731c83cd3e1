//! `activate`: everything that a host does at its start, in one call.

use std::{
    io::{self, Read as _},
    path::PathBuf,
};

use clap::{Args, ValueHint};
use modstore::{ActivateRequest, Lease};
use schemars::JsonSchema;
use serde::Serialize;

use super::{
    Runnable,
    bind::BindAnswer,
    ensure::{EnsureAnswer, wanted},
    required,
};
use crate::{context::Context, json::paths, output::Answer, page::Page, report::Failure};

/// Ensure sources, bind them to a Python environment and print its import path
///
/// Reads the list of sources that `modstore ensure` reads, and does what it does. Then the modules are bound to the
/// environment, unless it has them already, as `modstore bind` does. The answer has the import path of the current
/// generation. If everything is as it should be, nothing is locked and no program is run.
///
/// The generation stays for as long as a process has a lease on it. With --stay, the command does not end after its
/// answer: it has a lease until its standard input is closed, which the system does when the host ends. A host in Python
/// takes its lease itself: `modstore print-shim python`.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  modstore --json activate --python .venv < sources.json
  modstore --json activate --stay < fifo       (has a lease until the fifo is closed)")]
pub(crate) struct ActivateArgs {
    /// The environment: its interpreter, its directory, or a name in PATH
    #[arg(long, value_name = "PY", value_hint = ValueHint::AnyPath)]
    python: Option<PathBuf>,
    /// A file of version constraints for the installer, now and in updates
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath, requires = "python")]
    constraints: Option<PathBuf>,
    /// Keep the generation until standard input is closed
    #[arg(long)]
    stay: bool,
}

/// The answer of `activate`.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct ActivateAnswer {
    #[serde(flatten)]
    ensured: EnsureAnswer,
    /// The directory of the generation, with one link for each module; null if there is none yet.
    modules_directory: Option<String>,
    /// The directories that the generation puts on the import path of the environment.
    import_path: Vec<String>,
    /// What was done in the environment; null if it had everything, or none was named.
    bound: Option<BindAnswer>,
    /// Whether the command has a lease on the generation until its standard input is closed.
    leased: bool,
    #[serde(skip)]
    #[schemars(skip)]
    lease: Option<Lease>,
}

impl Runnable for ActivateArgs {
    type Answer = ActivateAnswer;

    fn run(&self, context: &Context) -> Result<ActivateAnswer, Failure> {
        let items = required::from_stdin(!self.stay)?;
        let store = context.store()?;
        let request = ActivateRequest {
            required: wanted(&items),
            python: self.python.clone(),
            constraints: self.constraints.clone(),
        };
        let activated = store.activate(&request, &context.progress(), context.cancel())?;
        let ensured = EnsureAnswer::new(&store, &items, &activated.ensured);
        ensured.warn(context);
        let bound = activated.bound.as_ref().map(BindAnswer::from);
        bound.iter().for_each(|bound| bound.warn(context));
        let directory = activated.lease.as_ref().map(Lease::directory);
        Ok(ActivateAnswer {
            ensured,
            modules_directory: directory.map(|directory| directory.display().to_string()),
            import_path: paths(&activated.import_path),
            bound,
            leased: self.stay && activated.lease.is_some(),
            lease: activated.lease,
        })
    }
}

impl Answer for ActivateAnswer {
    fn write(&self, to: &mut Page<'_>) -> io::Result<()> {
        self.ensured.write(to)?;
        self.bound.iter().try_for_each(|bound| bound.write(to))?;
        self.import_path.iter().try_for_each(|path| writeln!(to, "  {path}"))
    }

    fn troubles(&self) -> Vec<Failure> {
        let bound = self.bound.iter().flat_map(Answer::troubles);
        self.ensured.troubles().into_iter().chain(bound).collect()
    }

    fn failure(&self) -> Option<Failure> {
        let bound = || self.bound.as_ref().and_then(Answer::failure);
        self.ensured.failure().or_else(bound)
    }

    fn after(self) {
        if !self.leased {
            return;
        }
        // Whatever still comes means nothing, and an error is an end too.
        let mut rest = [0; 512];
        while io::stdin().lock().read(&mut rest).is_ok_and(|read| read > 0) {}
        drop(self.lease);
    }
}
