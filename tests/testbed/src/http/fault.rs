//! Faults of a server, and which of them are on for which repository.
//!
//! Limits: a fault is armed for requests that begin after it; one repository's faults apply in the order they were armed.

use std::{
    fmt,
    io::{self, Write},
    sync::{
        Arc, Condvar, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, AtomicUsize, Ordering},
    },
    time::Duration,
};

/// One way for the HTTP server to misbehave. Offsets count bytes of the pack itself, without side-band framing.
#[derive(Clone)]
pub enum Fault {
    /// Every request is answered with this status and a one-line body.
    Status(u16),
    /// The same, with one more header, such as `Retry-After`.
    StatusWithHeader(u16, &'static str, &'static str),
    /// Every request is answered with this status and this plain text.
    Says(u16, String),
    /// The request is read and nothing comes back until the fault is cleared; then the connection closes.
    HangBeforeReply,
    /// The request is read and the connection closes without a reply.
    CloseBeforeReply,
    /// The pack stops after this many bytes, and the connection stays open until the fault is cleared.
    HangMidPack {
        /// Pack bytes sent before; at the pack's end if it is shorter.
        after: u64,
    },
    /// The pack stops after this many bytes and the connection closes, mid-line and mid-chunk.
    CloseMidPack {
        /// Pack bytes sent before; at the pack's end if it is shorter.
        after: u64,
    },
    /// The pack stops after this many bytes, but pkt-lines and HTTP end in good order.
    TruncatedPackCleanEof {
        /// Pack bytes sent before. A shorter pack is not touched.
        after: u64,
    },
    /// All eight bits of one pack byte are inverted.
    FlipByteInPack {
        /// Offset of that byte. A shorter pack is not touched.
        at: u64,
    },
    /// The advertisement does not offer this capability: `shallow`, `filter`, `thin-pack`, ….
    WithoutCapability(&'static str),
    /// The request for protocol v2 is not seen, so that v0 is spoken.
    ForceProtocolV0,
    /// A request for a pack of this object is refused, as by servers that give only listed commits.
    RefuseWant(String),
    /// The same by servers that break off where git's own would say why.
    BreakOffAtWant(String),
    /// Anything but this user and password is answered with 401.
    BasicAuth {
        /// The user to come as.
        user: &'static str,
        /// The password (or token) to come with.
        password: &'static str,
    },
    /// A request without this header (its name in lower case) and value is refused with 403.
    NeedsHeader {
        /// Its name, in lower case.
        name: &'static str,
        /// Its value.
        value: &'static str,
    },
    /// A request with this header (its name in lower case) is refused with 403.
    RefusesHeader(&'static str),
    /// Every request is redirected (302) to the same place below another repository URL.
    Redirect {
        /// The other repository's URL, without a slash at the end.
        to: String,
    },
    /// Every reply begins this many milliseconds late.
    Delay(u64),
    /// These bytes are the beginning of every reply, and these follow without an end.
    BytesWithoutEnd {
        /// The beginning, sent once.
        first: &'static [u8],
        /// The bytes that follow, again and again.
        again: &'static [u8],
        /// Milliseconds between two times.
        pause: u64,
    },
    /// These pkt-lines come before the pack, or after it, without an end.
    LinesWithoutEnd {
        /// Whether the pack comes first, whole.
        after_the_pack: bool,
        /// The lines, with their lengths.
        lines: Vec<u8>,
        /// Milliseconds between two times.
        pause: u64,
    },
    /// The pack comes in pieces.
    PackInPieces {
        /// Bytes of a piece.
        piece: usize,
        /// Milliseconds before each.
        pause: u64,
    },
    /// Calls back when a request has been read, before it is answered.
    OnRequest(Arc<dyn Fn() + Send + Sync>),
    /// Calls back when this many pack bytes have been sent, and sends the rest after it returns.
    OnPack {
        /// Pack bytes sent before; at the pack's end if it is shorter.
        at: u64,
        /// The closure to call. It may block: other connections go on.
        call: Arc<dyn Fn() + Send + Sync>,
    },
}

impl Fault {
    /// [`Fault::OnPack`] with a closure.
    pub fn on_pack(at: u64, call: impl Fn() + Send + Sync + 'static) -> Self {
        Self::OnPack { at, call: Arc::new(call) }
    }

    /// [`Fault::OnRequest`] with a closure.
    pub fn on_request(call: impl Fn() + Send + Sync + 'static) -> Self {
        Self::OnRequest(Arc::new(call))
    }
}

impl fmt::Debug for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Status(status) | Self::StatusWithHeader(status, ..) | Self::Says(status, _) => {
                write!(f, "Status({status})")
            }
            Self::HangBeforeReply => f.write_str("HangBeforeReply"),
            Self::CloseBeforeReply => f.write_str("CloseBeforeReply"),
            Self::HangMidPack { after } => write!(f, "HangMidPack({after})"),
            Self::CloseMidPack { after } => write!(f, "CloseMidPack({after})"),
            Self::TruncatedPackCleanEof { after } => write!(f, "TruncatedPackCleanEof({after})"),
            Self::FlipByteInPack { at } => write!(f, "FlipByteInPack({at})"),
            Self::WithoutCapability(name) => write!(f, "WithoutCapability({name})"),
            Self::ForceProtocolV0 => f.write_str("ForceProtocolV0"),
            Self::RefuseWant(id) => write!(f, "RefuseWant({id})"),
            Self::BreakOffAtWant(id) => write!(f, "BreakOffAtWant({id})"),
            Self::BasicAuth { user, .. } => write!(f, "BasicAuth({user})"),
            Self::NeedsHeader { name, .. } => write!(f, "NeedsHeader({name})"),
            Self::RefusesHeader(name) => write!(f, "RefusesHeader({name})"),
            Self::Redirect { to } => write!(f, "Redirect({to})"),
            Self::Delay(ms) => write!(f, "Delay({ms} ms)"),
            Self::BytesWithoutEnd { again, .. } => {
                write!(f, "BytesWithoutEnd({})", again.escape_ascii())
            }
            Self::LinesWithoutEnd { after_the_pack, lines, .. } => {
                let start = lines.get(..20).unwrap_or(lines).escape_ascii();
                write!(f, "LinesWithoutEnd({start}, after the pack: {after_the_pack})")
            }
            Self::PackInPieces { piece, pause } => write!(f, "PackInPieces({piece}, {pause} ms)"),
            Self::OnRequest(_) => f.write_str("OnRequest"),
            Self::OnPack { at, .. } => write!(f, "OnPack({at})"),
        }
    }
}

