//! `gc`: deletes what no kept generation needs, or only tells what that would be.

use std::{io, num::NonZeroU16, time::Duration};

use clap::Args;
use modstore::{
    Policy, Store, SweepError, SweepPlan, SweepReport,
    model::Digest,
    reclaim::{Disagreement, Gone, Kept, Sizes},
};

use super::Run;
use crate::{
    amounts,
    context::Context,
    exit::Exit,
    json::{Gc, GcEntry, GcKept},
    output::Answer,
    page::Page,
    report::Failure,
    text::{Table, count, short, size},
};

/// More entries than this are listed only with `--verbose`.
pub(super) const MANY: usize = 20;

/// A plan is made anew so often when others keep changing the store.
const ATTEMPTS: usize = 10;

/// Delete what no kept generation needs
///
/// Keeps the newest generations, all that was shown lately, and every generation that a running program
/// holds a lease on. What of the entries none of them leads to is deleted. Two books must agree on that: the
/// journal, and the links on the disk; where they do not, the entry stays and is named. The same happens
/// by itself after each update, with the defaults, for at most a fifth of a second.
///
/// Nothing has to stop meanwhile. A deletion that is interrupted goes on with the next gc. Names in the
/// store that are not modstore's are never deleted.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  modstore gc --dry-run              (what would go, what stays, and why)
  modstore gc
  modstore gc --keep 1 --older-than 0s
  modstore gc --max-size 2G          (also what is younger, while there is more than that)")]
pub(crate) struct GcArgs {
    /// Only tell what would be deleted, and change nothing at all
    #[arg(long)]
    dry_run: bool,
    /// Keep so many of the newest generations, the one that is shown among them [default: 3]
    #[arg(long, value_name = "N", value_parser = amounts::number)]
    keep: Option<NonZeroU16>,
    /// Keep what was shown less long ago than this, for example 30m, 12h or 7d [default: 1d]
    #[arg(long, value_name = "D", value_parser = amounts::time)]
    older_than: Option<Duration>,
    /// While the files of all kept entries have more bytes than this, for example 500M or 2G, keep no more
    /// than the newest generations
    #[arg(long, value_name = "S", value_parser = amounts::size)]
    max_size: Option<u64>,
}

impl Run for GcArgs {
    type Answer = Gc;

    fn run(&self, context: &Context) -> Result<Gc, Failure> {
        let (store, policy) = (context.store()?, policy(self));
        let mut answer = match self.dry_run {
            true => {
                let plan = store.plan_sweep(&policy)?;
                let sizes = store.sizes(&plan)?;
                planned(&plan, &sizes)
            }
            false => sweep(context, &store, &policy)?,
        };
        answer.dry_run = self.dry_run;
        answer.generation = store.current().map(|shown| shown.number());
        answer.listed = match (context.global.quiet, context.global.verbose) {
            (true, _) => 0,
            (_, true) => usize::MAX,
            _ => MANY,
        };
        warn(context, &answer);
        Ok(answer)
    }
}

fn policy(args: &GcArgs) -> Policy {
    let default = Policy::default();
    Policy {
        keep: args.keep.map_or(default.keep, Into::into),
        grace: args.older_than.unwrap_or(default.grace),
        max_bytes: args.max_size,
    }
}

/// Plans and sweeps, and plans again when somebody else has changed the store in between.
fn sweep(context: &Context, store: &Store, policy: &Policy) -> Result<Gc, Failure> {
    let progress = context.progress();
    for attempt in 1.. {
        let plan = store.plan_sweep(policy)?;
        let sizes = store.sizes(&plan)?;
        match store.sweep(plan.clone(), &progress, context.cancel()) {
            Err(SweepError::Stale { .. }) if attempt < ATTEMPTS => {}
            done => return Ok(swept(&plan, &sizes, done?, context.cancel().is_cancelled())),
        }
    }
    unreachable!("the last attempt returns")
}

pub(super) fn planned(plan: &SweepPlan, sizes: &Sizes) -> Gc {
    let numbers = |numbers: &[modstore::model::Generation]| {
        numbers.iter().map(|number| number.number()).collect()
    };
    Gc {
        retired: numbers(&plan.retire),
        leftovers: numbers(&plan.leftovers),
        removed: plan.remove.iter().map(|gone| removed(gone, sizes)).collect(),
        kept: plan.keep.iter().map(|each| kept(each, sizes)).collect(),
        mirrors: plan.mirrors.clone(),
        unknown: plan.unknown.iter().map(|path| path.display().to_string()).collect(),
        kept_disk_bytes: sizes.kept,
        freed_disk_bytes: sizes.freed,
        trash: plan.trash,
        ..Gc::default()
    }
}

