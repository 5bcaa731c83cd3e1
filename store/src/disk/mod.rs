//! The only code that changes the disk.

mod verbs;
mod barrier;
mod layout;
mod lock;
mod planting;

pub use barrier::Barrier;
pub use layout::Layout;
pub use lock::{Holder, Lock, LockError};
pub use planting::{LinkError, Planting};
pub use verbs::{Act, Disk, DiskError, Observer, Verb};
