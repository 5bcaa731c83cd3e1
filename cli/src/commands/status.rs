//! `status`: the state of the store.

mod text;

use std::collections::BTreeMap;

use clap::Args;
use modstore::{Finding, Generation, ModuleName, State, Store};
use modstore_core::model::{Binding as StoreBinding, Declarations, TierMode, TierSettings};
use modstore_python::{Drift, Owner, Registration};
use modstore_tier::TierAddress;
use schemars::JsonSchema;
use serde::Serialize;

use super::{
    Runnable,
    expose::{ExposedModule, exposed},
    list::last_changes,
};
use crate::{
    context::Context,
    effect::Effect,
    json::{Attempt, Binding, Held, LeaseHolder, PointersLeft, Time, held_of, texts},
    report::Failure,
};

/// Show the state of the store
///
/// Where it is, which generation is current, and which modules are linked, not fetched yet, undeclared or failing;
/// the Python environments that follow it, and the programs that lease a generation.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  modstore status
  modstore --home /srv/modules status --json")]
pub(crate) struct StatusArgs {}

/// The answer of `status`.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct StatusAnswer {
    generation: Option<u64>,
    /// The store's directory.
    home: String,
    /// When the current generation was made.
    at: Option<Time>,
    /// The command that made it.
    reason: Option<String>,
    /// How many modules the current generation has.
    modules: usize,
    /// Modules that are linked.
    linked: Vec<String>,
    /// Modules that are declared and not in the current generation.
    missing: Vec<String>,
    /// Modules that are in the current generation and not declared.
    undeclared: Vec<String>,
    /// Modules that are not in the state that modules.toml asks for, and why.
    failing: Vec<FailingModule>,
    /// Modules that updates leave as they are.
    held: Vec<Held>,
    /// Links at places of hosts' that lead to modules.
    exposed: Vec<ExposedModule>,
    /// Modules that have written to paths that they keep, with the directories where that lies.
    kept: Vec<KeptDirectory>,
    /// Modules from git with files that a checkout by git would write differently: attributes are not applied.
    attributes: Vec<UnappliedAttributes>,
    /// Modules with files that are Git LFS pointers.
    pointers: Vec<ModulePointers>,
    /// Modules whose build is not allowed.
    builds_not_allowed: Vec<String>,
    /// How many generations the store knows.
    generations: usize,
    /// How many entries the store has.
    entries: usize,
    /// Bytes of the files of all entries, as if none were shared.
    bytes: u64,
    /// Since when every file of a module is known to be as it was stored.
    verified: Vec<VerifiedModule>,
    /// Shared tiers, in the order in which they are asked, without secrets.
    tiers: Vec<ConfiguredTier>,
    /// Python environments that follow the store.
    environments: Vec<FollowingEnvironment>,
    /// The leases that processes hold, by generation.
    leases: Vec<LeaseHolder>,
    /// What a crash left or what could not be deleted; the next `gc` tries to delete it.
    leftovers: Vec<Finding>,
}

/// When the files of a module were last verified.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub(crate) struct VerifiedModule {
    /// The module.
    module: String,
    /// Every file of its entry was read and found right, or was written, at this time or later; null if that is not known.
    since: Option<Time>,
}

/// A shared tier.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub(crate) struct ConfiguredTier {
    /// Where it is.
    url: String,
    /// Whether updates publish to it.
    writes: bool,
    /// Whether git is asked for what it does not have.
    fallback: bool,
}

/// What a module has written to paths that it keeps.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub(crate) struct KeptDirectory {
    /// The module.
    module: String,
    /// Where it lies.
    directory: String,
    /// Whether the current generation has the module.
    installed: bool,
}

/// A module, or one input of a module, that is failing, and the module's current version.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub(crate) struct FailingModule {
    /// The module.
    module: String,
    /// The path of the input, where the module's build runs for each of several files; null for the module as a whole.
    input: Option<String>,
    /// The last try.
    attempt: Attempt,
    /// The module's current version; null if it has none.
    current: Option<Binding>,
    /// When that became current.
    current_since: Option<Time>,
}

/// A module with files that a checkout by git would write differently.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub(crate) struct UnappliedAttributes {
    /// The module.
    module: String,
    /// How many files, and the first of them.
    message: String,
}

/// A module with files that are Git LFS pointers.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub(crate) struct ModulePointers {
    /// The module.
    module: String,
    #[serde(flatten)]
    left: PointersLeft,
}

/// A Python environment that follows the store.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub(crate) struct FollowingEnvironment {
    /// The environment's directory.
    environment: String,
    /// Its interpreter.
    python: String,
    /// The modules that are bound.
    modules: Vec<String>,
    /// Whether its directory is missing.
    missing: bool,
    /// Whether it has the current version of every bound module, as far as a quick look can tell.
    in_sync: bool,
    /// The directory of another store that the environment follows instead; null if it follows this one.
    other_store: Option<String>,
}

impl Runnable for StatusArgs {
    type Answer = StatusAnswer;
    const EFFECT: Effect = Effect::Reads;

