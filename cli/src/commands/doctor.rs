//! `doctor`: what is wrong with Python environments and caches of modules, and fixing it.

mod text;

use std::{path::PathBuf, time::Duration};

use clap::{Args, ValueHint};
use modstore_core::disk::Disk;
use modstore_doctor::{
    Candidate as StoreCandidate, Doctor, DoctorError, Examined, FailedFix as StoreFailedFix,
    Finding, Report, Request,
};
use schemars::JsonSchema;
use serde::Serialize;

use super::Runnable;
use crate::{
    context::Context,
    exit::Exit,
    json::{Exception, Severity, paths},
    report::Failure,
};

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
/// Exits with 0 if nothing is broken (any longer); warnings and notes do not affect the exit code. Exits with 1 if
/// something is broken, and with 4 if the store itself cannot be read.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  modstore doctor
  modstore doctor --fix
  modstore doctor --python ~/.local/share/uv/tools/my-host/bin/python --fix
  modstore doctor --quick --json     (reads files only; fast enough for every start of a host)
  modstore doctor --import           (also runs what an import of each distribution runs)

docs/doctor.md describes every code.")]
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
    /// The environments that were inspected.
    environments: Vec<InspectedEnvironment>,
    /// The root directories of the caches that were inspected.
    caches: Vec<String>,
    /// What is wrong now; with `--fix`, what is still wrong.
    findings: Vec<DoctorFinding>,
    /// What was wrong and is fixed.
    fixed: Vec<Fixed>,
    /// What was tried and failed.
    failed_fixes: Vec<FailedFix>,
    /// Files that could not be read or parsed, and so were left alone.
    unparsed: Vec<UnparsedFile>,
    /// Why the store cannot be read; null if it can, or if there is none.
    store_error: Option<String>,
}

/// An environment that was inspected.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub(crate) struct InspectedEnvironment {
    /// The environment's directory.
    environment: String,
    /// Its interpreter.
    python: String,
    /// The tool that `uv tool` installed in it; null if it is not such an environment.
    tool: Option<String>,
    /// The installer that can fix it, `uv` or `pip`; null if there is none.
    installer: Option<String>,
    /// How many distributions it has.
    distributions: usize,
    /// How many of them are editable: their code lies elsewhere.
    editables: usize,
    /// Why nothing of it was run; null if its Python was asked, or was not to be.
    not_run: Option<String>,
}

/// One thing that is wrong.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub(crate) struct DoctorFinding {
    /// What it is; a code never changes its meaning.
    #[schemars(schema_with = "crate::json::doctor_code")]
    code: &'static str,
    /// How much it matters.
    severity: Severity,
    /// The environment it is in; null for a cache.
    environment: Option<String>,
    /// The distribution that is affected.
    distribution: Option<String>,
    /// The name of the module in the store, or of the entry point.
    module: Option<String>,
    /// The file or directory that is wrong.
    path: String,
    /// Where it leads.
    target: Option<String>,
    /// What is wrong, in one clause for people; its wording may change.
    message: String,
    /// What importing the distribution raised.
    exception: Option<Exception>,
    /// The directory it should lead to; null if none was found.
    candidate: Option<Candidate>,
    /// Why `--fix` leaves it alone; null if it does not.
    not_fixed_because: Option<String>,
    /// What a person can type to fix it; null if nothing is known to help.
    fix: Option<String>,
}

/// A directory that holds a distribution now.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub(crate) struct Candidate {
    /// The directory.
    directory: String,
    /// Why it was chosen.
    why: String,
    /// The directories that were not chosen.
    others: Vec<String>,
}

/// Something that was fixed.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub(crate) struct Fixed {
    #[serde(flatten)]
    finding: DoctorFinding,
    /// By which means: `uv`, `pip`, or `hand` for files that doctor rewrote itself.
    how: String,
}

/// An attempt to fix something that failed.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub(crate) struct FailedFix {
    /// The environment's directory.
    environment: String,
    /// The distributions that were to be fixed; empty for all of them.
    distributions: Vec<String>,
    /// By which means: `uv`, `pip`, `hand`, or `lock` if the environment was in use.
    how: String,
    /// Why it failed, outermost first.
    causes: Vec<String>,
    /// Whether another process was changing the environment.
    busy: bool,
}

