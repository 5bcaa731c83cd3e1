//! Binding: an environment is registered and given the stand-ins of modules; and the way back.

use std::path::{Path, PathBuf};

use super::{
    environments::{is_complete, settle_one, subjects},
    staging::Trees,
};
use crate::{
    Context,
    access::AccessError,
    commit::{Journal, JournalError, State},
    disk::{DiskError, StagingError},
    environment::{
        self, EnvironmentLockError, Exception, IMPORT_LIMIT, ImportProbe, ImportProbeError,
        ImportRequest, Installer, Interpreter, LockedEnvironment, OnFailure, Owner, PythonError,
        Registration, RegistrationError, SharedImports, StandIn, SyncError, SyncReport,
    },
    events::{Doing, Event},
    model::{Generation, ModuleName, nearest},
};

/// What is to be bound to which environment.
#[derive(Debug, Clone, Default)]
pub struct BindRequest {
    /// The interpreter, the environment's directory, or a name in `PATH`.
    pub python: PathBuf,
    /// These modules; when none is named, all that are Python projects, and those that come later.
    pub modules: Vec<ModuleName>,
    /// A file of constraints for the installer, from now on. `None`: what was said before.
    pub constraints: Option<PathBuf>,
    /// Whether byte code is compiled ahead, from now on. `None`: what was said before.
    pub compile: Option<bool>,
    /// Whether the environment is taken from another store that it follows.
    pub take_over: bool,
}

/// What came of binding.
#[derive(Debug)]
#[non_exhaustive]
pub struct BindReport {
    /// The generation whose modules are bound.
    pub generation: Option<Generation>,
    /// The environment, and what was installed in it.
    pub registration: Registration,
    /// What it was installed with.
    pub installer: Option<Installer>,
    /// What was done.
    pub settled: SyncReport,
    /// Modules that are bound and cannot be imported.
    pub broken: Vec<(ModuleName, Exception)>,
    /// Why no import could be tried, if none could.
    pub untried: Option<ImportProbeError>,
    /// What a person types so that an upgrade of the tool that lives in this environment keeps the stand-ins.
    pub upgrade: Option<String>,
    /// What a person should know.
    pub warnings: Vec<String>,
}

