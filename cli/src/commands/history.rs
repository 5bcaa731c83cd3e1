//! `history`: the generations, the newest first.

use std::{collections::BTreeMap, io};

use clap::Args;
use modstore::commit::{Binding, GenerationInfo, State};

use super::{Effect, Run, served::changes};
use crate::{
    context::Context,
    json::{Change, History, Past, Served},
    output::Answer,
    page::Page,
    report::Failure,
    text::{Table, count},
    time,
};

/// List the generations, the newest first
///
/// Each with its time, the command that made it and what it changed.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  modstore history
  modstore history --json")]
pub(crate) struct HistoryArgs {}

impl Run for HistoryArgs {
    type Answer = History;
    const EFFECT: Effect = Effect::Reads;

    fn run(&self, context: &Context) -> Result<History, Failure> {
        let store = context.store()?;
        let state = store.state()?;
        let shown = store.current().map(|shown| shown.number());
        Ok(History { generation: shown, generations: past(&state, shown) })
    }
}

fn past(state: &State, shown: Option<u64>) -> Vec<Past> {
    let mut modules: BTreeMap<&str, &Binding> = BTreeMap::new();
    let past = state.generations().iter().map(|info| Past {
        number: info.number.number(),
        at: time::stamp(info.at),
        reason: info.reason.clone(),
        restores: info.restores.map(|restores| restores.number()),
        shown: Some(info.number.number()) == shown,
        retired: info.retired,
        changes: apply(&mut modules, info),
    });
    let mut past: Vec<Past> = past.collect();
    past.reverse();
    past
}

/// What a generation changes against the modules before, which become those after.
fn apply<'s>(
    modules: &mut BTreeMap<&'s str, &'s Binding>,
    info: &'s GenerationInfo,
) -> Vec<Change> {
    let changes = info.changes.iter().map(|(module, to)| {
        let from = match to {
            Some(to) => modules.insert(module, to),
            None => modules.remove(module.as_str()),
        };
        Change {
            module: module.clone(),
            from: from.map(Served::from),
            to: to.as_ref().map(Served::from),
        }
    });
    changes.collect()
}

impl Answer for History {
    fn write(&self, to: &mut Page<'_>) -> io::Result<()> {
        if self.generations.is_empty() {
            return writeln!(
                to,
                "There is no generation yet. The first `modstore update` makes one."
            );
        }
        let mut table = Table::default();
        for past in &self.generations {
            let mark = match (past.shown, past.retired) {
                (true, _) => "*",
                (_, true) => "-",
                _ => "",
            };
            let at = time::read(&past.at).map(time::local).unwrap_or_default();
            let reason = match past.restores {
                Some(restores) => format!("{} to {restores}", past.reason),
                None => past.reason.clone(),
            };
            let what = match past.changes.len() {
                0..=3 => changes(&past.changes),
                many => count(many, "module"),
            };
            table.row([past.number.to_string(), mark.into(), at, reason, what]);
        }
        table.write(to, 0)?;
        match self.generations.iter().any(|past| past.retired) {
            true => writeln!(to, "(-: kept no longer; a rollback cannot show it)"),
            false => Ok(()),
        }
    }
}
