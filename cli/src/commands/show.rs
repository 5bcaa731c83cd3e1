//! `show`: everything about one module.

use std::io;

use clap::Args;
use modstore::{ModuleName, State, Store, internals::keep::KeptState};
use modstore_core::model::Declarations;
use schemars::JsonSchema;
use serde::Serialize;

use super::{
    Runnable,
    allow::Build,
    list::{ListedModule, last_changes},
    names, path,
};
use crate::{
    context::Context,
    effect::Effect,
    json::{Attempt, Binding, PointersLeft, Time, texts},
    output::Answer,
    page::Page,
    report::Failure,
    table::Table,
    text::{count, shortened, size},
};

/// Show everything about one module
///
/// Its source, target, entry, revision, size, and the generations that changed it.
#[derive(Debug, Args)]
#[command(after_help = "\
Example:
  modstore show weather")]
pub(crate) struct ShowArgs {
    /// The module
    #[arg(value_name = "NAME")]
    name: ModuleName,
}

/// The answer of `show`.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct ShowAnswer {
    generation: Option<u64>,
    #[serde(flatten)]
    listed: ListedModule,
    /// The directory that the target leads to right now; null if it leads nowhere.
    entry: Option<String>,
    /// How many files the whole entry has; null if the module is linked or not fetched yet.
    files: Option<u64>,
    /// How many bytes the files of the whole entry have; null as for `files`.
    bytes: Option<u64>,
    /// The files that a checkout by git would write differently, in words; null if there are none. Attributes are not
    /// applied.
    attributes: Option<String>,
    /// What the module keeps when it is updated; null if nothing.
    kept: Option<KeptFiles>,
    /// How the module is built; null if it is not.
    build: Option<Build>,
    /// The generations that changed the module, the newest first.
    history: Vec<ModuleVersion>,
}

/// What a module keeps when it is updated.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub(crate) struct KeptFiles {
    /// Where that lies.
    directory: String,
    /// The paths of the module that lead there; that of a directory ends with `/`.
    paths: Vec<String>,
    /// The files that upstream ships at these paths and that are others here, or not there.
    changed: Vec<String>,
}

impl From<KeptState> for KeptFiles {
    fn from(kept: KeptState) -> Self {
        let directory = kept.directory.display().to_string();
        Self { directory, paths: texts(&kept.paths), changed: kept.changed }
    }
}

/// A generation that changed a module.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub(crate) struct ModuleVersion {
    /// The generation.
    generation: u64,
    /// When it was made.
    at: Time,
    /// What the module became; null if it was removed.
    binding: Option<Binding>,
}

impl Runnable for ShowArgs {
    type Answer = ShowAnswer;
    const EFFECT: Effect = Effect::Reads;

    fn run(&self, context: &Context) -> Result<ShowAnswer, Failure> {
        let name = self.name.as_str();
        let store = context.store_without_tiers()?;
        let declared = store.declarations()?;
        let state = store.state()?;
        let current = store.current();
        let changes = last_changes(&state, current);
        let last = changes.get(name);
        let listed = ListedModule::new(&store, &state, name, declared.get(&self.name), last);
        let listed = listed.with_pointers(&store, last);
        if listed.declared.is_none() && listed.current.is_none() {
            return Err(names::unknown(&store, &self.name));
        }
        let binding = last.and_then(|last| last.binding);
        let entry = binding.and_then(|binding| state.entry(binding.digest()?));
        Ok(ShowAnswer {
            generation: current.map(|current| current.number()),
            entry: binding.and_then(|_| entry_path(&store, &self.name)),
            files: entry.map(|entry| entry.files),
            bytes: entry.map(|entry| entry.bytes),
            attributes: binding
                .and_then(|binding| store.unapplied_attributes(binding))
                .map(|unapplied| unapplied.to_string()),
            kept: binding.and_then(|to| store.kept(&self.name, to)).map(KeptFiles::from),
            build: build(&store, &declared, &self.name),
            history: history(&state, &self.name),
            listed,
        })
    }
}

fn entry_path(store: &Store, name: &ModuleName) -> Option<String> {
    path::entry(store.layout(), name).ok().map(|path| path.display().to_string())
}

