//! From a name to a connection, without a wait that cannot be ended.
//!
//! The system's calls for both cannot be interrupted. Each is made on a thread of its own, which is left behind when its
//! time is over or somebody wishes to stop; it ends by itself and holds nothing that anybody waits for.

use std::io;
use std::net::{IpAddr, SocketAddr, TcpStream, ToSocketAddrs};
use std::sync::mpsc::{RecvTimeoutError, sync_channel};
use std::thread;
use std::time::{Duration, Instant};

use crate::acquire::idle::Watch;
use crate::acquire::network_error::Fault;

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
    let found = aside(watch, limit, limit, move || {
        let found = (bare.as_str(), port).to_socket_addrs()?;
        Ok(found.take(ADDRESSES).collect::<Vec<_>>())
    })?;
    match found {
        Ok(found) if found.is_empty() => Err(watch.fail(Fault::UnknownHost { source: None })),
        Ok(found) => Ok(found),
        Err(error) => Err(watch.fail(Fault::UnknownHost { source: Some(error.into()) })),
    }
}

/// A connection to the first of `addresses` that answers.
pub(crate) fn connect(
    addresses: Vec<SocketAddr>,
    watch: &Watch,
    limit: Duration,
) -> io::Result<TcpStream> {
    // The attempts keep the limit by themselves, and then know better why they failed.
    let patience = limit + Duration::from_secs(1);
    let stream = aside(watch, limit, patience, move || try_each(&addresses, limit))?;
    let stream = stream.map_err(|error| {
        watch.fail(match error.kind() {
            io::ErrorKind::TimedOut => Fault::ConnectLimit(limit),
            _ => Fault::Refused { source: Some(error.into()) },
        })
    })?;
    // Our messages are single small writes that want an answer.
    let _ = stream.set_nodelay(true);
    Ok(stream)
}

/// One after another with a little head start each, so that one that does not answer holds back the others no longer.
fn try_each(addresses: &[SocketAddr], limit: Duration) -> io::Result<TcpStream> {
    if let [address] = addresses {
        return TcpStream::connect_timeout(address, limit);
    }
    let begun = Instant::now();
    let (send, receive) = sync_channel(addresses.len());
    let (mut last, mut under_way) = (io::Error::from(io::ErrorKind::AddrNotAvailable), 0);
    let mut rest = addresses.iter();
    loop {
        let wait = match rest.next() {
            Some(&address) => {
                let send = send.clone();
                let left = limit.saturating_sub(begun.elapsed()).max(Duration::from_millis(1));
                // Whoever waited for it may have another by then.
                let work = move || drop(send.send(TcpStream::connect_timeout(&address, left)));
                thread::Builder::new().spawn(work)?;
                under_way += 1;
                HEAD_START
            }
            None if under_way > 0 => limit,
            None => return Err(last),
        };
        match receive.recv_timeout(wait) {
            Ok(Ok(stream)) => return Ok(stream),
            Ok(Err(error)) => (last, under_way) = (error, under_way - 1),
            Err(_) if wait == limit => return Err(io::ErrorKind::TimedOut.into()),
            Err(_) => {}
        }
    }
}

fn aside<T: Send + 'static>(
    watch: &Watch,
    limit: Duration,
    patience: Duration,
    work: impl FnOnce() -> io::Result<T> + Send + 'static,
) -> io::Result<io::Result<T>> {
    let (send, receive) = sync_channel(1);
    // Whoever waited for it may have gone.
    thread::Builder::new().spawn(move || drop(send.send(work())))?;
    watch.within(
        patience,
        || Fault::ConnectLimit(limit),
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

    #[test]
    fn an_address_that_refuses_leaves_the_connection_to_the_next() {
        let free = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap().local_addr().unwrap();
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let there = listener.local_addr().unwrap();
        let stream = try_each(&[free, there], Duration::from_secs(5)).unwrap();
        assert_eq!(stream.peer_addr().unwrap(), there);
        let error = try_each(&[free], Duration::from_secs(5)).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::ConnectionRefused);
    }
}
