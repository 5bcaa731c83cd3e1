//! [`Breaker`]: hosts that do not answer are not waited for one by one.
//!
//! It lives for one update. After a few failures of the network at one host, the modules that come from it and have
//! not been asked for yet are put off.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Mutex, PoisonError},
};

/// So many failures of the network put a host's other modules off.
const FEW: u32 = 3;

/// What this update knows of the hosts.
#[derive(Debug, Default)]
pub(super) struct Breaker {
    hosts: Mutex<BTreeMap<String, Host>>,
}

#[derive(Debug, Default)]
struct Host {
    failures: u32,
    has_answered: bool,
}

impl Breaker {
    /// Whether this host is asked no more.
    pub(super) fn is_open(&self, host: &str) -> bool {
        self.with(host, |host| host.failures >= FEW)
    }

    /// The network to this host failed.
    pub(super) fn failed(&self, host: &str) {
        self.with(host, |host| host.failures += 1);
    }

    /// This host has answered something, if only that it has no such repository.
    pub(super) fn answered(&self, host: &str) {
        self.with(host, |host| host.has_answered = true);
    }

    /// The hosts that have answered.
    pub(super) fn answering(&self) -> BTreeSet<String> {
        let hosts = self.hosts.lock().unwrap_or_else(PoisonError::into_inner);
        hosts.iter().filter(|(_, host)| host.has_answered).map(|(name, _)| name.clone()).collect()
    }

    fn with<T>(&self, host: &str, look: impl FnOnce(&mut Host) -> T) -> T {
        let mut hosts = self.hosts.lock().unwrap_or_else(PoisonError::into_inner);
        look(hosts.entry(host.to_owned()).or_default())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_third_failure_puts_off_this_host_and_no_other() {
        let breaker = Breaker::default();
        for open in [false, false, true] {
            breaker.failed("dead.example");
            assert_eq!(breaker.is_open("dead.example"), open);
        }
        breaker.failed("other.example");
        breaker.answered("other.example");
        assert!(!breaker.is_open("other.example") && !breaker.is_open("third.example"));
        assert_eq!(breaker.answering(), BTreeSet::from(["other.example".to_owned()]));
    }
}
