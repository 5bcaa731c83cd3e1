//! `ensure`: the sources that a host needs are there.

use std::io;

use clap::Args;
use modstore::{EnsureReport, Ensured, ModuleName, Required, Store};
use modstore_core::model::{Binding as StoreBinding, Class};
use schemars::JsonSchema;
use serde::Serialize;

use super::{
    Runnable,
    changes::Update,
    required::{self, RequiredItem},
};
use crate::{
    causes::causes,
    context::Context,
    exit::Exit,
    output::Answer,
    page::Page,
    report::Failure,
    table::Table,
    text::{count, short},
};

/// Make sure that the sources in a list are there, for a host
///
/// Reads JSON from standard input, `{"modules":[{"source":…,"name"?,"file"?}]}`, and answers in the same order. What is
/// not declared yet, in whatever spelling, is declared and fetched; what is there stays at its version. A source that
/// cannot be fetched is not declared, and the others are; the exit code is then 1. Two spellings of one source are one
/// module. `name` is the name that a new module gets; `file` must be a file in the module.
///
/// If everything is there, no server is asked, no lock is taken and nothing is written, so a host can call it at each
/// start.
#[derive(Debug, Args)]
#[command(after_help = r#"Examples:
  echo '{"modules":[{"source":"git+https://github.com/me/weather@main"}]}' | modstore --json ensure
  modstore ensure < sources.json"#)]
pub(crate) struct EnsureArgs {}

/// The answer of `ensure`.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct EnsureAnswer {
    generation: Option<u64>,
    /// What came of each source, in the order of the list.
    pub(super) modules: Vec<EnsuredModule>,
    /// The update that it took; null if everything was there.
    pub(super) update: Option<Update>,
}

/// What came of a source that a host needs.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub(crate) struct EnsuredModule {
    /// The source as it was written, without secrets.
    pub(super) source: String,
    /// The module that it is; null if it has none.
    pub(super) name: Option<String>,
    /// The canonical identity of the git repository; null if there is none.
    pub(super) origin: Option<String>,
    /// The path that stays the same through every update; null if the module is not there.
    pub(super) target: Option<String>,
    /// The directory that the module is in now. Its content never changes, unless the module is linked.
    pub(super) directory: Option<String>,
    /// The file that the module is, or that was asked for in it.
    pub(super) file: Option<String>,
    /// The generation that this is said of.
    pub(super) generation: Option<u64>,
    /// The git commit; null if the module is linked or comes from an archive.
    pub(super) revision: Option<String>,
    /// The full name of the reference that was followed; null if there was none.
    pub(super) reference: Option<String>,
    /// The git commit, entry or directory that the module was at before this call; null if it was not there.
    pub(super) was: Option<String>,
    /// What went wrong, in one clause; null if nothing did.
    pub(super) error: Option<String>,
    /// A name for the cause, which never changes its meaning; null if nothing went wrong.
    #[schemars(schema_with = "crate::json::failure_code_or_null")]
    pub(super) code: Option<String>,
    /// When another try can succeed; null if nothing went wrong.
    pub(super) class: Option<Class>,
    /// Why it went wrong, outermost first.
    pub(super) causes: Vec<String>,
    /// The next thing to do.
    pub(super) hint: Option<String>,
}

impl Runnable for EnsureArgs {
    type Answer = EnsureAnswer;

    fn run(&self, context: &Context) -> Result<EnsureAnswer, Failure> {
        let items = required::from_stdin(true)?;
        let store = context.store()?;
        let report = store.ensure(&wanted(&items), &context.progress(), context.cancel())?;
        let answer = EnsureAnswer::new(&store, &items, &report);
        answer.warn(context);
        Ok(answer)
    }
}

/// The sources among the items that are any.
pub(super) fn wanted(items: &[RequiredItem]) -> Vec<Required> {
    let wanted = items.iter().filter_map(|item| {
        let source = item.source.as_ref().ok()?.clone();
        Some(Required { source, name: item.name.clone(), file: item.file.clone() })
    });
    wanted.collect()
}

