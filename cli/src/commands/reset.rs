//! `reset`: fetches everything again and deletes the rest; or deletes the whole store.

use std::io;

use clap::Args;
use modstore::{
    Policy, Store,
    internals::{ops::Dropped, reset::Stay},
};
use schemars::JsonSchema;
use serde::Serialize;

use super::{
    Runnable,
    ask::{may_ask, says_yes},
    changes::Update,
    gc::GcAnswer,
};
use crate::{
    context::Context,
    exit::Exit,
    json::{LeaseHolder, paths},
    output::Answer,
    page::{Page, on_stderr},
    report::Failure,
    text::count,
};

/// Re-fetch everything and delete the rest, or delete the store
///
/// Fetches every declared module as if the store were empty, and switches to all of them at once, as a new
/// generation. Only if every module was fetched, the other generations and what only they need are deleted.
/// There is never a moment without modules, and what a running program leases stays. A module that fails keeps
/// its current version; then nothing is deleted, and the exit code is 1. What will be lost is said first; with
/// --interactive, it is asked for on a terminal.
///
/// With --purge, everything that modstore has made in the home is deleted, unless a program holds a lease (exit
/// code 3). modules.toml stays, and so do names that are not modstore's; the next update makes a new store.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  modstore reset --dry-run           (what would be deleted, and why the rest stays)
  modstore reset
  modstore reset --purge --dry-run   (what would be deleted of the store itself)
  modstore reset --purge             (the store goes, modules.toml stays)")]
pub(crate) struct ResetArgs {
    /// Only list what would be deleted, and why the rest stays
    #[arg(long)]
    dry_run: bool,
    /// Delete the store instead
    #[arg(long)]
    purge: bool,
}

/// The answer of `reset`.
#[derive(Debug, Default, Serialize, JsonSchema)]
pub(crate) struct ResetAnswer {
    generation: Option<u64>,
    /// Whether nothing was changed, and all of this only would be.
    dry_run: bool,
    /// Whether `--purge` was given.
    purge: bool,
    /// What was fetched again; null with `--purge` or `--dry-run`.
    update: Option<Update>,
    /// What was deleted, or would be; null if a module failed, and with `--purge`.
    dropped: Option<GcAnswer>,
    /// With `--purge`: paths that were deleted, or would be.
    removed: Vec<String>,
    /// With `--purge`: paths that stay.
    kept: Vec<Stay>,
    /// With `--purge`: Python environments from which the store's modules were uninstalled, or would be.
    unbound: Vec<String>,
    /// With `--purge --dry-run`: the leases that prevent it; `ok` is then false, and the exit code 3.
    leases: Vec<LeaseHolder>,
}

impl Runnable for ResetArgs {
    type Answer = ResetAnswer;

    fn run(&self, context: &Context) -> Result<ResetAnswer, Failure> {
        let store = context.store()?;
        if !self.dry_run {
            self.warn(context, &store)?;
        }
        let mut answer = match (self.purge, self.dry_run) {
            (false, false) => fetch_again(context, &store)?,
            (false, true) => would_drop(&store)?,
            (true, false) => purge(context, &store)?,
            (true, true) => would_purge(&store)?,
        };
        answer.dry_run = self.dry_run;
        answer.purge = self.purge;
        answer.generation = store.current().map(|current| current.number());
        if let Some(dropped) = &mut answer.dropped {
            dropped.generation = answer.generation;
            dropped.dry_run = self.dry_run;
            dropped.list_entries(context.global.verbose);
        }
        Ok(answer)
    }
}

impl ResetArgs {
    /// Says what will be lost, before anything is; and asks, where it may be asked.
    fn warn(&self, context: &Context, store: &Store) -> Result<(), Failure> {
        let Some(lost) = self.lost(store)? else { return Ok(()) };
        if !context.global.json && !context.global.quiet {
            on_stderr(|to| writeln!(to, "{lost}"));
        }
        if may_ask(context) && !says_yes("Go on?")? {
            return Err(Failure::new(Exit::Failed, "nothing was changed").hint("the answer was no"));
        }
        Ok(())
    }

