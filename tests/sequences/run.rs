//! Runs one sequence: each step on the store and on the model, and then both are compared.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::{Path, PathBuf},
    sync::Arc,
};

use modstore::{
    Addition, Cancel, ModuleName, Options, Silent, Source, State, Store, UpdateReport,
    UpdateRequest,
    errors::{AddError, RemoveError, RollbackError, UpdateError},
    internals::commit::shown,
};
use modstore_core::model::{Binding, Lockfile, Subdirectory};
use modstore_testbed::listing;

use crate::{
    command::{Command, From, MODULES, Step, every_from},
    faulty_disk::{Fault, FaultyDisk},
    model::{Bound, Declarations, Declared, End, Generation, Model, Prediction},
    upstream::{DIRECTORIES, REPOS, Upstream},
};

/// What was tried in all.
#[derive(Debug, Default)]
pub(crate) struct Tally {
    steps: u64,
    generations: u64,
    refusals: u64,
    errors: u64,
    crashes: u64,
}

/// A law that does not hold, in words.
type Broken = String;

macro_rules! law {
    ($holds:expr, $($words:tt)*) => {
        if !$holds {
            return Err(format!($($words)*));
        }
    };
}

/// Runs the steps on a store of their own.
pub(crate) fn run(upstream: &Upstream, steps: &[Step], tally: &mut Tally) -> Result<(), Broken> {
    let place = tempfile::tempdir_in(upstream.place()).unwrap();
    let mut run = Run::new(upstream, place.path().join("home"));
    for (number, step) in steps.iter().enumerate() {
        tally.steps += 1;
        let done = run.step(step, tally).and_then(|()| run.compare());
        done.map_err(|law| format!("step {number}, {step:?}: {law}"))?;
    }
    let done = run.heal().and_then(|()| run.compare());
    done.map_err(|law| format!("after all steps: {law}"))
}

struct Run<'a> {
    upstream: &'a Upstream,
    home: PathBuf,
    faults: Arc<FaultyDisk>,
    store: Store,
    model: Model,
    /// Whether a fault left work for the next writer: a switch to finish, a staging to remove.
    is_untidy: bool,
}

impl<'a> Run<'a> {
    fn new(upstream: &'a Upstream, home: PathBuf) -> Self {
        for repo in 0..REPOS {
            upstream.set_broken(repo, false);
            upstream.publish(repo, 0);
        }
        let faults = Arc::new(FaultyDisk::default());
        let store = open(&faults, &home);
        Self { upstream, home, faults, store, model: Model::default(), is_untidy: false }
    }

    fn step(&mut self, step: &Step, tally: &mut Tally) -> Result<(), Broken> {
        match step.command {
            Command::Publish { repo, commit } => {
                self.upstream.publish(repo, commit);
                self.model.published[repo] = commit;
            }
            Command::Break { repo } => self.set_broken(repo, true),
            Command::Mend { repo } => self.set_broken(repo, false),
            Command::Reopen => self.store = open(&self.faults, &self.home),
            _ => return self.command(step, tally),
        }
        Ok(())
    }

    fn set_broken(&mut self, repo: usize, is_broken: bool) {
        self.upstream.set_broken(repo, is_broken);
        self.model.broken[repo] = is_broken;
    }

