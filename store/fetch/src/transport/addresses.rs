//! [`Addresses`]: what the names of hosts lead to, asked once for each host in a command.
//!
//! The system's call for a name cannot be interrupted. It is made on a thread of its own, which is left behind when its
//! time is over or the user asks to stop; it ends by itself and holds nothing that other code waits for. All who want
//! the same name wait for the same call.
//!
//! Limits: a name that is not found is asked for again by the next connection; one that is found is believed until the
//! end of the command.

use std::{
    collections::{HashMap, HashSet},
    io,
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, ToSocketAddrs},
    sync::{Arc, Condvar, Mutex, PoisonError},
    thread,
    time::Duration,
};

use super::watch::Watch;
use crate::errors::ConnectError;

/// No more addresses of one name are tried.
const MOST: usize = 16;

/// The addresses of all hosts that were asked for.
#[derive(Debug, Default)]
pub(crate) struct Addresses {
    names: Mutex<HashMap<(String, u16), Arc<LookUp>>>,
    /// Those that a connection was made to.
    good: Mutex<HashSet<SocketAddr>>,
}

/// One call for a name.
#[derive(Debug, Default)]
struct LookUp {
    found: Mutex<Option<Result<Vec<SocketAddr>, String>>>,
    ended: Condvar,
}

impl Addresses {
    /// The addresses of `host`, which may be one, in the order in which they are to be tried.
    pub(crate) fn look_up(
        &self,
        host: &str,
        port: u16,
        watch: &Watch,
        limit: Duration,
    ) -> io::Result<Vec<SocketAddr>> {
        let bare = host.trim_start_matches('[').trim_end_matches(']');
        if let Ok(address) = bare.parse::<IpAddr>() {
            return Ok(vec![SocketAddr::new(address, port)]);
        }
        let name = (bare.to_owned(), port);
        let look_up = self.asked(&name)?;
        let found = watch.wait_within(
            limit,
            || ConnectError::Timeout(limit),
            |slice| look_up.wait(slice),
        )?;
        match found {
            Ok(found) if !found.is_empty() => Ok(self.ordered(found)),
            failed => {
                self.forget(&name, &look_up);
                let source = failed.err().map(Into::into);
                Err(watch.fail(ConnectError::UnknownHost { source }))
            }
        }
    }

    /// A connection to this address was made: it is the first to be tried for the next one.
    pub(crate) fn worked(&self, address: SocketAddr) {
        self.good.lock().unwrap_or_else(PoisonError::into_inner).insert(address);
    }

    /// The call for this name, which is made for the first who asks.
    fn asked(&self, name: &(String, u16)) -> io::Result<Arc<LookUp>> {
        let mut names = self.names.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(asked) = names.get(name) {
            return Ok(Arc::clone(asked));
        }
        let look_up = Arc::new(LookUp::default());
        let (own, (host, port)) = (Arc::clone(&look_up), name.clone());
        thread::Builder::new().spawn(move || {
            let found = (host.as_str(), port).to_socket_addrs().map(Iterator::collect);
            let found = found.or_else(|error| here(&host, port).ok_or(error));
            own.end(found.map(by_turns).map_err(|error| error.to_string()));
        })?;
        names.insert(name.clone(), Arc::clone(&look_up));
        Ok(look_up)
    }

    fn forget(&self, name: &(String, u16), failed: &Arc<LookUp>) {
        let mut names = self.names.lock().unwrap_or_else(PoisonError::into_inner);
        if names.get(name).is_some_and(|known| Arc::ptr_eq(known, failed)) {
            names.remove(name);
        }
    }

    fn ordered(&self, mut found: Vec<SocketAddr>) -> Vec<SocketAddr> {
        let good = self.good.lock().unwrap_or_else(PoisonError::into_inner);
        found.sort_by_key(|address| !good.contains(address));
        found
    }
}

impl LookUp {
    fn end(&self, found: Result<Vec<SocketAddr>, String>) {
        *self.found.lock().unwrap_or_else(PoisonError::into_inner) = Some(found);
        self.ended.notify_all();
    }

    /// What was found, if the call ends within this time.
    fn wait(&self, time: Duration) -> Option<Result<Vec<SocketAddr>, String>> {
        let found = self.found.lock().unwrap_or_else(PoisonError::into_inner);
        let waited = self.ended.wait_timeout_while(found, time, |found| found.is_none());
        waited.unwrap_or_else(PoisonError::into_inner).0.clone()
    }
}

/// Where a name below `localhost` leads that the system does not know: to this machine (RFC 6761, 6.3), as for curl.
fn here(host: &str, port: u16) -> Option<Vec<SocketAddr>> {
    let name = host.trim_end_matches('.').to_ascii_lowercase();
    let is_here = name.ends_with(".localhost");
    let addresses = [IpAddr::from(Ipv6Addr::LOCALHOST), IpAddr::from(Ipv4Addr::LOCALHOST)];
    is_here.then(|| addresses.map(|address| SocketAddr::new(address, port)).to_vec())
}

/// The addresses with their families by turns, beginning with that of the first (RFC 8305, section 4): a family that
/// leads nowhere costs one head start, however many addresses it has.
fn by_turns(found: Vec<SocketAddr>) -> Vec<SocketAddr> {
    let is_first_six = found.first().is_some_and(SocketAddr::is_ipv6);
    let (first, second): (Vec<_>, Vec<_>) =
        found.into_iter().partition(|address| address.is_ipv6() == is_first_six);
    let longest = first.len().max(second.len());
    let turns = (0..longest).flat_map(|turn| [first.get(turn), second.get(turn)]);
    turns.flatten().copied().take(MOST).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn addresses(texts: &[&str]) -> Vec<SocketAddr> {
        texts.iter().map(|text| text.parse().unwrap()).collect()
    }

    #[test]
    fn families_take_turns_in_the_order_of_the_system() {
        let found = addresses(&["[::1]:1", "[::2]:1", "[::3]:1", "127.0.0.1:1", "127.0.0.2:1"]);
        let turns = ["[::1]:1", "127.0.0.1:1", "[::2]:1", "127.0.0.2:1", "[::3]:1"];
        assert_eq!(by_turns(found), addresses(&turns));
        let many: Vec<SocketAddr> =
            (0..40).map(|n| SocketAddr::new([10, 0, 0, n].into(), 1)).collect();
        assert_eq!(by_turns(many).len(), MOST);
    }

    #[test]
    fn an_address_that_worked_is_the_first_for_the_next_connection() {
        let known = Addresses::default();
        let [dead, good] = addresses(&["[::1]:1", "127.0.0.1:1"]).try_into().unwrap();
        assert_eq!(known.ordered(vec![dead, good]), [dead, good]);
        known.worked(good);
        assert_eq!(known.ordered(vec![dead, good]), [good, dead]);
    }

    #[test]
    fn who_asks_for_the_same_name_waits_for_the_same_call() {
        let known = Addresses::default();
        let name = ("localhost".to_owned(), 1);
        let (first, second) = (known.asked(&name).unwrap(), known.asked(&name).unwrap());
        assert!(Arc::ptr_eq(&first, &second));
        known.forget(&name, &first);
        assert!(!Arc::ptr_eq(&first, &known.asked(&name).unwrap()), "a failure is not kept");
    }
}
