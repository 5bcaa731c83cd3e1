//! [`Pace`]: how often something is reported that goes on.

use std::{
    collections::BTreeMap,
    sync::{Mutex, PoisonError},
    time::{Duration, Instant},
};

use modstore::ModuleName;

/// Lets each module, and what is about no module, be reported once in a while.
#[derive(Debug)]
pub(super) struct Pace {
    pause: Duration,
    /// How much of the first pause counts as over.
    head_start: Duration,
    reported: Mutex<BTreeMap<Option<ModuleName>, Instant>>,
}

impl Pace {
    /// The first report comes at once.
    pub(super) fn at_once(pause: Duration) -> Self {
        Self { head_start: pause, ..Self::after(pause) }
    }

    /// The first report comes after a pause.
    pub(super) fn after(pause: Duration) -> Self {
        Self { pause, head_start: Duration::ZERO, reported: Mutex::default() }
    }

    /// Whether a report is due; then the next pause begins.
    pub(super) fn is_time(&self, module: Option<&ModuleName>) -> bool {
        let mut reported = self.reported.lock().unwrap_or_else(PoisonError::into_inner);
        let now = Instant::now();
        let start = || now.checked_sub(self.head_start).unwrap_or(now);
        let last = reported.entry(module.cloned()).or_insert_with(start);
        let is_due = now.duration_since(*last) >= self.pause;
        if is_due {
            *last = now;
        }
        is_due
    }
}