    /// A command that works on the store.
    fn command(&mut self, step: &Step, tally: &mut Tally) -> Result<(), Broken> {
        let prediction = self.model.predict(self.upstream, &step.command);
        self.faults.arm(step.fault);
        let done = self.perform(&step.command);
        let hit = self.faults.disarm();
        if let Some(hit) = hit {
            match step.fault {
                Fault::Crash(_) => tally.crashes += 1,
                _ => tally.errors += 1,
            }
            self.store = open(&self.faults, &self.home);
            return self
                .take_over(prediction, done)
                .map_err(|law| format!("{law}; what failed: {hit}"));
        }
        let end = match &done {
            Ok(failed) => End::Done(failed.clone()),
            Err(_) => End::Refused,
        };
        law!(end == prediction.end, "it ends with {done:?}, not {:?}", prediction.end);
        tally.refusals += u64::from(end == End::Refused);
        tally.generations += u64::from(prediction.generation.is_some());
        self.model.declared = prediction.declared;
        self.model.held = prediction.held;
        self.model.generations.extend(prediction.generation);
        // An update of nothing does not look at the store.
        let is_of_something = !self.model.declared.is_empty() || !self.model.generations.is_empty();
        if is_of_something && matches!((&step.command, end), (Command::Update { .. }, End::Done(_)))
        {
            self.is_untidy = false;
        }
        Ok(())
    }

    /// Does it, and gives the modules that could not be fetched.
    fn perform(&self, command: &Command) -> Result<BTreeSet<usize>, Refused> {
        let (store, cancel) = (&self.store, &Cancel::new());
        let nothing = BTreeSet::new();
        match command {
            Command::Update { names, all_or_nothing } => {
                let names = names.iter().map(|name| module(*name)).collect();
                let request = UpdateRequest {
                    names,
                    all_or_nothing: *all_or_nothing,
                    ..UpdateRequest::default()
                };
                Ok(failed(&store.update(&request, &Silent, cancel)?))
            }
            Command::Add { module: name, from, fetch } => {
                let source = Source::parse(&self.text(*from), Path::new("/"), None).unwrap();
                let addition = Addition { name: Some(module(*name)), source };
                Ok(store.add(&[addition], *fetch, &Silent, cancel).map(|_| nothing)?)
            }
            Command::Remove { names } => {
                let names: Vec<ModuleName> = names.iter().map(|name| module(*name)).collect();
                Ok(store.remove(&names, &Silent, cancel).map(|_| nothing)?)
            }
            Command::Link { module: name, directory } => {
                let path = self.upstream.directory(*directory);
                Ok(store.link(&module(*name), &path, &Silent, cancel).map(|_| nothing)?)
            }
            Command::Unlink { module: name } => {
                Ok(store.unlink(&module(*name), &Silent, cancel).map(|_| nothing)?)
            }
            Command::Rollback { to } => {
                let to = to.map(|to| to.to_string().parse().unwrap());
                Ok(store.rollback(to, &[], &Silent, cancel).map(|_| nothing)?)
            }
            _ => Ok(nothing),
        }
    }

    /// After a fault: the command has happened, or it has not, or an update has in part; the error did not lie about
    /// it; and the model goes on from there.
    fn take_over(
        &mut self,
        prediction: Prediction,
        done: Result<BTreeSet<usize>, Refused>,
    ) -> Result<(), Broken> {
        self.is_untidy = true;
        let state = self.state()?;
        let declared = self.declared()?;
        let is_new = state.generations().len() > self.model.generations.len();
        let has_happened = declared == prediction.declared;
        law!(
            has_happened || declared == self.model.declared || declared == prediction.meanwhile,
            "modules.toml says neither the old nor the new, but {declared:?}"
        );
        law!(has_happened || !is_new, "a generation without what modules.toml was to say");
        match &done {
            Err(error) => {
                law!(
                    !is_new || error.has_happened,
                    "there is a generation, and an error: {error:?}"
                )
            }
            Ok(failed) => {
                law!(has_happened, "it ends well, and modules.toml is as it was");
                let wanted = prediction.generation.is_some() && failed.is_empty();
                law!(is_new || !wanted, "it ends well, and shows nothing new");
                law!(prediction.end != End::Refused, "it ends well, and should not");
            }
        }
        if is_new {
            let failed = done.as_ref().ok();
            let generation = self.generation_in_part(&prediction, state.modules(), failed)?;
            self.model.generations.push(generation);
        }
        let held = held(&state);
        let is_one_of = |other: &BTreeSet<usize>| held == *other;
        let may_stay = !is_new || prediction.in_part;
        law!(
            is_one_of(&prediction.held) || (may_stay && is_one_of(&self.model.held)),
            "{held:?} is held, and there is a new generation: {is_new}"
        );
        self.model.held = held;
        self.model.declared = declared;
        Ok(())
    }

