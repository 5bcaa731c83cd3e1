//! An entry fetched again from where it came from: the commit or the archive that the journal records.
//!
//! Fetched whole, without a base: the files of a base are the very files that are damaged.

use modstore_fetch::NetworkError;

use crate::{
    Context,
    acquire::{
        Acquired, Reach, Resolution, Settings, SourceError, Sources, TreeFrom, Upstream, fetch,
    },
    commit::State,
    disk::{Staged, Staging},
    model::{Binding, Contents, Digest, ModuleName, Source, Submodules},
};

/// Why an entry could not be fetched again.
#[derive(Debug, thiserror::Error)]
pub(super) enum RefetchError {
    /// Nothing is left that says where it came from.
    #[error("its source is not recorded")]
    NoSource,
    /// It could not be fetched.
    #[error("it could not be fetched from {from}")]
    Acquire {
        /// Where it was asked for, without any secret.
        from: String,
        /// Why not.
        source: SourceError,
    },
    /// Something else came.
    #[error("what {from} has now is {found}")]
    Other {
        /// Where it was asked for, without any secret.
        from: String,
        /// What came.
        found: Digest,
    },
    /// The host's git configuration cannot be read.
    #[error(transparent)]
    Network(#[from] std::sync::Arc<NetworkError>),
}

impl RefetchError {
    fn of(from: &Binding, error: SourceError) -> Self {
        match error {
            SourceError::Network(error) => Self::Network(error),
            source => Self::Acquire { from: from.source.to_string(), source },
        }
    }

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
        matches!(self, Self::Acquire { source, .. } if source.is_cancelled())
    }
}

/// Fetches entries; the network is only opened for the first.
pub(super) struct Fetcher<'a> {
    sources: Sources<'a>,
}

impl<'a> Fetcher<'a> {
    /// No place counts that is an entry of this store. `claim` gives the staging.
    pub(super) fn new(
        (context, settings): (Context<'a>, Settings),
        state: &'a State,
        claim: &'a (dyn Fn() -> Result<&'a Staging, crate::disk::StagingError> + Sync + 'a),
    ) -> Self {
        Self { sources: Sources::new(context, settings, Reach::OutsideTheStore, state, claim) }
    }

    /// Fetches `digest` from the first of the places it came from that still gives it. `bindings` are those that lead
    /// to it.
    pub(super) fn fetch(
        &self,
        digest: Digest,
        bindings: &[(ModuleName, Binding)],
    ) -> Result<(Staged, TreeFrom), RefetchError> {
        let mut first = None;
        for (module, binding) in bindings {
            // What was built is built again by an update; what it was built from is fetched like any other.
            if binding.bound.source_entry() != Some(digest) {
                continue;
            }
            let is_it = |fetched: &Option<Result<(Staged, TreeFrom), SourceError>>| matches!(fetched, Some(Ok((staged, _))) if staged.digest() == digest);
            let mut fetched = self.fetch_from(module, binding, None);
            if !is_it(&fetched) && self.may_be_without_submodules(binding) {
                // An earlier version has made it without those outside its subdirectory.
                let without = self.fetch_from(module, binding, Some(Submodules::None));
                fetched = if is_it(&without) { without } else { fetched };
            }
            let failed = match fetched {
                None => continue,
                Some(Ok((staged, from))) if staged.digest() == digest => return Ok((staged, from)),
                Some(Ok((staged, _))) => {
                    let (from, found) = (binding.source.to_string(), staged.digest());
                    RefetchError::Other { from, found }
                }
                Some(Err(error)) => RefetchError::of(binding, error),
            };
            if failed.is_cancelled() {
                return Err(failed);
            }
            first.get_or_insert(failed);
        }
        Err(first.unwrap_or(RefetchError::NoSource))
    }

    /// Whether its tree may be one without the submodules that its source wants.
    fn may_be_without_submodules(&self, binding: &Binding) -> bool {
        let contents = binding.source.source().and_then(Source::contents);
        let has_part = binding.bound.part().is_some();
        has_part && contents.is_some_and(|contents| contents.submodules == Submodules::All)
    }

    /// Fetches what the journal records of this binding, if that tells where its tree came from; with these submodules
    /// instead of those that its source wants.
    fn fetch_from(
        &self,
        module: &ModuleName,
        binding: &Binding,
        submodules: Option<Submodules>,
    ) -> Option<Result<(Staged, TreeFrom), SourceError>> {
        let resolution = Resolution::recorded(binding)?;
        let source = binding.source.source()?;
        let mut contents = source.contents().unwrap_or(&Contents::USUAL).clone();
        contents.submodules = submodules.unwrap_or(contents.submodules);
        let mut upstream = Upstream::of(std::iter::once(source));
        let meant = (&resolution, &contents);
        let acquired = fetch(&self.sources, &mut upstream, meant, None, &[module]);
        let tree = match acquired {
            Ok(Acquired::Tree(tree)) => *tree,
            Ok(Acquired::Directory(_)) => return None,
            Err(error) => return Some(Err(error)),
        };
        Some(Ok((tree.staged?, tree.from)))
    }
}
