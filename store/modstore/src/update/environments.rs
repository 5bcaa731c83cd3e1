//! The Python half of a change: environments that follow the store are made ready before the switch, and have the
//! stand-ins of what is current after it.
//!
//! Nothing of this costs anything where no environment is registered. Where some are, each is locked before the
//! store is, from the first look to the last check.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use super::staging::Trees;
use crate::{
    Context,
    commit::State,
    declare,
    disk::{Staged, Staging, StagingError},
    environment::{
        self, Drift, EnvironmentLockError, LockedEnvironment, ModuleTree, NotPrepared, OnFailure,
        Owner, Preparation, Registration, SyncError, SyncReport, Workspace,
    },
    events::Event,
    model::{Binding, Digest, Generation, ModuleName, causes},
};

/// The environments that a change is about, locked.
pub(crate) struct Environments {
    held: Vec<LockedEnvironment>,
}

/// A change was taken back because an environment could not follow it.
#[derive(Debug, Clone, thiserror::Error)]
#[error("the generation before is current again: the environment {} could not follow", prefix.display())]
pub struct TakenBack {
    /// The environment's directory.
    pub prefix: std::path::PathBuf,
    /// Why not.
    pub source: Arc<SyncError>,
}

/// An environment cannot be prepared for the generation that is to be restored. Nothing was changed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum EquipError {
    /// A module.
    #[error("`{module}` cannot be restored")]
    NotPrepared {
        /// Which.
        module: ModuleName,
        /// Why not.
        source: NotPrepared,
    },
    /// The home cannot be written to.
    #[error(transparent)]
    Staging(#[from] StagingError),
}

impl Environments {
    /// Locks every registered environment that is there, by the name of its lock. One that is gone has nothing
    /// that could follow; the next sweep but one forgets it.
    ///
    /// # Errors
    /// None is locked then.
    pub(crate) fn hold(context: Context<'_>) -> Result<Self, EnvironmentLockError> {
        Self::hold_all(context, Registration::all(context.layout)?)
    }

    fn hold_all(
        context: Context<'_>,
        mut registrations: Vec<Registration>,
    ) -> Result<Self, EnvironmentLockError> {
        registrations.retain(|registration| {
            !registration.is_missing() && !is_anothers(context, registration)
        });
        registrations.sort_by_key(Registration::name);
        let mut held = Vec::new();
        for registration in registrations {
            held.push(LockedEnvironment::lock(context, registration)?);
        }
        Ok(Self { held })
    }

    /// Whether no environment follows the store, so that none has to be made ready for a change.
    pub(crate) fn are_none(context: Context<'_>) -> bool {
        Registration::all(context.layout).is_ok_and(|all| all.is_empty())
    }

    /// As [`hold`](Self::hold), if there is anything to do: something is about to change, or an environment does not
    /// have what is current. Otherwise nothing is locked and nothing started.
    ///
    /// # Errors
    /// As there.
    pub(crate) fn hold_if_needed(
        context: Context<'_>,
        state: &State,
        changes: bool,
    ) -> Result<Self, EnvironmentLockError> {
        let registrations = Registration::all(context.layout)?;
        if changes || is_any_off(context, state, &registrations) {
            Self::hold_all(context, registrations)
        } else {
            Ok(Self { held: Vec::new() })
        }
    }

    /// Whether there is no environment to look after.
    pub(crate) const fn is_empty(&self) -> bool {
        self.held.is_empty()
    }

    /// Makes the environments ready for what the `changed` modules are to become; `after`: every module after that. Gives
    /// those that some environment is not ready for.
    pub(super) fn prepare(
        &self,
        context: Context<'_>,
        (staging, trees): (&Staging, &Trees),
        changed: &BTreeSet<ModuleName>,
        after: &BTreeMap<ModuleName, Binding>,
    ) -> BTreeMap<ModuleName, NotPrepared> {
        let after = subjects(context, after, trees);
        let workspace = Workspace { store: context, staging };
        let Preparation { not_prepared, untried } =
            environment::prepare(workspace, &self.held, changed, &after);
        for (prefix, error) in untried {
            let (prefix, why) = (prefix.display(), causes(&error).join(": "));
            let text = format!("what is new was not tried in the environment {prefix}: {why}");
            context.events.happened(Event::Notice { text: &text });
        }
        not_prepared
    }

    /// Prepares the environments for what is about to be restored, and tries no import: nothing should
    /// block a way back.
    ///
    /// # Errors
    /// The first module that some environment cannot be prepared for.
    pub(crate) fn equip(
        &self,
        context: Context<'_>,
        modules: &BTreeMap<ModuleName, Binding>,
    ) -> Result<(), EquipError> {
        if self.is_empty() {
            return Ok(());
        }
        let staging = context.staging()?;
        let shown = subjects(context, modules, &Trees::new());
        let workspace = Workspace { store: context, staging: &staging };
        let prepared = environment::prepare_without_import(workspace, &self.held, &shown);
        let first = prepared.not_prepared.into_iter().next();
        first.map_or(Ok(()), |(module, source)| Err(EquipError::NotPrepared { module, source }))
    }

