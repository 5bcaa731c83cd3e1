//! `doctor`: what is wrong with Python environments and caches of modules, and fixing it.

mod text;

use std::path::{Path, PathBuf};

use clap::{Args, ValueHint};
use modstore::{Finding, Store};
use modstore_core::disk::Disk;
use modstore_doctor::{Doctor, DoctorError, Report, Request};
use schemars::JsonSchema;
use serde::Serialize;

use super::Runnable;
use crate::{context::Context, json::paths, report::Failure};

/// Find what is wrong with Python environments and caches of modules, and fix it
///
/// Works on any environment, whether or not it follows a store, and also when its interpreter is broken: it reads
/// what Python follows and what tools display from files. Unless --quick is given, it also asks the environment's own
/// Python which files it would load, without loading them. It imports nothing, unless --import is given: then each
/// distribution that lies elsewhere is imported, which runs its code. Without --python it looks at the environments of `uv tool`, the
/// active one, ./.venv and those that follow the store, and at the caches they lead into. It runs and changes nothing
/// of ./.venv unless that is named, active or follows the store: it may have come with a repository.
///
/// Nothing is changed without --fix. With it, a path that leads nowhere is pointed at the store's module, or else at
/// the directory of a cache that holds the distribution now: by one call of the environment's installer, or, if that
/// is missing or fails, by rewriting the files. If several directories would do and nothing says which is meant, or a
/// file cannot be parsed, doctor says so and changes nothing there.
///
/// It also finds links of `modstore expose` that are gone, were replaced or lead elsewhere, and directories in `state/`
/// that modules write to and that are gone or cannot be used. --fix makes both again.
///
/// Exits with 0 if nothing is broken (any longer); warnings and notes do not affect the exit code. Exits with 1 if
/// something is broken, with 2 if there is no environment to inspect, with 3 if another process was changing one
/// that was to be fixed, and with 4 if the store itself cannot be read.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  modstore doctor
  modstore doctor --fix
  modstore doctor --python ~/.local/share/uv/tools/my-host/bin/python --fix
  modstore doctor --quick --json     (reads files only; fast enough for every start of a host)
  modstore doctor --import           (also runs what an import of each distribution runs)

`modstore explain CODE` describes a code.")]
pub(crate) struct DoctorArgs {
    /// An environment: its interpreter, its directory, or a name in PATH; may be given several times
    #[arg(long, value_name = "PY", value_hint = ValueHint::AnyPath)]
    python: Vec<PathBuf>,
    /// Fix what can be fixed
    #[arg(long)]
    fix: bool,
    /// Read files only: start no interpreter
    #[arg(long)]
    quick: bool,
    /// Import the distributions as well, which runs their code
    #[arg(long, conflicts_with = "quick")]
    import: bool,
}

/// The answer of `doctor`.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct DoctorAnswer {
    generation: Option<u64>,
    /// Whether `--quick` was given.
    quick: bool,
    /// Whether `--import` was given.
    import: bool,
    /// Whether `--fix` was given.
    fix: bool,
    /// Links at places of hosts' that are not as `modstore expose` made them; `verify` has the same findings.
    exposed: Vec<Finding>,
    /// The places of such links that were made again or forgotten.
    exposed_fixed: Vec<String>,
    /// Directories that modules write to and that are not as they should be; `verify` has the same findings.
    states: Vec<Finding>,
    /// Those of them that were repaired.
    states_fixed: Vec<String>,
    #[serde(flatten)]
    report: Report,
}

impl Runnable for DoctorArgs {
    type Answer = DoctorAnswer;

    fn run(&self, context: &Context) -> Result<DoctorAnswer, Failure> {
        let progress = context.progress();
        let doctor = Doctor {
            disk: Disk::default(),
            home: context.home().ok().map(Path::to_owned),
            offline: context.global.offline,
            lock_limit: context.global.lock_timeout,
            cancel: context.cancel(),
            events: &progress,
        };
        let request = Request {
            python: self.python.clone(),
            quick: self.quick,
            import: self.import,
            fix: self.fix,
        };
        let store = context.store().ok();
        let store = store.as_ref();
        let exposed = |store: &Store| store.exposed().unwrap_or_default();
        let states = |store: &Store| store.faulty_states().unwrap_or_default();
        let (mut exposed_fixed, mut states_fixed) = (Vec::new(), Vec::new());
        if let Some(store) = store.filter(|store| self.fix && !exposed(store).is_empty()) {
            exposed_fixed = paths(&store.repair_exposed(&progress, context.cancel())?);
        }
        if let Some(store) = store.filter(|store| self.fix && !states(store).is_empty()) {
            states_fixed = paths(&store.repair_states(&progress, context.cancel())?);
        }
        let exposed = store.map(exposed).unwrap_or_default();
        let states = store.map(states).unwrap_or_default();
        let of_store = [exposed.len(), exposed_fixed.len(), states.len(), states_fixed.len()];
        let report = match doctor.run(&request) {
            // A host without any Python has its links and its states.
            Err(DoctorError::Nothing) if of_store.iter().any(|count| *count > 0) => {
                Report::default()
            }
            report => report?,
        };
        Ok(DoctorAnswer {
            generation: context.generation(),
            quick: self.quick,
            import: self.import,
            fix: self.fix,
            exposed,
            exposed_fixed,
            states,
            states_fixed,
            report,
        })
    }
}