/// Nothing was bound or unbound, unless a variant says otherwise.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum BindError {
    /// The store cannot be changed.
    #[error(transparent)]
    Access(#[from] AccessError),
    /// The environment cannot be looked at.
    #[error(transparent)]
    Python(#[from] PythonError),
    /// The operating system's own Python.
    #[error("{} is managed by the operating system, and installers leave it alone", python.display())]
    Managed {
        /// The interpreter.
        python: PathBuf,
    },
    /// The store has nothing that could be bound.
    #[error("the store shows nothing yet")]
    Empty,
    /// There is no such module.
    #[error("there is no module `{name}`{}", near.as_ref().map(|near| format!(" (did you mean `{near}`?)")).unwrap_or_default())]
    Unknown {
        /// Its name.
        name: ModuleName,
        /// The nearest that there is.
        near: Option<String>,
    },
    /// The store's path cannot stand in what installers write.
    #[error("the store's home {} cannot be installed from: {why}", home.display())]
    Home {
        /// The home.
        home: PathBuf,
        /// Why not.
        why: &'static str,
    },
    /// It follows another store.
    #[error("the environment {} follows the store in {}, and this is the store in {}", prefix.display(), home.display(), own.display())]
    Owned {
        /// The environment's directory.
        prefix: PathBuf,
        /// The home of the store that it follows.
        home: PathBuf,
        /// The home of this store.
        own: PathBuf,
    },
    /// The environment is not registered.
    #[error("the environment {} is not bound", prefix.display())]
    NotBound {
        /// Its directory.
        prefix: PathBuf,
    },
    /// A bound module needs it. Other modules that were named are unbound.
    #[error("`{name}` stays bound, because a module that is bound requires its repository")]
    Needed {
        /// The module that was to be unbound.
        name: ModuleName,
    },
    /// The journal cannot be read.
    #[error("the store cannot be read")]
    Journal(#[from] JournalError),
    /// The environment cannot be worked on.
    #[error(transparent)]
    Hold(#[from] EnvironmentLockError),
    /// What is known of environments cannot be read or written.
    #[error(transparent)]
    Registration(#[from] RegistrationError),
    /// Some of it may have been installed.
    #[error("the environment {} does not have what it was to have", prefix.display())]
    Settle {
        /// Its directory.
        prefix: PathBuf,
        /// Why not.
        source: Box<SyncError>,
    },
    /// The disk.
    #[error(transparent)]
    Disk(#[from] DiskError),
    /// The home cannot be written to.
    #[error(transparent)]
    Staging(#[from] StagingError),
}

/// Binds.
///
/// # Errors
/// See [`BindError`]. Modules that fail are no error; they are in the report.
pub(crate) fn bind(context: Context<'_>, request: &BindRequest) -> Result<BindReport, BindError> {
    if let Some(report) = nothing_to_do(context, request)? {
        return Ok(report);
    }
    let interpreter = Interpreter::query(&request.python, context.cancel)?;
    if interpreter.is_externally_managed {
        return Err(BindError::Managed { python: interpreter.paths.executable });
    }
    let mut warnings = check_home(context.layout.home(), &interpreter)?;
    let state = Journal::state(&context.layout.journal())?;
    check_names(&state, &request.modules)?;
    let mut held = LockedEnvironment::lock(context, Registration::of(&interpreter))?;
    adopt(&mut held.registration, interpreter, request);
    let other = other_owner(context, &held, request.take_over)?;
    // Only now: what is current by now is bound, and a process that changes that waits for the environment's lock.
    let state = Journal::state(&context.layout.journal())?;
    let settled = settle_in(context, &state, &mut held, OnFailure::TryEach)?;
    warnings.extend(other.map(|home| taken_over(&home, &held.registration)));
    let (broken, untried) = match try_imports(context, &state, &held) {
        Ok(broken) => (broken, None),
        Err(error) => (Vec::new(), Some(error)),
    };
    if settled.failed.is_empty() && broken.is_empty() && untried.is_none() {
        complete(context, &state, &mut held.registration)?;
    }
    Ok(BindReport {
        generation: state.head().map(|head| head.number),
        upgrade: upgrade(context, &held.registration),
        registration: held.registration,
        installer: held.installer,
        settled,
        broken,
        untried,
        warnings,
    })
}

/// The home of the store that the environment followed until now, if it may be taken from that.
fn other_owner(
    context: Context<'_>,
    held: &LockedEnvironment,
    take_over: bool,
) -> Result<Option<PathBuf>, BindError> {
    match Owner::of(context.layout, &held.registration) {
        Owner::None | Owner::This => Ok(None),
        Owner::Other { home, is_there } if take_over || !is_there => Ok(Some(home)),
        Owner::Other { home, .. } => Err(owned(context, &held.registration, home)),
    }
}

fn owned(context: Context<'_>, registration: &Registration, home: PathBuf) -> BindError {
    let (prefix, own) = (registration.prefix.clone(), context.layout.resolved_home());
    BindError::Owned { prefix, home, own }
}

/// That the environment was another store's, and what in it still is.
fn taken_over(home: &Path, registration: &Registration) -> String {
    let left = environment::modules_of(home, registration);
    let left: Vec<&str> = left.iter().map(ModuleName::as_str).collect();
    let home = home.display();
    let still = match left.as_slice() {
        [] => String::new(),
        left => format!("; it still has that store's {}", left.join(", ")),
    };
    format!("the environment followed the store in {home} until now{still}")
}

/// The report where the environment has everything that is asked for, and its last `bind` has imported all of it: nothing is
/// started then, and nothing locked.
fn nothing_to_do(
    context: Context<'_>,
    request: &BindRequest,
) -> Result<Option<BindReport>, BindError> {
    // What a home of another path is warned of depends on the interpreter.
    let Some(home) = context.layout.home().to_str().filter(|home| home.is_ascii()) else {
        return Ok(None);
    };
    let mut known = Registration::all(context.layout)?.into_iter();
    let Some(registration) = known.find(|known| known.is_named_by(&request.python)) else {
        return Ok(None);
    };
    let state = Journal::state(&context.layout.journal())?;
    let asks_for_more = match &registration.modules {
        None => request.modules.iter().any(|name| !state.modules().contains_key(name.as_str())),
        Some(bound) => {
            request.modules.is_empty() || request.modules.iter().any(|name| !bound.contains(name))
        }
    };
    let is_other = request.constraints.is_some()
        || request.compile.is_some_and(|compile| compile != registration.compile)
        || home.contains(['#', '\n', '\r'])
        || !matches!(Owner::of(context.layout, &registration), Owner::This);
    if asks_for_more || is_other || !is_complete(context, &state, &registration) {
        return Ok(None);
    }
    let is_skipped = |module: &&ModuleName| {
        registration.binds(module) && !registration.installed.contains_key(*module)
    };
    let settled = SyncReport {
        prefix: registration.prefix.clone(),
        skipped: state.modules().keys().filter(is_skipped).cloned().collect(),
        ..SyncReport::default()
    };
    Ok(Some(BindReport {
        generation: state.head().map(|head| head.number),
        upgrade: upgrade(context, &registration),
        installer: Installer::find(&registration.paths()),
        registration,
        settled,
        broken: Vec::new(),
        untried: None,
        warnings: Vec::new(),
    }))
}

/// Remembers that everything of `state` is there and can be imported.
fn complete(
    context: Context<'_>,
    state: &State,
    registration: &mut Registration,
) -> Result<(), BindError> {
    registration.complete = state.head().map(|head| head.number.number());
    if Registration::find(context.layout, &registration.prefix)?.as_ref() == Some(registration) {
        return Ok(());
    }
    let staging = context.staging()?;
    Ok(registration.write(context.disk, context.layout, &staging.fresh())?)
}

/// Warnings of the parts of the home's path that break files which installers write.
fn check_home(home: &Path, interpreter: &Interpreter) -> Result<Vec<String>, BindError> {
    let text = home.to_string_lossy();
    let refuse = |why| Err(BindError::Home { home: home.to_owned(), why });
    if home.to_str().is_none() {
        return refuse("it is no text");
    }
    if text.contains('#') {
        return refuse("installers take `#` for the beginning of a fragment");
    }
    if text.contains(['\n', '\r']) {
        return refuse("a line of a .pth file cannot hold a line break");
    }
    let reads_by_locale = ["3.8.", "3.9.", "3.10.", "3.11.", "3.12."]
        .iter()
        .any(|version| interpreter.version.starts_with(version));
    let warning = format!(
        "{text} is not ASCII, and Python {} reads .pth files in the encoding of its locale: with LC_ALL=C it finds no module",
        interpreter.version
    );
    Ok((!text.is_ascii() && reads_by_locale).then_some(warning).into_iter().collect())
}

fn check_names(state: &State, names: &[ModuleName]) -> Result<(), BindError> {
    if state.modules().is_empty() {
        return Err(BindError::Empty);
    }
    let unknown = names.iter().find(|name| !state.modules().contains_key(name.as_str()));
    unknown.map_or(Ok(()), |name| {
        let near = nearest(name.as_str(), state.modules().keys().map(ModuleName::as_str));
        Err(BindError::Unknown { name: name.clone(), near: near.map(str::to_owned) })
    })
}

/// Takes the request into the registration.
fn adopt(registration: &mut Registration, interpreter: Interpreter, request: &BindRequest) {
    let Interpreter { paths, tag, .. } = interpreter;
    (registration.python, registration.site, registration.tag) =
        (paths.executable, paths.site, tag);
    match &mut registration.modules {
        modules if request.modules.is_empty() => *modules = None,
        None => {}
        Some(modules) => {
            modules.extend(request.modules.iter().cloned());
            modules.sort();
            modules.dedup();
        }
    }
    if let Some(constraints) = &request.constraints {
        let absolute = std::path::absolute(constraints).unwrap_or_else(|_| constraints.clone());
        registration.constraints = Some(absolute);
    }
    registration.compile = request.compile.unwrap_or(registration.compile);
}

fn settle_in(
    context: Context<'_>,
    state: &State,
    held: &mut LockedEnvironment,
    on_failure: OnFailure,
) -> Result<SyncReport, BindError> {
    let shown = subjects(context, state.modules(), &Trees::new());
    let generation = state.head().map(|head| head.number);
    let prefix = held.registration.prefix.clone();
    settle_one(context, held, generation, &shown, on_failure)
        .map_err(|error| BindError::Settle { prefix, source: Box::new(error) })
}

/// The bound modules that cannot be imported, and why.
fn try_imports(
    context: Context<'_>,
    state: &State,
    held: &LockedEnvironment,
) -> Result<Vec<(ModuleName, Exception)>, ImportProbeError> {
    let shown = subjects(context, state.modules(), &Trees::new());
    let mut projects = Vec::new();
    let imported: Vec<ImportRequest> = held
        .registration
        .installed
        .keys()
        .filter_map(|module| {
            let (tree, tag) = (shown.get(module)?, &held.registration.tag);
            let metadata = environment::known_metadata(context.layout, tree, tag)?;
            let imports = tree.imports(&metadata, |name| held.registration.has(name));
            projects.push(metadata);
            let request = ImportRequest { module: module.to_string(), imports };
            (!request.imports.is_empty()).then_some(request)
        })
        .collect();
    if imported.is_empty() {
        return Ok(Vec::new());
    }
    let scratch = context.layout.staging();
    let distributions = environment::needed_by_several(projects.iter());
    let shared = SharedImports { distributions, ..SharedImports::default() };
    let probe = ImportProbe {
        python: &held.registration.python,
        modules: &imported,
        shared: &shared,
        paths: &[],
        limit: IMPORT_LIMIT,
        scratch: &scratch,
    };
    let (prefix, of) = (&held.registration.prefix, imported.len());
    let importing = |done| {
        let doing = Doing::Importing { done, of };
        context.events.happened(Event::Environment { prefix, doing });
    };
    importing(0);
    let probed = probe.run_watched(context.cancel, &importing)?.into_iter();
    let broken = probed.filter_map(|probed| Some((probed.module.parse().ok()?, probed.failure?)));
    Ok(broken.collect())
}

/// For the environment of a tool that uv installed.
fn upgrade(context: Context<'_>, registration: &Registration) -> Option<String> {
    let receipt = registration.prefix.join("uv-receipt.toml");
    if !receipt.is_file() || registration.installed.is_empty() {
        return None;
    }
    let tool = registration.prefix.file_name()?.to_str()?;
    let directories: Vec<PathBuf> = registration
        .installed
        .keys()
        .map(|module| StandIn::resolved_directory(context.layout, module))
        .collect();
    Some(environment::tool_install_command(tool, &directories))
}

/// Takes the stand-ins of these modules, or of all, out of an environment. Gives what was removed.
///
/// # Errors
/// See [`BindError`].
pub(crate) fn unbind(
    context: Context<'_>,
    python: &Path,
    names: &[ModuleName],
) -> Result<SyncReport, BindError> {
    let prefix = prefix_of(context, python)?;
    let not_bound = || BindError::NotBound { prefix: prefix.clone() };
    let registration = Registration::find(context.layout, &prefix)?.ok_or_else(not_bound)?;
    let mut held = LockedEnvironment::lock(context, registration)?;
    if held.registration.is_missing() {
        held.registration.forget(context.disk, context.layout)?;
        return Ok(SyncReport { prefix, ..SyncReport::default() });
    }
    let bound = &held.registration.installed;
    if let Some(name) = names.iter().find(|name| !bound.contains_key(*name)) {
        let near = nearest(name.as_str(), bound.keys().map(ModuleName::as_str)).map(str::to_owned);
        return Err(BindError::Unknown { name: name.clone(), near });
    }
    if let Some(home) = Owner::of(context.layout, &held.registration).other()
        && !names.is_empty()
    {
        return Err(owned(context, &held.registration, home));
    }
    // One that is bound because another needs it goes with that one.
    let stay = bound.keys().filter(|module| {
        !names.is_empty() && !names.contains(module) && held.registration.binds(module)
    });
    held.registration.modules = Some(stay.cloned().collect());
    let state = Journal::state(&context.layout.journal())?;
    let settled = settle_in(context, &state, &mut held, OnFailure::Stop)?;
    if held.registration.installed.is_empty() {
        environment::release(context.disk, context.layout, &held.registration)?;
        held.registration.forget(context.disk, context.layout)?;
    }
    match names.iter().find(|name| held.registration.installed.contains_key(*name)) {
        Some(name) => Err(BindError::Needed { name: name.clone() }),
        None => Ok(settled),
    }
}

/// The directory of the environment that is meant: one that is gone, or whose interpreter is broken, is found by
/// its registration.
fn prefix_of(context: Context<'_>, python: &Path) -> Result<PathBuf, BindError> {
    let error = match environment::EnvironmentPaths::find(python, context.cancel) {
        Ok(paths) => return Ok(paths.prefix),
        Err(error) => error,
    };
    let known = Registration::all(context.layout)?.into_iter();
    let mut known = known.filter(|known| known.is_named_by(python));
    known.next().map(|known| known.prefix).ok_or(BindError::Python(error))
}
