//! The commits that changes of modules bring, found out only where a person wants to read them: no update waits for it.

use modstore_fetch::CommitLog;

use super::{context::UpdateContext, options::Options, parallel::in_lanes, staging::LazyStaging};
use crate::{
    Context,
    acquire::{SourceError, log},
    commit::State,
    model::{Binding, Digest, Fetched, ModuleName, RemoteUrl, Revision, Source},
    tier::Tiers,
};

/// A module that goes from one commit of its repository to another.
#[derive(Debug, Clone)]
pub struct CommitRange {
    pub(crate) module: ModuleName,
    url: RemoteUrl,
    pub(crate) old: Revision,
    pub(crate) new: Fetched,
    /// The entry of the new commit, if the store has it.
    pub(crate) entry: Option<Digest>,
}

impl CommitRange {
    /// The commits between two versions of a module; nothing, unless they are two commits of one repository.
    #[must_use]
    pub fn between(module: &ModuleName, from: &Binding, to: &Binding) -> Option<Self> {
        let new = to.bound.fetched()?;
        let range = Self::of(module, from, new, to.source.source()?)?;
        Some(Self { entry: to.bound.source_entry(), ..range })
    }

    /// The same for a commit that the module is not at yet.
    #[must_use]
    pub fn up_to(module: &ModuleName, from: &Binding, new: &Fetched) -> Option<Self> {
        Self::of(module, from, new, from.source.source()?)
    }

    fn of(module: &ModuleName, from: &Binding, new: &Fetched, source: &Source) -> Option<Self> {
        let old = from.bound.fetched()?;
        let url = source.repository()?.clone();
        (old.origin == new.origin && old.revision != new.revision).then(|| Self {
            module: module.clone(),
            url,
            old: old.revision,
            new: new.clone(),
            entry: None,
        })
    }

    /// The module.
    #[must_use]
    pub const fn module(&self) -> &ModuleName {
        &self.module
    }
}

/// The log of each range in its order, at most `depth` commits deep: as many repositories are asked at once as for an update.
pub(crate) fn logs(
    (context, tiers): (Context<'_>, &Tiers),
    options: &Options,
    state: &State,
    ranges: &[&CommitRange],
    depth: usize,
) -> Vec<Result<CommitLog, SourceError>> {
    let staging = LazyStaging::new(context);
    let claim = || staging.get();
    let context = UpdateContext::new((context, options), state, false, &claim).tiered(tiers, None);
    let numbered: Vec<(usize, &CommitRange)> = ranges.iter().copied().enumerate().collect();
    let host = |(_, range): &(usize, &CommitRange)| range.url.origin().host().map(str::to_owned);
    let mut logs = in_lanes(&context.sources.lanes, &numbered, host, |(number, range)| {
        let CommitRange { module, url, old, new, .. } = range;
        (*number, log(&context.sources, url, (new, *old), depth, module))
    });
    logs.sort_by_key(|(number, _)| *number);
    logs.into_iter().map(|(_, log)| log).collect()
}
