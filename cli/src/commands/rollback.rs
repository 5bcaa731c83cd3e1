//! `rollback`: switches to the modules of an earlier generation, as a new one.

use std::io;

use clap::Args;
use modstore::{Generation, ModuleName};
use modstore_core::model::ParseModuleNameError;
use schemars::JsonSchema;
use serde::Serialize;

use super::{Runnable, names};
use crate::{
    context::Context, exit::Exit, explain::NAMES, json::Change, output::Answer, page::Page,
    report::Failure,
};

/// Switch back to the modules of an earlier generation
///
/// Every module becomes what it was then, in one switch; with NAME only these modules, each the version before the
/// one it has, or that of generation G. The result is a new generation, so a rollback can be rolled back.
///
/// modules.toml stays as it is. What the rollback takes back is held: updates leave it as it is until
/// `modstore update NAME` or `modstore unhold NAME`. A module that is not declared any longer is removed by the next
/// update.

#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  modstore rollback                  (to the previous generation)
  modstore rollback 12               (to generation 12; so does --to 12)
  modstore rollback weather          (only this module, to the version before)
  modstore rollback weather 12       (only this module, as it was in generation 12)")]
pub(crate) struct RollbackArgs {
    /// The generation to return to [default: the previous one], and only these modules [default: all]
    #[arg(value_name = "G|NAME")]
    what: Vec<String>,
    /// The generation, as an option
    #[arg(long, value_name = "G", allow_negative_numbers = true)]
    to: Option<Generation>,
    /// A module, as an option: for a name that is a number
    #[arg(long = "module", value_name = "NAME")]
    modules: Vec<ModuleName>,
}

/// The answer of `rollback`.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct RollbackAnswer {
    generation: Option<u64>,
    /// The generation that was current before.
    from: Option<u64>,
    /// The generation whose modules are current again.
    restores: Option<u64>,
    /// What changed.
    changes: Vec<Change>,
    /// The modules that are held now, because the rollback took them back.
    held: Vec<String>,
}

impl Runnable for RollbackArgs {
    type Answer = RollbackAnswer;

    fn run(&self, context: &Context) -> Result<RollbackAnswer, Failure> {
        let (to, modules) = self.wanted()?;
        let store = context.store()?;
        let from = store.current();
        let before = store.state()?;
        let is_unknown = |name: &&ModuleName| {
            !before.generations().iter().any(|it| it.changes.iter().any(|(had, _)| had == *name))
        };
        if let Some(name) = modules.iter().find(is_unknown) {
            return Err(names::unknown(&store, name));
        }
        let generation = store.rollback(to, &modules, &context.progress(), context.cancel())?;
        let differences = match from {
            Some(from) => store.difference(from, generation)?,
            None => Vec::new(),
        };
        let state = store.state()?;
        let is_held = |name: &ModuleName| state.holds().contains_key(name);
        let held = differences.iter().map(|it| &it.module).filter(|name| is_held(name));
        let held = held.map(ToString::to_string).collect();
        let changes = differences
            .iter()
            .map(|it| Change::new(it.module.as_str(), it.from.as_ref(), it.to.as_ref()));
        let info = state.generations().iter().find(|info| info.number == generation);
        let restores = info.and_then(|info| info.restores);
        Ok(RollbackAnswer {
            generation: Some(generation.number()),
            from: from.map(|from| from.number()),
            restores: restores.map(|restores| restores.number()),
            changes: changes.collect(),
            held,
        })
    }
}

impl RollbackArgs {
    /// The generation, and the modules; a number is a generation.
    fn wanted(&self) -> Result<(Option<Generation>, Vec<ModuleName>), Failure> {
        let mut to = self.to;
        let mut modules = self.modules.clone();
        for text in &self.what {
            let is_number = text.bytes().all(|byte| byte.is_ascii_digit());
            match text.parse::<Generation>() {
                Ok(generation) if to.is_none() => to = Some(generation),
                Ok(_) => {
                    let message = "a rollback goes back to one generation";
                    let hint = "a module whose name is a number is named with --module";
                    return Err(Failure::new(Exit::Usage, message).hint(hint));
                }
                Err(error) if is_number => {
                    let hint = "`modstore history` lists the generations there are";
                    return Err(Failure::of(Exit::Usage, &error).hint(hint));
                }
                Err(_) => modules.push(text.parse().map_err(|error: ParseModuleNameError| {
                    let message = format!("`{text}` is neither a generation nor a module");
                    Failure::new(Exit::Usage, message).because(vec![error.to_string()]).hint(NAMES)
                })?),
            }
        }
        modules.sort();
        modules.dedup();
        Ok((to, modules))
    }
}

impl Answer for RollbackAnswer {
    fn write(&self, to: &mut Page<'_>) -> io::Result<()> {
        let generation = self.generation.unwrap_or_default();
        if self.generation == self.from {
            return writeln!(to, "generation {generation} has the same modules already");
        }
        self.changes.iter().try_for_each(|change| writeln!(to, "{}", change.brief()))?;
        if !self.held.is_empty() {
            let names = self.held.join(", ");
            writeln!(to, "held: {names} (until `modstore update NAME` or `modstore unhold`)")?;
        }
        match self.restores {
            Some(restores) => {
                writeln!(to, "generation {generation} is current, with the modules of {restores}")
            }
            None => writeln!(to, "generation {generation} is current"),
        }
    }
}
