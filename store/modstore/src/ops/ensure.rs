//! `ensure`: the sources that a host needs are there, declared once each, however many hosts need them and however they are written.
//!
//! When all are there, that is found out by reading three files and looking at each module's directory: no lock is
//! taken, nothing is written and no server is asked. Otherwise what is missing is declared, in one edit, and fetched by
//! one update; what cannot be fetched does not stay declared. Between processes the edit decides: the second one finds
//! the declaration of the first.
//!
//! Changes no version: a module that is there stays as it is. A host that is killed before it noted the answer asks again
//! and gets the same.

use std::{
    collections::{BTreeMap, BTreeSet},
    error::Error,
    path::{Path, PathBuf},
    sync::Arc,
};

use crate::{
    Cancel, Context, Store,
    commit::State,
    declare,
    events::Events,
    model::{
        Binding, Class, Declarations, FailureCode, Generation, ModuleName, RecordedSource,
        Subdirectory,
    },
    naming::{self, NameTaken, Required},
    update::{Failed, UpdateError, UpdateReport, UpdateRequest},
};

/// How often it is tried again when another process removes what was just declared.
const ATTEMPTS: usize = 3;

/// What came of ensuring.
#[derive(Debug)]
pub struct EnsureReport {
    /// The current generation.
    pub generation: Option<Generation>,
    /// What came of each source, in their order.
    pub modules: Vec<Ensured>,
    /// The update that it took, if not all was there.
    pub update: Option<UpdateReport>,
}

/// What came of one source.
#[derive(Debug, Clone)]
pub struct Ensured {
    /// The module that it is; none, if it was given no name.
    pub name: Option<ModuleName>,
    /// What the module is now.
    pub binding: Option<Binding>,
    /// What it was before; none, if it was not there.
    pub was: Option<Binding>,
    /// The directory that it is in now: one that never changes, unless the module is linked.
    pub directory: Option<PathBuf>,
    /// The file that it is, or that had to be in it.
    pub file: Option<PathBuf>,
    /// Why it is not there, or not what it had to be.
    pub error: Option<NotEnsured>,
}

/// Why a source is not there.
#[derive(Debug, Clone)]
pub struct NotEnsured {
    /// A name for the cause that never changes.
    pub code: FailureCode,
    /// When another try can succeed.
    pub class: Class,
    /// What went wrong, with its causes behind it; holds no secret.
    pub error: Arc<dyn Error + Send + Sync>,
    /// The next thing to do.
    pub hint: Option<String>,
}

/// What is wrong with a module that no fetch has failed for.
#[derive(Debug, thiserror::Error)]
enum Unfit {
    #[error("`{file}` is not a file of module `{module}`")]
    NoFile { file: Subdirectory, module: ModuleName },
    #[error("module `{0}` is held without a version")]
    Held(ModuleName),
    #[error("another process has removed module `{0}` meanwhile")]
    Superseded(ModuleName),
}

impl EnsureReport {
    /// Whether every source is there.
    #[must_use]
    pub fn has_all(&self) -> bool {
        self.modules.iter().all(|module| module.error.is_none())
    }

    /// The modules that are there, each once, by name.
    #[must_use]
    pub fn names(&self) -> Vec<ModuleName> {
        let there = self.modules.iter().filter(|module| module.error.is_none());
        let names: BTreeSet<&ModuleName> =
            there.filter_map(|module| module.name.as_ref()).collect();
        names.into_iter().cloned().collect()
    }
}

impl Store {
    /// Makes sure that these sources are there: what is not declared in any spelling is declared and fetched. What is
    /// there stays at its version. A source that cannot be fetched does not stay declared, and the others do.
    ///
    /// # Errors
    /// Nothing was changed, unless an error of the update says that it has happened. A source that cannot be fetched is no
    /// error; it is in the report.
    pub fn ensure(
        &self,
        required: &[Required],
        events: &dyn Events,
        cancel: &Cancel,
    ) -> Result<EnsureReport, UpdateError> {
        // The state first, as in an update.
        let before = self.state()?;
        let declared = self.declarations()?;
        let named = naming::name_all(required, &declared);
        let look = Look::new(self, &before, &declared);
        if named.new.is_empty()
            && self.current() == look.generation
            && let Some(there) = look.all(&named.names)
        {
            let modules = required.iter().zip(&named.names).map(|(required, name)| {
                let binding = name.as_ref().ok().and_then(|name| there.get(name).copied());
                look.ensured(required, name, &before, binding)
            });
            let (generation, modules) = (look.generation, modules.collect());
            return Ok(EnsureReport { generation, modules, update: None });
        }
        self.ensure_missing(required, &before, events, cancel)
    }

