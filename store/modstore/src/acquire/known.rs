//! [`KnownTrees`]: which entries of the store are the trees of which commits and archives, as the journal tells.

use std::collections::{HashMap, HashSet};

use super::key::TreeKey;
use crate::{
    commit::State,
    model::{Binding, Digest, Origin, Revision, Source},
};

/// The entries of all generations, by the key of their tree.
#[derive(Debug, Default)]
pub(super) struct KnownTrees {
    /// Newest first; of a commit all that were made of it, whatever was wanted beyond its tree.
    commits: HashMap<(Origin, Revision), Vec<Digest>>,
    /// Newest first.
    archives: HashMap<[u8; 32], Vec<Digest>>,
    /// The newest commit of each repository.
    newest: HashMap<Origin, (Digest, Revision)>,
    /// The entries that the current generation leads to.
    current: HashSet<Digest>,
}

impl KnownTrees {
    /// What `state` tells.
    pub(super) fn of(state: &State) -> Self {
        let mut known = Self {
            current: state.modules().values().filter_map(Binding::digest).collect(),
            ..Self::default()
        };
        let changes = state.generations().iter().rev().flat_map(|info| &info.changes);
        for binding in changes.filter_map(|(_, binding)| binding.as_ref()) {
            known.add(state, binding);
        }
        known
    }

    fn add(&mut self, state: &State, binding: &Binding) {
        let Some(digest) = binding.bound.source_entry() else { return };
        let digests = match binding.bound.fetched() {
            Some(from) => {
                self.newest.entry(from.origin.clone()).or_insert((digest, from.revision));
                self.commits.entry((from.origin.clone(), from.revision)).or_default()
            }
            None => match binding.source.source() {
                Some(Source::Archive(archive)) => self.archives.entry(archive.sha256).or_default(),
                Some(Source::Git(_) | Source::Linked(_)) | None => return,
            },
        };
        if state.entry(digest).is_some() && !digests.contains(&digest) {
            digests.push(digest);
        }
    }

    /// The entries that may be this tree, newest first: they are of its commit, or of its archive.
    pub(super) fn find(&self, key: &TreeKey) -> &[Digest] {
        let found = match key {
            TreeKey::Commit { origin, revision, .. } => {
                self.commits.get(&(origin.clone(), *revision))
            }
            TreeKey::Archive(sha256) => self.archives.get(sha256),
        };
        found.map_or(&[], Vec::as_slice)
    }

    /// The entry that was made last from this repository, and its commit.
    pub(super) fn newest(&self, origin: &Origin) -> Option<(Digest, Revision)> {
        self.newest.get(origin).copied()
    }

    /// Whether the current generation leads to this entry.
    pub(super) fn is_current(&self, digest: Digest) -> bool {
        self.current.contains(&digest)
    }
}