pub(super) fn swept(plan: &SweepPlan, sizes: &Sizes, report: SweepReport, interrupted: bool) -> Gc {
    Gc {
        retired: report.retired.iter().map(|number| number.number()).collect(),
        removed: report.removed.iter().map(|gone| removed(gone, sizes)).collect(),
        mirrors: report.mirrors,
        spared: report.spared,
        deleted: report.deleted,
        trash: report.left,
        compacted: report.compacted,
        forgotten: report.forgotten.iter().map(|path| path.display().to_string()).collect(),
        interrupted: interrupted && report.left > 0,
        ..planned(plan, sizes)
    }
}

fn removed(gone: &Gone, sizes: &Sizes) -> GcEntry {
    let digest = gone.digest;
    entry(digest, gone.info.map(|info| info.bytes), gone.why().into(), sizes)
}

fn kept(kept: &Kept, sizes: &Sizes) -> GcKept {
    GcKept {
        entry: entry(kept.digest, kept.info.map(|info| info.bytes), kept.why(), sizes),
        generations: kept.counted.iter().map(|number| number.number()).collect(),
        roots: kept.roots.iter().map(ToString::to_string).collect(),
        disagreement: kept.disagreement.map(|disagreement| match disagreement {
            Disagreement::OnlyMarked => "only_disk",
            Disagreement::OnlyCounted => "only_journal",
            _ => "other",
        }),
    }
}

fn entry(digest: Digest, known: Option<u64>, why: String, sizes: &Sizes) -> GcEntry {
    let measured = sizes.entries.get(&digest).copied().unwrap_or_default();
    GcEntry {
        digest: digest.to_string(),
        bytes: known.unwrap_or(measured.logical),
        disk_bytes: measured.own,
        why,
    }
}

fn warn(context: &Context, answer: &Gc) {
    for each in answer.kept.iter().filter(|each| each.disagreement.is_some()) {
        let GcEntry { digest, why, .. } = &each.entry;
        context.output.warn(&format!("entry {} stays: {why}", short(digest)));
    }
    match answer.unknown.len() {
        0 => {}
        _ if context.global.verbose => {
            for path in &answer.unknown {
                context.output.warn(&format!("{path} is not modstore's, and stays"));
            }
        }
        some => {
            let names = count(some, "name");
            context
                .output
                .warn(&format!("{names} unknown to modstore stay in the store; -v lists them"));
        }
    }
}

impl Answer for Gc {
    fn write(&self, to: &mut Page<'_>) -> io::Result<()> {
        let mut table = Table::default();
        if self.removed.len() <= self.listed {
            self.removed.iter().for_each(|entry| row(&mut table, self.word(), entry));
        }
        if self.kept.len() <= self.listed {
            self.kept.iter().for_each(|kept| row(&mut table, "kept", &kept.entry));
        }
        table.write(to, 0)?;
        if !self.retired.is_empty() {
            let would = if self.dry_run { "would be kept no longer" } else { "kept no longer" };
            writeln!(
                to,
                "{} {would}: {}",
                count(self.retired.len(), "generation"),
                joined(&self.retired)
            )?;
        }
        if self.removed.is_empty() && self.retired.is_empty() && self.mirrors.is_empty() {
            writeln!(to, "There is nothing to delete.")?;
        } else {
            let freed = size(self.freed_disk_bytes);
            let entries = entries(self.removed.len());
            match self.dry_run {
                true => {
                    writeln!(to, "{entries} would be deleted, {freed} freed; nothing was changed")?
                }
                false => writeln!(to, "{entries} deleted, {freed} freed")?,
            }
        }
        if !self.mirrors.is_empty() {
            writeln!(to, "{} {}", count(self.mirrors.len(), "mirror"), self.word())?;
        }
        for environment in &self.forgotten {
            writeln!(to, "{environment} is gone, and looked after no longer")?;
        }
        writeln!(to, "{} kept, {} on disk", entries(self.kept.len()), size(self.kept_disk_bytes))?;
        match (self.trash, self.dry_run) {
            (0, _) => Ok(()),
            (left, _) => {
                writeln!(to, "{} in the trash for the next gc to delete", count(left, "name"))
            }
        }
    }

    fn failure(&self) -> Option<Failure> {
        if self.interrupted {
            let failure =
                Failure::new(Exit::Interrupted, "interrupted while deleting what was given up");
            return Some(failure.hint("`modstore gc` goes on with it"));
        }
        None
    }
}

impl Gc {
    const fn word(&self) -> &'static str {
        if self.dry_run { "would go" } else { "gone" }
    }
}

fn row(table: &mut Table, word: &str, entry: &GcEntry) {
    let sizes = format!("{}, {} of its own on disk", size(entry.bytes), size(entry.disk_bytes));
    table.row([word, short(&entry.digest), &sizes, &entry.why]);
}

fn entries(number: usize) -> String {
    if number == 1 { "1 entry".into() } else { format!("{number} entries") }
}

fn joined(numbers: &[u64]) -> String {
    numbers.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
}