    /// Declares and fetches what is missing.
    fn ensure_missing(
        &self,
        required: &[Required],
        before: &State,
        events: &dyn Events,
        cancel: &Cancel,
    ) -> Result<EnsureReport, UpdateError> {
        let (context, _leftovers) = self.begin(events, cancel)?;
        let mut attempt = 1;
        loop {
            let (edited, names) = declare::require(self.editing(cancel), required)?;
            let update = self.fetch_missing(context, edited, &names)?;
            let (state, declared) = (self.state()?, self.declarations()?);
            let look = Look::new(self, &state, &declared);
            let failed = failures(&update);
            let is_settled = |name: &ModuleName| look.has(name) || failed.contains_key(name);
            if attempt < ATTEMPTS && !naming::distinct(&names).into_iter().all(is_settled) {
                attempt += 1;
                continue;
            }
            let modules = required.iter().zip(&names).map(|(required, name)| {
                let binding = name.as_ref().ok().and_then(|name| look.binding(name));
                let ensured = look.ensured(required, name, before, binding);
                let failed = name.as_ref().ok().and_then(|name| failed.get(name));
                match failed.filter(|_| ensured.binding.is_none() || ensured.error.is_some()) {
                    Some(failed) => Ensured { error: Some((*failed).clone()), ..ensured },
                    None => ensured,
                }
            });
            let (generation, modules) = (look.generation, modules.collect());
            return Ok(EnsureReport { generation, modules, update: Some(update) });
        }
    }

    /// Fetches the modules of these names that are not there, and takes back the declarations that this call has made
    /// of those that cannot be fetched.
    fn fetch_missing(
        &self,
        context: Context<'_>,
        edited: declare::Edited,
        names: &[Result<ModuleName, NameTaken>],
    ) -> Result<UpdateReport, UpdateError> {
        let state = self.state()?;
        let look = Look::new(self, &state, &edited.declarations);
        // A host that starts does not end what a person has decided.
        let is_wanted = |name: &&ModuleName| !look.has(name) && !state.holds().contains_key(*name);
        let names: Vec<ModuleName> =
            naming::distinct(names).into_iter().filter(is_wanted).cloned().collect();
        if names.is_empty() {
            return Ok(UpdateReport { generation: look.generation, ..UpdateReport::default() });
        }
        let is_all_new = names.iter().all(|name| edited.names.contains(name));
        let request = UpdateRequest { names, dry_declare: is_all_new, ..UpdateRequest::default() };
        let done = self.update_declared(context, state.clone(), &edited.declarations, &request);
        match done {
            Ok(report) => {
                let failed: BTreeSet<ModuleName> = failures(&report).into_keys().collect();
                if edited.names.iter().any(|name| failed.contains(name)) {
                    edited.undo_some(self.editing(context.cancel), |name| failed.contains(name))?;
                }
                Ok(report)
            }
            Err(error) if error.has_happened() => Err(error),
            Err(error) => {
                edited.undo(self.editing(context.cancel))?;
                Err(error)
            }
        }
    }
}

/// Why modules are not what they are declared to be.
fn failures(report: &UpdateReport) -> BTreeMap<ModuleName, NotEnsured> {
    let failed = report.failed.iter().filter(|failed| failed.input.is_none());
    let failed = failed.map(|failed| (failed.module.clone(), failed.into()));
    let waiting = report.waiting.iter().filter(|waiting| waiting.input.is_none());
    let waiting = waiting.filter_map(|waiting| {
        let attempt = waiting.attempt.as_ref()?;
        let error: Box<dyn Error + Send + Sync> = attempt.error.clone().into();
        let failed = NotEnsured {
            code: FailureCode::Unavailable,
            class: attempt.class,
            error: Arc::from(error),
            hint: Some("`modstore update` tries again".into()),
        };
        Some((waiting.module.clone(), failed))
    });
    waiting.chain(failed).collect()
}

