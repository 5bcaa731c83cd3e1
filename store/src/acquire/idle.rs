//! No wait without an end: reads that give up after the idle limit or when somebody wishes to stop,
//! and the place where the first cause of a failure is kept.
//!
//! gix wraps an I/O error in layers of its own on the way up. Whoever sees the cause first writes it
//! into the [`Watch`] of the conversation, and the classification is made from there.
//!
//! Limits: writes are bounded by the socket's own time limit, and are small.

use std::cell::RefCell;
use std::io::{self, Read};
use std::os::fd::{AsFd, BorrowedFd};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};

use crate::acquire::limits::{Cancel, Counters, Limits};
use crate::acquire::network_error::Fault;

/// The longest a wish to stop goes unnoticed.
pub(crate) const SLICE: Duration = Duration::from_millis(200);

/// What one conversation obeys, and why it failed.
#[derive(Debug)]
pub(crate) struct Watch {
    cancel: Cancel,
    pub(crate) idle: Duration,
    pub(crate) counters: Arc<Counters>,
    fault: Mutex<Option<Fault>>,
    pub(crate) connect: Duration,
    allowance: AtomicUsize,
    exceeded: AtomicBool,
    connections: AtomicUsize,
}

impl Watch {
    pub(crate) fn new(cancel: Cancel, limits: &Limits, counters: Arc<Counters>) -> Arc<Self> {
        Arc::new(Watch {
            cancel,
            idle: limits.idle,
            connect: limits.connect,
            counters,
            fault: Mutex::new(None),
            allowance: AtomicUsize::new(usize::MAX),
            exceeded: AtomicBool::new(false),
            connections: AtomicUsize::new(0),
        })
    }

    /// A connection was opened for this conversation.
    pub(crate) fn connected(&self) {
        self.connections.fetch_add(1, Ordering::Relaxed);
    }

    /// How many connections were opened for this conversation.
    pub(crate) fn connections(&self) -> usize {
        self.connections.load(Ordering::Relaxed)
    }

    /// Keep `fault` unless an earlier one is kept, and give an error to send up.
    pub(crate) fn fail(&self, fault: Fault) -> io::Error {
        let error = io::Error::other(fault.to_string());
        let mut slot = self.fault.lock().unwrap_or_else(PoisonError::into_inner);
        slot.get_or_insert(fault);
        error
    }

    /// The first cause, if one was seen.
    pub(crate) fn take_fault(&self) -> Option<Fault> {
        self.fault.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    pub(crate) fn has_fault(&self) -> bool {
        self.fault.lock().unwrap_or_else(PoisonError::into_inner).is_some()
    }

    /// From now on, fail after `bytes` more; `usize::MAX` is no limit.
    pub(crate) fn allow(&self, bytes: usize) {
        self.allowance.store(bytes, Ordering::Relaxed);
    }

    /// Whether the conversation failed because of [`Watch::allow`].
    pub(crate) fn exceeded(&self) -> bool {
        self.exceeded.load(Ordering::Relaxed)
    }

    /// Count `bytes`, and fail if they are more than allowed.
    pub(crate) fn admit(&self, bytes: usize) -> io::Result<()> {
        self.counters.received(bytes);
        let left = self.allowance.load(Ordering::Relaxed);
        if left == usize::MAX {
            return Ok(());
        }
        match left.checked_sub(bytes) {
            Some(left) => {
                self.allowance.store(left, Ordering::Relaxed);
                Ok(())
            }
            None => {
                self.exceeded.store(true, Ordering::Relaxed);
                Err(io::Error::other("the listing is longer than allowed"))
            }
        }
    }

    /// Fail if somebody wishes to stop.
    pub(crate) fn proceed(&self) -> io::Result<()> {
        if self.cancel.is_cancelled() { Err(self.fail(Fault::Cancelled)) } else { Ok(()) }
    }

    /// Call `wait` with short waits until it has something, the limit is reached, or somebody
    /// wishes to stop. `wait` gives `None` when its time was up.
    pub(crate) fn patiently<T>(
        &self,
        mut wait: impl FnMut(Duration) -> Option<T>,
    ) -> io::Result<T> {
        let begun = Instant::now();
        loop {
            self.proceed()?;
            let left = self.idle.saturating_sub(begun.elapsed());
            if left.is_zero() {
                return Err(self.fail(Fault::Idle(self.idle)));
            }
            if let Some(result) = wait(left.min(SLICE)) {
                return Ok(result);
            }
        }
    }

    /// Let the reads of this thread that have no other way to know obey this watch while `work` runs.
    pub(crate) fn during<T>(self: &Arc<Self>, work: impl FnOnce() -> T) -> T {
        let before = OBEYED.replace(Some(Arc::clone(self)));
        let result = work();
        OBEYED.replace(before);
        result
    }

    /// The watch of the innermost [`Watch::during`] on this thread.
    pub(crate) fn obeyed() -> Option<Arc<Watch>> {
        OBEYED.with_borrow(Clone::clone)
    }
}

thread_local! {
    // A pooled connection outlives the conversation it was opened for, and its reads happen on the
    // thread of whoever uses it now.
    static OBEYED: RefCell<Option<Arc<Watch>>> = const { RefCell::new(None) };
}

/// A reader that waits no longer than its watch allows.
pub(crate) struct Patient<R> {
    inner: R,
    watch: Arc<Watch>,
}

impl<R> Patient<R> {
    pub(crate) fn new(inner: R, watch: Arc<Watch>) -> Self {
        Patient { inner, watch }
    }
}

impl<R: Read + AsFd> Read for Patient<R> {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        let fd = self.inner.as_fd();
        self.watch.patiently(|slice| readable(fd, slice))??;
        let read = self.inner.read(buf).inspect_err(|error| {
            self.watch.fail(Fault::Dropped { source: Some(error.to_string().into()) });
        })?;
        self.watch.admit(read)?;
        Ok(read)
    }
}

fn readable(fd: BorrowedFd<'_>, within: Duration) -> Option<io::Result<()>> {
    let wait = Timespec {
        tv_sec: i64::try_from(within.as_secs()).unwrap_or(i64::MAX),
        tv_nsec: within.subsec_nanos().into(),
    };
    match poll(&mut [PollFd::from_borrowed_fd(fd, PollFlags::IN)], Some(&wait)) {
        Ok(0) | Err(rustix::io::Errno::INTR) => None,
        Ok(_) => Some(Ok(())),
        Err(error) => Some(Err(error.into())),
    }
}
