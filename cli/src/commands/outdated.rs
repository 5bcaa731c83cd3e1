//! `outdated`: what an update would change, without changing anything.

use std::{io, num::NonZeroU16};

use clap::Args;
use modstore::{
    model::ModuleName,
    update::{Outdated as StoreOutdated, Would},
};

use super::{Run, served::brief};
use crate::{
    amounts,
    context::Context,
    exit::Exit,
    json::{Failed, Outdated, OutdatedModule, Served},
    output::Answer,
    page::Page,
    report::Failure,
    text::{Table, count, short},
};

/// Tell what an update would change, and change nothing
///
/// Asks each repository what it has. Fetches nothing and writes nothing.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  modstore outdated
  modstore outdated weather --json")]
pub(crate) struct OutdatedArgs {
    /// Only these modules; all when none is named
    #[arg(value_name = "NAME")]
    names: Vec<ModuleName>,
    /// How many repositories are asked at once
    #[arg(long, short, value_name = "J", value_parser = amounts::number)]
    jobs: Option<NonZeroU16>,
}

impl Run for OutdatedArgs {
    type Answer = Outdated;

    fn run(&self, context: &Context) -> Result<Outdated, Failure> {
        let store = context.store_with_jobs(self.jobs.map(|jobs| jobs.get().into()))?;
        let found = store.outdated(&self.names, &context.progress(), context.cancel())?;
        let outdated =
            found.iter().any(|found| matches!(found.would, Would::Move { .. } | Would::Go));
        let modules = found.iter().map(module).collect();
        Ok(Outdated { generation: store.current().map(|shown| shown.number()), outdated, modules })
    }
}

fn module(found: &StoreOutdated) -> OutdatedModule {
    let (would, revision, reference, failure) = match &found.would {
        Would::Stay => ("stay", None, None, None),
        Would::Move { revision, reference } => ("move", revision.clone(), reference.clone(), None),
        Would::Go => ("go", None, None, None),
        Would::Fail(failed) => ("fail", None, None, Some(Failed::from(&**failed))),
    };
    let (module, now) = (found.module.to_string(), found.now.as_ref().map(Served::from));
    OutdatedModule { module, would, now, revision, reference, failure }
}

impl Answer for Outdated {
    fn write(&self, to: &mut Page<'_>) -> io::Result<()> {
        let mut table = Table::default();
        for each in &self.modules {
            let now = brief(each.now.as_ref());
            let change = match (each.would, &each.revision) {
                ("go", _) => "would be removed".to_owned(),
                ("move", Some(revision)) => format!("{now} → {}", short(revision)),
                ("move", None) => format!("{now} → another source"),
                _ => continue,
            };
            table.row([
                each.module.as_str(),
                &change,
                each.reference.as_deref().unwrap_or_default(),
            ]);
        }
        table.write(to, 0)?;
        let fresh = self.modules.iter().filter(|each| each.would == "stay").count();
        writeln!(to, "{} up to date", count(fresh, "module"))
    }

    fn troubles(&self) -> Vec<Failure> {
        let failed = self.modules.iter().filter_map(|each| each.failure.as_ref());
        failed
            .map(|failed| {
                let message = format!("{}: {} ({})", failed.module, failed.error, failed.class);
                let failure = Failure::new(Exit::Failed, message).because(failed.causes.clone());
                match &failed.hint {
                    Some(hint) => failure.hint(hint),
                    None => failure,
                }
            })
            .collect()
    }

    fn failure(&self) -> Option<Failure> {
        let failed = self.modules.iter().filter(|each| each.failure.is_some()).count();
        let which = || {
            format!("{failed} of {} could not be asked about", count(self.modules.len(), "module"))
        };
        (failed > 0).then(|| Failure::new(Exit::Failed, which()))
    }
}