fn build(store: &Store, declared: &Declarations, name: &ModuleName) -> Option<Build> {
    let build = store.builds(declared).into_iter().find(|build| build.module == *name);
    build.map(Build::from)
}

fn history(state: &State, name: &ModuleName) -> Vec<ModuleVersion> {
    let changes = state.generations().iter().rev().filter_map(|info| {
        let (_, binding) = info.changes.iter().rev().find(|(module, _)| module == name)?;
        Some(ModuleVersion {
            generation: info.number.number(),
            at: Time::new(info.at),
            binding: binding.as_ref().map(Binding::from),
        })
    });
    changes.collect()
}

impl Answer for ShowAnswer {
    fn write(&self, to: &mut Page<'_>) -> io::Result<()> {
        let ListedModule { module, target, declared, .. } = &self.listed;
        let mut table = Table::default();
        table.named("module", Some(module));
        table.named("target", Some(target));
        table.named("source", Some(declared.as_deref().unwrap_or("(not declared)")));
        table.named("contents", self.listed.unusual.as_deref());
        match &self.listed.current {
            Some(binding) => add_binding(&mut table, binding, declared.as_deref()),
            None => table.named("current", Some("not fetched yet; `modstore update` fetches it")),
        }
        table.named("entry", self.entry.as_deref());
        table.named("content", self.content().as_deref());
        table.named("attributes", self.attributes.as_deref());
        let pointers = self.listed.pointers.as_ref().map(PointersLeft::summary);
        table.named("pointers", pointers.as_deref());
        let hold = self.listed.hold.as_ref();
        let hold = hold.map(|hold| format!("since {} ({})", hold.at.local(), hold.reason));
        table.named("held", hold.as_deref());
        if let Some(kept) = &self.kept {
            table.named("keeps", Some(&format!("{} in {}", kept.paths.join(", "), kept.directory)));
            let changed = kept.changed.join(", ");
            table.named("changed here", Some(changed.as_str()).filter(|it| !it.is_empty()));
        }
        table.write(to, 0)?;
        self.build.iter().try_for_each(|build| build.write(to))?;
        self.listed.attempt.iter().try_for_each(|attempt| write_attempt(to, attempt))?;
        self.write_history(to)
    }
}

fn add_binding(table: &mut Table, binding: &Binding, declared: Option<&str>) {
    let source = binding.source.as_str();
    table.named("current from", Some(source).filter(|source| Some(*source) != declared));
    table.named("linked to", binding.linked.as_deref());
    if let Some(built) = &binding.built {
        table.named("built from", built.directory.as_deref().or(built.entry.as_deref()));
        table.named("build key", Some(&built.input_key));
    }
    table.named("origin", binding.origin.as_deref());
    table.named("reference", binding.reference.as_deref());
    table.named("revision", binding.revision.as_deref());
    table.named("subdirectory", binding.subdirectory.as_deref());
}

fn write_attempt(to: &mut Page<'_>, attempt: &Attempt) -> io::Result<()> {
    let Attempt { class, stage, message, causes, last, .. } = attempt;
    writeln!(to, "failing ({stage}, {class})")?;
    writeln!(to, "  {}", shortened(message))?;
    causes.iter().try_for_each(|cause| to.block("    ", "    ", cause))?;
    writeln!(to, "  {}; last try {}", attempt.tries(), last.local())?;
    writeln!(to, "  {}", attempt.next_try())
}

impl ShowAnswer {
    fn content(&self) -> Option<String> {
        let files = usize::try_from(self.files?).ok()?;
        Some(format!("{}, {}", count(files, "file"), size(self.bytes?)))
    }

    fn write_history(&self, to: &mut Page<'_>) -> io::Result<()> {
        let mut table = Table::default();
        for ModuleVersion { generation, at, binding } in &self.history {
            let what = binding.as_ref().map_or_else(|| "removed".into(), Binding::brief);
            table.row([format!("generation {generation}"), at.local(), what]);
        }
        if !self.history.is_empty() {
            writeln!(to, "changed in")?;
        }
        table.write(to, 2)
    }
}
