//! The Python half of a change: environments that follow the store are made ready before the switch, and have the
//! stand-ins of what is shown after it.
//!
//! Nothing of this costs anything where no environment is registered. Where some are, each is locked before the
//! store is, from the first look to the last check.

use std::{collections::BTreeMap, sync::Arc};

use super::{ground::Ground, staging::Trees};
use crate::{
    commit::State,
    disk::{Staged, Staging, StagingError},
    environment::{
        self, Drift, EnvironmentLockError, LockedEnvironment, ModuleTree, NotPrepared, OnFailure,
        Preparation, Registration, SyncError, SyncReport, Workspace,
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
#[error("what was shown before is shown again: the environment {} could not follow", prefix.display())]
pub struct TakenBack {
    /// The environment's directory.
    pub prefix: std::path::PathBuf,
    /// Why not.
    pub source: Arc<SyncError>,
}

/// What is to be shown again is not to be had for an environment. Nothing was changed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum EquipError {
    /// A module.
    #[error("`{module}` cannot be shown again")]
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
    pub(crate) fn hold(ground: Ground<'_>) -> Result<Self, EnvironmentLockError> {
        Self::hold_all(ground, Registration::all(ground.layout)?)
    }

    fn hold_all(
        ground: Ground<'_>,
        mut registrations: Vec<Registration>,
    ) -> Result<Self, EnvironmentLockError> {
        registrations.retain(|registration| !registration.is_missing());
        registrations.sort_by_key(Registration::name);
        let mut held = Vec::new();
        for registration in registrations {
            held.push(hold_one(ground, registration)?);
        }
        Ok(Self { held })
    }

    /// As [`hold`](Self::hold), if there is anything to do: something is about to change, or an environment does not
    /// have what is shown. Otherwise nothing is locked and nothing started.
    ///
    /// # Errors
    /// As there.
    pub(crate) fn hold_if_needed(
        ground: Ground<'_>,
        state: &State,
        changes: bool,
    ) -> Result<Self, EnvironmentLockError> {
        let registrations = Registration::all(ground.layout)?;
        match changes || is_any_off(ground, state, &registrations) {
            true => Self::hold_all(ground, registrations),
            false => Ok(Self { held: Vec::new() }),
        }
    }

    /// Whether there is no environment to look after.
    pub(crate) const fn is_empty(&self) -> bool {
        self.held.is_empty()
    }

    /// Makes the environments ready for what modules are to become. Gives those that some environment is not ready for.
    pub(super) fn prepare(
        &self,
        ground: Ground<'_>,
        staging: &Staging,
        trees: &Trees,
        changed: &BTreeMap<ModuleName, Binding>,
    ) -> BTreeMap<ModuleName, NotPrepared> {
        let changed = subjects(ground, changed, trees);
        let workspace = Workspace { store: ground.context(), staging };
        let Preparation { not_prepared, untried } =
            environment::prepare(workspace, &self.held, &changed);
        for (prefix, error) in untried {
            let (prefix, why) = (prefix.display(), causes(&error).join(": "));
            let text = format!("what is new was not tried in the environment {prefix}: {why}");
            ground.events.happened(Event::Notice { text: &text });
        }
        not_prepared
    }

    /// Makes what is about to be shown again be there for the environments, and tries no import: nothing should
    /// block a way back.
    ///
    /// # Errors
    /// The first module that some environment cannot be shown.
    pub(crate) fn equip(
        &self,
        ground: Ground<'_>,
        modules: &BTreeMap<ModuleName, Binding>,
    ) -> Result<(), EquipError> {
        if self.is_empty() {
            return Ok(());
        }
        let staging = Staging::claim(ground.disk, ground.layout, &ground.options.command)?;
        let shown = subjects(ground, modules, &Trees::new());
        let workspace = Workspace { store: ground.context(), staging: &staging };
        let prepared = environment::prepare_without_import(workspace, &self.held, &shown);
        let first = prepared.not_prepared.into_iter().next();
        first.map_or(Ok(()), |(module, source)| Err(EquipError::NotPrepared { module, source }))
    }

    /// Gives every environment the stand-ins of what `state` shows.
    ///
    /// # Errors
    /// The first environment that could not follow; those before it have.
    pub(crate) fn settle(
        &mut self,
        ground: Ground<'_>,
        state: &State,
    ) -> Result<Vec<SyncReport>, TakenBack> {
        let mut done = Vec::new();
        if self.is_empty() {
            return Ok(done);
        }
        let generation = state.head().map(|head| head.number);
        let shown = subjects(ground, state.modules(), &Trees::new());
        for held in &mut self.held {
            let prefix = held.registration.prefix.clone();
            let settled = settle_one(ground, held, generation, &shown, OnFailure::Stop);
            done.push(settled.map_err(|error| TakenBack { prefix, source: Arc::new(error) })?);
        }
        Ok(done)
    }
}

/// Whether one of these environments does not have what `state` shows, as far as a quick look tells.
fn is_any_off(ground: Ground<'_>, state: &State, registrations: &[Registration]) -> bool {
    if registrations.is_empty() {
        return false;
    }
    let (layout, head) = (ground.layout, state.head().map(|head| head.number));
    let linked = state.modules().iter().filter(|(_, binding)| binding.digest().is_none());
    let linked = linked.map(|(name, binding)| (name.clone(), binding.clone())).collect();
    let linked = subjects(ground, &linked, &Trees::new());
    registrations.iter().any(|registration| {
        !registration.is_missing()
            && (!registration.is_synced_to(head)
                || environment::is_interrupted(registration)
                || !Drift::of(layout, registration).is_empty()
                || environment::has_stale_metadata(layout, registration, linked.values()))
    })
}

/// Gives the environments what they do not have of what `state` shows, as far as it goes: an entry that was replaced
/// took its variants along. What does not go is told; the next update tries again.
pub(crate) fn give_back(ground: Ground<'_>, state: &State) {
    let text = match Environments::hold_if_needed(ground, state, false) {
        Ok(mut environments) => match environments.settle(ground, state) {
            Ok(_) => return,
            Err(TakenBack { prefix, source }) => {
                let (prefix, why) = (prefix.display(), causes(&*source).join(": "));
                format!("the environment {prefix} does not have what is shown: {why}")
            }
        },
        Err(error) => {
            format!("Python environments were not looked at: {}", causes(&error).join(": "))
        }
    };
    ground.events.happened(Event::Notice { text: &text });
}

/// Locks one environment.
pub(crate) fn hold_one(
    ground: Ground<'_>,
    registration: Registration,
) -> Result<LockedEnvironment, EnvironmentLockError> {
    LockedEnvironment::lock(ground.context(), registration)
}

/// Settles one environment.
pub(crate) fn settle_one(
    ground: Ground<'_>,
    held: &mut LockedEnvironment,
    generation: Option<Generation>,
    shown: &BTreeMap<ModuleName, ModuleTree>,
    on_failure: OnFailure,
) -> Result<SyncReport, SyncError> {
    let staging = Staging::claim(ground.disk, ground.layout, &ground.options.command)?;
    let workspace = Workspace { store: ground.context(), staging: &staging };
    environment::sync(workspace, held, generation, shown, on_failure)
}

/// The modules of these bindings, as they are looked at for Python.
pub(crate) fn subjects(
    ground: Ground<'_>,
    modules: &BTreeMap<ModuleName, Binding>,
    trees: &Trees,
) -> BTreeMap<ModuleName, ModuleTree> {
    let staged: BTreeMap<Digest, &Staged> =
        trees.iter().map(|(digest, staged)| (*digest, staged)).collect();
    let found = modules.iter().filter_map(|(name, binding)| {
        let subject = ModuleTree::of(ground.layout, name, binding, &staged)?;
        Some((subject.module.clone(), subject))
    });
    found.collect()
}
