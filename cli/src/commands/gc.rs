//! `gc`: deletes what no kept generation needs, or only lists it.

mod text;

use std::{num::NonZeroU16, time::Duration};

use clap::Args;
use modstore::{
    Digest as StoreDigest, Policy, Store, SweepPlan, SweepReport,
    errors::SweepError,
    internals::{
        commit::EntryInfo,
        reclaim::{Disagreement as StoreDisagreement, Gone, Kept, Sizes},
    },
};
use schemars::JsonSchema;
use serde::Serialize;

use super::Runnable;
use crate::{
    amounts,
    context::Context,
    json::{Digest, numbers, paths, texts},
    report::Failure,
    text::{count, short},
};

/// How often a plan is made again because others keep changing the store.
const ATTEMPTS: usize = 10;

/// Delete what no kept generation needs
///
/// Keeps the newest generations, those that were current within a period, and those that a running program
/// leases. Entries that none of these reference are deleted, provided the journal and the links on disk agree;
/// where they do not, the entry stays and is named. Each update ends with the same, with the defaults, for at
/// most a fifth of a second.
///
/// Programs can go on using the store meanwhile. The next gc continues a deletion that was interrupted. Names in
/// the store's directories that are not modstore's are never deleted.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  modstore gc --dry-run              (what would be deleted, what stays, and why)
  modstore gc
  modstore gc --keep 1 --older-than 0s
  modstore gc --max-size 2G          (also younger generations, while there is more than that)")]
pub(crate) struct GcArgs {
    /// Only list what would be deleted, and change nothing
    #[arg(long)]
    dry_run: bool,
    /// Keep this many of the newest generations, the current one among them [default: 3]
    #[arg(long, value_name = "N", value_parser = amounts::number, allow_negative_numbers = true)]
    keep: Option<NonZeroU16>,
    /// Keep generations that were current within this period, for example 30m, 12h or 7d [default: 1d]
    #[arg(long, value_name = "D", value_parser = amounts::time)]
    older_than: Option<Duration>,
    /// While the files of all kept entries have more bytes than this, for example 500M or 2G, keep only the
    /// newest generations
    #[arg(long, value_name = "S", value_parser = amounts::size)]
    max_size: Option<u64>,
}

/// The answer of `gc`.
#[derive(Debug, Clone, Default, Serialize, JsonSchema)]
pub(crate) struct GcAnswer {
    /// The current generation; null if there is none yet.
    pub(super) generation: Option<u64>,
    /// Whether nothing was changed, and all of this only would be.
    pub(super) dry_run: bool,
    /// Generations that are retired: no rollback can return to them.
    retired: Vec<u64>,
    /// Generations whose directories a crash left; they are deleted.
    leftover_generations: Vec<u64>,
    /// Entries that are deleted.
    removed: Vec<JudgedEntry>,
    /// Entries that stay.
    kept: Vec<KeptEntry>,
    /// Mirrors that are deleted, by the hash of their origin.
    mirrors: Vec<String>,
    /// Paths in the store's directories that are not modstore's; they stay.
    unknown: Vec<String>,
    /// How many generations and entries came into use after the plan was made; they stay.
    spared: usize,
    /// Bytes on disk of everything that stays, hard links counted once.
    kept_disk_bytes: u64,
    /// Bytes on disk of everything that is deleted, hard links counted once.
    freed_disk_bytes: u64,
    /// How many trees and files were deleted.
    deleted: usize,
    /// How many trees and files are in the trash and still to be deleted.
    trash: usize,
    /// Whether the journal was rewritten without what is retired.
    compacted: bool,
    /// Environments that have been gone for a day, and do not follow the store any longer.
    forgotten_environments: Vec<String>,
    #[serde(skip)]
    interrupted: bool,
    /// Lists of entries up to this length are printed.
    #[serde(skip)]
    listed: usize,
}

/// An entry that is deleted or stays.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub(crate) struct JudgedEntry {
    /// The entry.
    digest: Digest,
    /// Bytes of its files.
    bytes: u64,
    /// Bytes on disk that it shares with nothing.
    disk_bytes: u64,
    /// Why it is deleted or stays, in words.
    why: String,
}

/// An entry that stays.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub(crate) struct KeptEntry {
    #[serde(flatten)]
    entry: JudgedEntry,
    /// The kept generations that use it, by the journal.
    generations: Vec<u64>,
    /// What leads to it on disk, in words: `current`, generations, leases and environments.
    roots: Vec<String>,
    /// Where it is in use, if the journal and the links on disk disagree; null if they agree.
    disagreement: Option<Disagreement>,
}

/// Who alone says that an entry is in use.
#[derive(Debug, Clone, Copy, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Disagreement {
    /// A link on disk leads to it, and the journal does not count it.
    OnlyDisk,
    /// The journal counts it, and no link on disk leads to it.
    OnlyJournal,
    /// Another disagreement.
    Other,
}