    fn run(&self, context: &Context) -> Result<StatusAnswer, Failure> {
        let store = context.store_without_tiers()?;
        let declared = store.declarations()?;
        let state = store.state()?;
        let current = store.current();
        let modules = current.and_then(|current| state.modules_of(current)).unwrap_or_default();
        let info = state.generations().iter().find(|info| Some(info.number) == current);
        let linked = modules.iter().filter(|(_, binding)| binding.digest().is_none());
        let is_missing = |name: &&str| !modules.contains_key(*name);
        let is_undeclared = |name: &&ModuleName| !declared.modules.contains_key(name.as_str());
        let environments = store.environments()?;
        Ok(StatusAnswer {
            generation: current.map(|current| current.number()),
            home: context.home()?.display().to_string(),
            at: info.map(|info| Time::new(info.at)),
            reason: info.map(|info| info.reason.clone()),
            modules: modules.len(),
            linked: texts(linked.map(|(name, _)| name)),
            missing: texts(declared.modules.keys().map(|name| name.as_str()).filter(is_missing)),
            undeclared: texts(modules.keys().filter(is_undeclared)),
            failing: failing(&state, current, &modules),
            held: held_of(&state),
            exposed: exposed(&state, store.layout().home()),
            kept: kept(&store, &modules)?,
            attributes: unapplied_attributes(&store, &modules),
            pointers: pointers(&store, &modules),
            builds_not_allowed: builds_not_allowed(&store, &declared),
            generations: state.generations().len(),
            entries: state.entries().len(),
            bytes: state.entries().values().map(|entry| entry.bytes).sum(),
            verified: verified(&store, &modules),
            tiers: context.options()?.tiers.iter().map(ConfiguredTier::from).collect(),
            environments: environments
                .iter()
                .map(|it| FollowingEnvironment::new(&store, it))
                .collect(),
            leases: store.leases()?.into_iter().map(LeaseHolder::from).collect(),
            leftovers: store.leftovers(&state),
        })
    }
}

impl From<&TierSettings> for ConfiguredTier {
    fn from(tier: &TierSettings) -> Self {
        let url = tier.url.parse::<TierAddress>().map(|address| address.to_string());
        let url = url.unwrap_or_else(|error| error.to_string());
        Self { url, writes: tier.mode == TierMode::Write, fallback: tier.fallback }
    }
}

fn verified(store: &Store, modules: &BTreeMap<ModuleName, StoreBinding>) -> Vec<VerifiedModule> {
    let known = store.verified_since();
    let verified = modules.iter().filter_map(|(module, binding)| {
        let since = known.get(&binding.digest()?).copied().map(Time::new);
        Some(VerifiedModule { module: module.to_string(), since })
    });
    verified.collect()
}

fn kept(
    store: &Store,
    modules: &BTreeMap<ModuleName, StoreBinding>,
) -> Result<Vec<KeptDirectory>, Failure> {
    let kept = store.states()?.into_iter().map(|module| KeptDirectory {
        directory: store.layout().state(&module).display().to_string(),
        installed: modules.contains_key(&module),
        module: module.to_string(),
    });
    Ok(kept.collect())
}

fn builds_not_allowed(store: &Store, declared: &Declarations) -> Vec<String> {
    let builds = store.builds(declared).into_iter().filter(|build| !build.is_allowed);
    builds.map(|build| build.module.to_string()).collect()
}

fn unapplied_attributes(
    store: &Store,
    modules: &BTreeMap<ModuleName, StoreBinding>,
) -> Vec<UnappliedAttributes> {
    let unapplied = modules.iter().filter_map(|(module, binding)| {
        let message = store.unapplied_attributes(binding)?.to_string();
        Some(UnappliedAttributes { module: module.to_string(), message })
    });
    unapplied.collect()
}

fn pointers(store: &Store, modules: &BTreeMap<ModuleName, StoreBinding>) -> Vec<ModulePointers> {
    let with_pointers = modules.iter().filter_map(|(module, binding)| {
        let left = PointersLeft::of(store, binding)?;
        Some(ModulePointers { module: module.to_string(), left })
    });
    with_pointers.collect()
}

fn failing(
    state: &State,
    current: Option<Generation>,
    modules: &BTreeMap<ModuleName, StoreBinding>,
) -> Vec<FailingModule> {
    let changes = last_changes(state, current);
    let whole = state.attempts().iter().map(|(module, attempt)| (module, None, attempt));
    let single = state.inputs().iter().flat_map(|(module, inputs)| {
        inputs.iter().filter_map(move |input| {
            let attempt = input.attempt.as_deref()?;
            Some((module, Some(input.path.clone()), attempt))
        })
    });
    let failing = whole.chain(single).map(|(module, input, attempt)| {
        let binding = modules.get(module.as_str());
        let since = changes.get(module.as_str()).filter(|_| binding.is_some());
        FailingModule {
            module: module.to_string(),
            input,
            attempt: Attempt::from(attempt),
            current: binding.map(Binding::from),
            current_since: since.map(|last| Time::new(last.generation.at)),
        }
    });
    failing.collect()
}

impl FollowingEnvironment {
    fn new(store: &Store, registration: &Registration) -> Self {
        let missing = registration.is_missing();
        let other = Owner::of(store.layout(), registration).other();
        Self {
            environment: registration.prefix.display().to_string(),
            python: registration.python.display().to_string(),
            modules: texts(registration.installed.keys()),
            missing,
            in_sync: !missing
                && other.is_none()
                && registration.is_synced_to(store.current())
                && Drift::of(store.layout(), registration).is_empty(),
            other_store: other.map(|home| home.display().to_string()),
        }
    }
}
