//! `bind` and `unbind`: environments that follow the store.

use std::{io, path::PathBuf};

use clap::{Args, ValueHint};
use modstore::{BindRequest, model::ModuleName, update::BindReport};

use super::{
    Run,
    update::{unfollowed, write_environments},
};
use crate::{
    context::Context,
    exit::Exit,
    json::{Bind, BoundModule, Environment, Unfollowed},
    output::Answer,
    page::Page,
    report::Failure,
    text::{Table, count},
};

/// Let a Python environment follow modules, so that no update leaves it behind
///
/// Installs a stand-in for each module, by uv (or the environment's pip) and by one call. What Python then
/// follows leads through the store's switch: an update moves all modules at once, and starts an installer
/// only for a module whose metadata has changed. Each module's own build backend is asked once for that
/// metadata, on a copy. When no module is named, all that are Python projects are bound, and those that are
/// added later.
///
/// From then on an update adds what new versions need, imports every changed module in the environment, and
/// switches only then. Bind again to mend what somebody has uninstalled; an update does that too.
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
    /// Only these modules; all when none is named, also those that come later
    #[arg(value_name = "NAME")]
    names: Vec<ModuleName>,
    /// A file of version constraints for the installer, now and in updates
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    constraints: Option<PathBuf>,
    /// Compile byte code ahead, now and in updates: entries are read-only, so that Python cannot keep its own
    #[arg(long, conflicts_with = "no_compile")]
    compile: bool,
    /// Compile no byte code any more
    #[arg(long)]
    no_compile: bool,
}

impl Run for BindArgs {
    type Answer = Bind;

    fn run(&self, context: &Context) -> Result<Bind, Failure> {
        let store = context.store()?;
        let request = BindRequest {
            python: self.python.clone(),
            modules: self.names.clone(),
            constraints: self.constraints.clone(),
            compile: match (self.compile, self.no_compile) {
                (true, _) => Some(true),
                (_, true) => Some(false),
                _ => None,
            },
        };
        let report = store.bind(&request, &context.progress(), context.cancel())?;
        let bind = told(&report);
        bind.warnings.iter().for_each(|text| context.output.warn(text));
        Ok(bind)
    }
}

fn told(report: &BindReport) -> Bind {
    let mut environment = Environment::from(&report.settled);
    let broken = report.broken.iter();
    environment.failed.extend(broken.map(|(module, exception)| Unfollowed {
        error: "it is installed, and cannot be imported".into(),
        causes: vec![exception.to_string()],
        ..Unfollowed::new(module, exception)
    }));
    let mut warnings = report.warnings.clone();
    warnings.extend(report.untried.as_ref().map(|error| {
        let causes = crate::causes::causes(error);
        format!("whether the modules can be imported is not known: {}", causes.join(": "))
    }));
    let registration = &report.registration;
    let bound = registration.installed.iter().map(|(module, installed)| BoundModule {
        module: module.to_string(),
        distribution: installed.distribution.to_string(),
        paths: installed.paths.iter().map(|path| path.display().to_string()).collect(),
    });
    Bind {
        generation: report.generation.map(|generation| generation.number()),
        environment,
        python: registration.python.display().to_string(),
        tag: registration.tag.clone(),
        installer: report.installer.as_ref().map(ToString::to_string),
        bound: bound.collect(),
        skipped: report.settled.skipped.iter().map(ToString::to_string).collect(),
        upgrade: report.upgrade.clone(),
        warnings,
    }
}

impl Answer for Bind {
    fn write(&self, to: &mut Page<'_>) -> io::Result<()> {
        write_environments(to, std::slice::from_ref(&self.environment))?;
        let mut table = Table::default();
        for BoundModule { module, distribution, paths } in &self.bound {
            table.row([module, distribution, &paths.join(", ")]);
        }
        table.write(to, 2)?;
        if !self.skipped.is_empty() {
            writeln!(to, "no Python projects: {}", self.skipped.join(", "))?;
        }
        let (modules, environment) =
            (count(self.bound.len(), "module"), &self.environment.environment);
        writeln!(to, "{environment} follows {modules}")?;
        match &self.upgrade {
            None => Ok(()),
            Some(command) => {
                writeln!(
                    to,
                    "An upgrade of this tool uninstalls them; the next update puts them back. To have them survive it:"
                )?;
                writeln!(to, "  {command}")
            }
        }
    }

    fn troubles(&self) -> Vec<Failure> {
        unfollowed(&self.environment)
    }

    fn failure(&self) -> Option<Failure> {
        let failed = self.environment.failed.len();
        (failed > 0).then(|| {
            let what = format!("{} of the environment failed", count(failed, "module"));
            Failure::new(Exit::Failed, what)
        })
    }
}
