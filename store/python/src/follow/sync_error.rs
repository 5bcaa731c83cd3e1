//! Why an environment does not have the stand-ins of the current generation.

use std::path::PathBuf;

use modstore_core::{
    disk::{DiskError, StagingError},
    model::{DistributionName, FailureCode, ModuleName},
    program::ProgramError,
};

use super::{prepare_error::PrepareError, registration::RegistrationError};
use crate::build::ProbeError;

/// An environment does not have the stand-ins of the current generation. The changes made before the failure stay.
#[derive(Debug, thiserror::Error)]
pub enum SyncError {
    /// Nothing is known of a module's project.
    #[error("{module}: its metadata is not known")]
    Probe {
        /// The module.
        module: ModuleName,
        /// Why not.
        source: Box<ProbeError>,
    },
    /// A module's variant for this Python could not be made.
    #[error("{module}: what it puts on the import path is not there")]
    Variant {
        /// The module.
        module: ModuleName,
        /// Why not.
        source: Box<PrepareError>,
    },
    /// Two modules are the same distribution, and an environment has one of each.
    #[error(
        "{first} and {second} are both the distribution {distribution}, of which an environment has one"
    )]
    Twice {
        /// The distribution.
        distribution: DistributionName,
        /// A module that is it.
        first: ModuleName,
        /// Another one.
        second: ModuleName,
    },
    /// A module that meets one of its requirements on a repository has no stand-in.
    #[error("{module} needs the module `{needed}`, which could not be installed")]
    Needed {
        /// The module.
        module: ModuleName,
        /// The one that it needs.
        needed: ModuleName,
    },
    /// There is nothing to install with.
    #[error("there is neither uv nor a pip in the environment")]
    NoInstaller,
    /// The installer failed.
    #[error("cannot install {}", listed(modules))]
    Install {
        /// The modules to be installed or removed.
        modules: Vec<ModuleName>,
        /// Why not.
        source: ProgramError,
    },
    /// The installer reported success, and the module is not there.
    #[error("{module} is not in the environment as it was installed")]
    NotThere {
        /// The module.
        module: ModuleName,
    },
    /// The installed module leads nowhere.
    #[error("{module} leads to {}, which is not there", path.display())]
    Dangling {
        /// The module.
        module: ModuleName,
        /// Where it leads.
        path: PathBuf,
    },
    /// The disk.
    #[error(transparent)]
    Disk(#[from] DiskError),
    /// The home cannot be written to.
    #[error(transparent)]
    Staging(#[from] StagingError),
    /// The registration of the environment could not be written.
    #[error(transparent)]
    Registration(#[from] RegistrationError),
}

impl SyncError {
    /// Whether there is nothing to install with.
    pub(super) const fn is_of_no_installer(&self) -> bool {
        matches!(self, Self::NoInstaller)
    }

    /// The stable name of the cause.
    #[must_use]
    pub const fn code(&self) -> FailureCode {
        match self {
            Self::Probe { source, .. } => source.code(),
            Self::Variant { source, .. } => source.code(),
            Self::NoInstaller | Self::Install { .. } | Self::NotThere { .. } => {
                FailureCode::Install
            }
            Self::Needed { .. } => FailureCode::Requirement,
            Self::Twice { .. } | Self::Dangling { .. } => FailureCode::Environment,
            Self::Disk(_) | Self::Staging(_) | Self::Registration(_) => FailureCode::Store,
        }
    }
}

fn listed(modules: &[ModuleName]) -> String {
    modules.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
}
