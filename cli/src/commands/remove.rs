//! `remove`: removes modules from modules.toml, and switches to a generation without them.

mod hanging;

use std::io;

use clap::Args;
use modstore::{ModuleName, Store};
use schemars::JsonSchema;
use serde::Serialize;

use self::hanging::Hanging;
use super::{
    Runnable,
    ask::{may_ask, says_yes},
    expose::ExposedModule,
    names,
};
use crate::{context::Context, json::texts, output::Answer, page::Page, report::Failure};

/// Remove modules and switch to a generation without them
///
/// Earlier generations still have them: a rollback brings them back. What they have written to the paths that they
/// keep stays, unless --purge-state is given; with --interactive, it is asked for on a terminal.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  modstore remove weather
  modstore remove tool-bash tool-web
  modstore remove weather --purge-state   (what it has written, too)")]
pub(crate) struct RemoveArgs {
    /// The modules
    #[arg(required = true, value_name = "NAME")]
    names: Vec<ModuleName>,
    /// Also delete, for ever, what the modules have written to the paths that they keep
    #[arg(long)]
    purge_state: bool,
}

/// The answer of `remove`.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct RemoveAnswer {
    generation: Option<u64>,
    /// The modules that were removed.
    removed: Vec<String>,
    /// What the removed modules have written and stays: the directories where it lies.
    kept: Vec<String>,
    /// The modules of which what they have written was deleted.
    purged: Vec<String>,
    /// Those of them that were held; the holds are gone with them.
    released: Vec<String>,
    /// The links of `modstore expose` to them, which were taken away with them; `there` for one that still is there.
    exposed: Vec<ExposedModule>,
    /// Python environments in which one of them was installed, from which they were uninstalled.
    environments: Vec<String>,
}

impl Runnable for RemoveArgs {
    type Answer = RemoveAnswer;

    fn run(&self, context: &Context) -> Result<RemoveAnswer, Failure> {
        let store = context.store()?;
        let mut names = self.names.clone();
        names.sort();
        names.dedup();
        let (declared, states) = (store.declarations()?, store.states()?);
        let is_left = |name: &ModuleName| {
            self.purge_state && declared.get(name).is_none() && states.contains(name)
        };
        let (left, names): (Vec<_>, Vec<_>) = names.into_iter().partition(is_left);
        names::known(&store, &names)?;
        let mut generation = store.current();
        let hanging = Hanging::of(&store, &names)?;
        if !names.is_empty() {
            generation = store.remove(&names, &context.progress(), context.cancel())?;
        }
        let all: Vec<ModuleName> = left.into_iter().chain(names.clone()).collect();
        let has_written: Vec<ModuleName> =
            all.into_iter().filter(|name| states.contains(name)).collect();
        let purged = match self.purge_state || self.is_wished(context, &has_written)? {
            true => store.purge_states(&has_written, &context.progress(), context.cancel())?,
            false => Vec::new(),
        };
        let kept = has_written.iter().filter(|name| !purged.contains(name));
        let Hanging { released, exposed, environments } = hanging.after();
        Ok(RemoveAnswer {
            released,
            exposed,
            environments,
            generation: generation.map(|generation| generation.number()),
            removed: texts(&names),
            kept: kept.map(|name| directory(&store, name)).collect(),
            purged: texts(&purged),
        })
    }
}

fn directory(store: &Store, name: &ModuleName) -> String {
    store.layout().state(name).display().to_string()
}

impl RemoveArgs {
    /// Asks, where it may be asked, whether what these modules have written is to be deleted.
    fn is_wished(&self, context: &Context, names: &[ModuleName]) -> Result<bool, Failure> {
        if names.is_empty() || !may_ask(context) {
            return Ok(false);
        }
        let names = texts(names).join(", ");
        says_yes(&format!("Delete what {names} wrote to the paths that it keeps, for ever?"))
    }
}

impl Answer for RemoveAnswer {
    fn write(&self, to: &mut Page<'_>) -> io::Result<()> {
        if !self.removed.is_empty() {
            writeln!(to, "removed {}", self.removed.join(", "))?;
        }
        if !self.purged.is_empty() {
            writeln!(to, "deleted what {} had written", self.purged.join(", "))?;
        }
        for directory in &self.kept {
            writeln!(to, "what it has written stays in {directory}")?;
            writeln!(to, "  (`modstore remove NAME --purge-state` deletes it)")?;
        }
        for environment in &self.environments {
            writeln!(to, "uninstalled from {environment}")?;
        }
        for ExposedModule { module, place, there } in &self.exposed {
            let what = if *there { "is still there" } else { "was taken away" };
            writeln!(to, "{place}, which led to {module}, {what}")?;
        }
        if !self.released.is_empty() {
            writeln!(to, "no longer held: {}", self.released.join(", "))?;
        }
        match self.generation {
            Some(generation) => writeln!(to, "generation {generation} is current"),
            None => Ok(()),
        }
    }
}
