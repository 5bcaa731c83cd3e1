//! `bind` and `unbind`: environments that follow the store.

use std::io;

use modstore::{BindRequest, Exit, update::BindReport};

use super::update::{unfollowed, write_environments};
use crate::{
    args::{BindArgs, UnbindArgs},
    context::Context,
    json::{Bind, BoundModule, Environment, Unbind, Unfollowed},
    output::Answer,
    page::Page,
    report::Failure,
    text::{Table, count},
};

/// Binds.
pub(crate) fn run(context: &Context, args: &BindArgs) -> Result<Bind, Failure> {
    let store = context.store()?;
    let request = BindRequest {
        python: args.python.clone(),
        modules: args.names.clone(),
        constraints: args.constraints.clone(),
        compile: match (args.compile, args.no_compile) {
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

/// Unbinds.
pub(crate) fn unbind(context: &Context, args: &UnbindArgs) -> Result<Unbind, Failure> {
    let store = context.store()?;
    let settled = store.unbind(&args.python, &args.names, &context.progress(), context.cancel())?;
    Ok(Unbind {
        generation: store.shown().map(|shown| shown.number()),
        environment: settled.prefix.display().to_string(),
        removed: settled.removed.iter().map(ToString::to_string).collect(),
    })
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
        let causes = crate::json::causes(error);
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

impl Answer for Unbind {
    fn write(&self, to: &mut Page<'_>) -> io::Result<()> {
        match self.removed.as_slice() {
            [] => writeln!(to, "{} had nothing of the store", self.environment),
            removed => writeln!(to, "uninstalled in {}: {}", self.environment, removed.join(", ")),
        }
    }
}
