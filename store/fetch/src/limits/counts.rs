//! [`Counts`]: what talking to servers has cost so far.

use std::sync::atomic::{AtomicU64, Ordering};

/// Requests, connections and bytes so far.
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
