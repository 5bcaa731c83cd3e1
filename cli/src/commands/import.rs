//! `import`: the clones that another program keeps become modules.

use std::{
    io,
    path::{Path, PathBuf},
};

use clap::{Args, ValueEnum, ValueHint};
use modstore::{
    BindRequest, Store,
    internals::import::{CloneLayout, ImportItem, Imported},
};
use schemars::JsonSchema;
use serde::Serialize;

use super::{Runnable, changes::Update};
use crate::{
    context::Context, exit::Exit, json::Revision, output::Answer, page::Page, report::Failure,
    table::Table, text::count,
};

/// Make modules of the clones that another program keeps
///
/// A clone whose files are just those of a commit of its remote becomes an entry of the store, made from the clone's own
/// objects: no server is asked. Any other is linked as it is, with its edits; `modstore unlink NAME` goes to its
/// source later. What `modstore export` wrote, a directory or a tar, is recognised: its modules become those of its
/// lock, without a network. The directory stays byte for byte as it was. Run it again to go on after an interruption.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  modstore import ~/.local/share/nvim/lazy --layout lazy --dry-run
  modstore import ~/ComfyUI --layout comfyui
  modstore import modules.tar        (what `modstore export` wrote)
  modstore import ~/.amplifier --layout amplifier --python ~/.local/share/uv/tools/amplifier")]
pub(crate) struct ImportArgs {
    /// The directory, or an exported tar
    #[arg(value_name = "DIR", value_hint = ValueHint::AnyPath)]
    directory: PathBuf,
    /// Only show what would be done, and change nothing
    #[arg(long)]
    dry_run: bool,
    /// Which program keeps the clones
    #[arg(long, value_name = "LAYOUT", value_enum, default_value = "clones")]
    layout: LayoutName,
    /// Then bind the imported Python projects in this environment, in place of what is installed from the clones
    #[arg(long, value_name = "PY", value_hint = ValueHint::AnyPath, conflicts_with = "dry_run")]
    python: Option<PathBuf>,
}

/// Which program keeps the clones.
#[derive(Debug, Clone, Copy, ValueEnum)]
enum LayoutName {
    /// Amplifier: the directories of cache
    Amplifier,
    /// Sheldon: repos/HOST/OWNER/REPOSITORY
    Sheldon,
    /// lazy.nvim: the directories of lazy
    Lazy,
    /// ComfyUI: the directories of custom_nodes
    Comfyui,
    /// The directories themselves
    Clones,
}

/// The answer of `import`.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct ImportAnswer {
    generation: Option<u64>,
    /// Whether nothing was changed because of `--dry-run`.
    dry_run: bool,
    /// Each clone, and what becomes of it.
    clones: Vec<ImportedClone>,
    /// What was done in the store; null if there was nothing to do, or with `--dry-run`.
    update: Option<Update>,
    /// The modules that were bound in the environment; null without `--python`.
    bound: Option<Vec<String>>,
}

/// A clone that was found.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub(crate) struct ImportedClone {
    /// Where it lies.
    directory: String,
    /// The module; null if it cannot be named.
    module: Option<String>,
    /// What becomes of it.
    becomes: Becomes,
    /// Its source without any secret; null if it has none.
    source: Option<String>,
    /// The commit that is checked out; null if there is none.
    revision: Option<Revision>,
    /// Why it is not an entry, or what else to know.
    reasons: Vec<String>,
}

/// What becomes of a clone.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Becomes {
    /// An entry of the store.
    Entry,
    /// A linked module.
    Link,
    /// It is a module already.
    There,
    /// It stays out.
    Left,
}

impl Runnable for ImportArgs {
    type Answer = ImportAnswer;

