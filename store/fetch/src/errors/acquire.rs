//! [`AcquireError`]: why a module's tree is not in staging.

use std::{error::Error as _, time::Duration};

use modstore_core::{
    disk::{DiskError, StagingError},
    model::{Class, FailureCode, Stage, Subdirectory},
};

use super::{
    archive::ArchiveError,
    lfs::LfsError,
    mirror::MirrorError,
    pack::{PackError, REFUSED_NAME},
    remote::{FetchError, RemoteError, RemoteStage},
    transport::TransportError,
};

/// A module's tree could not be fetched. The store is as it was; what is in staging goes with it.
#[derive(Debug, thiserror::Error)]
pub enum AcquireError {
    /// The commit could not be named.
    #[error(transparent)]
    Remote(#[from] RemoteError),
    /// The commit could not be received.
    #[error(transparent)]
    Fetch(FetchError<PackError>),
    /// There is no staging to write to.
    #[error(transparent)]
    Staging(#[from] StagingError),
    /// The tree could not be written.
    #[error("the tree could not be written")]
    Write(#[source] DiskError),
    /// The repository has no such directory.
    #[error("there is no directory `{subdirectory}` in the source{}", near(.directories))]
    NoSubdirectory {
        /// What was asked for.
        subdirectory: Subdirectory,
        /// Directories there are, the likeliest first.
        directories: Vec<String>,
    },
    /// The archive did not become a tree.
    #[error(transparent)]
    Archive(#[from] ArchiveError),
    /// The mirror that this server makes necessary could not be used.
    #[error(transparent)]
    Mirror(#[from] MirrorError),
    /// The content of a Git LFS file could not be fetched.
    #[error(transparent)]
    Lfs(#[from] LfsError),
    /// The user asked to stop.
    #[error("interrupted")]
    Cancelled,
}

fn near(directories: &[String]) -> String {
    if directories.is_empty() {
        String::new()
    } else {
        format!(" (there are: {})", directories.join(", "))
    }
}

impl AcquireError {
    /// When it is worth trying again.
    #[must_use]
    pub fn class(&self) -> Class {
        match self {
            Self::Remote(error) | Self::Fetch(FetchError::Remote(error)) => error.class(),
            Self::Fetch(FetchError::Receive { source, .. }) => source.class(),
            Self::Archive(error) => error.class(),
            Self::Lfs(error) => error.class(),
            Self::Write(error) if error.refuses_name() => Class::Permanent,
            Self::Staging(_) | Self::Write(_) | Self::Mirror(_) | Self::Cancelled => {
                Class::Transient
            }
            Self::NoSubdirectory { .. } => Class::Permanent,
        }
    }

    /// The cause, as programs read it.
    #[must_use]
    pub fn code(&self) -> FailureCode {
        match self {
            Self::Write(error) if error.refuses_name() => FailureCode::RefusedTree,
            Self::Remote(error) | Self::Fetch(FetchError::Remote(error)) => error.code(),
            Self::Fetch(FetchError::Receive { source, .. }) => source.code(),
            Self::Staging(_) | Self::Write(_) => FailureCode::Store,
            Self::NoSubdirectory { .. } => FailureCode::NoSuchDirectory,
            Self::Archive(error) => error.code(),
            Self::Mirror(error) => error.code(),
            Self::Lfs(error) => error.code(),
            Self::Cancelled => FailureCode::Cancelled,
        }
    }

    /// How far the fetch had come.
    #[must_use]
    pub fn stage(&self) -> Stage {
        match self {
            Self::Remote(error) | Self::Fetch(FetchError::Remote(error)) => match error.stage() {
                RemoteStage::Connect | RemoteStage::List => Stage::Resolve,
                RemoteStage::Fetch => Stage::Fetch,
            },
            // Receiving and writing go side by side; an error of the disk is not one of the network.
            Self::Fetch(FetchError::Receive {
                source: PackError::Write(_) | PackError::Spill { .. },
                ..
            }) => Stage::Place,
            Self::Mirror(_) if self.is_want_of_space() => Stage::Place,
            Self::Fetch(FetchError::Receive { .. }) | Self::Lfs(_) | Self::Cancelled => {
                Stage::Fetch
            }
            Self::Archive(ArchiveError::WrongSum { .. }) | Self::Mirror(_) => Stage::Fetch,
            Self::Archive(ArchiveError::Open { .. }) => Stage::Resolve,
            Self::Staging(_) | Self::Write(_) | Self::NoSubdirectory { .. } | Self::Archive(_) => {
                Stage::Place
            }
        }
    }

    /// The next thing to do.
    #[must_use]
    pub fn hint(&self) -> Option<String> {
        let text = match self {
            Self::Remote(error) | Self::Fetch(FetchError::Remote(error)) => return error.hint(),
            Self::Fetch(FetchError::Receive { source, .. }) => {
                return source.hint();
            }
            Self::Archive(error) => return error.hint(),
            Self::Lfs(error) => return error.hint(),
            Self::Mirror(MirrorError::Damaged { .. }) => {
                "see whether another program writes or removes files below `mirrors`"
            }
            Self::NoSubdirectory { .. } => "correct `subdirectory=` in the module's source",
            Self::Write(error) if error.refuses_name() => REFUSED_NAME,
            _ if self.is_want_of_space() => "free some space and run it again",
            _ => return None,
        };
        Some(text.to_owned())
    }

    /// Whether the disk, or its table of files, is full.
    fn is_want_of_space(&self) -> bool {
        let causes = std::iter::successors(self.source(), |error| (*error).source());
        let mut kinds = causes
            .filter_map(|cause| cause.downcast_ref::<std::io::Error>())
            .map(std::io::Error::kind);
        kinds.any(|kind| kind == std::io::ErrorKind::StorageFull)
    }

    /// Whether the network or the server as a whole failed: then the server's other repositories cannot be fetched
    /// either.
    #[must_use]
    pub fn is_network(&self) -> bool {
        match self {
            Self::Lfs(error) => error.is_network(),
            _ => self.transport().is_some_and(TransportError::is_network),
        }
    }

    /// Whether no server was asked, because the user asked to stay off the network.
    #[must_use]
    pub const fn is_offline(&self) -> bool {
        match self {
            Self::Remote(RemoteError::Offline { .. })
            | Self::Fetch(FetchError::Remote(RemoteError::Offline { .. })) => true,
            Self::Lfs(error) => error.is_offline(),
            _ => false,
        }
    }

    /// How long the server asked us to stay away.
    #[must_use]
    pub fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::Lfs(error) => error.retry_after(),
            _ => self.transport().and_then(TransportError::retry_after),
        }
    }

    const fn transport(&self) -> Option<&TransportError> {
        match self {
            Self::Remote(error) | Self::Fetch(FetchError::Remote(error)) => error.transport(),
            _ => None,
        }
    }

    /// Whether the fetch ended because the user asked to stop.
    #[must_use]
    pub fn is_cancelled(&self) -> bool {
        match self {
            Self::Cancelled
            | Self::Fetch(FetchError::Receive { source: PackError::Cancelled, .. }) => true,
            Self::Lfs(error) => error.is_cancelled(),
            _ => false,
        }
    }
}