impl From<&Failed> for NotEnsured {
    fn from(failed: &Failed) -> Self {
        let Failed { code, class, error, hint, .. } = failed;
        Self { code: *code, class: *class, error: error.clone(), hint: hint.clone() }
    }
}

impl NotEnsured {
    fn of(code: FailureCode, error: impl Error + Send + Sync + 'static, hint: &str) -> Self {
        let hint = Some(hint.to_owned());
        Self { code, class: Class::Permanent, error: Arc::new(error), hint }
    }
}

/// What is there, as one look at the store finds it.
struct Look<'a> {
    store: &'a Store,
    state: &'a State,
    declared: &'a Declarations,
    generation: Option<Generation>,
}

impl<'a> Look<'a> {
    fn new(store: &'a Store, state: &'a State, declared: &'a Declarations) -> Self {
        let generation = state.head().map(|head| head.number);
        Self { store, state, declared, generation }
    }

    /// What a module is, if it is as it is declared.
    fn binding(&self, name: &ModuleName) -> Option<&'a Binding> {
        let declared = self.declared.get(name)?;
        let binding = self.state.modules().get(name)?;
        let is_so = binding.source == RecordedSource::from(&declared.effective_source());
        Some(binding).filter(|_| is_so || self.state.holds().contains_key(name))
    }

    /// What a module is, if it is as it is declared and lies where it should.
    fn there(&self, name: &ModuleName) -> Option<&'a Binding> {
        let lies = |binding: &&Binding| {
            self.store.layout().place(&binding.bound).symlink_metadata().is_ok()
        };
        self.binding(name).filter(lies)
    }

    /// Whether a module is there.
    fn has(&self, name: &ModuleName) -> bool {
        self.there(name).is_some()
    }

    /// What the modules of these names are; nothing, if one of them is not there.
    fn all<'n>(
        &self,
        names: &'n [Result<ModuleName, NameTaken>],
    ) -> Option<BTreeMap<&'n ModuleName, &'a Binding>> {
        let names = naming::distinct(names).into_iter();
        names.map(|name| Some((name, self.there(name)?))).collect()
    }

    /// What has come of a source whose module is this, if it is as it is declared.
    fn ensured(
        &self,
        required: &Required,
        name: &Result<ModuleName, NameTaken>,
        before: &State,
        binding: Option<&Binding>,
    ) -> Ensured {
        let nothing = Ensured {
            name: name.as_ref().ok().cloned(),
            binding: None,
            was: name.as_ref().ok().and_then(|name| before.modules().get(name)).cloned(),
            directory: None,
            file: None,
            error: None,
        };
        let name = match name {
            Ok(name) => name,
            Err(taken) => {
                let hint = "ask for another name, or for none";
                let error = Some(NotEnsured::of(FailureCode::NameTaken, taken.clone(), hint));
                return Ensured { error, ..nothing };
            }
        };
        let Some(binding) = binding else {
            let error = if self.state.holds().contains_key(name) {
                let hint = "`modstore update` with its name ends the hold";
                NotEnsured::of(FailureCode::Held, Unfit::Held(name.clone()), hint)
            } else {
                let hint = "run it again";
                NotEnsured::of(FailureCode::Superseded, Unfit::Superseded(name.clone()), hint)
            };
            return Ensured { error: Some(error), ..nothing };
        };
        let place = self.store.layout().place(&binding.bound);
        let ensured = Ensured { binding: Some(binding.clone()), ..nothing };
        match (place.is_file(), &required.file) {
            (true, None) => {
                let directory = place.parent().map(Path::to_owned);
                Ensured { directory, file: Some(place), ..ensured }
            }
            (false, None) => Ensured { directory: Some(place), ..ensured },
            (_, Some(file)) => {
                let at = place.join(file.as_path());
                if at.is_file() {
                    return Ensured { directory: Some(place), file: Some(at), ..ensured };
                }
                let unfit = Unfit::NoFile { file: file.clone(), module: name.clone() };
                let hint = "look into the directory that `modstore path --entry` prints";
                let error = Some(NotEnsured::of(FailureCode::NoSuchFile, unfit, hint));
                Ensured { directory: Some(place), error, ..ensured }
            }
        }
    }
}
