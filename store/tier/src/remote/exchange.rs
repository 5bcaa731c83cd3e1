//! One call of a place, as its thread sees it: who may stop it, and what was answered.
//!
//! A call may need several requests, for a login and then for an object. All of them are made by the thread that called, and so
//! the code that makes them finds the call here. Errors are explained from what is noted here, never from the texts of other
//! crates: those may hold an address with a secret in it.

use std::{
    cell::RefCell,
    io,
    sync::{Arc, Mutex, PoisonError},
    thread,
    time::{Duration, Instant},
};

use modstore_core::Cancel;

/// How long a wait goes on after the command was stopped.
pub(super) const SLICE: Duration = Duration::from_millis(100);

thread_local! {
    static CURRENT: RefCell<Option<Arc<Exchange>>> = const { RefCell::new(None) };
}

/// One call of a place.
#[derive(Debug, Default)]
pub(super) struct Exchange {
    cancel: Cancel,
    seen: Mutex<Seen>,
}

/// What the last request of a call met.
#[derive(Debug, Default, Clone)]
pub(super) struct Seen {
    /// Who was asked.
    pub(super) host: String,
    /// The status of the answer, if there was one.
    pub(super) status: Option<u16>,
    /// The code of an error, as S3 has them.
    pub(super) code: Option<String>,
    /// What was said about it.
    pub(super) message: Option<String>,
    /// The region that the bucket is in, where another was asked.
    pub(super) region: Option<String>,
    /// The host that a redirect leads to.
    pub(super) moved_to: Option<String>,
    /// By how many seconds the clock of the server is ahead of ours.
    pub(super) ahead: Option<i64>,
    /// Why there was no answer, or no whole one.
    pub(super) fault: Option<Fault>,
}

/// Why there was no answer, or no whole one.
#[derive(Debug, Clone)]
pub(super) enum Fault {
    /// No connection was made.
    NoConnection(String),
    /// The connection broke, or nothing came.
    Broken(io::ErrorKind, String),
    /// The login could not be found out.
    NoLogin(String),
}

impl Exchange {
    pub(super) fn new(cancel: &Cancel) -> Arc<Self> {
        Arc::new(Self { cancel: cancel.clone(), seen: Mutex::default() })
    }

    /// The call that this thread works on; outside of one, a call that is never stopped.
    pub(super) fn current() -> Arc<Self> {
        CURRENT.with_borrow(Clone::clone).unwrap_or_default()
    }

    /// Does a part of this call's work.
    pub(super) fn during<T>(self: &Arc<Self>, work: impl FnOnce() -> T) -> T {
        let before = CURRENT.replace(Some(Arc::clone(self)));
        let _ends = Ends(before);
        work()
    }

    pub(super) fn cancel(&self) -> &Cancel {
        &self.cancel
    }

    /// Waits, unless the command is stopped; false then.
    pub(super) fn wait(&self, long: Duration) -> bool {
        let begun = Instant::now();
        while !self.cancel.is_cancelled() && begun.elapsed() < long {
            thread::sleep(SLICE.min(long.saturating_sub(begun.elapsed())));
        }
        !self.cancel.is_cancelled()
    }

    pub(super) fn seen(&self) -> Seen {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub(super) fn note(&self, note: impl FnOnce(&mut Seen)) {
        note(&mut self.seen.lock().unwrap_or_else(PoisonError::into_inner));
    }

    pub(super) fn fail(&self, fault: Fault) {
        self.note(|seen| seen.fault = Some(fault));
    }
}

/// Gives the thread back what it worked on before, also after a panic.
struct Ends(Option<Arc<Exchange>>);

impl Drop for Ends {
    fn drop(&mut self) {
        CURRENT.set(self.0.take());
    }
}
