//! `rollback`: the bindings of an earlier generation, of all modules or of some, as a new one.
//!
//! What it takes back is held, so that the next update does not bring it again.

use std::collections::BTreeMap;

use crate::{
    Cancel, Store,
    access::AccessError,
    commit::{CommitError, JournalError, State, Transaction, now},
    disk::is_whole,
    environment::EnvironmentLockError,
    events::Events,
    model::{Binding, Declarations, Generation, Hold, ModuleName},
    ops::transact::TransactError,
    update::{Environments, EquipError},
};

/// No more generations than this are named in an error.
const MOST_NAMED: usize = 10;

/// Nothing was rolled back, unless the transaction says that it has happened.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RollbackError {
    /// The store cannot be changed.
    #[error(transparent)]
    Access(#[from] AccessError),
    /// The journal cannot be read.
    #[error("the store cannot be read")]
    Journal(#[from] JournalError),
    /// There is no generation of that number, or none to go back to.
    #[error("there is no generation {}{}", wanted.map_or_else(|| "before this one".into(), |wanted| wanted.to_string()), there_are(.kept))]
    NoGeneration {
        /// The generation asked for.
        wanted: Option<Generation>,
        /// Those that are kept, oldest first.
        kept: Vec<Generation>,
    },
    /// The generation was retired: its entries may be gone.
    #[error("generation {wanted} is no longer kept{}", there_are(.kept))]
    Retired {
        /// The generation asked for.
        wanted: Generation,
        /// Those that are kept, oldest first.
        kept: Vec<Generation>,
    },
    /// The generation does not have the module.
    #[error("generation {wanted} has no module `{module}`")]
    NotThere {
        /// The generation asked for.
        wanted: Generation,
        /// The module.
        module: ModuleName,
    },
    /// No generation that is kept has another version of the module.
    #[error("no generation that is kept has another version of `{module}`")]
    NoVersion {
        /// The module.
        module: ModuleName,
    },
    /// An entry of the generation is missing from the store, or incomplete.
    #[error(
        "generation {wanted} cannot be restored: the entry of `{module}` is missing or damaged"
    )]
    EntryGone {
        /// The generation asked for.
        wanted: Generation,
        /// The module.
        module: ModuleName,
    },
    /// An environment that is bound cannot be worked on.
    #[error(transparent)]
    Hold(#[from] EnvironmentLockError),
    /// An environment cannot be given what the generation needs.
    #[error(transparent)]
    Equip(#[from] EquipError),
    /// The transaction failed.
    #[error(transparent)]
    Transact(#[from] TransactError),
}

impl RollbackError {
    /// Whether the change has happened, or may have.
    #[must_use]
    pub const fn has_happened(&self) -> bool {
        matches!(self, Self::Transact(error) if error.has_happened())
    }
}

/// The newest of those that are kept.
fn there_are(kept: &[Generation]) -> String {
    let newest = kept.iter().skip(kept.len().saturating_sub(MOST_NAMED));
    let mut names: Vec<String> = newest.map(ToString::to_string).collect();
    if names.len() < kept.len() {
        names.insert(0, "…".into());
    }
    if names.is_empty() { String::new() } else { format!("; kept: {}", names.join(", ")) }
}

/// What a rollback leads to.
struct PastModules {
    /// The generation, if it is one for all modules.
    whole: Option<Generation>,
    /// What these modules are again.
    modules: BTreeMap<ModuleName, Binding>,
}

impl Store {
    /// Makes the modules of an earlier generation current again, as a new generation; only those of `names`, if there are
    /// any. `None`: the generation before; of modules that are named, the version before. Each declared module that this
    /// changes is held.
    ///
    /// # Errors
    /// Nothing was changed, unless the transaction within says that it has happened.
    pub fn rollback(
        &self,
        to: Option<Generation>,
        names: &[ModuleName],
        events: &dyn Events,
        cancel: &Cancel,
    ) -> Result<Generation, RollbackError> {
        let (context, _leftovers) = self.begin(events, cancel)?;
        let state = self.state()?;
        let past = if names.is_empty() { whole(&state, to)? } else { some(&state, to, names)? };
        self.must_be_whole(&state, &past)?;
        // A rollback is for bad days: whatever a broken modules.toml would say, it does not prevent it.
        let declared = self.declarations().ok();
        let reason = &self.options().command;
        let environments = Environments::hold(context)?;
        environments.equip(context, &past.modules)?;
        let restore = |transaction: &mut Transaction| {
            restore(transaction, past, |changed| hold_changed(changed, declared.as_ref(), reason))
        };
        let current = self.transact(context, environments, restore)?;
        current.ok_or(RollbackError::NoGeneration { wanted: to, kept: Vec::new() })
    }

    /// All entries that a rollback leads to must be there.
    fn must_be_whole(&self, state: &State, past: &PastModules) -> Result<(), RollbackError> {
        for (module, binding) in &past.modules {
            if binding.digest().is_some_and(|digest| !is_whole(self.layout(), digest)) {
                let has = |modules: &BTreeMap<&ModuleName, &Binding>| {
                    modules.get(module).is_some_and(|there| *there == binding)
                };
                let newest = || state.kept_modules().filter(|(_, it)| has(it)).last();
                let wanted = past.whole.or_else(|| newest().map(|(info, _)| info.number));
                let wanted = wanted.unwrap_or(Generation::FIRST);
                return Err(RollbackError::EntryGone { wanted, module: module.clone() });
            }
        }
        Ok(())
    }
}

/// The numbers of the generations that are kept.
fn kept(state: &State) -> Vec<Generation> {
    state.kept().map(|info| info.number).collect()
}

/// The generation to restore and its modules, if it is kept.
fn whole(state: &State, to: Option<Generation>) -> Result<PastModules, RollbackError> {
    let before = state.kept().rev().nth(1).map(|info| info.number);
    let none = || RollbackError::NoGeneration { wanted: to, kept: kept(state) };
    let wanted = to.or(before).ok_or_else(none)?;
    let modules = modules_of(state, wanted)?;
    Ok(PastModules { whole: Some(wanted), modules })
}

/// The bindings of a generation that is kept.
fn modules_of(
    state: &State,
    wanted: Generation,
) -> Result<BTreeMap<ModuleName, Binding>, RollbackError> {
    let none = || RollbackError::NoGeneration { wanted: Some(wanted), kept: kept(state) };
    let modules = state.modules_of(wanted).ok_or_else(none)?;
    if state.is_kept(wanted) {
        Ok(modules)
    } else {
        Err(RollbackError::Retired { wanted, kept: kept(state) })
    }
}

/// What these modules were in a generation, or in the newest that has another version of each.
fn some(
    state: &State,
    to: Option<Generation>,
    names: &[ModuleName],
) -> Result<PastModules, RollbackError> {
    let mut modules = BTreeMap::new();
    for module in names {
        let binding = match to {
            Some(wanted) => modules_of(state, wanted)?
                .remove(module)
                .ok_or_else(|| RollbackError::NotThere { wanted, module: module.clone() })?,
            None => version_before(state, module)
                .ok_or_else(|| RollbackError::NoVersion { module: module.clone() })?,
        };
        modules.insert(module.clone(), binding);
    }
    Ok(PastModules { whole: None, modules })
}

/// The newest version of a module in a generation that is kept, but for the one it has.
fn version_before(state: &State, module: &ModuleName) -> Option<Binding> {
    let now = state.modules().get(module);
    let versions = state.kept_modules().filter_map(|(_, modules)| modules.get(module).copied());
    versions.filter(|version| Some(*version) != now).last().cloned()
}

/// Makes the modules what they were, and holds those that this changes.
fn restore(
    transaction: &mut Transaction,
    past: PastModules,
    hold: impl FnOnce(Vec<ModuleName>) -> BTreeMap<ModuleName, Option<Hold>>,
) -> Result<(), CommitError> {
    match past.whole {
        Some(wanted) => transaction.restore(wanted)?,
        None => {
            let bindings = past.modules.into_iter().map(|(module, to)| (module, Some(to)));
            transaction.change.bindings = bindings.collect();
        }
    }
    let now = transaction.state().modules();
    let bindings = transaction.change.bindings.iter();
    let changed = bindings.filter(|(module, to)| now.get(*module) != to.as_ref());
    transaction.change.holds = hold(changed.map(|(module, _)| module.clone()).collect());
    Ok(())
}

/// The holds of those modules that updates would change again. One that is not declared is removed by the next update:
/// that is what its declaration says.
fn hold_changed(
    changed: Vec<ModuleName>,
    declared: Option<&Declarations>,
    reason: &str,
) -> BTreeMap<ModuleName, Option<Hold>> {
    let is_declared =
        |module: &ModuleName| declared.is_none_or(|declared| declared.get(module).is_some());
    let hold = Hold { at: now(), reason: reason.to_owned() };
    let held = changed.into_iter().filter(is_declared);
    held.map(|module| (module, Some(hold.clone()))).collect()
}
