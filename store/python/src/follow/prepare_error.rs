//! Why a module cannot be activated for an environment.

use std::path::PathBuf;

use modstore_core::{
    disk::DiskError,
    model::{Class, FailureCode, ModuleName, Stage},
    program::ProgramError,
};

use crate::{build::ProbeError, run::Exception};

/// Why a module cannot be activated for an environment. The module keeps its current version. Requirements that were
/// added stay.
#[derive(Debug, thiserror::Error)]
pub enum PrepareError {
    /// Nothing is known of its project.
    #[error(transparent)]
    Probe(#[from] ProbeError),
    /// Its variant for the environment's Python could not be made.
    #[error("its variant for this Python cannot be made")]
    Variant(#[source] DiskError),
    /// Its byte code could not be compiled.
    #[error("its byte code cannot be compiled")]
    Compile(#[source] ProgramError),
    /// A module that meets one of its requirements on a repository is not ready.
    #[error("it needs the module `{module}`, which is not ready either")]
    Needed {
        /// That module.
        module: ModuleName,
    },
    /// Its requirements could not be added.
    #[error("its requirements cannot be added to the environment")]
    Requirements(#[source] ProgramError),
    /// It cannot be imported.
    #[error("it cannot be imported")]
    Import(#[source] Exception),
}

/// A module that cannot be activated for one environment.
#[derive(Debug, thiserror::Error)]
#[error("it is not ready for the environment {}", prefix.display())]
pub struct NotPrepared {
    /// The environment's directory.
    pub prefix: PathBuf,
    /// Why.
    pub source: Box<PrepareError>,
}

impl PrepareError {
    /// When a retry is worthwhile. An installer may succeed at another time; what a module does when it is imported
    /// does not change by itself.
    #[must_use]
    pub fn class(&self) -> Class {
        match self {
            Self::Requirements(_) | Self::Variant(_) | Self::Needed { .. } => Class::Transient,
            Self::Probe(error) if error.may_be_the_network() => Class::Transient,
            Self::Probe(_) | Self::Compile(_) | Self::Import(_) => Class::Deterministic,
        }
    }

    /// How far the module came.
    #[must_use]
    pub const fn stage(&self) -> Stage {
        match self {
            Self::Requirements(_) | Self::Needed { .. } => Stage::Install,
            Self::Import(_) => Stage::Import,
            Self::Probe(_) | Self::Variant(_) | Self::Compile(_) => Stage::Build,
        }
    }

    /// The stable name of the cause.
    #[must_use]
    pub const fn code(&self) -> FailureCode {
        match self {
            Self::Probe(error) => error.code(),
            Self::Variant(_) => FailureCode::Store,
            Self::Compile(_) => FailureCode::Build,
            Self::Requirements(_) | Self::Needed { .. } => FailureCode::Requirement,
            Self::Import(_) => FailureCode::Import,
        }
    }
}
