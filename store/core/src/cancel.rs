//! [`Cancel`]: the wish to stop.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// The wish to stop, shared by whoever may have it and all who must obey. Clones are one wish.
#[derive(Debug, Clone, Default)]
pub struct Cancel(Arc<AtomicBool>);

impl Cancel {
    /// Nobody wishes to stop yet.
    pub fn new() -> Self {
        Cancel::default()
    }

    /// Stop: every read that obeys this fails within a fraction of a second. Cannot be taken back.
    pub fn cancel(&self) {
        self.0.store(true, Ordering::Relaxed);
    }

    /// Whether [`Cancel::cancel`] was called on any clone.
    pub fn is_cancelled(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}

impl From<Arc<AtomicBool>> for Cancel {
    fn from(flag: Arc<AtomicBool>) -> Self {
        Cancel(flag)
    }
}