/// A file that could not be read or parsed.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub(crate) struct UnparsedFile {
    /// The file.
    path: String,
    /// Why.
    why: String,
}

impl Runnable for DoctorArgs {
    type Answer = DoctorAnswer;

    fn run(&self, context: &Context) -> Result<DoctorAnswer, Failure> {
        let progress = context.progress();
        let doctor = Doctor {
            disk: Disk::default(),
            home: context.home().ok().cloned(),
            offline: context.global.offline,
            lock_limit: Duration::from_secs(context.global.lock_timeout),
            cancel: context.cancel(),
            events: &progress,
        };
        let request = Request {
            python: self.python.clone(),
            quick: self.quick,
            import: self.import,
            fix: self.fix,
        };
        let report = doctor.run(&request).map_err(|error| failed(&error))?;
        let answer = DoctorAnswer::from(report);
        Ok(DoctorAnswer {
            generation: context.generation(),
            quick: self.quick,
            import: self.import,
            fix: self.fix,
            ..answer
        })
    }
}

fn failed(error: &DoctorError) -> Failure {
    match error {
        DoctorError::Cancelled => Failure::of(Exit::Interrupted, error),
        DoctorError::Nothing => {
            Failure::of(Exit::Usage, error).hint("name one: `modstore doctor --python PY`")
        }
        _ => Failure::of(Exit::Usage, error),
    }
}

impl From<Report> for DoctorAnswer {
    fn from(report: Report) -> Self {
        let fixed = report.fixed.into_iter();
        let unparsed = report.unparsed.into_iter();
        Self {
            generation: None,
            quick: false,
            import: false,
            fix: false,
            environments: report.environments.into_iter().map(InspectedEnvironment::from).collect(),
            caches: paths(&report.caches),
            findings: report.findings.iter().map(DoctorFinding::from).collect(),
            fixed: fixed
                .map(|fixed| Fixed { finding: (&fixed.finding).into(), how: fixed.how })
                .collect(),
            failed_fixes: report.failed_fixes.into_iter().map(FailedFix::from).collect(),
            unparsed: unparsed
                .map(|(path, why)| UnparsedFile { path: path.display().to_string(), why })
                .collect(),
            store_error: report.store_error,
        }
    }
}

impl From<Examined> for InspectedEnvironment {
    fn from(examined: Examined) -> Self {
        Self {
            environment: examined.prefix.display().to_string(),
            python: examined.python.display().to_string(),
            tool: examined.tool,
            installer: examined.installer,
            distributions: examined.distributions,
            editables: examined.editables,
            not_run: examined.not_run,
        }
    }
}

impl From<&Finding> for DoctorFinding {
    fn from(finding: &Finding) -> Self {
        let text = |path: &PathBuf| path.display().to_string();
        let about = &finding.about;
        Self {
            code: finding.code.as_str(),
            severity: finding.severity.into(),
            environment: about.environment.as_ref().map(text),
            distribution: about.distribution.as_ref().map(ToString::to_string),
            module: about.module.clone(),
            path: text(&finding.path),
            target: about.target.as_ref().map(text),
            message: finding.what.clone(),
            exception: about.exception.as_ref().map(Exception::from),
            candidate: about.candidate.as_ref().map(Candidate::from),
            not_fixed_because: about.not_fixed_because.clone(),
            fix: about.command.clone(),
        }
    }
}

impl From<&StoreCandidate> for Candidate {
    fn from(candidate: &StoreCandidate) -> Self {
        Self {
            directory: candidate.directory.display().to_string(),
            why: candidate.why.clone(),
            others: paths(&candidate.others),
        }
    }
}

impl From<StoreFailedFix> for FailedFix {
    fn from(failed: StoreFailedFix) -> Self {
        Self {
            environment: failed.environment.display().to_string(),
            distributions: failed.distributions,
            how: failed.how,
            causes: failed.causes,
            busy: failed.is_busy,
        }
    }
}
