//! `history`: the generations, the newest first.

use std::{collections::BTreeMap, io, num::NonZeroU16};

use clap::Args;
use modstore::{State, internals::commit::GenerationInfo};
use modstore_core::model::Binding as StoreBinding;
use schemars::JsonSchema;
use serde::Serialize;

use super::Runnable;
use crate::{
    amounts,
    context::Context,
    effect::Effect,
    json::{Change, Time},
    output::Answer,
    page::Page,
    report::Failure,
    table::Table,
    text::count,
};

/// List the generations, the newest first
///
/// Each with its time, the command that made it and what it changed.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  modstore history
  modstore history -n 5
  modstore history --json")]
pub(crate) struct HistoryArgs {
    /// Only the newest N generations [default: all]
    #[arg(long = "limit", short = 'n', value_name = "N", value_parser = amounts::number, allow_negative_numbers = true)]
    limit: Option<NonZeroU16>,
}

/// The answer of `history`.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct HistoryAnswer {
    generation: Option<u64>,
    /// The generations, the newest first.
    generations: Vec<PastGeneration>,
}

/// A generation and what it changed.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub(crate) struct PastGeneration {
    /// Its number.
    number: u64,
    /// When it was made.
    at: Time,
    /// The command that made it.
    reason: String,
    /// The generation that a rollback went back to; null if it was not a rollback.
    restores: Option<u64>,
    /// Whether it is the current one.
    current: bool,
    /// Whether it is retired: no rollback can return to it.
    retired: bool,
    /// What it changed against the generation before.
    changes: Vec<Change>,
}

impl Runnable for HistoryArgs {
    type Answer = HistoryAnswer;
    const EFFECT: Effect = Effect::Reads;

    fn run(&self, context: &Context) -> Result<HistoryAnswer, Failure> {
        let store = context.store_without_tiers()?;
        let state = store.state()?;
        let current = store.current().map(|current| current.number());
        let mut generations = past(&state, current);
        generations.truncate(self.limit.map_or(usize::MAX, |limit| limit.get().into()));
        Ok(HistoryAnswer { generation: current, generations })
    }
}

fn past(state: &State, current: Option<u64>) -> Vec<PastGeneration> {
    let mut modules: BTreeMap<&str, &StoreBinding> = BTreeMap::new();
    let past = state.generations().iter().map(|info| PastGeneration {
        number: info.number.number(),
        at: Time::new(info.at),
        reason: info.reason.clone(),
        restores: info.restores.map(|restores| restores.number()),
        current: Some(info.number.number()) == current,
        retired: info.retired,
        changes: apply(&mut modules, info),
    });
    let mut past: Vec<PastGeneration> = past.collect();
    past.reverse();
    past
}

/// What a generation changes in the modules before it, which become those after it.
fn apply<'s>(
    modules: &mut BTreeMap<&'s str, &'s StoreBinding>,
    info: &'s GenerationInfo,
) -> Vec<Change> {
    let changes = info.changes.iter().map(|(module, to)| {
        let from = match to {
            Some(to) => modules.insert(module.as_str(), to),
            None => modules.remove(module.as_str()),
        };
        Change::new(module.as_str(), from, to.as_ref())
    });
    changes.collect()
}

impl PastGeneration {
    fn row(&self) -> [String; 5] {
        let mark = match self {
            Self { current: true, .. } => "*",
            Self { retired: true, .. } => "-",
            _ => "",
        };
        let reason = match self.restores {
            Some(restores) => format!("{} to {restores}", self.reason),
            None => self.reason.clone(),
        };
        let changes = match self.changes.len() {
            0..=3 => self.changes.iter().map(Change::brief).collect::<Vec<_>>().join(", "),
            many => count(many, "module"),
        };
        [self.number.to_string(), mark.into(), self.at.local(), reason, changes]
    }
}

impl Answer for HistoryAnswer {
    fn write(&self, to: &mut Page<'_>) -> io::Result<()> {
        if self.generations.is_empty() {
            let hint = "The first `modstore update` makes one.";
            return writeln!(to, "There is no generation yet. {hint}");
        }
        let mut table = Table::default();
        self.generations.iter().for_each(|past| table.row(past.row()));
        table.write(to, 0)?;
        if self.generations.iter().any(|past| past.retired) {
            writeln!(to, "(-: retired; a rollback cannot return to it)")?;
        }
        Ok(())
    }
}
