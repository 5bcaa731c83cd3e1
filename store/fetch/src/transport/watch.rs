//! [`Watch`]: no wait without an end. Reads and writes give up after the idle limit, when the time of the whole fetch is
//! used up ([`Pace`]), or when the user asks to stop.
//!
//! The watch also keeps the first cause of a failure. gix wraps an I/O error in layers of its own on the way up, so the
//! code that sees the cause first writes it into the watch of its connection, and the error is made from there.

use std::{
    cell::RefCell,
    io::{self, Read, Write},
    os::fd::{AsFd, BorrowedFd},
    sync::{
        Arc, Mutex, OnceLock, PoisonError,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use modstore_core::Cancel;
use rustix::event::{PollFd, PollFlags, Timespec, poll};

use super::{
    bands::Bands,
    lanes::{Attempt, Lanes, Wait},
    pace::Pace,
    remembered::Remembered,
};
use crate::{
    errors::{TransferError, TransportError},
    limits::{Counters, Limits},
};

/// Bytes that can be written at once without waiting where a pipe says that it takes some (POSIX: `PIPE_BUF`).
const PIECE: usize = 4096;

/// How much of a first answer is kept.
const BEGINNING: usize = 512;

/// The longest time until a request to stop is noticed. Every wait is cut into slices of this.
pub(crate) const SLICE: Duration = Duration::from_millis(200);

/// The limits of one connection, and why it failed.
#[derive(Debug)]
pub(crate) struct Watch {
    cancel: Cancel,
    pub idle: Duration,
    pub counters: Arc<Counters>,
    error: Mutex<Option<TransportError>>,
    pub connect: Duration,
    /// The first bytes of all, enough for the kind of the answer.
    beginning: Mutex<Vec<u8>>,
    allowance: AtomicUsize,
    exceeded: AtomicBool,
    connections: AtomicUsize,
    pace: Arc<Pace>,
    /// While an answer is received that has a pack.
    bands: Mutex<Option<Bands>>,
    /// When all waiting ends, whatever the other limits allow.
    end: Mutex<Option<Instant>>,
    /// The lanes to the host, and its name there.
    lanes: OnceLock<(Arc<Lanes>, String)>,
    /// Where it is remembered what a login has opened, and the origin that all of it is about.
    logins: OnceLock<(Arc<Remembered>, String)>,
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
            lanes: OnceLock::new(),
            logins: OnceLock::new(),
            idle: limits.idle,
            connect: limits.connect,
            counters,
            error: Mutex::new(None),
            beginning: Mutex::default(),
            allowance: AtomicUsize::new(usize::MAX),
            exceeded: AtomicBool::new(false),
            connections: AtomicUsize::new(0),
        })
    }

    /// From now on the lanes to this host learn how it answers.
    pub(crate) fn tell(&self, lanes: &Arc<Lanes>, host: &str) {
        let _ = self.lanes.set((Arc::clone(lanes), host.to_owned()));
    }

    /// All of it is about what is of this origin: where a login opens it, that is remembered.
    pub(crate) fn remember_logins(&self, logins: &Arc<Remembered>, origin: &str) {
        let _ = self.logins.set((Arc::clone(logins), origin.to_owned()));
    }

    /// A login has opened it.
    pub(crate) fn opened_with_login(&self) {
        if let Some((logins, origin)) = self.logins.get() {
            logins.add_for_good(origin);
        }
    }

    /// A wait of this length for the host has ended.
    pub(crate) fn waited(&self, what: Wait, time: Duration) {
        if let Some((lanes, host)) = self.lanes.get() {
            lanes.waited(host, what, time);
        }
    }

    /// The host has answered, and not that it is asked too much.
    pub(crate) fn answered(&self) {
        if let Some((lanes, host)) = self.lanes.get() {
            lanes.answered(host);
        }
    }

    /// A request begins that may have to be sent again.
    pub(crate) fn begin(&self) -> Option<Attempt> {
        self.lanes.get().map(|(lanes, host)| lanes.begin_measured(host))
    }

    /// A request failed as it does where there are too many: waits until it may be sent again, and says whether it may.
    pub(crate) fn back_off(&self, attempt: &mut Option<Attempt>, pause: Option<Duration>) -> bool {
        match (self.lanes.get(), attempt) {
            (Some((lanes, host)), Some(attempt)) => {
                lanes.back_off(host, attempt, pause, &self.cancel)
            }
            _ => false,
        }
    }

    /// A connection was opened for this connection.
    pub(crate) fn connected(&self) {
        self.connections.fetch_add(1, Ordering::Relaxed);
    }

    /// How many connections were opened for this connection.
    pub(crate) fn connections(&self) -> usize {
        self.connections.load(Ordering::Relaxed)
    }

    /// Keeps `error` unless an earlier one is kept, and gives an error to send up.
    pub(crate) fn fail(&self, error: impl Into<TransportError>) -> io::Error {
        let error = error.into();
        let sent_up = io::Error::other(error.to_string());
        self.error.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(error);
        sent_up
    }

    /// The first cause, if one was seen.
    pub(crate) fn take_error(&self) -> Option<TransportError> {
        self.error.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    pub(crate) fn has_error(&self) -> bool {
        self.error.lock().unwrap_or_else(PoisonError::into_inner).is_some()
    }

    /// Lets the answer fail after `bytes` more; `usize::MAX` is no limit.
    pub(crate) fn limit_answer(&self, bytes: usize) {
        self.allowance.store(bytes, Ordering::Relaxed);
    }

    /// Whether the connection failed because of [`Watch::limit_answer`].
    pub(crate) fn answer_was_too_long(&self) -> bool {
        self.exceeded.load(Ordering::Relaxed)
    }

    /// Counts `bytes` of an answer, and fails if they are more than allowed. All bytes of an answer with a limit of its
    /// own, a handshake or a listing, are useful.
    pub(crate) fn count_answer(&self, bytes: &[u8]) -> io::Result<()> {
        self.counters.received(bytes.len());
        let mut beginning = self.beginning.lock().unwrap_or_else(PoisonError::into_inner);
        let wanted = BEGINNING.saturating_sub(beginning.len()).min(bytes.len());
        beginning.extend_from_slice(bytes.get(..wanted).unwrap_or_default());
        drop(beginning);
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

    /// What came so far was not the server's.
    pub(crate) fn begin_again(&self) {
        self.beginning.lock().unwrap_or_else(PoisonError::into_inner).clear();
    }

    /// The text with which the first answer begins, where that is not the protocol, each of whose lines begins with four
    /// hex digits.
    pub(crate) fn foreign_text(&self) -> Option<String> {
        let beginning = self.beginning.lock().unwrap_or_else(PoisonError::into_inner);
        let is_ours = beginning.iter().take(4).all(u8::is_ascii_hexdigit);
        (!is_ours).then(|| String::from_utf8_lossy(&beginning).into_owned())
    }

    /// Fails if the user asked to stop.
    pub(crate) fn check_cancelled(&self) -> io::Result<()> {
        if self.cancel.is_cancelled() { Err(self.fail(TransportError::Cancelled)) } else { Ok(()) }
    }

    /// Counts `bytes` of a file that was asked for.
    pub(crate) fn count_useful(&self, bytes: usize) {
        self.pace.earn(bytes);
    }

    /// Sets whether the next answer has a pack. Of such an answer only the bytes of the pack are useful.
    pub(crate) fn expect_pack(&self, is_expected: bool) {
        let bands = is_expected.then(Bands::default);
        *self.bands.lock().unwrap_or_else(PoisonError::into_inner) = bands;
    }

    /// Whether the next packet of progress in the answer that has a pack ends a line.
    pub(crate) fn next_ends_a_line(&self) -> bool {
        let mut bands = self.bands.lock().unwrap_or_else(PoisonError::into_inner);
        bands.as_mut().is_some_and(Bands::next_ends_a_line)
    }

    /// Counts `bytes` from the wire, useful or not.
    pub(crate) fn count_received(&self, bytes: usize) -> io::Result<()> {
        self.pace.receive(bytes).map_err(|error| self.fail(error))
    }

    /// Ends all waits, taken together, after this time.
    pub(crate) fn set_deadline(&self, time: Duration) {
        let end = Instant::now() + time;
        *self.end.lock().unwrap_or_else(PoisonError::into_inner) = Some(end);
    }

    /// Removes the deadline.
    pub(crate) fn clear_deadline(&self) {
        *self.end.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }

    /// The token by which the user asks to stop.
    pub(crate) fn cancel(&self) -> &Cancel {
        &self.cancel
    }

    /// How long a silent peer may still take, as far as the whole fetch is concerned.
    pub(crate) fn time_left(&self) -> io::Result<Duration> {
        self.pace.time_left().map_err(|error| self.fail(error))
    }

    /// Counts a wait that did not go through [`Watch::wait_within`].
    pub(crate) fn spend(&self, time: Duration) {
        self.pace.spend(time);
    }

    /// Calls `wait` with short waits until it has something, the idle limit is reached, the time of the fetch is used up,
    /// or the user asks to stop. `wait` gives `None` when its time was up.
    pub(crate) fn wait<T>(&self, wait: impl FnMut(Duration) -> Option<T>) -> io::Result<T> {
        self.wait_within(self.idle, || TransferError::Idle(self.idle), wait)
    }

    /// Like [`Watch::wait`], with a limit of its own and the error of passing it.
    pub(crate) fn wait_within<T, E: Into<TransportError>>(
        &self,
        limit: Duration,
        over: impl FnOnce() -> E,
        mut wait: impl FnMut(Duration) -> Option<T>,
    ) -> io::Result<T> {
        let end = *self.end.lock().unwrap_or_else(PoisonError::into_inner);
        let begun = Instant::now();
        let limit = end.map_or(limit, |end| limit.min(end.saturating_duration_since(begun)));
        loop {
            self.check_cancelled()?;
            let now = Instant::now();
            let left = limit.saturating_sub(now.duration_since(begun));
            if left.is_zero() {
                return Err(self.fail(over()));
            }
            let result = wait(left.min(self.time_left()?).min(SLICE));
            self.pace.spend(now.elapsed());
            if let Some(result) = result {
                return Ok(result);
            }
        }
    }

    /// Makes this the current watch of the thread while `work` runs, for reads that cannot be handed one.
    pub(crate) fn during<T>(self: &Arc<Self>, work: impl FnOnce() -> T) -> T {
        let before = CURRENT.replace(Some(Arc::clone(self)));
        let result = work();
        CURRENT.replace(before);
        result
    }

    /// The watch of the innermost [`Watch::during`] on this thread.
    pub(crate) fn current() -> Option<Arc<Watch>> {
        CURRENT.with_borrow(Clone::clone)
    }
}

thread_local! {
    // A pooled connection outlives the fetch it was opened for, and its reads happen on the
    // thread that uses it now.
    static CURRENT: RefCell<Option<Arc<Watch>>> = const { RefCell::new(None) };
}

/// A reader or writer that waits no longer than its watch allows.
pub(crate) struct TimeoutStream<R> {
    inner: R,
    watch: Arc<Watch>,
}

impl<R> TimeoutStream<R> {
    pub(crate) fn new(inner: R, watch: Arc<Watch>) -> Self {
        TimeoutStream { inner, watch }
    }
}

impl<R: Read + AsFd> Read for TimeoutStream<R> {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        let fd = self.inner.as_fd();
        self.watch.wait(|slice| ready(fd, PollFlags::IN, slice))??;
        let read = self.inner.read(buf).inspect_err(|error| {
            self.watch.fail(TransferError::Dropped { source: Some(error.to_string().into()) });
        })?;
        self.watch.count_received(read)?;
        self.watch.count_answer(buf.get(..read).unwrap_or_default())?;
        Ok(read)
    }
}

impl<W: Write + AsFd> Write for TimeoutStream<W> {
    fn write(&mut self, buf: &[u8]) -> io::Result<usize> {
        let fd = self.inner.as_fd();
        self.watch.wait(|slice| ready(fd, PollFlags::OUT, slice))??;
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
