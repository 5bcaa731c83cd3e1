//! From a name to a connection, without a wait that cannot be ended.
//!
//! The system's call for a name cannot be interrupted. It is made on a thread of its own, which is left behind when its
//! time is over or the user asks to stop; it ends by itself and holds nothing that other code waits for. Connections are
//! begun and then waited for in short pieces, all of one name together.

use std::{
    io,
    net::{IpAddr, SocketAddr, TcpStream, ToSocketAddrs},
    os::fd::OwnedFd,
    slice::Iter,
    sync::mpsc::{RecvTimeoutError, sync_channel},
    thread,
    time::{Duration, Instant},
};

use rustix::{
    event::{PollFd, PollFlags, Timespec, poll},
    io::{Errno, ioctl_fionbio},
    net::{AddressFamily, SocketType, sockopt::socket_error},
};

use super::watch::Watch;
use crate::errors::ConnectError;

/// No more addresses of one name are tried.
const ADDRESSES: usize = 16;
/// How long an address is waited for before the next is tried as well (RFC 8305).
const HEAD_START: Duration = Duration::from_millis(250);

/// The addresses of `host`, which may be one.
pub(crate) fn look_up(
    host: &str,
    port: u16,
    watch: &Watch,
    limit: Duration,
) -> io::Result<Vec<SocketAddr>> {
    let bare = host.trim_start_matches('[').trim_end_matches(']').to_owned();
    if let Ok(address) = bare.parse::<IpAddr>() {
        return Ok(vec![SocketAddr::new(address, port)]);
    }
    let found = aside(watch, limit, move || {
        let found = (bare.as_str(), port).to_socket_addrs()?;
        Ok(found.take(ADDRESSES).collect::<Vec<_>>())
    })?;
    match found {
        Ok(found) if found.is_empty() => {
            Err(watch.fail(ConnectError::UnknownHost { source: None }))
        }
        Ok(found) => Ok(found),
        Err(error) => Err(watch.fail(ConnectError::UnknownHost { source: Some(error.into()) })),
    }
}

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
    let stream =
        stream.map_err(|error| watch.fail(ConnectError::Refused { source: Some(error.into()) }))?;
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
    under_way: Vec<OwnedFd>,
    last: io::Error,
}

impl<'a> Attempts<'a> {
    fn new(addresses: &'a [SocketAddr]) -> Self {
        let last = io::ErrorKind::AddrNotAvailable.into();
        Attempts { rest: addresses.iter(), next_at: Instant::now(), under_way: Vec::new(), last }
    }

    /// A connection, if one is made within that time; an error when every address has failed.
    fn go_on(&mut self, time: Duration) -> io::Result<Option<TcpStream>> {
        while self.under_way.is_empty() || self.next_at <= Instant::now() {
            let Some(address) = self.rest.next() else { break };
            self.next_at = Instant::now() + HEAD_START;
            match begin(address) {
                Ok(socket) => self.under_way.push(socket),
                Err(error) => self.last = error,
            }
        }
        if self.under_way.is_empty() {
            return Err(std::mem::replace(&mut self.last, io::ErrorKind::AddrNotAvailable.into()));
        }
        self.wait(time)
    }

    fn wait(&mut self, time: Duration) -> io::Result<Option<TcpStream>> {
        let mut asked: Vec<PollFd<'_>> =
            self.under_way.iter().map(|socket| PollFd::new(socket, PollFlags::OUT)).collect();
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
        let socket = self.under_way.swap_remove(ready);
        match socket_error(&socket)? {
            Ok(()) => {
                ioctl_fionbio(&socket, false)?;
                Ok(Some(socket.into()))
            }
            Err(error) => {
                self.last = error.into();
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
#[cfg(not(target_vendor = "apple"))]
fn socket(family: AddressFamily) -> io::Result<OwnedFd> {
    let flags = rustix::net::SocketFlags::CLOEXEC;
    Ok(rustix::net::socket_with(family, SocketType::STREAM, flags, None)?)
}

/// A socket that programs we start do not inherit, but for those that start at this very moment.
#[cfg(target_vendor = "apple")]
fn socket(family: AddressFamily) -> io::Result<OwnedFd> {
    let socket = rustix::net::socket(family, SocketType::STREAM, None)?;
    rustix::io::fcntl_setfd(&socket, rustix::io::FdFlags::CLOEXEC)?;
    Ok(socket)
}

fn aside<T: Send + 'static>(
    watch: &Watch,
    limit: Duration,
    work: impl FnOnce() -> io::Result<T> + Send + 'static,
) -> io::Result<io::Result<T>> {
    let (send, receive) = sync_channel(1);
    // The receiving end may be gone by now.
    thread::Builder::new().spawn(move || drop(send.send(work())))?;
    watch.wait_within(
        limit,
        || ConnectError::Timeout(limit),
        |slice| match receive.recv_timeout(slice) {
            Ok(done) => Some(done),
            Err(RecvTimeoutError::Timeout) => None,
            Err(RecvTimeoutError::Disconnected) => Some(Err(io::ErrorKind::Other.into())),
        },
    )
}

#[cfg(test)]
mod tests {
    use std::net::{Ipv4Addr, TcpListener};

    use super::*;

    fn first_of(addresses: &[SocketAddr]) -> io::Result<TcpStream> {
        let mut attempts = Attempts::new(addresses);
        loop {
            if let Some(stream) = attempts.go_on(Duration::from_millis(200))? {
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
