//! Staged → Entry → Generation. The journal append is the commit point.

pub(crate) use crate::disk::{content_of, has_content, place};
pub use crate::{
    disk::{Staged, Staging, StagingError, is_right, is_whole, read_manifest},
    model::{Attempt, Binding, Bound, Built, Fetched, MadeFrom},
};

mod record;
mod frame;
mod state;
mod journal;
mod resolved;
mod deletion_mark;
mod quarantine;
mod locked;
mod transaction;
mod salvage;
mod rebuild;
mod mending;

pub use deletion_mark::DeletionMark;
pub use frame::{Frame, FrameError};
pub use journal::{Journal, JournalError, Reading};
pub(crate) use locked::is_unfinished;
pub use locked::{BeginError, Beginning, GiveUpError, Locked, shown};
pub use mending::{Mending, NewJournal, RebuildError, Relinked};
pub(crate) use quarantine::put_away;
pub use rebuild::{Hints, Rebuilt};
pub use record::{DecodeError, Record};
pub(crate) use resolved::{companion_of, lock_of};
pub use state::{EntryInfo, GenerationInfo, State};
pub(crate) use transaction::link_text;
pub use transaction::{CommitError, Transaction};

pub(crate) use locked::now;
