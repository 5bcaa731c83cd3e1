//! `list`: the modules that are declared or current.

use std::{
    collections::{BTreeMap, BTreeSet},
    io,
};

use clap::Args;
use modstore::{Generation, ModuleName, State, Store, internals::commit::GenerationInfo};
use modstore_core::model::{Binding as StoreBinding, Declared};
use schemars::JsonSchema;
use serde::Serialize;

use super::{Runnable, names, outdated::OutdatedModule};
use crate::{
    context::Context,
    effect::Effect,
    json::{Attempt, Binding, Hold, PointersLeft, Submodules, Time, unusual},
    output::Answer,
    page::Page,
    report::Failure,
    table::Table,
    text::count,
};

/// List the modules
///
/// Each with its source, its revision and for how long it has been that, and the directory it is linked to. No server
/// is asked, unless with --outdated.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  modstore list
  modstore list --outdated           (only those with something newer)
  modstore list --json")]
pub(crate) struct ListArgs {
    /// Only modules that an update would change, or of which a newer version is available; asks their repositories
    #[arg(long)]
    outdated: bool,
    /// Only the modules of this group in modules.toml; may be given several times
    #[arg(long = "group", value_name = "GROUP")]
    groups: Vec<String>,
}

/// The answer of `list`.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct ListAnswer {
    #[serde(skip)]
    outdated: bool,
    generation: Option<u64>,
    /// The modules, by name.
    modules: Vec<ListedModule>,
}

/// A module that is declared, current, or both.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub(crate) struct ListedModule {
    /// The module.
    pub(super) module: String,
    /// The path that stays the same through every update.
    pub(super) target: String,
    /// The source in modules.toml, without secrets; null if it is not declared.
    pub(super) declared: Option<String>,
    /// Which of its submodules are declared: true for all, false for none, or those at or below these paths; null if
    /// no git repository is declared.
    submodules: Option<Submodules>,
    /// Whether the content that Git LFS keeps is declared, and not only pointers to it; null as for `submodules`.
    lfs: Option<bool>,
    /// The same in words, where it is not what is usual.
    #[serde(skip)]
    pub(super) unusual: Option<String>,
    /// What it is in the current generation; null if it is not fetched yet.
    pub(super) current: Option<Binding>,
    /// The generation that made it so.
    since_generation: Option<u64>,
    /// When that generation was made.
    since: Option<Time>,
    /// Its files that are Git LFS pointers; null if there are none.
    pub(super) pointers: Option<PointersLeft>,
    /// The last try; null unless the module is failing.
    pub(super) attempt: Option<Box<Attempt>>,
    /// Why updates leave it as it is; null if it is not held.
    pub(super) hold: Option<Hold>,
    /// What is available, with the fields of an item of `outdated`; null without --outdated.
    outdated: Option<Box<OutdatedModule>>,
}

impl Runnable for ListArgs {
    type Answer = ListAnswer;
    const EFFECT: Effect = Effect::Reads;

    fn run(&self, context: &Context) -> Result<ListAnswer, Failure> {
        let store = context.store_without_tiers()?;
        let declared = store.declarations()?.modules;
        let state = store.state()?;
        let generation = store.current();
        let changes = last_changes(&state, generation);
        let bound =
            changes.iter().filter(|(_, last)| last.binding.is_some()).map(|(name, _)| *name);
        let members = names::members(&store, &self.groups)?;
        let is_meant = |name: &&str| {
            members.is_empty() || members.iter().any(|member| member.as_str() == *name)
        };
        let names = declared.keys().map(ModuleName::as_str).chain(bound).filter(is_meant);
        let names: BTreeSet<&str> = names.collect();
        let modules = names.into_iter().map(|name| {
            let last = changes.get(name);
            let module = ListedModule::new(&store, &state, name, declared.get(name), last);
            // To know takes a file to be opened for each module, and the table does not show it.
            if context.global.json { module.with_pointers(&store, last) } else { module }
        });
        let mut modules: Vec<ListedModule> = modules.collect();
        if self.outdated {
            modules = only_outdated(context, &store, &members, modules)?;
        }
        let generation = generation.map(|generation| generation.number());
        Ok(ListAnswer { outdated: self.outdated, generation, modules })
    }
}

/// Those of the modules that are outdated, with what is available.
fn only_outdated(
    context: &Context,
    store: &Store,
    names: &[ModuleName],
    modules: Vec<ListedModule>,
) -> Result<Vec<ListedModule>, Failure> {
    context.ready_for(Effect::Changes)?;
    let found = store.outdated(names, &context.progress(), context.cancel())?;
    let found = found.iter().map(OutdatedModule::from).filter(OutdatedModule::is_outdated);
    let mut found: BTreeMap<String, OutdatedModule> =
        found.map(|it| (it.module().to_owned(), it)).collect();
    let outdated = modules.into_iter().filter_map(|module| {
        let outdated = found.remove(&module.module)?;
        Some(ListedModule { outdated: Some(Box::new(outdated)), ..module })
    });
    Ok(outdated.collect())
}

