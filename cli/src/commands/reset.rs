//! `reset`: everything anew, and the rest dropped; or the whole store taken away.

use std::io;

use clap::Args;
use modstore::{Dropped, Policy, Store, reset::Stay as StoreStay};

use super::{Run, gc, update};
use crate::{
    context::Context,
    exit::Exit,
    json::{Gc, Reset, Stay, Update},
    output::Answer,
    page::Page,
    report::Failure,
    text::count,
};

/// Have everything anew and drop the rest, or take the whole store away
///
/// Fetches every declared module as if nothing were here, and shows all of them in one switch, as a fresh
/// generation. Only when every module could be had, the other generations and what only they need are
/// dropped. There is never a moment without modules; what a running program has leased stays. When a
/// module fails, it keeps what it has, nothing is dropped, and the exit code is 1.
///
/// With --purge, everything that modstore has made in the home is taken away, unless a program has a lease
/// (exit code 3). What you have declared stays, and so do names that are not modstore's; the next update
/// makes the store anew.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  modstore reset --dry-run           (what would go, and why the rest stays)
  modstore reset
  modstore reset --purge")]
pub(crate) struct ResetArgs {
    /// Only tell what would go, and why the rest stays
    #[arg(long)]
    dry_run: bool,
    /// Take the store away instead
    #[arg(long)]
    purge: bool,
}

impl Run for ResetArgs {
    type Answer = Reset;

    fn run(&self, context: &Context) -> Result<Reset, Failure> {
        let store = context.store()?;
        let mut answer = match (self.purge, self.dry_run) {
            (false, false) => anew(context, &store)?,
            (false, true) => would_drop(&store)?,
            (true, false) => purge(context, &store)?,
            (true, true) => would_purge(&store)?,
        };
        (answer.dry_run, answer.purge) = (self.dry_run, self.purge);
        answer.generation = store.current().map(|shown| shown.number());
        if let Some(dropped) = &mut answer.dropped {
            (dropped.generation, dropped.dry_run) = (answer.generation, self.dry_run);
            dropped.listed = if context.global.verbose { usize::MAX } else { gc::MANY };
        }
        Ok(answer)
    }
}

fn nothing() -> Reset {
    Reset {
        generation: None,
        dry_run: false,
        purge: false,
        update: None,
        dropped: None,
        removed: Vec::new(),
        stay: Vec::new(),
        unbound: Vec::new(),
        leases: Vec::new(),
    }
}

fn anew(context: &Context, store: &Store) -> Result<Reset, Failure> {
    let reset = store.reset(&context.progress(), context.cancel())?;
    let told = update::told(store, &reset.update);
    update::warn(&context.output, &told);
    let interrupted = context.cancel().is_cancelled();
    let dropped = reset
        .dropped
        .map(|Dropped { plan, sizes, report }| gc::swept(&plan, &sizes, report, interrupted));
    Ok(Reset { update: Some(told), dropped, ..nothing() })
}

/// What is shown stands for what would be had anew.
fn would_drop(store: &Store) -> Result<Reset, Failure> {
    let plan = store.plan_sweep(&Policy::only_what_is_shown())?;
    let sizes = store.sizes(&plan)?;
    Ok(Reset { dropped: Some(gc::planned(&plan, &sizes)), ..nothing() })
}

fn purge(context: &Context, store: &Store) -> Result<Reset, Failure> {
    let report = store.purge(&context.progress(), context.cancel())?;
    let unbound = paths(&report.environments);
    Ok(Reset { removed: paths(&report.removed), stay: stay(&report.stay), unbound, ..nothing() })
}

fn would_purge(store: &Store) -> Result<Reset, Failure> {
    let plan = store.plan_purge()?;
    let leases = plan.leases.into_iter().map(Into::into).collect();
    let (unbound, stay) = (paths(&plan.environments), stay(&plan.stay));
    Ok(Reset { removed: paths(&plan.remove), stay, unbound, leases, ..nothing() })
}

fn paths(paths: &[std::path::PathBuf]) -> Vec<String> {
    let mut paths: Vec<String> = paths.iter().map(|path| path.display().to_string()).collect();
    paths.sort();
    paths
}

fn stay(stay: &[StoreStay]) -> Vec<Stay> {
    let told =
        |stay: &StoreStay| Stay { path: stay.path.display().to_string(), why: stay.why.clone() };
    let mut told: Vec<Stay> = stay.iter().map(told).collect();
    told.sort_by(|a, b| a.path.cmp(&b.path));
    told
}

impl Answer for Reset {
    fn write(&self, to: &mut Page<'_>) -> io::Result<()> {
        if self.purge {
            return self.write_purge(to);
        }
        if let Some(update) = &self.update {
            if update.generation.is_none() && update.failed.is_empty() {
                return writeln!(to, "No modules are declared, and nothing is shown.");
            }
            update::write_update(to, update)?;
        } else {
            writeln!(to, "Every declared module would be fetched anew, and then:")?;
        }
        match &self.dropped {
            Some(dropped) => dropped.write(to),
            None => writeln!(to, "nothing was dropped"),
        }
    }

    fn troubles(&self) -> Vec<Failure> {
        self.update.as_ref().map(update::troubles).unwrap_or_default()
    }

    fn failure(&self) -> Option<Failure> {
        if self.dry_run && !self.leases.is_empty() {
            let who = count(self.leases.len(), "lease");
            return Some(Failure::new(Exit::Busy, format!("the store is in use: {who}")));
        }
        let failed = self.update.as_ref().and_then(|update: &Update| {
            Some(update::failure(update)?.hint("nothing was dropped; run it again"))
        });
        failed.or_else(|| self.dropped.as_ref().and_then(Gc::failure))
    }
}

impl Reset {
    fn write_purge(&self, to: &mut Page<'_>) -> io::Result<()> {
        for Stay { path, why } in &self.stay {
            writeln!(to, "{path} stays: {why}")?;
        }
        for environment in &self.unbound {
            let would = if self.dry_run { "would be" } else { "are" };
            writeln!(to, "the store's modules {would} uninstalled from {environment}")?;
        }
        let names = count(self.removed.len(), "name");
        match (self.dry_run, self.removed.is_empty()) {
            (_, true) => writeln!(to, "There is no store to take away."),
            (true, _) => writeln!(to, "{names} would go; nothing was changed"),
            (false, _) => writeln!(to, "{names} gone; `modstore update` makes the store anew"),
        }
    }
}