    /// The new generation, of which modules may be missing because of a fault.
    fn generation_in_part(
        &self,
        prediction: &Prediction,
        found: &BTreeMap<ModuleName, Binding>,
        failed: Option<&BTreeSet<usize>>,
    ) -> Result<Generation, Broken> {
        let Some(wanted) = &prediction.generation else {
            return Err(format!("a generation of {found:?}, where there should be none"));
        };
        let (old, mut modules) = (self.model.head(), wanted.modules.clone());
        for name in 0..MODULES {
            let found = found.get(module(name).as_str());
            if self.is_bound(found, wanted.modules.get(&name)) {
                let is_lost = failed.is_some_and(|failed| failed.contains(&name));
                let was_so = old.get(&name) == wanted.modules.get(&name);
                law!(!is_lost || was_so, "m{name} was reported as failed, and is current");
                continue;
            }
            law!(prediction.in_part, "m{name} is {found:?}, all or nothing");
            law!(self.is_bound(found, old.get(&name)), "m{name} is neither old nor new: {found:?}");
            let is_told = failed.is_none_or(|failed| failed.contains(&name));
            law!(is_told, "m{name} was reported as done, and is {found:?}");
            match old.get(&name) {
                Some(bound) => drop(modules.insert(name, *bound)),
                None => drop(modules.remove(&name)),
            }
        }
        Ok(Generation { modules, restores: wanted.restores })
    }

    /// Everything is repaired, and one update brings everything to the declared state.
    fn heal(&mut self) -> Result<(), Broken> {
        self.store = open(&self.faults, &self.home);
        (0..REPOS).for_each(|repo| self.set_broken(repo, false));
        self.store.unhold(&[], &Silent, &Cancel::new()).expect("nothing is broken any more");
        self.model.held.clear();
        let command = Command::Update { names: BTreeSet::new(), all_or_nothing: false };
        self.command(&Step { command, fault: Fault::None }, &mut Tally::default())
    }

    // ---- What is there, against the model.

    fn compare(&self) -> Result<(), Broken> {
        let declared = self.declared()?;
        law!(declared == self.model.declared, "modules.toml declares {declared:?}");
        let state = self.state()?;
        law!(held(&state) == self.model.held, "{:?} is held", state.holds());
        self.compare_history(&state)?;
        self.compare_shown(&state)?;
        for number in 1..=self.model.generations.len() {
            self.compare_files(number)?;
        }
        match self.is_untidy {
            true => Ok(()),
            false => self.compare_lock(&state).and_then(|()| self.compare_names(&state)),
        }
    }

    fn state(&self) -> Result<State, Broken> {
        self.store.state().map_err(|error| format!("the journal cannot be read: {error:?}"))
    }

    fn declared(&self) -> Result<Declarations, Broken> {
        let declared = self.store.declarations();
        let declared = declared.map_err(|error| format!("modules.toml: {error:?}"))?;
        declared.modules.iter().map(|(name, declared)| self.known(name, declared)).collect()
    }

    /// What the model calls a declaration.
    fn known(
        &self,
        name: &ModuleName,
        declared: &modstore_core::model::Declared,
    ) -> Result<(usize, Declared), Broken> {
        let name = number(name.as_str());
        let directories = || 0..DIRECTORIES;
        let linked = match &declared.linked {
            None => None,
            Some(path) => directories().find(|number| self.upstream.directory(*number) == *path),
        };
        law!(linked.is_some() == declared.linked.is_some(), "m{name} is linked: {declared:?}");
        let text = declared.source.to_toml_text();
        let from = every_from().into_iter().find(|from| self.text(*from) == text);
        let from = from.ok_or_else(|| format!("m{name} is from {text}"))?;
        Ok((name, Declared { from, linked }))
    }

