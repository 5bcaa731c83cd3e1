//! [`SourceError`]: why a source did not become a tree or a directory.

use std::{path::PathBuf, sync::Arc, time::Duration};

use gix::bstr::BString;

use modstore_fetch::{AcquireError, NetworkError, SubmoduleError};

use crate::{
    disk::StagingError,
    model::{Class, Digest, FailureCode, Stage},
};

/// A source did not become a tree or a directory. The store is as it was. Modules of one repository share the error.
#[derive(Debug, Clone, thiserror::Error)]
#[non_exhaustive]
pub enum SourceError {
    /// It could not be fetched.
    #[error(transparent)]
    Acquire(#[from] Arc<AcquireError>),
    /// The host's git configuration cannot be read.
    #[error(transparent)]
    Network(#[from] Arc<NetworkError>),
    /// One of its submodules could not be fetched.
    #[error("its submodule `{path}` could not be fetched{}", from(.url.as_deref()))]
    Submodule {
        /// Where the submodule lies.
        path: BString,
        /// Where it comes from, without any secret, if that was found out.
        url: Option<String>,
        /// Why not.
        source: Arc<SourceError>,
    },
    /// A single file is to be built.
    #[error("`{path}` is a file, and only a directory can be built")]
    FileToBuild {
        /// The file.
        path: String,
    },
    /// Its submodules are not what submodules may be.
    #[error(transparent)]
    RefusedSubmodule(#[from] Arc<SubmoduleError>),
    /// The lock names another tree than the commit has.
    #[error("the commit's tree is {found}, and modules.lock says {locked}")]
    OtherTree {
        /// What came.
        found: Digest,
        /// What the lock says.
        locked: Digest,
    },
    /// The linked directory is not there.
    #[error("{} is not a directory", path.display())]
    NoDirectory {
        /// The path.
        path: PathBuf,
    },
    /// No tier has it, and a tier with `fallback = false` takes the place of its origin.
    #[error("no shared tier has {what}{}, and git is not asked for it", refused(*.is_refused))]
    NotInTier {
        /// What was wanted.
        what: String,
        /// Whether a tier has something else under its name.
        is_refused: bool,
    },
    /// The host was not asked: it has failed several times since this command began.
    #[error("{host} has failed several times and is not asked again now")]
    HostGivenUp {
        /// The host.
        host: String,
    },
}

fn refused(is_refused: bool) -> &'static str {
    if is_refused { ", only something that did not prove to be it" } else { "" }
}

fn from(url: Option<&str>) -> String {
    url.map(|url| format!(" from {url}")).unwrap_or_default()
}

impl From<SubmoduleError> for SourceError {
    fn from(error: SubmoduleError) -> Self {
        Self::RefusedSubmodule(Arc::new(error))
    }
}

impl From<AcquireError> for SourceError {
    fn from(error: AcquireError) -> Self {
        Self::Acquire(Arc::new(error))
    }
}

impl From<NetworkError> for SourceError {
    fn from(error: NetworkError) -> Self {
        Self::Network(Arc::new(error))
    }
}

impl From<StagingError> for SourceError {
    fn from(error: StagingError) -> Self {
        AcquireError::from(error).into()
    }
}

impl SourceError {
    pub(super) fn cancelled() -> Self {
        AcquireError::Cancelled.into()
    }

    /// When it is worth trying again.
    #[must_use]
    pub fn class(&self) -> Class {
        match self {
            Self::Acquire(error) => error.class(),
            Self::Submodule { source, .. } => source.class(),
            Self::RefusedSubmodule(error) => error.class(),
            Self::NotInTier { is_refused, .. } if *is_refused => Class::Permanent,
            Self::HostGivenUp { .. } | Self::NotInTier { .. } => Class::Transient,
            Self::Network(_)
            | Self::FileToBuild { .. }
            | Self::OtherTree { .. }
            | Self::NoDirectory { .. } => Class::Permanent,
        }
    }

    /// How far it had come.
    #[must_use]
    pub fn stage(&self) -> Stage {
        match self {
            Self::Acquire(error) => error.stage(),
            Self::Network(_) | Self::NoDirectory { .. } | Self::HostGivenUp { .. } => {
                Stage::Resolve
            }
            Self::NotInTier { .. } => Stage::Fetch,
            // The repository itself was there: what failed is a part of fetching it.
            Self::Submodule { source, .. } => match source.stage() {
                Stage::Resolve => Stage::Fetch,
                stage => stage,
            },
            Self::RefusedSubmodule(_) | Self::FileToBuild { .. } | Self::OtherTree { .. } => {
                Stage::Place
            }
        }
    }

    /// A name for the cause that never changes.
    #[must_use]
    pub fn code(&self) -> FailureCode {
        match self {
            Self::Acquire(error) => error.code(),
            Self::Network(_) => FailureCode::Program,
            Self::Submodule { source, .. } => source.code(),
            Self::RefusedSubmodule(error) => error.code(),
            Self::OtherTree { .. } => FailureCode::Lock,
            Self::NotInTier { .. } => FailureCode::NotInTier,
            Self::FileToBuild { .. } | Self::NoDirectory { .. } => FailureCode::NoSuchDirectory,
            Self::HostGivenUp { .. } => FailureCode::Connection,
        }
    }

    /// The next thing to do.
    #[must_use]
    pub fn hint(&self) -> Option<String> {
        let text = match self {
            Self::Acquire(error) => return error.hint(),
            Self::Submodule { source, .. } => return source.hint(),
            Self::RefusedSubmodule(error) => return Some(error.hint()),
            Self::Network(_) | Self::HostGivenUp { .. } => return None,
            Self::NotInTier { .. } => {
                "publish it with `modstore push` where it is current, or let git be asked: `fallback = true`, no `--tier only`"
            }
            Self::FileToBuild { .. } => {
                "name the directory that the build needs in `subdirectory=`, or take the build out of modules.toml"
            }
            Self::OtherTree { .. } => {
                "run `modstore update` without --locked if the change is wanted"
            }
            Self::NoDirectory { .. } => "make the directory, or give the module another source",
        };
        Some(text.to_owned())
    }

    /// How long the server asked us to stay away.
    pub(crate) fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::Acquire(error) => error.retry_after(),
            Self::Submodule { source, .. } => source.retry_after(),
            _ => None,
        }
    }

    /// Whether it ended because of the wish to stop.
    pub(crate) fn is_cancelled(&self) -> bool {
        matches!(self, Self::Acquire(error) if error.is_cancelled())
    }

    /// Whether something was tried, so that it says anything about the next time.
    pub(crate) fn is_telling(&self) -> bool {
        match self {
            Self::Acquire(error) => !error.is_cancelled() && !error.is_offline(),
            Self::Submodule { source, .. } => source.is_telling(),
            Self::HostGivenUp { .. } => false,
            _ => true,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_only_the_store_can_find_wrong_has_a_code_of_its_own() {
        let digest = Digest::from_bytes([7; 32]);
        for (error, code) in [
            (SourceError::from(SubmoduleError::Loop), FailureCode::Submodule),
            (SourceError::NoDirectory { path: "a".into() }, FailureCode::NoSuchDirectory),
            (SourceError::OtherTree { found: digest, locked: digest }, FailureCode::Lock),
        ] {
            assert_eq!(error.code(), code, "{error}");
        }
    }
}
