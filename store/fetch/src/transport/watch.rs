//! No wait without an end: reads and writes that give up after the idle limit, when the time of the whole fetch is used
//! up (`pace`), or when somebody wishes to stop, and the place where the first cause of a failure is kept.
//!
//! gix wraps an I/O error in layers of its own on the way up. Whoever sees the cause first writes it
//! into the [`Watch`] of the conversation, and the classification is made from there.

use std::{
    cell::RefCell,
    io::{self, Read, Write},
    os::fd::{AsFd, BorrowedFd},
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use modstore_core::Cancel;
use rustix::event::{PollFd, PollFlags, Timespec, poll};

use super::{bands::Bands, pace::Pace};
use crate::{
    errors::Fault,
    limits::{Counters, Limits},
};

/// Bytes that can be written at once without waiting where a pipe says that it takes some (POSIX: `PIPE_BUF`).
const PIECE: usize = 4096;

/// The longest a wish to stop goes unnoticed.
pub(crate) const SLICE: Duration = Duration::from_millis(200);

/// What one conversation obeys, and why it failed.
#[derive(Debug)]
pub(crate) struct Watch {
    cancel: Cancel,
    pub idle: Duration,
    pub counters: Arc<Counters>,
    fault: Mutex<Option<Fault>>,
    pub connect: Duration,
    allowance: AtomicUsize,
    exceeded: AtomicBool,
    connections: AtomicUsize,
    pace: Arc<Pace>,
    /// While an answer is received that has a pack.
    bands: Mutex<Option<Bands>>,
    /// When no more is waited for, whatever is allowed otherwise.
    end: Mutex<Option<Instant>>,
}

impl Watch {
    pub(crate) fn new(
        cancel: Cancel,
        limits: &Limits,
        counters: Arc<Counters>,
        pace: Arc<Pace>,
    ) -> Arc<Self> {
        Arc::new(Watch {
            cancel,
            pace,
            bands: Mutex::new(None),
            end: Mutex::new(None),
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

    /// Count `bytes` of an answer, and fail if they are more than allowed. Those of an answer with a limit of its own, a
    /// greeting or a listing, are what was asked for.
    pub(crate) fn admit(&self, bytes: &[u8]) -> io::Result<()> {
        self.counters.received(bytes.len());
        if let Some(bands) = &mut *self.bands.lock().unwrap_or_else(PoisonError::into_inner) {
            self.pace.earn(bands.useful(bytes));
        }
        let left = self.allowance.load(Ordering::Relaxed);
        if left == usize::MAX {
            return Ok(());
        }
        self.pace.earn(bytes.len());
        match left.checked_sub(bytes.len()) {
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

    /// Count `bytes` of a file that was asked for.
    pub(crate) fn earn(&self, bytes: usize) {
        self.pace.earn(bytes);
    }

    /// From now on an answer comes that has a pack, whose bytes are what was asked for; or none does.
    pub(crate) fn expect_pack(&self, is_expected: bool) {
        let bands = is_expected.then(Bands::default);
        *self.bands.lock().unwrap_or_else(PoisonError::into_inner) = bands;
    }

    /// Count `bytes` from the wire, of whatever use they are.
    pub(crate) fn receive(&self, bytes: usize) -> io::Result<()> {
        self.pace.receive(bytes).map_err(|fault| self.fail(fault))
    }

    /// From now on wait for no longer than this, all waits together.
    pub(crate) fn hurry(&self, time: Duration) {
        let end = Instant::now() + time;
        *self.end.lock().unwrap_or_else(PoisonError::into_inner) = Some(end);
    }

    /// Wait as ever again.
    pub(crate) fn relax(&self) {
        *self.end.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }

    /// The wish to stop that this watch obeys.
    pub(crate) fn cancel(&self) -> &Cancel {
        &self.cancel
    }

    /// How long something that says nothing may still take, as far as the whole fetch is concerned.
    pub(crate) fn left(&self) -> io::Result<Duration> {
        self.pace.left().map_err(|fault| self.fail(fault))
    }

    /// So long was waited for something that did not go through [`Watch::within`].
    pub(crate) fn spend(&self, time: Duration) {
        self.pace.spend(time);
    }

    /// Call `wait` with short waits until it has something, the idle limit is reached, the time of the fetch is used up,
    /// or somebody wishes to stop. `wait` gives `None` when its time was up.
    pub(crate) fn patiently<T>(&self, wait: impl FnMut(Duration) -> Option<T>) -> io::Result<T> {
        self.within(self.idle, || Fault::Idle(self.idle), wait)
    }

    /// The same with a limit of its own, and the fault of passing it.
    pub(crate) fn within<T>(
        &self,
        limit: Duration,
        over: impl FnOnce() -> Fault,
        mut wait: impl FnMut(Duration) -> Option<T>,
    ) -> io::Result<T> {
        let end = *self.end.lock().unwrap_or_else(PoisonError::into_inner);
        let begun = Instant::now();
        let limit = end.map_or(limit, |end| limit.min(end.saturating_duration_since(begun)));
        loop {
            self.proceed()?;
            let now = Instant::now();
            let left = limit.saturating_sub(now.duration_since(begun));
            if left.is_zero() {
                return Err(self.fail(over()));
            }
            let result = wait(left.min(self.left()?).min(SLICE));
            self.pace.spend(now.elapsed());
            if let Some(result) = result {
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

/// A reader or writer that waits no longer than its watch allows.
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
        self.watch.patiently(|slice| ready(fd, PollFlags::IN, slice))??;
        let read = self.inner.read(buf).inspect_err(|error| {
            self.watch.fail(Fault::Dropped { source: Some(error.to_string().into()) });
        })?;
        self.watch.receive(read)?;
        self.watch.admit(buf.get(..read).unwrap_or_default())?;
        Ok(read)
    }
}

impl<W: Write + AsFd> Write for Patient<W> {
    fn write(&mut self, buf: &[u8]) -> io::Result<usize> {
        let fd = self.inner.as_fd();
        self.watch.patiently(|slice| ready(fd, PollFlags::OUT, slice))??;
        self.inner.write(buf.get(..PIECE).unwrap_or(buf))
    }

    fn flush(&mut self) -> io::Result<()> {
        self.inner.flush()
    }
}

fn ready(fd: BorrowedFd<'_>, what: PollFlags, within: Duration) -> Option<io::Result<()>> {
    let wait = Timespec {
        tv_sec: i64::try_from(within.as_secs()).unwrap_or(i64::MAX),
        tv_nsec: within.subsec_nanos().into(),
    };
    match poll(&mut [PollFd::from_borrowed_fd(fd, what)], Some(&wait)) {
        Ok(0) | Err(rustix::io::Errno::INTR) => None,
        Ok(_) => Some(Ok(())),
        Err(error) => Some(Err(error.into())),
    }
}
