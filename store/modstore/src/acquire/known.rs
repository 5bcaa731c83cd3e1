//! [`KnownTrees`]: which entries of the store are the trees of which commits and archives, as the journal tells.

use std::collections::{HashMap, HashSet};

use super::{entry::BaseCommit, key::TreeKey, resolution::Resolution};
use crate::{
    commit::State,
    model::{Binding, Contents, Digest, Origin},
};

/// The entries of all generations, by the key of their tree.
#[derive(Debug, Default)]
pub(super) struct KnownTrees {
    /// Newest first; of a commit all that were made of it, whatever was wanted beyond its tree.
    by_key: HashMap<TreeKey, Vec<Digest>>,
    /// The newest commit of each repository.
    newest: HashMap<Origin, BaseCommit>,
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
        let resolution = Resolution::recorded(binding);
        let Some(key) = resolution.as_ref().and_then(|it| it.key(&Contents::USUAL)) else { return };
        if let Some(Resolution::Commit(commit)) = resolution {
            self.newest.entry(commit.origin).or_insert((digest, commit.revision));
        }
        let digests = self.by_key.entry(key).or_default();
        if state.entry(digest).is_some() && !digests.contains(&digest) {
            digests.push(digest);
        }
    }

    /// The entries that may be this tree, newest first: they are of its commit, or of its archive.
    pub(super) fn find(&self, key: &TreeKey) -> &[Digest] {
        self.by_key.get(&key.without_contents()).map_or(&[], Vec::as_slice)
    }

    /// The entry that was made last from this repository, and its commit.
    pub(super) fn newest(&self, origin: &Origin) -> Option<BaseCommit> {
        self.newest.get(origin).copied()
    }

    /// Whether the current generation leads to this entry.
    pub(super) fn is_current(&self, digest: Digest) -> bool {
        self.current.contains(&digest)
    }
}