    /// What will be lost, in one line; nothing, if there is nothing to lose.
    fn lost(&self, store: &Store) -> Result<Option<String>, Failure> {
        if self.purge {
            let plan = store.plan_purge()?;
            let names = count(plan.remove.len(), "name");
            let bound = count(plan.environments.len(), "Python environment");
            let environments = match plan.environments.len() {
                0 => String::new(),
                _ => format!("; the modules are uninstalled from {bound}"),
            };
            let lost = "is deleted for ever: every generation, and what only the store has";
            let home = store.layout().home().display();
            return Ok((!plan.remove.is_empty())
                .then(|| format!("the store in {home} {lost} ({names}){environments}")));
        }
        let state = store.state()?;
        let kept = state.generations().iter().filter(|info| !info.retired).count();
        let entries = count(store.plan_sweep(&Policy::only_current())?.remove.len(), "entry");
        let kept = count(kept, "generation");
        Ok(state.head().map(|_| {
            format!(
                "if every module can be fetched again, {kept} can no longer be rolled back to, and {entries} that only \
                 they need will be deleted"
            )
        }))
    }
}

fn fetch_again(context: &Context, store: &Store) -> Result<ResetAnswer, Failure> {
    let reset = store.reset(&context.progress(), context.cancel())?;
    let update = Update::new(store, &reset.update);
    update.warn(&context.output);
    let interrupted = context.cancel().is_cancelled();
    let dropped = reset
        .dropped
        .map(|Dropped { plan, sizes, report }| GcAnswer::swept(&plan, &sizes, report, interrupted));
    Ok(ResetAnswer { update: Some(update), dropped, ..ResetAnswer::default() })
}

/// What is current stands for what would be fetched again.
fn would_drop(store: &Store) -> Result<ResetAnswer, Failure> {
    let plan = store.plan_sweep(&Policy::only_current())?;
    let dropped = GcAnswer::planned(&plan, &store.sizes(&plan)?);
    Ok(ResetAnswer { dropped: Some(dropped), ..ResetAnswer::default() })
}

fn purge(context: &Context, store: &Store) -> Result<ResetAnswer, Failure> {
    let report = store.purge(&context.progress(), context.cancel())?;
    Ok(ResetAnswer {
        removed: sorted(paths(&report.removed)),
        kept: sorted(report.stay),
        unbound: sorted(paths(&report.environments)),
        ..ResetAnswer::default()
    })
}

fn would_purge(store: &Store) -> Result<ResetAnswer, Failure> {
    let plan = store.plan_purge()?;
    Ok(ResetAnswer {
        removed: sorted(paths(&plan.remove)),
        kept: sorted(plan.stay),
        unbound: sorted(paths(&plan.environments)),
        leases: plan.leases.into_iter().map(LeaseHolder::from).collect(),
        ..ResetAnswer::default()
    })
}

fn sorted<T: Ord>(mut items: Vec<T>) -> Vec<T> {
    items.sort();
    items
}

impl Answer for ResetAnswer {
    fn write(&self, to: &mut Page<'_>) -> io::Result<()> {
        if self.purge {
            return self.write_purge(to);
        }
        if let Some(update) = &self.update {
            if update.generation.is_none() && update.failed.is_empty() {
                return writeln!(to, "No modules are declared, and there is no generation.");
            }
            update.write(to)?;
        } else {
            writeln!(to, "Every declared module would be fetched again, and then:")?;
        }
        match &self.dropped {
            Some(dropped) => dropped.write(to),
            None => writeln!(to, "nothing was deleted"),
        }
    }

    fn troubles(&self) -> Vec<Failure> {
        self.update.as_ref().map(Update::troubles).unwrap_or_default()
    }

    fn failure(&self) -> Option<Failure> {
        if self.dry_run && !self.leases.is_empty() {
            let leases = count(self.leases.len(), "lease");
            return Some(Failure::new(Exit::Busy, format!("the store is in use: {leases}")));
        }
        let failed = self.update.as_ref().and_then(Update::failure);
        let failed = failed.map(|failure| failure.hint("nothing was deleted; run it again"));
        failed.or_else(|| self.dropped.as_ref().and_then(GcAnswer::failure))
    }
}

impl ResetAnswer {
    fn write_purge(&self, to: &mut Page<'_>) -> io::Result<()> {
        for Stay { path, why } in &self.kept {
            writeln!(to, "{} stays: {why}", path.display())?;
        }
        let are = if self.dry_run { "would be" } else { "are" };
        for environment in &self.unbound {
            writeln!(to, "the store's modules {are} uninstalled from {environment}")?;
        }
        if self.removed.is_empty() {
            return writeln!(to, "There is no store to delete.");
        }
        let names = count(self.removed.len(), "name");
        if self.dry_run {
            writeln!(to, "{names} would be deleted; nothing was changed")
        } else {
            writeln!(to, "{names} deleted; `modstore update` makes a new store")
        }
    }
}
