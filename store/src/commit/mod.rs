//! Staged → Entry → Generation. The journal append is the commit point.

mod record;
mod frame;
mod state;
mod journal;
mod resolved;
mod staged;
mod condemned;
mod quarantine;
mod locked;
mod transaction;
mod content;
mod salvage;
mod rebuild;
mod mending;

pub use condemned::Condemned;
pub use content::is_right;
pub(crate) use content::{content_of, has_content, place};
pub use frame::{Frame, FrameError};
pub use journal::{Journal, JournalError, Reading};
pub(crate) use locked::is_unfinished;
pub use locked::{BeginError, Beginning, GiveUpError, Locked, shown};
pub use mending::{Mending, NewJournal, RebuildError, Relinked};
pub(crate) use quarantine::put_away;
pub use rebuild::{Hints, Rebuilt};
pub use record::{Attempt, Binding, Bound, Built, DecodeError, Fetched, MadeFrom, Record};
pub(crate) use resolved::{companion_of, lock_of};
pub use staged::{Staged, Staging, StagingError};
pub use state::{EntryInfo, GenerationInfo, State};
pub(crate) use transaction::link_text;
pub use transaction::{CommitError, Transaction, is_whole, read_manifest};

pub(crate) use locked::now;