impl ListedModule {
    /// One module, as it is declared, and as it was last changed.
    pub(super) fn new(
        store: &Store,
        state: &State,
        name: &str,
        declared: Option<&Declared>,
        last: Option<&LastChange<'_>>,
    ) -> Self {
        let current = last.and_then(|last| last.binding);
        let contents = declared.and_then(|declared| declared.source.contents());
        let since = last.map(|last| last.generation).filter(|_| current.is_some());
        Self {
            module: name.to_owned(),
            target: store.layout().current().join(name).display().to_string(),
            declared: declared.map(|declared| declared.text.clone()),
            submodules: contents.map(|contents| Submodules::from(&contents.submodules)),
            lfs: contents.map(|contents| contents.lfs),
            unusual: contents.and_then(unusual),
            current: current.map(Binding::from),
            since_generation: since.map(|info| info.number.number()),
            since: since.map(|info| Time::new(info.at)),
            pointers: None,
            attempt: state.attempts().get(name).map(Attempt::from).map(Box::new),
            hold: state.holds().get(name).map(Hold::from),
            outdated: None,
        }
    }

    /// The same, with what is known of its large files.
    pub(super) fn with_pointers(self, store: &Store, last: Option<&LastChange<'_>>) -> Self {
        let current = last.and_then(|last| last.binding);
        let pointers = current.and_then(|binding| PointersLeft::of(store, binding));
        Self { pointers, ..self }
    }

    fn row(&self) -> [String; 4] {
        let revision = match &self.current {
            None => "not fetched".into(),
            Some(Binding { linked: Some(_), .. }) => "linked".into(),
            Some(binding) => binding.brief(),
        };
        let revision = if self.hold.is_some() { format!("{revision} (held)") } else { revision };
        let age = self.since.map(Time::age).unwrap_or_default();
        [self.module.clone(), revision, age, self.source()]
    }

    fn source(&self) -> String {
        let linked = self.current.as_ref().and_then(|current| current.linked.as_deref());
        match (&self.declared, &self.current) {
            (None, Some(current)) => format!("{}  (not declared)", current.source),
            (None, None) => String::new(),
            (Some(source), _) => match linked {
                Some(linked) if linked != source => format!("{linked}  (instead of {source})"),
                _ => match &self.unusual {
                    Some(unusual) => format!("{source}  ({unusual})"),
                    None => source.clone(),
                },
            },
        }
    }
}

/// The latest change of a module.
#[derive(Debug, Clone, Copy)]
pub(super) struct LastChange<'s> {
    /// The generation that made it.
    pub(super) generation: &'s GenerationInfo,
    /// What the module became; nothing if it was removed.
    pub(super) binding: Option<&'s StoreBinding>,
}

/// The last change of each module up to the current generation.
pub(super) fn last_changes(
    state: &State,
    current: Option<Generation>,
) -> BTreeMap<&str, LastChange<'_>> {
    let until = state.generations().iter().take_while(|info| Some(info.number) <= current);
    let changes = until.flat_map(|generation| {
        generation.changes.iter().map(move |(module, binding)| {
            (module.as_str(), LastChange { generation, binding: binding.as_ref() })
        })
    });
    changes.collect()
}

impl ListAnswer {
    fn write_outdated(&self, to: &mut Page<'_>) -> io::Result<()> {
        let mut table = Table::default();
        table.row(["MODULE", "REVISION", "AGE", "AVAILABLE"]);
        for module in &self.modules {
            let [name, revision, age, _] = module.row();
            let available = module.outdated.as_deref().map(OutdatedModule::available);
            table.row([name, revision, age, available.unwrap_or_default()]);
        }
        if self.modules.is_empty() {
            return writeln!(to, "no module is outdated");
        }
        table.write(to, 0)
    }
}

impl Answer for ListAnswer {
    fn write(&self, to: &mut Page<'_>) -> io::Result<()> {
        if self.outdated {
            return self.write_outdated(to);
        }
        if self.modules.is_empty() {
            let hint = "Add one with `modstore add SOURCE`.";
            return writeln!(to, "No modules are declared. {hint}");
        }
        let mut table = Table::default();
        table.row(["MODULE", "REVISION", "AGE", "SOURCE"]);
        self.modules.iter().for_each(|module| table.row(module.row()));
        table.write(to, 0)?;
        let failing = self.modules.iter().filter(|module| module.attempt.is_some()).count();
        if failing > 0 {
            let are = if failing == 1 { "is" } else { "are" };
            let modules = count(failing, "module");
            writeln!(to, "{modules} {are} failing: `modstore status` says why")?;
        }
        Ok(())
    }
}