impl Runnable for GcArgs {
    type Answer = GcAnswer;

    fn run(&self, context: &Context) -> Result<GcAnswer, Failure> {
        let store = context.store()?;
        let policy = self.policy();
        let mut answer = if self.dry_run {
            let plan = store.plan_sweep(&policy)?;
            let sizes = store.sizes(&plan)?;
            GcAnswer::planned(&plan, &sizes)
        } else {
            sweep(context, &store, &policy)?
        };
        answer.dry_run = self.dry_run;
        answer.generation = store.current().map(|shown| shown.number());
        if !context.global.quiet {
            answer.list_entries(context.global.verbose);
        }
        answer.warn(context);
        Ok(answer)
    }
}

impl GcArgs {
    fn policy(&self) -> Policy {
        let default = Policy::default();
        Policy {
            keep: self.keep.map_or(default.keep, Into::into),
            grace: self.older_than.unwrap_or(default.grace),
            max_bytes: self.max_size,
        }
    }
}

/// Plans and sweeps, and plans again if another process changed the store in between.
fn sweep(context: &Context, store: &Store, policy: &Policy) -> Result<GcAnswer, Failure> {
    let progress = context.progress();
    for attempt in 1.. {
        let plan = store.plan_sweep(policy)?;
        let sizes = store.sizes(&plan)?;
        match store.sweep(plan.clone(), &progress, context.cancel()) {
            Err(SweepError::Stale { .. }) if attempt < ATTEMPTS => {}
            done => {
                let interrupted = context.cancel().is_cancelled();
                return Ok(GcAnswer::swept(&plan, &sizes, done?, interrupted));
            }
        }
    }
    unreachable!("the last attempt returns")
}

impl GcAnswer {
    /// What a sweep would do.
    pub(super) fn planned(plan: &SweepPlan, sizes: &Sizes) -> Self {
        Self {
            retired: numbers(&plan.retire),
            leftover_generations: numbers(&plan.leftovers),
            removed: removed(&plan.remove, sizes),
            kept: plan.keep.iter().map(|kept| KeptEntry::new(kept, sizes)).collect(),
            mirrors: plan.mirrors.clone(),
            unknown: paths(&plan.unknown),
            kept_disk_bytes: sizes.kept,
            freed_disk_bytes: sizes.freed,
            trash: plan.trash,
            ..Self::default()
        }
    }

    /// What a sweep did.
    pub(super) fn swept(
        plan: &SweepPlan,
        sizes: &Sizes,
        report: SweepReport,
        interrupted: bool,
    ) -> Self {
        Self {
            retired: numbers(&report.retired),
            removed: removed(&report.removed, sizes),
            mirrors: report.mirrors,
            spared: report.spared,
            deleted: report.deleted,
            trash: report.left,
            compacted: report.compacted,
            forgotten_environments: paths(&report.forgotten),
            interrupted: interrupted && report.left > 0,
            ..Self::planned(plan, sizes)
        }
    }

    fn warn(&self, context: &Context) {
        for KeptEntry { entry, .. } in self.kept.iter().filter(|it| it.disagreement.is_some()) {
            let text = format!("entry {} stays: {}", short(&entry.digest), entry.why);
            context.output.warn(&text);
        }
        if context.global.verbose {
            for path in &self.unknown {
                context.output.warn(&format!("{path} is not modstore's, and stays"));
            }
        } else if !self.unknown.is_empty() {
            let names = count(self.unknown.len(), "name");
            let text = format!("{names} unknown to modstore stay in the store; -v lists them");
            context.output.warn(&text);
        }
    }
}

impl JudgedEntry {
    /// As large as the journal knows, or else as was measured.
    fn new(digest: StoreDigest, known: Option<&EntryInfo>, why: String, sizes: &Sizes) -> Self {
        let measured = sizes.entries.get(&digest).copied().unwrap_or_default();
        Self {
            digest: digest.into(),
            bytes: known.map_or(measured.logical, |known| known.bytes),
            disk_bytes: measured.own,
            why,
        }
    }
}

fn removed(gone: &[Gone], sizes: &Sizes) -> Vec<JudgedEntry> {
    let entry = |it: &Gone| JudgedEntry::new(it.digest, it.info.as_ref(), it.why().into(), sizes);
    gone.iter().map(entry).collect()
}

impl KeptEntry {
    fn new(kept: &Kept, sizes: &Sizes) -> Self {
        Self {
            entry: JudgedEntry::new(kept.digest, kept.info.as_ref(), kept.why(), sizes),
            generations: numbers(&kept.counted),
            roots: texts(&kept.roots),
            disagreement: kept.disagreement.map(|disagreement| match disagreement {
                StoreDisagreement::OnlyMarked => Disagreement::OnlyDisk,
                StoreDisagreement::OnlyCounted => Disagreement::OnlyJournal,
                _ => Disagreement::Other,
            }),
        }
    }
}
