//! `list`: what is declared and what is shown.

use std::{
    collections::BTreeSet,
    io::{self, Write},
};

use modstore::{
    Store,
    commit::{Binding, GenerationInfo, State},
    model::{Declarations, Generation, ModuleName},
};

use super::served::brief;
use crate::{
    context::Context,
    json::{List, Listed, Served},
    output::Answer,
    report::Failure,
    text::Table,
    time,
};

/// Lists.
pub(crate) fn run(context: &Context) -> Result<List, Failure> {
    let store = context.store()?;
    let (declared, state) = (store.declarations()?, store.state()?);
    let shown = store.shown();
    let modules = names(&declared, &state, shown);
    let modules =
        modules.iter().map(|name| listed(&store, &declared, &state, shown, name)).collect();
    Ok(List { generation: shown.map(|shown| shown.number()), modules })
}

/// Every module that is declared, shown, or both.
fn names(
    declared: &Declarations,
    state: &State,
    shown: Option<Generation>,
) -> BTreeSet<ModuleName> {
    let shown = shown.and_then(|shown| state.modules_of(shown)).unwrap_or_default();
    let shown = shown.keys().filter_map(|name| name.parse().ok());
    declared.modules.iter().map(|(name, _)| name.clone()).chain(shown).collect()
}

/// One module.
pub(super) fn listed(
    store: &Store,
    declared: &Declarations,
    state: &State,
    shown: Option<Generation>,
    name: &ModuleName,
) -> Listed {
    let declared = declared.get(name);
    let since = last_change(state, shown, name);
    let served = since.and_then(|(_, binding)| binding);
    let since = since.map(|(info, _)| info).filter(|_| served.is_some());
    Listed {
        module: name.to_string(),
        target: store.target(name).display().to_string(),
        declared: declared.map(|declared| declared.text.clone()),
        served: served.map(Served::from),
        since_generation: since.map(|info| info.number.number()),
        since: since.map(|info| time::stamp(info.at)),
    }
}

/// The generation, up to the one shown, that made the module what it is, and what it made of it.
fn last_change<'s>(
    state: &'s State,
    shown: Option<Generation>,
    name: &ModuleName,
) -> Option<(&'s GenerationInfo, Option<&'s Binding>)> {
    let until = state.generations().iter().rev().skip_while(|info| Some(info.number) > shown);
    until.filter(|_| shown.is_some()).find_map(|info| {
        let change = info.changes.iter().rev().find(|(module, _)| module == name.as_str())?;
        Some((info, change.1.as_ref()))
    })
}

impl Answer for List {
    fn write(&self, to: &mut dyn Write) -> io::Result<()> {
        if self.modules.is_empty() {
            return writeln!(
                to,
                "No modules are declared. Declare one with `modstore add SOURCE`."
            );
        }
        let mut table = Table::default();
        table.row(["MODULE", "REVISION", "AGE", "SOURCE"]);
        for module in &self.modules {
            let age =
                module.since.as_deref().and_then(time::read).map(|at| time::age(at, time::now()));
            let (revision, source) = (revision(module), source(module));
            table.row([module.module.as_str(), &revision, &age.unwrap_or_default(), &source]);
        }
        table.write(to, 0)
    }
}

fn revision(module: &Listed) -> String {
    match &module.served {
        None => "not fetched".into(),
        Some(Served { linked: Some(_), .. }) => "linked".into(),
        served => brief(served.as_ref()),
    }
}

fn source(module: &Listed) -> String {
    let served = module.served.as_ref();
    let source = module
        .declared
        .as_deref()
        .or(served.map(|served| served.source.as_str()))
        .unwrap_or_default();
    match served.and_then(|served| served.linked.as_deref()) {
        _ if module.declared.is_none() => format!("{source}  (declared no more)"),
        Some(linked) if linked != source => format!("{linked}  (instead of {source})"),
        _ => source.to_owned(),
    }
}
