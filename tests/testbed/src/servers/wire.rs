//! A wire between client and server that breaks or falls silent after a number of bytes, with any protocol.
//!
//! For `git://` and ssh, whose servers have no faults of their own.
//! Limits: loopback only; counts the bytes of the server, per connection, framing and handshakes included; a stalled
//! connection ends when the wire is healed or dropped, even if its client has gone before.

use std::{
    io::{self, Read as _, Write as _},
    net::{Ipv4Addr, Shutdown, TcpListener, TcpStream},
    sync::{Arc, Condvar, Mutex, PoisonError},
};

use crate::http::lock;

/// A forwarding port in front of another.
#[derive(Debug)]
pub struct Wire {
    port: u16,
    server: u16,
    state: Arc<State>,
}

#[derive(Debug, Default)]
struct State {
    limit: Mutex<Limit>,
    changed: Condvar,
}

/// How much of the server's output comes through.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
enum Limit {
    #[default]
    None,
    Cut(u64),
    Stall(u64),
    Gone,
}

impl Wire {
    /// A sound wire to a loopback port.
    pub fn to(server: u16) -> Self {
        let listener =
            TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("loopback has a free port");
        let port = listener.local_addr().expect("a bound socket has an address").port();
        let state = Arc::new(State::default());
        let forwarding = Arc::clone(&state);
        std::thread::spawn(move || {
            for client in listener.incoming().flatten() {
                if *lock(&forwarding.limit) == Limit::Gone {
                    return;
                }
                let state = Arc::clone(&forwarding);
                std::thread::spawn(move || {
                    // A wire is made for ends that are missing or go away.
                    let _ = forward(&state, client, server);
                });
            }
        });
        Self { port, server, state }
    }

    /// The port to connect to.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// A URL of the server, made to lead through here.
    pub fn url(&self, url: &str) -> String {
        url.replacen(&format!(":{}/", self.server), &format!(":{}/", self.port), 1)
    }

    /// From now on a connection is closed when the server has sent this many bytes over it.
    pub fn cut_after(&self, bytes: u64) {
        self.set(Limit::Cut(bytes));
    }

    /// From now on a connection falls silent, but stays, when the server has sent this many bytes over it.
    pub fn stall_after(&self, bytes: u64) {
        self.set(Limit::Stall(bytes));
    }

    /// From now on all comes through, over connections that had fallen silent too.
    pub fn heal(&self) {
        self.set(Limit::None);
    }

    fn set(&self, limit: Limit) {
        *lock(&self.state.limit) = limit;
        self.state.changed.notify_all();
    }
}

impl Drop for Wire {
    fn drop(&mut self) {
        self.set(Limit::Gone);
        // Wakes the accepting thread; if it is gone there is nothing to wake.
        let _ = TcpStream::connect((Ipv4Addr::LOCALHOST, self.port));
    }
}

fn forward(state: &State, client: TcpStream, server: u16) -> io::Result<()> {
    let server = TcpStream::connect((Ipv4Addr::LOCALHOST, server))?;
    client.set_nodelay(true)?;
    server.set_nodelay(true)?;
    let (mut from_client, mut to_server) = (client.try_clone()?, server.try_clone()?);
    std::thread::spawn(move || {
        // However it ended, the server should see the end of the stream.
        let _ = io::copy(&mut from_client, &mut to_server);
        let _ = to_server.shutdown(Shutdown::Write);
    });
    let forwarded = forward_replies(state, &server, &client);
    // Each may be closed already by its own end.
    let _ = server.shutdown(Shutdown::Both);
    let _ = client.shutdown(Shutdown::Both);
    forwarded
}

fn forward_replies(state: &State, mut from: &TcpStream, mut to: &TcpStream) -> io::Result<()> {
    let mut part = [0; 16 * 1024];
    let mut sent = 0;
    loop {
        let read = from.read(&mut part)?;
        let mut rest = part.get(..read).unwrap_or_default();
        if rest.is_empty() {
            return Ok(());
        }
        while !rest.is_empty() {
            let may = state.may_send(sent, rest.len());
            let (now, later) = rest.split_at_checked(may).unwrap_or((rest, &[]));
            if now.is_empty() {
                return Ok(());
            }
            to.write_all(now)?;
            sent += now.len() as u64;
            rest = later;
        }
    }
}

impl State {
    /// How many of `wanted` bytes may follow the `sent` ones; 0 means the connection is over. Waits while stalled.
    fn may_send(&self, sent: u64, wanted: usize) -> usize {
        let room =
            |limit: u64| wanted.min(usize::try_from(limit.saturating_sub(sent)).unwrap_or(wanted));
        let mut limit = lock(&self.limit);
        loop {
            match *limit {
                Limit::None => return wanted,
                Limit::Gone => return 0,
                Limit::Cut(after) => return room(after),
                Limit::Stall(after) if room(after) > 0 => return room(after),
                Limit::Stall(_) => {
                    limit = self.changed.wait(limit).unwrap_or_else(PoisonError::into_inner);
                }
            }
        }
    }
}
