//! `update`: the main job.

use std::io;

use clap::Args;
use modstore::{RetryPolicy, UpdateRequest};
use schemars::JsonSchema;
use serde::Serialize;

use super::{Runnable, changes::Update, selected::Selected};
use crate::{context::Context, output::Answer, page::Page, report::Failure};

/// Fetch what changed and switch all modules at once
///
/// Asks each repository once for its references, fetches what is new, in parallel, and then switches to all of it
/// at once, as a new generation. A module that cannot be fetched keeps its current version; the exit code is then
/// 1. Modules no longer in modules.toml are removed.
///
/// A module that failed before is tried again, unless it was a build that would fail again: that one needs a change,
/// or --retry. With --due, for daemons, it is tried only when its retry delay has elapsed, and where a retry cannot
/// help, only when something has changed: a source on this machine is checked each time, one on a server is not
/// asked again. `modstore scan` is short for `modstore update --due`.
///
/// With a cooldown, a module whose new commit is too young keeps its current version, which is no failure. A commit
/// is as old as this store has known it: its own dates do not count, because its author chooses them.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  modstore update
  modstore update weather tool-bash
  modstore update --group ai         (the modules that `[groups]` in modules.toml lists there)
  modstore update --cooldown 7d      (only commits that were seen seven days ago)
  modstore update --due              (from a daemon, as often as it likes)
  modstore update --log              (and what the commits that came say)
  modstore update --locked           (exactly what modules.lock says, for CI)
  modstore update --retry            (also what failed and would fail again)")]
pub(crate) struct UpdateArgs {
    #[command(flatten)]
    selected: Selected,
    /// Switch only if every module was fetched
    #[arg(long, conflicts_with = "allow_partial")]
    all_or_nothing: bool,
    /// Exit with 0 even if some module failed
    #[arg(long)]
    allow_partial: bool,
    /// Take exactly the revisions of modules.lock
    #[arg(long)]
    locked: bool,
    /// Skip modules that failed before and are not due for another try
    #[arg(long, alias = "scan", conflicts_with = "retry")]
    due: bool,
    /// Try everything that failed before, also what would fail again
    #[arg(long)]
    retry: bool,
    /// List the commits that came, at most 20 of each module; their repositories are asked once more
    #[arg(long)]
    log: bool,
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
        let request = UpdateRequest {
            all_or_nothing: self.all_or_nothing,
            locked: self.locked,
            policy: self.policy(),
            ..UpdateRequest::default()
        };
        run(context, &self.selected, request, (self.allow_partial, self.log))
    }
}

/// Does what `request` says to the modules that are selected, and lists the commits that came if there is to be a log.
pub(super) fn run(
    context: &Context,
    selected: &Selected,
    request: UpdateRequest,
    (allow_partial, log): (bool, bool),
) -> Result<UpdateAnswer, Failure> {
    let store = selected.store(context)?;
    let request = selected.only(&store, request)?;
    let report = store.update(&request, &context.progress(), context.cancel())?;
    let mut update = Update::new(&store, &report);
    if log {
        update = update.with_logs(&store, &report, context)?;
    }
    update.warn(&context.output);
    Ok(UpdateAnswer { update, allow_partial, verbose: context.global.verbose })
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