    /// Gives every environment the stand-ins of the modules of `state`.
    ///
    /// # Errors
    /// The first environment that could not follow; those before it have.
    pub(crate) fn settle(
        &mut self,
        context: Context<'_>,
        state: &State,
    ) -> Result<Vec<SyncReport>, TakenBack> {
        let mut done = Vec::new();
        if self.is_empty() {
            return Ok(done);
        }
        let generation = state.head().map(|head| head.number);
        let shown = subjects(context, state.modules(), &Trees::new());
        for held in &mut self.held {
            let prefix = held.registration.prefix.clone();
            let settled = settle_one(context, held, generation, &shown, OnFailure::Stop);
            done.push(settled.map_err(|error| TakenBack { prefix, source: Arc::new(error) })?);
        }
        Ok(done)
    }
}

/// Whether the environment follows another store, which is reported.
fn is_anothers(context: Context<'_>, registration: &Registration) -> bool {
    let Some(home) = Owner::of(context.layout, registration).other() else { return false };
    let (prefix, home) = (registration.prefix.display(), home.display());
    let text = format!("the environment {prefix} follows the store in {home}, and is left alone");
    context.events.happened(Event::Notice { text: &text });
    true
}

/// Whether one of these environments does not have what `state` shows, as far as a quick look tells.
fn is_any_off(context: Context<'_>, state: &State, registrations: &[Registration]) -> bool {
    if registrations.is_empty() {
        return false;
    }
    let (layout, head) = (context.layout, state.head().map(|head| head.number));
    let linked = state.modules().iter().filter(|(_, binding)| binding.digest().is_none());
    let linked = linked.map(|(name, binding)| (name.clone(), binding.clone())).collect();
    let linked = subjects(context, &linked, &Trees::new());
    let all = || subjects(context, state.modules(), &Trees::new());
    registrations.iter().any(|registration| {
        !registration.is_missing()
            && (!registration.is_synced_to(head)
                || environment::is_interrupted(registration)
                || !Drift::of(layout, registration).is_empty()
                || environment::has_stale_metadata(layout, registration, linked.values(), all))
            && Owner::of(layout, registration).other().is_none()
    })
}

/// Whether an environment has all of `state`, as far as a quick look tells, and its last `bind` found nothing that fails.
pub(super) fn is_complete(context: Context<'_>, state: &State, one: &Registration) -> bool {
    let head = state.head().map(|head| head.number.number());
    head.is_some() && one.complete == head && !is_any_off(context, state, std::slice::from_ref(one))
}

/// Gives the environments what they do not have of what `state` shows, as far as it goes: an entry that was replaced
/// took its variants along. What does not work is reported; the next update tries again.
pub(crate) fn give_back(context: Context<'_>, state: &State) {
    let text = match Environments::hold_if_needed(context, state, false) {
        Ok(mut environments) => match environments.settle(context, state) {
            Ok(_) => return,
            Err(TakenBack { prefix, source }) => {
                let (prefix, why) = (prefix.display(), causes(&*source).join(": "));
                format!("the environment {prefix} does not have what is current: {why}")
            }
        },
        Err(error) => {
            format!("Python environments were not looked at: {}", causes(&error).join(": "))
        }
    };
    context.events.happened(Event::Notice { text: &text });
}

/// Settles one environment.
pub(crate) fn settle_one(
    context: Context<'_>,
    held: &mut LockedEnvironment,
    generation: Option<Generation>,
    shown: &BTreeMap<ModuleName, ModuleTree>,
    on_failure: OnFailure,
) -> Result<SyncReport, SyncError> {
    let staging = context.staging()?;
    let workspace = Workspace { store: context, staging: &staging };
    environment::sync(workspace, held, generation, shown, on_failure)
}

/// The modules of these bindings, as they are looked at for Python.
pub(crate) fn subjects(
    context: Context<'_>,
    modules: &BTreeMap<ModuleName, Binding>,
    trees: &Trees,
) -> BTreeMap<ModuleName, ModuleTree> {
    let staged: BTreeMap<Digest, &Staged> =
        trees.iter().map(|(digest, staged)| (*digest, staged)).collect();
    // An update has read it before. Where it cannot be read, nothing is declared.
    let declared = declare::read(context.layout).map(|(_, declared)| declared).unwrap_or_default();
    let found = modules.iter().filter_map(|(name, binding)| {
        let mut tree = ModuleTree::of(context.layout, name, binding, &staged)?;
        tree.probe = declared.get(name).and_then(|declared| declared.probe.clone());
        Some((name.clone(), tree))
    });
    found.collect()
}
