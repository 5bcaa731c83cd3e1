//! `bind`: Python environments that follow the store.

use std::{io, path::PathBuf};

use clap::{Args, ValueHint};
use modstore::{BindReport, BindRequest, ModuleName};
use modstore_python::Registration;
use schemars::JsonSchema;
use serde::Serialize;

use super::{
    Runnable,
    changes::{not_followed, write_environments},
};
use crate::{
    context::Context,
    exit::Exit,
    json::{EnvironmentChanges, EnvironmentFailure, paths, texts},
    output::Answer,
    page::Page,
    report::Failure,
    table::Table,
    text::count,
};

/// Install modules in a Python environment so that it follows every update
///
/// Installs a stand-in for each module, by one call of uv (or the environment's pip). Python then follows the
/// store's switch: an update moves all modules at once, and needs an installer only for a module whose metadata
/// changed. Each module's own build backend is asked once for that metadata, on a copy. Without names, all
/// modules that are Python projects are bound, and those that are added later.
///
/// From then on an update adds what new versions require and imports every changed module in the environment
/// before it switches. Run `bind` again to repair what was uninstalled; an update does that too.
///
/// An environment follows one store. One that follows another store, perhaps the one that this is a copy of, is
/// refused (exit code 2), unless --take-over is given.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  modstore bind --python .venv
  modstore bind --python ~/.local/share/uv/tools/my-host/bin/python
  modstore bind --python .venv provider-openai tool-bash")]
pub(crate) struct BindArgs {
    /// The environment: its interpreter, its directory, or a name in PATH
    #[arg(long, value_name = "PY", value_hint = ValueHint::AnyPath)]
    python: PathBuf,
    /// Only these modules [default: all, also those that are added later]
    #[arg(value_name = "NAME")]
    names: Vec<ModuleName>,
    /// A file of version constraints for the installer, now and in updates
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    constraints: Option<PathBuf>,
    /// Compile byte code ahead, now and in updates: entries are read-only, so Python cannot keep its own
    #[arg(long, conflicts_with = "no_compile")]
    compile: bool,
    /// Stop compiling byte code
    #[arg(long)]
    no_compile: bool,
    /// Take the environment from another store that it follows
    #[arg(long)]
    take_over: bool,
}

/// The answer of `bind`.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct BindAnswer {
    generation: Option<u64>,
    #[serde(flatten)]
    changes: EnvironmentChanges,
    /// The environment's interpreter.
    python: String,
    /// The platform that compiled files are made for, such as `cpython-312-x86_64-linux-gnu`.
    soabi: String,
    /// The installer: `uv` or `pip`; null if the environment has none.
    installer: Option<String>,
    /// All modules that are bound now.
    bound: Vec<BoundModule>,
    /// Modules that are not Python projects.
    skipped: Vec<String>,
    /// For the environment of a `uv tool`: the command that upgrades the tool and keeps the modules; otherwise null.
    upgrade_command: Option<String>,
    /// What else a person should know.
    warnings: Vec<String>,
}

/// A module that is bound.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub(crate) struct BoundModule {
    /// The module.
    module: String,
    /// Its distribution.
    distribution: String,
    /// What it puts on the import path, below the store's directory.
    paths: Vec<String>,
}

impl Runnable for BindArgs {
    type Answer = BindAnswer;

    fn run(&self, context: &Context) -> Result<BindAnswer, Failure> {
        let store = context.store()?;
        let request = BindRequest {
            python: self.python.clone(),
            modules: self.names.clone(),
            constraints: self.constraints.clone(),
            // Neither option changes nothing.
            compile: self.compile.then_some(true).or(self.no_compile.then_some(false)),
            take_over: self.take_over,
        };
        let report = store.bind(&request, &context.progress(), context.cancel())?;
        let answer = BindAnswer::from(&report);
        answer.warnings.iter().for_each(|text| context.output.warn(text));
        Ok(answer)
    }
}

impl From<&BindReport> for BindAnswer {
    fn from(report: &BindReport) -> Self {
        let registration = &report.registration;
        Self {
            generation: report.generation.map(|generation| generation.number()),
            changes: changes(report),
            python: registration.python.display().to_string(),
            soabi: registration.tag.clone(),
            installer: report.installer.as_ref().map(ToString::to_string),
            bound: bound(registration),
            skipped: texts(&report.settled.skipped),
            upgrade_command: report.upgrade.clone(),
            warnings: warnings(report),
        }
    }
}

fn changes(report: &BindReport) -> EnvironmentChanges {
    let mut changes = EnvironmentChanges::from(&report.settled);
    let broken = report.broken.iter().map(|(module, exception)| EnvironmentFailure {
        message: "it is installed, but cannot be imported".into(),
        causes: vec![exception.to_string()],
        ..EnvironmentFailure::new(module, exception)
    });
    changes.failed.extend(broken);
    changes
}

fn bound(registration: &Registration) -> Vec<BoundModule> {
    let bound = registration.installed.iter().map(|(module, installed)| BoundModule {
        module: module.to_string(),
        distribution: installed.distribution.to_string(),
        paths: paths(&installed.paths),
    });
    bound.collect()
}

fn warnings(report: &BindReport) -> Vec<String> {
    let mut warnings = report.warnings.clone();
    warnings.extend(report.untried.as_ref().map(|error| {
        let causes = modstore_core::model::causes(error).join(": ");
        format!("could not try to import the modules: {causes}")
    }));
    warnings
}

impl Answer for BindAnswer {
    fn write(&self, to: &mut Page<'_>) -> io::Result<()> {
        write_environments(to, std::slice::from_ref(&self.changes))?;
        let mut table = Table::default();
        for BoundModule { module, distribution, paths } in &self.bound {
            table.row([module, distribution, &paths.join(", ")]);
        }
        table.write(to, 2)?;
        if !self.skipped.is_empty() {
            writeln!(to, "not Python projects: {}", self.skipped.join(", "))?;
        }
        let modules = count(self.bound.len(), "module");
        writeln!(to, "{} follows {modules}", self.changes.environment)?;
        if let Some(command) = &self.upgrade_command {
            writeln!(
                to,
                "An upgrade of this tool uninstalls them, and the next update installs them again. To upgrade it and keep them:"
            )?;
            writeln!(to, "  {command}")?;
        }
        Ok(())
    }

    fn troubles(&self) -> Vec<Failure> {
        not_followed(&self.changes)
    }

    fn failure(&self) -> Option<Failure> {
        let failed = self.changes.failed.len();
        let message = || format!("{} of the environment failed", count(failed, "module"));
        (failed > 0).then(|| Failure::new(Exit::Failed, message()))
    }
}
