//! From addresses to a connection, without a wait that cannot be ended (RFC 8305).
//!
//! Connections are begun and then waited for in short pieces, all of one name together.

use std::{
    io,
    net::{SocketAddr, TcpStream},
    os::fd::OwnedFd,
    slice::Iter,
    time::{Duration, Instant},
};

use rustix::{
    event::{PollFd, PollFlags, Timespec, poll},
    io::{Errno, ioctl_fionbio},
    net::{AddressFamily, SocketType, sockopt::socket_error},
};

use super::{lanes::Wait, watch::Watch};
use crate::errors::ConnectError;

/// How long an address is waited for before the next is tried as well (RFC 8305).
const HEAD_START: Duration = Duration::from_millis(250);

/// A connection to the first of `addresses` that answers.
pub(crate) fn connect(
    addresses: &[SocketAddr],
    watch: &Watch,
    limit: Duration,
) -> io::Result<TcpStream> {
    let mut attempts = Attempts::new(addresses);
    let stream = watch.wait_within(
        limit,
        || ConnectError::Timeout(limit),
        |slice| attempts.go_on(slice.min(HEAD_START)).transpose(),
    )?;
    let (stream, time) =
        stream.map_err(|error| watch.fail(ConnectError::Refused { source: Some(error.into()) }))?;
    watch.waited(Wait::Connection, time);
    // Our messages are single small writes that want an answer.
    let _ = stream.set_nodelay(true);
    Ok(stream)
}

/// Connections being made to the addresses of one name: one after another with a little head start each, so that one that
/// does not answer holds back the others no longer.
struct Attempts<'a> {
    rest: Iter<'a, SocketAddr>,
    /// When the next address is tried although others are still waited for.
    next_at: Instant,
    /// With the moment at which each was begun.
    under_way: Vec<(OwnedFd, Instant)>,
    last: io::Error,
}

impl<'a> Attempts<'a> {
    fn new(addresses: &'a [SocketAddr]) -> Self {
        let last = io::ErrorKind::AddrNotAvailable.into();
        Attempts { rest: addresses.iter(), next_at: Instant::now(), under_way: Vec::new(), last }
    }

    /// A connection and how long it took, if one is made within that time; an error when every address has failed.
    fn go_on(&mut self, time: Duration) -> io::Result<Option<(TcpStream, Duration)>> {
        while self.under_way.is_empty() || self.next_at <= Instant::now() {
            let Some(address) = self.rest.next() else { break };
            self.next_at = Instant::now() + HEAD_START;
            match begin(address) {
                Ok(socket) => self.under_way.push((socket, Instant::now())),
                Err(error) => self.last = error,
            }
        }
        if self.under_way.is_empty() {
            return Err(std::mem::replace(&mut self.last, io::ErrorKind::AddrNotAvailable.into()));
        }
        self.wait(time)
    }

    fn wait(&mut self, time: Duration) -> io::Result<Option<(TcpStream, Duration)>> {
        let under_way = self.under_way.iter();
        let mut asked: Vec<PollFd<'_>> =
            under_way.map(|(socket, _)| PollFd::new(socket, PollFlags::OUT)).collect();
        let time = Timespec::try_from(time).map_err(io::Error::other)?;
        match poll(&mut asked, Some(&time)) {
            Ok(0) | Err(Errno::INTR) => return Ok(None),
            Ok(_) => {}
            Err(error) => return Err(error.into()),
        }
        let Some(ready) = asked.iter().position(|each| !each.revents().is_empty()) else {
            return Ok(None);
        };
        drop(asked);
        let (socket, begun) = self.under_way.swap_remove(ready);
        match socket_error(&socket)? {
            Ok(()) => {
                ioctl_fionbio(&socket, false)?;
                Ok(Some((socket.into(), begun.elapsed())))
            }
            Err(error) => {
                self.last = error.into();
                self.next_at = Instant::now();
                Ok(None)
            }
        }
    }
}

/// Begins to connect, and does not wait for it.
fn begin(address: &SocketAddr) -> io::Result<OwnedFd> {
    let family = match address {
        SocketAddr::V4(_) => AddressFamily::INET,
        SocketAddr::V6(_) => AddressFamily::INET6,
    };
    let socket = socket(family)?;
    ioctl_fionbio(&socket, true)?;
    match rustix::net::connect(&socket, address) {
        Ok(()) | Err(Errno::INPROGRESS) => Ok(socket),
        Err(error) => Err(error.into()),
    }
}

/// A socket that programs we start do not inherit.
#[cfg(not(any(target_vendor = "apple", modstore_as_macos)))]
fn socket(family: AddressFamily) -> io::Result<OwnedFd> {
    let flags = rustix::net::SocketFlags::CLOEXEC;
    Ok(rustix::net::socket_with(family, SocketType::STREAM, flags, None)?)
}

/// A socket that programs we start do not inherit, but for those that start at this very moment.
#[cfg(any(target_vendor = "apple", modstore_as_macos))]
fn socket(family: AddressFamily) -> io::Result<OwnedFd> {
    let socket = rustix::net::socket(family, SocketType::STREAM, None)?;
    rustix::io::fcntl_setfd(&socket, rustix::io::FdFlags::CLOEXEC)?;
    Ok(socket)
}

#[cfg(test)]
mod tests {
    use std::net::{Ipv4Addr, TcpListener};

    use super::*;

    fn first_of(addresses: &[SocketAddr]) -> io::Result<TcpStream> {
        let mut attempts = Attempts::new(addresses);
        loop {
            if let Some((stream, _)) = attempts.go_on(Duration::from_millis(200))? {
                return Ok(stream);
            }
        }
    }

    #[test]
    fn an_address_that_refuses_leaves_the_connection_to_the_next() {
        let free = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap().local_addr().unwrap();
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let there = listener.local_addr().unwrap();
        let stream = first_of(&[free, there]).unwrap();
        assert_eq!(stream.peer_addr().unwrap(), there);
        let error = first_of(&[free]).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::ConnectionRefused);
    }
}
