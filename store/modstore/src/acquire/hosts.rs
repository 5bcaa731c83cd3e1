//! [`Hosts`]: hosts that do not answer are not waited for one by one.
//!
//! It lives for one command. After a few network failures at one host, no more connections to it are made.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Mutex, PoisonError},
};

/// After this many network failures a host is given up.
const MOST_FAILURES: u32 = 3;

/// What this command knows of the hosts that it has asked.
#[derive(Debug, Default)]
pub(crate) struct Hosts {
    known: Mutex<BTreeMap<String, Host>>,
}

#[derive(Debug, Default)]
struct Host {
    failures: u32,
    has_answered: bool,
}

impl Hosts {
    /// Whether this host is not asked any more.
    pub(super) fn is_given_up(&self, host: &str) -> bool {
        self.with(host, |host| host.failures >= MOST_FAILURES)
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
    pub(crate) fn answering(&self) -> BTreeSet<String> {
        let hosts = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        hosts.iter().filter(|(_, host)| host.has_answered).map(|(name, _)| name.clone()).collect()
    }

    fn with<T>(&self, host: &str, look: impl FnOnce(&mut Host) -> T) -> T {
        let mut hosts = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        look(hosts.entry(host.to_owned()).or_default())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_third_failure_gives_up_this_host_and_no_other() {
        let hosts = Hosts::default();
        for given_up in [false, false, true] {
            hosts.failed("dead.example");
            assert_eq!(hosts.is_given_up("dead.example"), given_up);
        }
        hosts.failed("other.example");
        hosts.answered("other.example");
        assert!(!hosts.is_given_up("other.example") && !hosts.is_given_up("third.example"));
        assert_eq!(hosts.answering(), BTreeSet::from(["other.example".to_owned()]));
    }
}
