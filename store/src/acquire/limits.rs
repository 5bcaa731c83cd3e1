//! How long a server may keep us waiting, the wish to stop, and what a conversation cost.
//!
//! Limits: a name look-up for `git://` ends when the system's resolver gives up, not by
//! [`Limits::connect`].

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

/// How long a server may keep us waiting, and how much it may say before we ask for less.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// From the first attempt to a made connection, TLS included.
    pub connect: Duration,
    /// The longest wait for the next byte, anywhere in a conversation.
    pub idle: Duration,
    /// Bytes of a listing that names every ref. A longer one is broken off and asked again by name.
    pub advertisement: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Limits {
            connect: Duration::from_secs(20),
            idle: Duration::from_secs(60),
            advertisement: 256 * 1024,
        }
    }
}

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

/// What the conversations so far cost.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Counts {
    /// Messages that waited for an answer: HTTP requests (redirects too); for the other schemes
    /// handshakes, listings and fetches.
    pub requests: u64,
    /// Connections opened: TCP connections, or processes started.
    pub connections: u64,
    /// Bytes received, without TLS and HTTP headers.
    pub received: u64,
}

/// The running totals behind [`Counts`], shared by all threads.
#[derive(Debug, Default)]
pub(crate) struct Counters {
    requests: AtomicU64,
    connections: AtomicU64,
    received: AtomicU64,
}

impl Counters {
    pub(crate) fn request(&self) {
        self.requests.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn connection(&self) {
        self.connections.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn received(&self, bytes: usize) {
        self.received.fetch_add(bytes as u64, Ordering::Relaxed);
    }

    pub(crate) fn read(&self) -> Counts {
        Counts {
            requests: self.requests.load(Ordering::Relaxed),
            connections: self.connections.load(Ordering::Relaxed),
            received: self.received.load(Ordering::Relaxed),
        }
    }
}