    fn compare_history(&self, state: &State) -> Result<(), Broken> {
        let generations = &self.model.generations;
        law!(state.generations().len() == generations.len(), "history: {:?}", state.generations());
        for (number, (info, wanted)) in (1..).zip(state.generations().iter().zip(generations)) {
            law!(info.number.number() == number, "generation {number} is called {}", info.number);
            law!(info.reason == "sequence", "generation {number} is for {}", info.reason);
            let restores = info.restores.map(modstore::Generation::number);
            law!(restores == wanted.restores, "generation {number} restores {restores:?}");
            let found = state.modules_of(info.number).unwrap_or_default();
            law!(found.len() == wanted.modules.len(), "generation {number} binds {found:?}");
            for (name, bound) in &wanted.modules {
                let binding = found.get(module(*name).as_str());
                law!(
                    self.is_bound(binding, Some(bound)),
                    "generation {number} binds m{name} to {binding:?}, not {bound:?}"
                );
            }
        }
        Ok(())
    }

    fn is_bound(&self, found: Option<&Binding>, wanted: Option<&Bound>) -> bool {
        match (found, wanted) {
            (None, None) => true,
            (Some(found), Some(wanted)) => self.is_binding(found, *wanted),
            _ => false,
        }
    }

    fn is_binding(&self, found: &Binding, wanted: Bound) -> bool {
        match (&found.bound, wanted) {
            (modstore_core::model::Bound::Linked { path }, Bound::Live { directory }) => {
                let wanted = self.upstream.directory(directory);
                path.as_path() == wanted && Path::new(found.source.as_str()) == wanted
            }
            (
                modstore_core::model::Bound::Entry { subdirectory, fetched: Some(fetched), .. },
                Bound::Tree { from, repo, commit, part },
            ) => {
                found.source.as_str() == self.text(from)
                    && fetched.revision.to_string() == self.upstream.commit_id(repo, commit)
                    && subdirectory.as_ref().map(Subdirectory::as_str) == part.then_some("part")
            }
            _ => false,
        }
    }

    /// `current` is the head; or, when a fault came between, the one before.
    fn compare_shown(&self, state: &State) -> Result<(), Broken> {
        let head = state.head().map(|head| head.number);
        let shown = shown(self.store.layout());
        let before = state.generations().iter().rev().nth(1).map(|info| info.number);
        law!(
            shown == head || (self.is_untidy && shown == before),
            "generation {shown:?} is current, and the head is {head:?}"
        );
        Ok(())
    }

    /// Every generation can be activated: its directory has these modules and no other, file by file.
    fn compare_files(&self, number: usize) -> Result<(), Broken> {
        let directory = self.home.join(format!("generations/{number}"));
        let modules = &self.model.generations[number - 1].modules;
        let names: BTreeSet<String> = names_in(&directory).into_iter().collect();
        let wanted: BTreeSet<String> =
            modules.keys().map(|name| module(*name).to_string()).collect();
        law!(names == wanted, "generation {number} has {names:?}, not {wanted:?}");
        for (name, bound) in modules {
            let found = listing(&directory.join(module(*name).as_str()));
            let wanted = match *bound {
                Bound::Tree { repo, commit, part, .. } => self.upstream.tree(repo, commit, part),
                Bound::Live { directory } => listing(&self.upstream.directory(directory)),
            };
            law!(found == wanted, "in generation {number}, m{name} has {found:?}, not {wanted:?}");
        }
        Ok(())
    }

