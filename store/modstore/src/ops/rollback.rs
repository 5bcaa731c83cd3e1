//! `rollback`: the bindings of an earlier generation, as a new one.

use std::collections::BTreeMap;

use crate::{
    AccessError, Cancel, Store,
    commit::{JournalError, State, Transaction},
    disk::is_whole,
    environment::EnvironmentLockError,
    events::Events,
    model::{Binding, Generation, ModuleName},
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

impl Store {
    /// Makes the modules of an earlier generation current again, as a new generation. `None`: the one before.
    ///
    /// # Errors
    /// Nothing was changed, unless the transaction within says that it has happened.
    pub fn rollback(
        &self,
        to: Option<Generation>,
        events: &dyn Events,
        cancel: &Cancel,
    ) -> Result<Generation, RollbackError> {
        let (context, _leftovers) = self.begin(events, cancel)?;
        let state = self.state()?;
        let (wanted, modules) = self.restorable(&state, to)?;
        let environments = Environments::hold(context)?;
        environments.equip(context, &modules)?;
        let restore = |transaction: &mut Transaction| transaction.restore(wanted);
        let current = self.transact(context, environments, restore)?;
        current.ok_or(RollbackError::NoGeneration { wanted: to, kept: Vec::new() })
    }

    /// The generation to restore and its modules, if it is kept and all its entries are there.
    fn restorable(
        &self,
        state: &State,
        to: Option<Generation>,
    ) -> Result<(Generation, BTreeMap<ModuleName, Binding>), RollbackError> {
        let before = state.kept().rev().nth(1).map(|info| info.number);
        let kept = || state.kept().map(|info| info.number).collect();
        let none = || RollbackError::NoGeneration { wanted: to, kept: kept() };
        let wanted = to.or(before).ok_or_else(none)?;
        let modules = state.modules_of(wanted).ok_or_else(none)?;
        if !state.is_kept(wanted) {
            return Err(RollbackError::Retired { wanted, kept: kept() });
        }
        for (module, binding) in &modules {
            if binding.digest().is_some_and(|digest| !is_whole(self.layout(), digest)) {
                return Err(RollbackError::EntryGone { wanted, module: module.clone() });
            }
        }
        Ok((wanted, modules))
    }
}
