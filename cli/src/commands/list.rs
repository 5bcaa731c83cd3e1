//! `list`: what is declared and what is shown.

use std::{
    collections::{BTreeMap, BTreeSet},
    io,
};

use clap::Args;
use modstore::{
    Store,
    commit::{Binding, GenerationInfo, State},
    model::{Declared, Generation, ModuleName},
};

use super::{Effect, Run, served::brief};
use crate::{
    context::Context,
    json::{Attempt, List, Listed, Served},
    output::Answer,
    page::Page,
    report::Failure,
    text::Table,
    time,
};

/// List the modules
///
/// What is declared and what is shown: source, revision, how long it has been that, and what is linked.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  modstore list
  modstore list --json")]
pub(crate) struct ListArgs {}

impl Run for ListArgs {
    type Answer = List;
    const EFFECT: Effect = Effect::Reads;

    fn run(&self, context: &Context) -> Result<List, Failure> {
        let store = context.store()?;
        let (declared, state, shown) = (store.declarations()?, store.state()?, store.current());
        let declared = declared.modules;
        let changes = last_changes(&state, shown);
        let served =
            changes.iter().filter(|(_, (_, binding))| binding.is_some()).map(|(name, _)| *name);
        let names: BTreeSet<&str> = declared.keys().map(ModuleName::as_str).chain(served).collect();
        let modules = names.into_iter().map(|name| {
            let listed = listed(&store, name, declared.get(name), changes.get(name).copied());
            let attempt = state.attempts().get(name).map(Attempt::from);
            Listed { attempt, ..listed }
        });
        Ok(List { generation: shown.map(|shown| shown.number()), modules: modules.collect() })
    }
}

/// One module, as it is declared, and as it was last changed.
pub(super) fn listed(
    store: &Store,
    name: &str,
    declared: Option<&Declared>,
    since: Option<LastChange<'_>>,
) -> Listed {
    let served = since.and_then(|(_, binding)| binding);
    let since = since.map(|(info, _)| info).filter(|_| served.is_some());
    Listed {
        module: name.to_owned(),
        target: store.layout().current().join(name).display().to_string(),
        declared: declared.map(|declared| declared.text.clone()),
        served: served.map(Served::from),
        since_generation: since.map(|info| info.number.number()),
        since: since.map(|info| time::stamp(info.at)),
        attempt: None,
    }
}

/// The generation that made a module what it is, and what it made of it.
pub(super) type LastChange<'s> = (&'s GenerationInfo, Option<&'s Binding>);

/// The last change of each module up to the generation that is shown.
pub(super) fn last_changes(
    state: &State,
    shown: Option<Generation>,
) -> BTreeMap<&str, LastChange<'_>> {
    let until = state.generations().iter().take_while(|info| Some(info.number) <= shown);
    until
        .flat_map(|info| info.changes.iter().map(move |change| (info, change)))
        .map(|(info, (module, binding))| (module.as_str(), (info, binding.as_ref())))
        .collect()
}

impl Answer for List {
    fn write(&self, to: &mut Page<'_>) -> io::Result<()> {
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
        table.write(to, 0)?;
        match self.modules.iter().filter(|module| module.attempt.is_some()).count() {
            0 => Ok(()),
            1 => writeln!(to, "1 module is not as it is wanted: `modstore status` tells why"),
            some => writeln!(
                to,
                "{some} modules are not as they are wanted: `modstore status` tells why"
            ),
        }
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
