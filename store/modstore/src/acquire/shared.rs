//! [`SharedSubmodules`]: what one command has asked for and fetched of submodules, so that no module asks for it again.

use std::{
    collections::HashMap,
    path::Path,
    sync::{Arc, Mutex, PoisonError},
};

use modstore_fetch::{BaseEntry, PlantedCommit};

use super::Upstream;
use crate::model::{Fetched, Origin, RemoteUrl, Revision};

/// What one command knows of submodules: used from many threads.
#[derive(Default)]
pub(super) struct SharedSubmodules {
    /// The connections, one for each repository and login.
    repositories: Mutex<Vec<(RemoteUrl, Arc<Mutex<Upstream>>)>>,
    /// What was fetched.
    trees: Mutex<HashMap<(Origin, Revision), Arc<BaseEntry>>>,
}

impl SharedSubmodules {
    /// The connection to a repository, which waits for those who use it now.
    pub(super) fn repository(&self, url: &RemoteUrl) -> Arc<Mutex<Upstream>> {
        let mut known = self.repositories.lock().unwrap_or_else(PoisonError::into_inner);
        let is_same = |(other, _): &&(RemoteUrl, Arc<Mutex<Upstream>>)| {
            other.origin() == url.origin() && other.has_login_of(url)
        };
        if let Some((_, upstream)) = known.iter().find(is_same) {
            return Arc::clone(upstream);
        }
        let upstream = Arc::new(Mutex::new(Upstream::of_repository(url)));
        known.push((url.clone(), Arc::clone(&upstream)));
        upstream
    }

    /// The tree of this commit, if it was fetched.
    pub(super) fn fetched(&self, commit: &Fetched) -> Option<Arc<BaseEntry>> {
        let key = (commit.origin.clone(), commit.revision);
        self.trees.lock().unwrap_or_else(PoisonError::into_inner).get(&key).cloned()
    }

    /// Keeps where the tree of this commit was planted.
    pub(super) fn remember(&self, commit: &Fetched, root: &Path, planted: &PlantedCommit) {
        let key = (commit.origin.clone(), commit.revision);
        let (manifest, git) = (planted.written.manifest.clone(), planted.written.git.clone());
        let base = BaseEntry::new(root.to_owned(), commit.revision.into(), manifest, git)
            .with_commits(planted.written.commits.clone());
        self.trees.lock().unwrap_or_else(PoisonError::into_inner).insert(key, Arc::new(base));
    }
}
