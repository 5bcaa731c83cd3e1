//! `doctor`: what is wrong with Python environments and caches of modules, and fixing it.

mod text;

use std::path::PathBuf;

use clap::{Args, ValueHint};
use modstore_core::{disk::Disk, findings::Severity};
use modstore_doctor::{Candidate, Doctor, Examined, FailedFix, Finding, Report, Request};
use modstore_python::Exception;
use schemars::JsonSchema;
use serde::Serialize;

use super::Runnable;
use crate::{context::Context, json::paths, report::Failure};

/// Find what is wrong with Python environments and caches of modules, and fix it
///
/// Works on any environment, whether or not it follows a store, and also when its interpreter is broken: it reads
/// what Python follows and what tools display from files. Then it imports each distribution that lies elsewhere in the
/// environment's own Python, unless --quick is given. Without --python it looks at the environments of `uv tool`, the
/// active one, ./.venv and those that follow the store, and at the caches they lead into. It runs and changes nothing
/// of ./.venv unless that is named, active or follows the store: it may have come with a repository.
///
/// Nothing is changed without --fix. With it, a path that leads nowhere is pointed at the store's module, or else at
/// the directory of a cache that holds the distribution now: by one call of the environment's installer, or, if that
/// is missing or fails, by rewriting the files. If several directories would do and nothing says which is meant, or a
/// file cannot be parsed, doctor says so and changes nothing there.
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

docs/doctor.md describes every code.")]
pub(crate) struct DoctorArgs {
    /// An environment: its interpreter, its directory, or a name in PATH; may be given several times
    #[arg(long, value_name = "PY", value_hint = ValueHint::AnyPath)]
    python: Vec<PathBuf>,
    /// Fix what can be fixed
    #[arg(long)]
    fix: bool,
    /// Read files only: start no interpreter, import nothing
    #[arg(long)]
    quick: bool,
}

/// The answer of `doctor`.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct DoctorAnswer {
    generation: Option<u64>,
    /// Whether `--quick` was given.
    quick: bool,
    /// Whether `--fix` was given.
    fix: bool,
    /// The environments that were inspected.
    environments: Vec<Examined>,
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

/// Something that was fixed.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub(crate) struct Fixed {
    #[serde(flatten)]
    finding: DoctorFinding,
    /// By which means: `uv`, `pip`, or `hand` for files that doctor rewrote itself.
    how: String,
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
            lock_limit: context.global.lock_timeout,
            cancel: context.cancel(),
            events: &progress,
        };
        let request = Request { python: self.python.clone(), quick: self.quick, fix: self.fix };
        let report = doctor.run(&request)?;
        let answer = DoctorAnswer::from(report);
        Ok(DoctorAnswer {
            generation: context.generation(),
            quick: self.quick,
            fix: self.fix,
            ..answer
        })
    }
}

impl From<Report> for DoctorAnswer {
    fn from(report: Report) -> Self {
        let fixed = report.fixed.into_iter();
        let unparsed = report.unparsed.into_iter();
        Self {
            generation: None,
            quick: false,
            fix: false,
            environments: report.environments,
            caches: paths(&report.caches),
            findings: report.findings.iter().map(DoctorFinding::from).collect(),
            fixed: fixed
                .map(|fixed| Fixed { finding: (&fixed.finding).into(), how: fixed.how })
                .collect(),
            failed_fixes: report.failed_fixes,
            unparsed: unparsed
                .map(|(path, why)| UnparsedFile { path: path.display().to_string(), why })
                .collect(),
            store_error: report.store_error,
        }
    }
}

impl From<&Finding> for DoctorFinding {
    fn from(finding: &Finding) -> Self {
        let text = |path: &PathBuf| path.display().to_string();
        let about = &finding.about;
        Self {
            code: finding.code.as_str(),
            severity: finding.severity,
            environment: about.environment.as_ref().map(text),
            distribution: about.distribution.as_ref().map(ToString::to_string),
            module: about.module.clone(),
            path: text(&finding.path),
            target: about.target.as_ref().map(text),
            message: finding.what.clone(),
            exception: about.exception.clone(),
            candidate: about.candidate.clone(),
            not_fixed_because: about.not_fixed_because.clone(),
            fix: about.command.clone(),
        }
    }
}
