//! An entry had anew from where it came from: the commit or the archive that the journal records.
//!
//! Fetched whole, without a base: the files of a base are the very files that are damaged.

use std::sync::{Arc, OnceLock};

use gix::ObjectId;

use super::report::Origin;
use crate::{
    acquire::{
        AcquireError, Destination, FetchedCommit, MemoryBudget, MirrorPlace, Network, NetworkError,
        Wanted, commit_from_mirror, fetch_archive, fetch_commit,
    },
    commit::{Binding, Fetched, Staged, Staging},
    model::{
        ArchiveSource, Digest, GitSource, ModuleName, Origin as RepositoryOrigin, RecordedSource,
        Source,
    },
    update::{Event, Ground, Step, tell_fetch},
};

/// Why an entry could not be had anew.
#[derive(Debug, thiserror::Error)]
pub(super) enum RefetchError {
    /// Nothing is left that says where it came from.
    #[error("nothing tells where it came from")]
    NoSource,
    /// It could not be fetched.
    #[error("it could not be had from {from}")]
    Acquire {
        /// Where it was asked for, without any secret.
        from: RecordedSource,
        /// Why not.
        source: Arc<AcquireError>,
    },
    /// Something else came.
    #[error("what {from} has now is {found}")]
    Other {
        /// Where it was asked for, without any secret.
        from: RecordedSource,
        /// What came.
        found: Digest,
    },
    /// The host's git configuration cannot be read.
    #[error(transparent)]
    Network(#[from] NetworkError),
}

impl RefetchError {
    /// The next thing to do.
    pub(super) fn hint(&self) -> Option<String> {
        match self {
            Self::Acquire { source, .. } => source.hint(),
            Self::NoSource | Self::Other { .. } => {
                Some("`modstore update` fetches what is declared now".into())
            }
            Self::Network(_) => None,
        }
    }

    pub(super) fn is_cancelled(&self) -> bool {
        matches!(self, Self::Acquire { source, .. } if matches!(**source, AcquireError::Cancelled))
    }
}

/// Fetches entries; the network is only opened for the first.
pub(super) struct Fetcher<'a> {
    pub(super) ground: Ground<'a>,
    pub(super) staging: &'a Staging,
    pub(super) network: OnceLock<Network>,
    /// What all fetches of this repair may hold in memory together.
    pub(super) memory: MemoryBudget,
}

impl Fetcher<'_> {
    /// Has `digest` anew from the first of the places it came from that still gives it. `bindings` are those
    /// that lead to it.
    pub(super) fn fetch(
        &self,
        digest: Digest,
        bindings: &[(ModuleName, Binding)],
    ) -> Result<(Staged, Origin), RefetchError> {
        let mut first = None;
        for (module, binding) in bindings {
            // What was built is built again by an update; what it was built from is had like any other.
            if binding.bound.source_entry() != Some(digest) {
                continue;
            }
            let had = match (binding.source.source(), binding.bound.fetched()) {
                (Some(Source::Git(source)), Some(Fetched { origin, revision, .. })) => {
                    self.commit(module, source, origin, (*revision).into())
                }
                (Some(Source::Archive(source)), _) => self.archive(source),
                // Nothing records where it came from, or a directory of the user's has no entry.
                (Some(Source::Git(_)), None) | (Some(Source::Linked(_)) | None, _) => continue,
            };
            let from = &binding.source;
            let found = match had {
                Ok((staged, origin)) if staged.digest() == digest => return Ok((staged, origin)),
                Ok((staged, _)) => {
                    RefetchError::Other { from: from.clone(), found: staged.digest() }
                }
                Err(Problem::Acquire(source)) => {
                    RefetchError::Acquire { from: from.clone(), source: Arc::new(source) }
                }
                Err(Problem::Network(error)) => error.into(),
            };
            if found.is_cancelled() {
                return Err(found);
            }
            first.get_or_insert(found);
        }
        Err(first.unwrap_or(RefetchError::NoSource))
    }

    fn network(&self) -> Result<&Network, Problem> {
        if let Some(network) = self.network.get() {
            return Ok(network);
        }
        let Ground { layout, options, .. } = self.ground;
        let opened =
            Network::open(&layout.mirrors(), options.limits, options.interactive, options.offline);
        let opened = opened.map_err(Problem::Network)?;
        Ok(self.network.get_or_init(|| opened))
    }

    fn commit(
        &self,
        module: &ModuleName,
        source: &GitSource,
        origin: &RepositoryOrigin,
        commit: ObjectId,
    ) -> Result<(Staged, Origin), Problem> {
        let Ground { disk, layout, options, cancel, .. } = self.ground;
        let (command, lock_limit) = (options.command.as_str(), options.lock_limit);
        let directory = &layout.mirrors();
        let lock = &layout.lock(&format!("origin-{}", origin.hash()));
        let mirror = MirrorPlace { directory, lock, origin, command, lock_limit, rebuild: false };
        let (staging, packs, memory) = (self.staging, options.packs, &self.memory);
        let into = Destination { mirror, disk, staging, packs, memory };
        let on_step = |step: Step<'_>| tell_fetch(self.ground.events, module, step);
        // What is here needs no server; what is wrong with it is for the server to make good.
        match commit_from_mirror(commit, into, &on_step, cancel) {
            Err(AcquireError::Cancelled) => return Err(AcquireError::Cancelled.into()),
            Ok(Some(FetchedCommit { staged, .. })) => return Ok((staged, Origin::Mirror)),
            Ok(None) | Err(_) => {}
        }
        self.ground.events.happened(Event::Module { module, step: Step::Listing });
        let url = source.url.expose();
        let wanted = Wanted::Commit(commit);
        let connected = self.network()?.connect_for(&url, &wanted, cancel);
        let (mut session, resolved) = connected.map_err(AcquireError::from)?;
        let fetched = fetch_commit(&mut session, resolved.commit, None, into, &on_step, cancel)?;
        Ok((fetched.staged, Origin::Git))
    }

    fn archive(&self, source: &ArchiveSource) -> Result<(Staged, Origin), Problem> {
        let Ground { disk, options, cancel, .. } = self.ground;
        let (limits, memory) = (options.archives, &self.memory);
        let network = self.network()?;
        let acquired = fetch_archive(network, source, disk, self.staging, cancel, limits, memory)?;
        Ok((acquired.staged, Origin::Archive))
    }
}

/// Why one place did not give it.
enum Problem {
    Acquire(AcquireError),
    Network(NetworkError),
}

impl From<AcquireError> for Problem {
    fn from(error: AcquireError) -> Self {
        Self::Acquire(error)
    }
}
