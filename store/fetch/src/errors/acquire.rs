//! [`AcquireError`]: why a module's tree is not in staging.

use std::{error::Error as _, path::PathBuf, time::Duration};

use gix::bstr::BString;
use modstore_core::{
    disk::{DiskError, StagingError},
    model::{Class, Digest, Stage, Subdirectory},
};

use super::{
    archive::ArchiveError,
    mirror::MirrorError,
    pack::PackError,
    remote::{self, Fault, FetchError, RemoteError},
};

/// A module's tree could not be had. The store is as it was; what is in staging goes with it.
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
    #[error("there is no directory `{subdirectory}` in it{}", near(.directories))]
    NoSubdirectory {
        /// What was asked for.
        subdirectory: Subdirectory,
        /// Directories there are, the likeliest first.
        directories: Vec<String>,
    },
    /// The part that is wanted contains a submodule.
    #[error("it has the submodule `{path}`, and submodules are not fetched")]
    Submodule {
        /// Where the submodule lies.
        path: BString,
    },
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
    /// The archive did not become a tree.
    #[error(transparent)]
    Archive(#[from] ArchiveError),
    /// The mirror that this server makes necessary could not be used.
    #[error(transparent)]
    Mirror(#[from] MirrorError),
    /// Somebody asked to stop.
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
            Self::Staging(_) | Self::Write(_) | Self::Mirror(_) | Self::Cancelled => {
                Class::Transient
            }
            Self::NoSubdirectory { .. }
            | Self::Submodule { .. }
            | Self::OtherTree { .. }
            | Self::NoDirectory { .. } => Class::Permanent,
        }
    }

    /// How far it had come.
    #[must_use]
    pub fn stage(&self) -> Stage {
        match self {
            Self::Remote(error) | Self::Fetch(FetchError::Remote(error)) => match error.stage() {
                remote::Stage::Connect | remote::Stage::List => Stage::Resolve,
                remote::Stage::Fetch => Stage::Fetch,
            },
            // Receiving and writing go side by side; what the disk refuses is no fault of the network.
            Self::Fetch(FetchError::Receive {
                source: PackError::Write(_) | PackError::Spill { .. },
                ..
            }) => Stage::Place,
            Self::Mirror(_) if self.is_want_of_space() => Stage::Place,
            Self::Fetch(FetchError::Receive { .. }) | Self::Cancelled => Stage::Fetch,
            Self::Archive(ArchiveError::WrongSum { .. }) | Self::Mirror(_) => Stage::Fetch,
            Self::NoDirectory { .. } | Self::Archive(ArchiveError::Open { .. }) => Stage::Resolve,
            _ => Stage::Place,
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
            Self::Mirror(MirrorError::Damaged { .. }) => {
                "see whether another program writes or removes files below `mirrors`"
            }
            Self::Submodule { .. } => {
                "name the submodule's own repository as the source, or link a local clone"
            }
            Self::NoSubdirectory { .. } => "correct `subdirectory=` in the module's source",
            Self::OtherTree { .. } => {
                "run `modstore update` without --locked if the change is wanted"
            }
            Self::NoDirectory { .. } => "make the directory, or `modstore remove` the module",
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

    /// Whether the network, or the server, did not do its part: then the server's other repositories are not to be
    /// had either.
    #[must_use]
    pub fn is_network(&self) -> bool {
        self.fault().is_some_and(Fault::is_network)
    }

    /// Whether nobody was asked, because the network is not to be used.
    #[must_use]
    pub const fn is_offline(&self) -> bool {
        matches!(
            self,
            Self::Remote(RemoteError::Offline { .. })
                | Self::Fetch(FetchError::Remote(RemoteError::Offline { .. }))
        )
    }

    /// How long the server asked us to stay away.
    #[must_use]
    pub fn retry_after(&self) -> Option<Duration> {
        self.fault().and_then(Fault::retry_after)
    }

    fn fault(&self) -> Option<&Fault> {
        match self {
            Self::Remote(error) | Self::Fetch(FetchError::Remote(error)) => error.fault(),
            _ => None,
        }
    }

    /// Whether it ended because somebody asked to stop.
    #[must_use]
    pub const fn is_cancelled(&self) -> bool {
        matches!(
            self,
            Self::Cancelled | Self::Fetch(FetchError::Receive { source: PackError::Cancelled, .. })
        )
    }
}
