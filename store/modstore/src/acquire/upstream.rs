//! [`Upstream`]: where sources come from that one listing answers for.
//!
//! A connection is made when the first request needs one: to find out what a name means, or for a tree that no place
//! has. Its failure is remembered, so that modules of one repository do not wait for it one after the other.

use std::collections::BTreeMap;

use modstore_fetch::Session;

use super::SourceError;
use crate::model::{Origin, RefName, RemoteUrl, Revision, Source};

/// A version after the one that a module follows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewerVersion {
    /// The tag that the module follows.
    pub followed: String,
    /// The tag of the newest version.
    pub tag: String,
    /// The commit of that tag.
    pub revision: Revision,
}

/// A repository, with the login that its sources share; or an archive; or a directory.
#[derive(Default)]
pub(crate) struct Upstream {
    /// The spellings of a repository's address.
    pub(super) urls: Vec<RemoteUrl>,
    /// Unless it is on this machine.
    pub(super) host: Option<String>,
    pub(super) connection: Option<Result<Session, SourceError>>,
    /// What a person should know of the commits that names led to.
    pub(super) remarks: BTreeMap<Revision, String>,
    /// The newest version after each tag that was asked for.
    pub(super) newer: BTreeMap<RefName, NewerVersion>,
}

impl Upstream {
    /// A repository by itself.
    pub(super) fn of_repository(url: &RemoteUrl) -> Self {
        let host = url.origin().host().map(str::to_owned);
        Self { urls: vec![url.clone()], host, ..Self::default() }
    }

    /// Where these sources come from.
    pub(crate) fn of<'s>(sources: impl Iterator<Item = &'s Source>) -> Self {
        let mut upstream = Self::default();
        for source in sources {
            upstream.host = source.host();
            let repository = source.repository().filter(|url| !upstream.urls.contains(url));
            upstream.urls.extend(repository.cloned());
        }
        upstream
    }

    /// The newest version after the one that this reference is the tag of, if the listing has one.
    pub(crate) fn newer(&self, reference: &RefName) -> Option<&NewerVersion> {
        self.newer.get(reference)
    }
}

/// Items whose sources come from one place, together; so that a repository is listed once, and each of its commits
/// fetched once, whatever spellings are used. Only a login that is written in an address is for the modules that have
/// it: those with another, or with none, are a group of their own. And so are those with another scheme: a module is
/// never asked for over plain HTTP because another one is, and never fails because another one's address does.
pub(crate) fn by_upstream<T>(items: Vec<T>, source: impl Fn(&T) -> &Source) -> Vec<Vec<T>> {
    let (mut groups, mut repositories) = (Vec::new(), BTreeMap::<Origin, Vec<Vec<T>>>::new());
    for item in items {
        let Some(url) = source(&item).repository().cloned() else {
            groups.push(vec![item]);
            continue;
        };
        let of_origin = repositories.entry(url.origin()).or_default();
        let is_asked_alike = |group: &&mut Vec<T>| {
            let first = group.first().and_then(|first| source(first).repository());
            first.is_some_and(|first| first.scheme() == url.scheme() && first.has_login_of(&url))
        };
        match of_origin.iter_mut().find(is_asked_alike) {
            Some(group) => group.push(item),
            None => of_origin.push(vec![item]),
        }
    }
    groups.extend(repositories.into_values().flatten());
    groups
}
