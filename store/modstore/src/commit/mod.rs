//! Staged → Entry → Generation. The journal append is the commit point.

mod record;
mod frame;
mod state;
mod journal;
mod resolved;
mod deletion_mark;
mod quarantine;
mod locked;
mod exposed;
mod transaction;
mod repair_lock;

pub use deletion_mark::DeletionMark;
pub(crate) use exposed::text_of;
pub use exposed::{LinkError, Standing};
pub(crate) use frame::Link;
pub use frame::{Frame, FrameError};
pub use journal::{Journal, JournalError, Reading};
pub(crate) use locked::is_unfinished;
pub use locked::{BeginError, GiveUpError, Locked, shown};
pub(crate) use quarantine::put_away;
pub use record::{DecodeError, Record};
pub(crate) use repair_lock::RepairLock;
pub use resolved::ProjectLockError;
pub(crate) use resolved::{companion_of, lock_of, lock_there, project_lock, relock};
pub(crate) use state::changes;
pub use state::{BuiltOn, EntryInfo, GenerationInfo, State};
pub use transaction::{Change, CommitError, Transaction};
pub(crate) use transaction::{link_text, read_built};

pub(crate) use locked::now;
