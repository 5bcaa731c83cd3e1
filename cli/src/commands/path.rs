//! `path`: where a module is. Reads only links, so it is fast enough for every start of a host.

use std::{
    collections::BTreeSet,
    io,
    path::{Path, PathBuf},
};

use clap::Args;
use modstore::{ModuleName, internals::commit::shown};
use modstore_core::disk::{Layout, has_no_links};
use modstore_python::lexical;
use schemars::JsonSchema;
use serde::Serialize;

use super::{Runnable, names};
use crate::{
    context::Context, effect::Effect, exit::Exit, output::Answer, page::Page, report::Failure,
};

/// Print where modules are
///
/// Prints the target of each, a line each: a path that stays the same through every update, for a host that loads
/// modules from directories. With --entry it prints the directory that the target leads to right now, whose
/// content never changes.
///
/// Exits with 1 if a module is declared and not fetched yet, and with 2 if there is no such module; then it
/// prints none.
///
/// Do not give either path to an installer: it would record the directory of today's version, which the next
/// update leaves behind and `gc` deletes. `modstore bind` installs modules so that they follow updates.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  modstore path weather
  modstore path weather news              (a line each, in this order)
  modstore path                           (of all modules)
  modstore path weather --entry           (the directory it leads to right now)
  modstore bind --python .venv weather    (to import the module in Python)")]
pub(crate) struct PathArgs {
    /// The modules [default: all]
    #[arg(value_name = "NAME")]
    names: Vec<ModuleName>,
    /// Print the directories that the targets lead to right now
    #[arg(long)]
    entry: bool,
}

/// The answer of `path`.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct PathAnswer {
    generation: Option<u64>,
    /// The module, where it was one that was asked for.
    module: Option<String>,
    /// Its path, as in `modules`.
    path: Option<String>,
    /// All that were asked for, in that order, else all by name.
    modules: Vec<ModulePath>,
}

/// Where a module is.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct ModulePath {
    /// The module.
    module: String,
    /// Its target, or with `--entry` where that leads right now. What is not Unicode in it becomes U+FFFD.
    path: String,
    /// The same, byte for byte.
    #[serde(skip)]
    exact: PathBuf,
}

impl Runnable for PathArgs {
    type Answer = PathAnswer;
    const EFFECT: Effect = Effect::Reads;

    fn run(&self, context: &Context) -> Result<PathAnswer, Failure> {
        let layout = context.layout()?.clone();
        has_no_links(&layout)?;
        let found = match self.names.is_empty() {
            true => self.all(&layout),
            false => self.names.iter().map(|name| self.find(context, &layout, name)).collect(),
        };
        let modules = found?;
        let one = modules.first().filter(|_| self.names.len() == 1);
        Ok(PathAnswer {
            generation: shown(&layout).map(|current| current.number()),
            module: one.map(|one| one.module.clone()),
            path: one.map(|one| one.path.clone()),
            modules,
        })
    }
}

impl PathArgs {
    fn find(
        &self,
        context: &Context,
        layout: &Layout,
        name: &ModuleName,
    ) -> Result<ModulePath, Failure> {
        if std::fs::symlink_metadata(layout.current().join(name.as_str())).is_err() {
            return Err(names::unknown(&context.store_without_tiers()?, name));
        }
        self.found(layout, name)
    }

    fn found(&self, layout: &Layout, name: &ModuleName) -> Result<ModulePath, Failure> {
        let target = layout.current().join(name.as_str());
        let exact = match self.entry {
            true => entry(layout, name).map_err(|error| not_there(&target, &error))?,
            false => target,
        };
        Ok(ModulePath { module: name.to_string(), path: exact.display().to_string(), exact })
    }

    /// All modules of the current generation, by name; none where there is no generation.
    fn all(&self, layout: &Layout) -> Result<Vec<ModulePath>, Failure> {
        let targets = std::fs::read_dir(layout.current()).into_iter().flatten().flatten();
        let names: BTreeSet<ModuleName> =
            targets.filter_map(|target| target.file_name().to_str()?.parse().ok()).collect();
        names.iter().map(|name| self.found(layout, name)).collect()
    }
}

/// Where the target leads right now: an entry, a part of one, or the user's own directory.
pub(super) fn entry(layout: &Layout, name: &ModuleName) -> io::Result<PathBuf> {
    // The generation is resolved once, so that a switch in between cannot mix two of them.
    let generation = layout.home().join(std::fs::read_link(layout.current())?);
    // In the links of a store, `..` never follows another link.
    let entry = lexical(&generation, &std::fs::read_link(generation.join(name.as_str()))?);
    std::fs::metadata(&entry)?;
    Ok(entry)
}

fn not_there(target: &Path, error: &io::Error) -> Failure {
    let message = format!("{} leads nowhere", target.display());
    Failure::new(Exit::Failed, message)
        .because(vec![error.to_string()])
        .hint("`modstore show` shows where it should lead")
}

impl Answer for PathAnswer {
    fn write(&self, to: &mut Page<'_>) -> io::Result<()> {
        self.modules.iter().try_for_each(|module| to.path(&module.exact))
    }
}
