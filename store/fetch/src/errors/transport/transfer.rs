//! [`TransferError`]: why an answer did not come to its end.

use std::time::Duration;

use modstore_core::model::FailureCode;

use super::{Cause, seconds};

/// An answer did not come to its end. The next try begins from the start.
#[derive(Debug, thiserror::Error)]
pub enum TransferError {
    /// The server hung up before its answer was complete.
    #[error("the connection broke off")]
    Dropped {
        /// What the system said.
        source: Option<Cause>,
    },
    /// No byte within [`Limits::idle`](crate::limits::Limits::idle).
    #[error("the server was silent for {}", seconds(.0))]
    Idle(Duration),
    /// The server was not silent, but for all the time that [`Limits::progress`](crate::limits::Limits::progress)
    /// allows it sent less of the data asked for than [`Limits::rate`](crate::limits::Limits::rate) demands.
    #[error("the server made no progress for {}, or less than {rate} bytes a second", seconds(.over))]
    Slow {
        /// The lowest rate, in bytes a second.
        rate: u64,
        /// The time.
        over: Duration,
    },
    /// All about one repository took longer than [`Limits::fetch`](crate::limits::Limits::fetch).
    #[error("the fetch took longer than {}", seconds(.0))]
    Overlong(Duration),
    /// Too many bytes besides the data asked for: headers, progress, keep-alives, trailers, bytes after a pack.
    #[error("the server sent more than {} MiB besides what was asked for", .0 >> 20)]
    Chatter(u64),
    /// The copy that git makes of a repository, where a server gives nothing less, is larger than
    /// [`Limits::copy`](crate::limits::Limits::copy).
    #[error("the copy of the repository that git makes is larger than {} bytes", .0)]
    LargeCopy(u64),
    /// git used up [`Limits::git_memory`](crate::limits::Limits::git_memory) while it made such a copy.
    #[error("git needs more than {} bytes of memory to copy the repository", .0)]
    GitMemory(u64),
}

impl TransferError {
    /// The cause, as programs read it.
    pub(super) const fn code(&self) -> FailureCode {
        match self {
            Self::Dropped { .. } => FailureCode::Connection,
            Self::Idle(_) | Self::Slow { .. } | Self::Overlong(_) => FailureCode::Timeout,
            Self::Chatter(_) | Self::LargeCopy(_) | Self::GitMemory(_) => FailureCode::Limit,
        }
    }

    /// The next thing a person can do.
    pub(super) const fn hint(&self) -> &'static str {
        match self {
            Self::Dropped { .. } => "try again",
            Self::Idle(_) => {
                "check the network and try again, or allow more time with MODSTORE_IDLE_TIMEOUT"
            }
            Self::Slow { .. } => {
                "try again later, or allow more with MODSTORE_PROGRESS_TIMEOUT (seconds) or MODSTORE_LOWEST_RATE (bytes a second)"
            }
            Self::Overlong(_) => "allow more time with MODSTORE_FETCH_TIMEOUT, in seconds",
            Self::Chatter(_) => "an honest server sends far less; ask its operator",
            Self::LargeCopy(_) => {
                "use a server that speaks git's protocol 2, or allow more with MODSTORE_COPY_BYTES"
            }
            Self::GitMemory(_) => {
                "use a server that speaks git's protocol 2, or allow more with MODSTORE_GIT_MEMORY"
            }
        }
    }

    /// Whether the way to the server, or the server as a whole, failed.
    pub(super) const fn is_network(&self) -> bool {
        matches!(self, Self::Dropped { .. } | Self::Idle(_) | Self::Slow { .. })
    }
}