    /// `modules.lock` says what the head says of modules that have an entry.
    fn compare_lock(&self, state: &State) -> Result<(), Broken> {
        let text = fs::read_to_string(self.home.join("modules.lock"));
        let Ok(text) = text else {
            law!(state.head().is_none(), "modules.lock is not there");
            return Ok(());
        };
        let lock = Lockfile::parse(&text).map_err(|error| format!("modules.lock: {error:?}"))?;
        let found: BTreeMap<_, _> = lock
            .modules
            .iter()
            .map(|(name, locked)| (name.to_string(), (locked.digest, locked.source.to_toml_text())))
            .collect();
        let bindings = state.modules().iter();
        let wanted: BTreeMap<_, _> = bindings
            .filter_map(|(name, binding)| {
                Some((name.to_string(), (binding.digest()?, binding.source.to_string())))
            })
            .collect();
        law!(found == wanted, "modules.lock has {found:?}, not {wanted:?}");
        Ok(())
    }

    /// Nothing is left over, and every entry that is recorded is there with its manifest.
    fn compare_names(&self, state: &State) -> Result<(), Broken> {
        for empty in ["staging", "trash", "leases"] {
            let left = names_in(&self.home.join(empty));
            law!(left.is_empty(), "{left:?} are left in {empty}");
        }
        const KNOWN: [&str; 16] = [
            "reserve",
            "verified",
            "modules.toml",
            "modules.lock",
            "format.json",
            "journal",
            "current",
            "generations",
            "live",
            "entries",
            "manifests",
            "mirrors",
            "staging",
            "trash",
            "leases",
            "locks",
        ];
        let odd: Vec<_> =
            names_in(&self.home).into_iter().filter(|name| !KNOWN.contains(&&**name)).collect();
        law!(odd.is_empty(), "{odd:?} are in the home");
        for digest in state.entries().keys() {
            law!(
                modstore_core::disk::is_whole(self.store.layout(), *digest),
                "entry {digest} is not whole"
            );
        }
        Ok(())
    }

    /// A source as a person writes it.
    fn text(&self, from: From) -> String {
        let git = |repo: usize, reference: &str, part: bool| {
            let field = if part { "#subdirectory=part" } else { "" };
            format!("git+{}{reference}{field}", self.upstream.url(repo))
        };
        match from {
            From::Branch { repo, named, part } => git(repo, if named { "@main" } else { "" }, part),
            From::Commit { repo, commit, part } => {
                git(repo, &format!("@{}", self.upstream.commit_id(repo, commit)), part)
            }
            From::Nowhere { repo } => git(repo, "@nowhere", false),
            From::Directory(directory) => self.upstream.directory(directory).display().to_string(),
        }
    }
}

fn open(faults: &Arc<FaultyDisk>, home: &Path) -> Store {
    // One job, so that acts have the same number each time.
    let options = Options { jobs: 1, command: "sequence".into(), ..Options::default() };
    Store::open_on(faults.disk(), home, options).expect("it opens after anything")
}

fn module(name: usize) -> ModuleName {
    format!("m{name}").parse().expect("it is a name")
}

fn number(name: &str) -> usize {
    name.strip_prefix('m').and_then(|number| number.parse().ok()).expect("no other names are used")
}

fn failed(report: &UpdateReport) -> BTreeSet<usize> {
    report.failed.iter().map(|failed| number(failed.module.as_str())).collect()
}

fn held(state: &State) -> BTreeSet<usize> {
    state.holds().keys().map(|module| number(module.as_str())).collect()
}

fn names_in(directory: &Path) -> Vec<String> {
    let children = fs::read_dir(directory).into_iter().flatten().flatten();
    children.map(|child| child.file_name().to_string_lossy().into_owned()).collect()
}

/// A command that ended with an error.
#[derive(Debug)]
struct Refused {
    has_happened: bool,
    #[expect(dead_code, reason = "read by `Debug`, in what a failed test prints")]
    error: String,
}

macro_rules! refused_by {
    ($($error:ty),*) => {$(
        impl std::convert::From<$error> for Refused {
            fn from(error: $error) -> Self {
                Self { has_happened: error.has_happened(), error: format!("{error:?}") }
            }
        }
    )*};
}

refused_by!(AddError, RemoveError, RollbackError, UpdateError);
