//! `update`: the main job.

use std::{io, num::NonZeroU16};

use clap::Args;
use modstore::{ModuleName, RetryPolicy, UpdateRequest};
use schemars::JsonSchema;
use serde::Serialize;

use super::{Runnable, changes::Update};
use crate::{amounts, context::Context, output::Answer, page::Page, report::Failure};

/// Fetch what changed and switch all modules at once
///
/// Asks each repository once for its references, fetches what is new, in parallel, and then switches to all of it
/// at once, as a new generation. A module that cannot be fetched keeps its current version; the exit code is then
/// 1. Modules no longer in modules.toml are removed.
///
/// With --due, for daemons, a module that failed before is tried only when its retry delay has elapsed, and not at
/// all while nothing that it depends on has changed. `modstore scan` is short for `modstore update --due`.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  modstore update
  modstore update weather tool-bash
  modstore update --due              (from a daemon, as often as it likes)
  modstore update --locked           (exactly what modules.lock says, for CI)
  modstore update --retry            (also what failed and would fail again)")]
pub(crate) struct UpdateArgs {
    /// Only these modules [default: all]
    #[arg(value_name = "NAME")]
    pub(super) names: Vec<ModuleName>,
    /// At most this many repositories are asked at once [default: 64, and 8 of a near host]
    #[arg(long, short, value_name = "J", value_parser = amounts::number)]
    pub(super) jobs: Option<NonZeroU16>,
    /// Switch only if every module was fetched
    #[arg(long, conflicts_with = "allow_partial")]
    pub(super) all_or_nothing: bool,
    /// Exit with 0 even if some module failed
    #[arg(long)]
    pub(super) allow_partial: bool,
    /// Take exactly the revisions of modules.lock
    #[arg(long)]
    pub(super) locked: bool,
    /// Skip modules that failed before and are not due for another try
    #[arg(long, alias = "scan", conflicts_with = "retry")]
    pub(super) due: bool,
    /// Try everything that failed before, also what would fail again
    #[arg(long)]
    pub(super) retry: bool,
}

/// The answer of `update` and `scan`.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct UpdateAnswer {
    #[serde(flatten)]
    update: Update,
    #[serde(skip)]
    allow_partial: bool,
    #[serde(skip)]
    verbose: bool,
}

impl Runnable for UpdateArgs {
    type Answer = UpdateAnswer;

    fn run(&self, context: &Context) -> Result<UpdateAnswer, Failure> {
        let store = context.store_with_jobs(self.jobs.map(|jobs| jobs.get().into()))?;
        let request = UpdateRequest {
            names: self.names.clone(),
            all_or_nothing: self.all_or_nothing,
            locked: self.locked,
            refetch: false,
            dry_declare: false,
            policy: self.policy(),
        };
        let report = store.update(&request, &context.progress(), context.cancel())?;
        let update = Update::new(&store, &report);
        update.warn(&context.output);
        let verbose = context.global.verbose;
        Ok(UpdateAnswer { update, allow_partial: self.allow_partial, verbose })
    }
}

impl UpdateArgs {
    const fn policy(&self) -> RetryPolicy {
        if self.retry {
            RetryPolicy::All
        } else if self.due {
            RetryPolicy::DueOnly
        } else {
            RetryPolicy::Interactive
        }
    }
}

impl Answer for UpdateAnswer {
    fn write(&self, to: &mut Page<'_>) -> io::Result<()> {
        if self.update.is_empty() {
            writeln!(to, "No modules are declared. Add one with `modstore add SOURCE`.")?;
            return writeln!(to, "`modstore help add` describes the kinds of sources.");
        }
        self.update.write(to)?;
        if self.verbose {
            self.update.write_cost(to)?;
        }
        Ok(())
    }

    fn troubles(&self) -> Vec<Failure> {
        self.update.troubles()
    }

    fn failure(&self) -> Option<Failure> {
        self.update.failure().filter(|_| !self.allow_partial)
    }
}
