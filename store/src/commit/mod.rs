//! Staged → Entry → Generation. The journal append is the commit point.

mod record;
mod frame;
mod state;
mod journal;
mod staged;
mod transaction;

pub use frame::{Frame, FrameError};
pub use journal::{Journal, JournalError};
pub use record::{Binding, Bound, DecodeError, Fetched, Record};
pub use staged::{Staged, Staging, StagingError};
pub use state::{EntryInfo, GenerationInfo, State};
pub use transaction::{
    BeginError, Beginning, CommitError, Transaction, is_whole, read_manifest, shown,
};