/// A fault that is switched on.
pub(crate) struct Armed {
    repo: String,
    only_fetches: bool,
    pub(crate) fault: Fault,
    left: AtomicU64,
    fired: Arc<AtomicUsize>,
}

impl Armed {
    /// Counts one firing; false if it has fired as often as it should.
    pub(crate) fn fires(&self) -> bool {
        let may = self
            .left
            .fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| left.checked_sub(1))
            .is_ok();
        if may {
            self.fired.fetch_add(1, Ordering::SeqCst);
        }
        may
    }
}

/// All faults of one server.
#[derive(Default)]
pub(crate) struct Faults {
    armed: Mutex<Vec<Arc<Armed>>>,
    fired: Arc<AtomicUsize>,
    cleared: Mutex<u64>,
    clearing: Condvar,
}

impl Faults {
    /// Switches `fault` on for all requests for `repo` (`*` for all), for its first `times` firings.
    pub(crate) fn arm(&self, repo: &str, fault: Fault, times: u64) {
        self.push(repo, false, fault, times);
    }

    /// Switches `fault` on for requests for a pack only.
    pub(crate) fn arm_for_fetches(&self, repo: &str, fault: Fault) {
        self.push(repo, true, fault, u64::MAX);
    }

    fn push(&self, repo: &str, only_fetches: bool, fault: Fault, times: u64) {
        let (left, fired) = (AtomicU64::new(times), Arc::clone(&self.fired));
        lock(&self.armed).push(Arc::new(Armed {
            repo: repo.to_owned(),
            only_fetches,
            fault,
            left,
            fired,
        }));
    }

    /// Switches everything off and closes hanging connections.
    pub(crate) fn clear(&self) {
        lock(&self.armed).clear();
        *lock(&self.cleared) += 1;
        self.clearing.notify_all();
    }

    /// The faults that apply to a request for `repo`, which may be a request for a pack.
    pub(crate) fn of(&self, repo: &str, is_fetch: bool) -> Vec<Arc<Armed>> {
        let all = lock(&self.armed);
        all.iter()
            .filter(|armed| armed.repo == "*" || armed.repo == repo)
            .filter(|armed| is_fetch || !armed.only_fetches)
            .filter(|armed| armed.left.load(Ordering::SeqCst) > 0)
            .cloned()
            .collect()
    }

    /// How often faults have fired since the server started.
    pub(crate) fn fired(&self) -> usize {
        self.fired.load(Ordering::SeqCst)
    }

    /// Blocks until [`Faults::clear`], or until `gone` says that the client no longer waits.
    pub(crate) fn hang(&self, gone: impl Fn() -> bool) {
        let mut cleared = lock(&self.cleared);
        let before = *cleared;
        while *cleared == before && !gone() {
            let wait = self.clearing.wait_timeout(cleared, Duration::from_millis(50));
            cleared = wait.unwrap_or_else(PoisonError::into_inner).0;
        }
    }
}

/// Sends `bytes` again and again, until the client closes the connection.
pub(crate) fn without_end(to: &mut dyn Write, bytes: &[u8], pause: u64) -> io::Error {
    loop {
        if let Err(error) = to.write_all(bytes).and_then(|()| to.flush()) {
            return error;
        }
        std::thread::sleep(Duration::from_millis(pause));
    }
}

/// A lock that ignores a panic elsewhere: the test is failing anyway.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