impl EnsureAnswer {
    /// What came of the items, which `report` has in their order but for those that are no sources.
    pub(super) fn new(store: &Store, items: &[RequiredItem], report: &EnsureReport) -> Self {
        let generation = report.generation.map(|generation| generation.number());
        let mut ensured = report.modules.iter();
        let modules = items.iter().map(|item| match (&item.source, generation) {
            (Err(error), _) => EnsuredModule::no_source(item, error),
            (Ok(_), generation) => match ensured.next() {
                Some(ensured) => EnsuredModule::new(store, item, ensured, generation),
                None => EnsuredModule::of(item),
            },
        });
        Self {
            modules: modules.collect(),
            generation,
            update: report.update.as_ref().map(|update| Update::new(store, update)),
        }
    }

    /// Prints the warnings.
    pub(super) fn warn(&self, context: &Context) {
        self.update.iter().for_each(|update| update.warn(&context.output));
    }
}

impl EnsuredModule {
    /// Nothing but what was written.
    fn of(item: &RequiredItem) -> Self {
        let origin = item.source.as_ref().ok().and_then(|source| source.origin());
        Self {
            source: item.text.clone(),
            name: None,
            origin: origin.map(|origin| origin.to_string()),
            target: None,
            directory: None,
            file: None,
            generation: None,
            revision: None,
            reference: None,
            was: None,
            error: None,
            code: None,
            class: None,
            causes: Vec::new(),
            hint: None,
        }
    }

    fn no_source(item: &RequiredItem, error: &modstore_core::model::ParseSourceError) -> Self {
        Self {
            error: Some(error.to_string()),
            code: Some("source".into()),
            class: Some(Class::Permanent),
            hint: error.suggestion.as_ref().map(|suggestion| format!("write {suggestion}")),
            ..Self::of(item)
        }
    }

    fn new(store: &Store, item: &RequiredItem, ensured: &Ensured, generation: Option<u64>) -> Self {
        let fetched = ensured.binding.as_ref().and_then(|binding| binding.bound.fetched());
        let there = ensured.name.as_ref().filter(|_| ensured.binding.is_some());
        let path = |path: &std::path::PathBuf| path.display().to_string();
        let failed = ensured.error.as_ref();
        Self {
            name: ensured.name.as_ref().map(ModuleName::to_string),
            target: there.map(|name| path(&store.target(name))),
            directory: ensured.directory.as_ref().map(path),
            file: ensured.file.as_ref().map(path),
            generation: generation.filter(|_| there.is_some()),
            revision: fetched.map(|fetched| fetched.revision.to_string()),
            reference: fetched.and_then(|fetched| Some(fetched.reference.as_ref()?.to_string())),
            was: ensured.was.as_ref().map(version),
            error: failed.map(|failed| failed.error.to_string()),
            code: failed.map(|failed| failed.code.to_string()),
            class: failed.map(|failed| failed.class),
            causes: failed.map(|failed| causes(&*failed.error)).unwrap_or_default(),
            hint: failed.and_then(|failed| failed.hint.clone()),
            ..Self::of(item)
        }
    }

    fn trouble(&self) -> Option<Failure> {
        let error = self.error.as_ref()?;
        let failure = Failure::new(Exit::Failed, format!("{}: {error}", self.source));
        Some(failure.because(self.causes.clone()).hint_or_none(self.hint.clone()))
    }
}

/// The commit, or else the entry or the directory.
fn version(binding: &StoreBinding) -> String {
    let revision = binding.bound.fetched().map(|fetched| fetched.revision.to_string());
    let digest = || binding.digest().map(|digest| digest.to_string());
    revision.or_else(digest).unwrap_or_else(|| binding.source.to_string())
}

impl Answer for EnsureAnswer {
    fn write(&self, to: &mut Page<'_>) -> io::Result<()> {
        let mut table = Table::default();
        for module in self.modules.iter().filter(|module| module.error.is_none()) {
            let revision = module.revision.as_deref().map(short).unwrap_or_default();
            let new = if module.was.is_none() { "new" } else { "" };
            let name = module.name.as_deref().unwrap_or_default();
            table.row([name, new, revision, &module.source]);
        }
        table.write(to, 0)?;
        match self.generation {
            Some(generation) => writeln!(to, "generation {generation} is current"),
            None => writeln!(to, "there is no generation yet"),
        }
    }

    fn troubles(&self) -> Vec<Failure> {
        self.modules.iter().filter_map(EnsuredModule::trouble).collect()
    }

    fn failure(&self) -> Option<Failure> {
        let failed = self.modules.iter().filter(|module| module.error.is_some()).count();
        let of = count(self.modules.len(), "source");
        (failed > 0).then(|| Failure::new(Exit::Failed, format!("{failed} of {of} failed")))
    }
}