    fn run(&self, context: &Context) -> Result<ImportAnswer, Failure> {
        let directory = std::path::absolute(&self.directory)
            .map_err(|error| Failure::of(Exit::Usage, &error).hint("give an absolute path"))?;
        let store = context.store()?;
        let progress = context.progress();
        if Store::is_closure(&directory) {
            return self.closure(context, &store, &directory);
        }
        let plan =
            store.plan_import(&directory, self.layout.into(), &progress, context.cancel())?;
        let mut answer = ImportAnswer {
            generation: context.generation(),
            dry_run: self.dry_run,
            clones: plan.items.iter().map(ImportedClone::from).collect(),
            update: None,
            bound: None,
        };
        if self.dry_run {
            return Ok(answer);
        }
        let (done, report) = store.import(plan, &progress, context.cancel())?;
        answer.clones = done.items.iter().map(ImportedClone::from).collect();
        answer.update = report.map(|report| Update::new(&store, &report));
        answer.update.iter().for_each(|update| update.warn(&context.output));
        if let Some(python) = &self.python {
            let is_project = |item: &&ImportItem| {
                let is_in = !matches!(item.becomes, Imported::Left);
                is_in
                    && ["pyproject.toml", "setup.py"]
                        .iter()
                        .any(|it| item.directory.join(it).is_file())
            };
            let modules: Vec<_> = done
                .items
                .iter()
                .filter(is_project)
                .filter_map(|item| item.module.clone())
                .collect();
            answer.bound = Some(modules.iter().map(ToString::to_string).collect());
            if !modules.is_empty() {
                let request = BindRequest {
                    python: python.clone(),
                    modules,
                    constraints: None,
                    compile: None,
                    take_over: false,
                };
                store.bind(&request, &progress, context.cancel())?;
            }
        }
        answer.generation = context.generation();
        Ok(answer)
    }
}

impl ImportArgs {
    /// Takes in what `export` wrote.
    fn closure(
        &self,
        context: &Context,
        store: &Store,
        from: &Path,
    ) -> Result<ImportAnswer, Failure> {
        if self.dry_run || self.python.is_some() {
            let message = "--dry-run and --python are for clones, and this is an exported closure";
            return Err(Failure::new(Exit::Usage, message).hint("leave the option out"));
        }
        let report = store.import_closure(from, &context.progress(), context.cancel())?;
        let update = Update::new(store, &report);
        update.warn(&context.output);
        Ok(ImportAnswer {
            generation: context.generation(),
            dry_run: false,
            clones: Vec::new(),
            update: Some(update),
            bound: None,
        })
    }
}

impl From<LayoutName> for CloneLayout {
    fn from(name: LayoutName) -> Self {
        match name {
            LayoutName::Amplifier => Self::Amplifier,
            LayoutName::Sheldon => Self::Sheldon,
            LayoutName::Lazy => Self::Lazy,
            LayoutName::Comfyui => Self::Comfyui,
            LayoutName::Clones => Self::Clones,
        }
    }
}

impl From<&ImportItem> for ImportedClone {
    fn from(item: &ImportItem) -> Self {
        Self {
            directory: item.directory.display().to_string(),
            module: item.module.as_ref().map(ToString::to_string),
            becomes: match item.becomes {
                Imported::Entry => Becomes::Entry,
                Imported::Link => Becomes::Link,
                Imported::There => Becomes::There,
                _ => Becomes::Left,
            },
            source: item.source.as_ref().map(|source| source.to_toml_text()),
            revision: item.revision.map(Revision::new),
            reasons: item.why.clone(),
        }
    }
}

impl ImportedClone {
    fn row(&self) -> [String; 4] {
        let becomes = match self.becomes {
            Becomes::Entry => "entry",
            Becomes::Link => "link",
            Becomes::There => "there already",
            Becomes::Left => "left out",
        };
        let name = self.module.clone().unwrap_or_else(|| self.directory.clone());
        let what = self.source.clone().unwrap_or_else(|| self.directory.clone());
        let why = self.reasons.join("; ");
        let why = if why.is_empty() { why } else { format!("({why})") };
        [name, becomes.to_owned(), what, why]
    }
}

impl Answer for ImportAnswer {
    fn write(&self, to: &mut Page<'_>) -> io::Result<()> {
        if let (true, Some(update)) = (self.clones.is_empty(), &self.update) {
            return update.write(to);
        }
        let mut table = Table::default();
        self.clones.iter().for_each(|clone| table.row(clone.row()));
        table.write(to, 0)?;
        let of = |becomes| self.clones.iter().filter(|clone| clone.becomes == becomes).count();
        let verb = if self.dry_run { "would become" } else { "became" };
        writeln!(
            to,
            "{} found: {} {verb} entries, {} links, {} there already, {} left out",
            count(self.clones.len(), "clone"),
            of(Becomes::Entry),
            of(Becomes::Link),
            of(Becomes::There),
            of(Becomes::Left),
        )?;
        if let Some(bound) = &self.bound {
            writeln!(to, "bound: {}", bound.join(", "))?;
        }
        match self.generation {
            Some(generation) if !self.dry_run => writeln!(to, "generation {generation} is current"),
            _ => Ok(()),
        }
    }

    fn troubles(&self) -> Vec<Failure> {
        self.update.as_ref().map(Update::troubles).unwrap_or_default()
    }

    fn failure(&self) -> Option<Failure> {
        self.update.as_ref().and_then(Update::failure)
    }
}
