//! Two addresses where no server is: one that swallows everything and one that refuses.
//!
//! Limits: a connection attempt that gets no answer at all needs a [`crate::CutNetwork`].

use std::{
    net::{Ipv4Addr, SocketAddr, TcpListener},
    os::fd::OwnedFd,
};

use rustix::net::{AddressFamily, SocketType, bind, getsockname, socket};

/// A port where connections are established and nothing is ever answered.
#[derive(Debug)]
pub struct BlackHole {
    // The kernel completes handshakes for a listener that never accepts.
    listener: TcpListener,
}

impl BlackHole {
    /// Opens one on 127.0.0.1.
    pub fn start() -> Self {
        Self {
            listener: TcpListener::bind((Ipv4Addr::LOCALHOST, 0))
                .expect("loopback has a free port"),
        }
    }

    /// Its port.
    pub fn port(&self) -> u16 {
        self.listener.local_addr().expect("a bound socket has an address").port()
    }

    /// A repository URL there; `scheme` is `http`, `git` or `ssh`.
    pub fn url(&self, scheme: &str, name: &str) -> String {
        format!("{scheme}://127.0.0.1:{}/{name}.git", self.port())
    }
}

/// A port where connections are refused, and which no other program can take while this lives.
#[derive(Debug)]
pub struct RefusedPort {
    // Bound but not listening: taken, yet refusing.
    _socket: OwnedFd,
    port: u16,
}

impl RefusedPort {
    /// Reserves one on 127.0.0.1.
    pub fn reserve() -> Self {
        let socket =
            socket(AddressFamily::INET, SocketType::STREAM, None).expect("a socket can be made");
        bind(&socket, &SocketAddr::from((Ipv4Addr::LOCALHOST, 0)))
            .expect("loopback has a free port");
        let address = getsockname(&socket).expect("a bound socket has an address");
        let address = SocketAddr::try_from(address).expect("an IPv4 socket has an IPv4 address");
        Self { _socket: socket, port: address.port() }
    }

    /// Its port.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// A repository URL there; `scheme` is `http`, `git` or `ssh`.
    pub fn url(&self, scheme: &str, name: &str) -> String {
        format!("{scheme}://127.0.0.1:{}/{name}.git", self.port)
    }
}
