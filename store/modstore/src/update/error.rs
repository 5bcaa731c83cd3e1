//! [`UpdateError`]: why an update came to no report.

use modstore_fetch::NetworkError;

use super::environments::TakenBack;
use crate::{
    access::AccessError,
    commit::{BeginError, CommitError, JournalError, ProjectLockError},
    declare::DeclareError,
    disk::{DiskError, StagingError},
    environment::EnvironmentLockError,
    model::{Declarations, ModuleName, nearest},
    tier::TierSetupError,
};

/// An update came to no report. Unless a variant says otherwise, nothing was changed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum UpdateError {
    /// The store cannot be changed.
    #[error(transparent)]
    Access(#[from] AccessError),
    /// `modules.toml` or `modules.lock` cannot be used.
    #[error(transparent)]
    Declare(#[from] DeclareError),
    /// A module was named that is not declared.
    #[error("there is no module `{name}`{}", did_you_mean(.near.as_deref()))]
    Unknown {
        /// The name.
        name: ModuleName,
        /// The nearest one that is declared.
        near: Option<String>,
    },
    /// The journal cannot be read.
    #[error("the store cannot be read")]
    Journal(#[from] JournalError),
    /// The lock of a project cannot be used.
    #[error(transparent)]
    Project(#[from] ProjectLockError),
    /// The host's git configuration cannot be read.
    #[error(transparent)]
    Network(#[from] NetworkError),
    /// A shared tier cannot be used.
    #[error(transparent)]
    Tier(#[from] TierSetupError),
    /// The home cannot be written to.
    #[error(transparent)]
    Staging(#[from] StagingError),
    /// What an earlier process left cannot be removed.
    #[error("cannot remove what an earlier process left")]
    Leftovers(#[source] DiskError),
    /// No transaction could be begun.
    #[error(transparent)]
    Begin(#[from] BeginError),
    /// The transaction failed; its error says whether it has happened.
    #[error(transparent)]
    Commit(#[from] CommitError),
    /// The tries of this update are not remembered. Nothing else was to be changed.
    #[error("what failed cannot be remembered")]
    Remember(#[source] JournalError),
    /// An environment that follows the store cannot be worked on.
    #[error(transparent)]
    Hold(#[from] EnvironmentLockError),
    /// An environment does not have what is current, and there is nothing to go back to.
    #[error("the environment {} does not have what is current", .0.prefix.display())]
    Environment(#[source] TakenBack),
    /// A wish to stop.
    #[error("interrupted; nothing was changed")]
    Cancelled,
}

impl UpdateError {
    /// Whether the update has happened, or may have, although there is an error.
    #[must_use]
    pub const fn has_happened(&self) -> bool {
        match self {
            Self::Commit(error) => error.has_happened(),
            Self::Environment(_) => true,
            _ => false,
        }
    }
}

fn did_you_mean(near: Option<&str>) -> String {
    near.map_or_else(String::new, |near| format!(" (did you mean `{near}`?)"))
}

/// Names a module that is not declared, and the nearest that is.
pub(crate) fn unknown(declared: &Declarations, name: &ModuleName) -> UpdateError {
    let declared = declared.modules.keys().map(ModuleName::as_str);
    let near = nearest(name.as_str(), declared).map(str::to_owned);
    UpdateError::Unknown { name: name.clone(), near }
}
