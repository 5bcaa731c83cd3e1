//! Staged → Entry → Generation. The journal append is the commit point.

mod record;
mod frame;
mod state;
mod journal;
mod staged;
mod condemned;
mod locked;
mod transaction;

pub use condemned::Condemned;
pub use frame::{Frame, FrameError};
pub use journal::{Journal, JournalError};
pub(crate) use locked::is_unfinished;
pub use locked::{BeginError, Beginning, GiveUpError, Locked, shown};
pub use record::{Binding, Bound, DecodeError, Fetched, Record};
pub use staged::{Staged, Staging, StagingError};
pub use state::{EntryInfo, GenerationInfo, State};
pub use transaction::{CommitError, Transaction, is_whole, read_manifest};

pub(crate) use locked::now;
