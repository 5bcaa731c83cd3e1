//! Thin packs: beside the whole pack of a commit, what changed since an earlier commit of the same repository, for those who
//! have that one.
//!
//! They only save bytes. Nothing refers to one, a reader without its base never asks for it, and what cannot be
//! used costs the whole pack. So one that is not published is no error.
//!
//! Limits: against one earlier commit, the one that a store that follows the same modules has most likely.

use modstore_fetch::write_thin_pack;
use modstore_tier::{Content, Key};

use super::{AT_ONCE, Publisher, parts::PublishRun, write_file};
use crate::{
    acquire::{BaseCommit, open_base},
    commit::State,
    disk::{Staging, StagingError},
    model::{Binding, Fetched, ModuleName},
    parallel::in_parallel,
    tier::{LONG_PACK, PublishTo},
};

/// A thin pack is published if the whole one has at least this many times its bytes.
const WORTH: u64 = 2;

/// A thin pack that may be published.
struct Thin<'t> {
    new: BaseCommit,
    earlier: BaseCommit,
    /// The tiers that have a long whole pack, and how long it is.
    tiers: Vec<(PublishTo<'t>, u64)>,
}

impl Publisher<'_> {
    /// Publishes the thin packs of modules whose whole packs were found or made just before, and are long.
    ///
    /// # Errors
    /// There is no place to write packs.
    pub(crate) fn publish_thin(
        &self,
        modules: &[(&ModuleName, &Binding)],
        state: &State,
    ) -> Result<(), StagingError> {
        let is_long = |(_, binding): &&(&ModuleName, &Binding)| {
            let commit = binding.bound.fetched();
            let key = commit.map(|commit| Key::commit(&commit.revision.to_string()));
            key.is_some_and(|key| self.tiers.is_longer_than(&key, LONG_PACK))
        };
        let long: Vec<&(&ModuleName, &Binding)> = modules.iter().filter(is_long).collect();
        if long.is_empty() {
            return Ok(());
        }
        let (run, staging) = (PublishRun::new(self), self.context.staging()?);
        let thin = long.into_iter().filter_map(|module| self.thin(&run, *module, state));
        let thin: Vec<Thin<'_>> = thin.collect();
        in_parallel(AT_ONCE, &thin, |thin| self.put_thin(&staging, thin));
        Ok(())
    }

    fn thin(
        &self,
        run: &PublishRun<'_>,
        (module, binding): (&ModuleName, &Binding),
        state: &State,
    ) -> Option<Thin<'_>> {
        let commit = binding.bound.fetched()?;
        // The first part is the commit; its submodules have no thin packs.
        let whole = run.parts(module, binding).ok()?.into_iter().next()?;
        let long = self.meant(&whole).ok()?.into_iter().filter_map(|tier| {
            let length = tier.length(&whole.key).filter(|length| *length > LONG_PACK)?;
            Some((tier, length))
        });
        let tiers: Vec<(PublishTo<'_>, u64)> = long.collect();
        if tiers.is_empty() {
            return None;
        }
        let new = (binding.bound.source_entry()?, commit.revision);
        Some(Thin { new, earlier: earlier(state, module, commit)?, tiers })
    }

    fn put_thin(&self, staging: &Staging, thin: &Thin<'_>) -> Option<()> {
        let key = Key::commit_from(&thin.new.1.to_string(), &thin.earlier.1.to_string());
        let wanting =
            thin.tiers.iter().filter(|(tier, _)| tier.wants(self.context, &key) == Some(true));
        let wanting: Vec<&(PublishTo<'_>, u64)> = wanting.collect();
        if wanting.is_empty() {
            return None;
        }
        let layout = self.context.layout;
        let (new, earlier) = (open_base(layout, thin.new)?, open_base(layout, thin.earlier)?);
        let pack = staging.fresh().with_extension("pack");
        let (disk, cancel) = (self.context.disk, self.context.cancel);
        let written = write_file(disk, &pack, |to| write_thin_pack(&new, &earlier, to, cancel));
        if let Ok(size) = written {
            let worth = wanting.iter().filter(|(_, whole)| size.saturating_mul(WORTH) <= *whole);
            worth.for_each(|(tier, _)| {
                tier.put(self.context, &key, Content::File(&pack));
            });
        }
        // Others may need the room before the staging goes.
        disk.remove_file(&pack).ok()
    }
}

/// The commit that was current before this one, of the module or else of its repository, if the store still has it.
fn earlier(state: &State, module: &ModuleName, commit: &Fetched) -> Option<BaseCommit> {
    let changes = state.generations().iter().rev().flat_map(|info| &info.changes);
    let others = changes.filter_map(|(name, binding)| {
        let bound = &binding.as_ref()?.bound;
        let fetched = bound.fetched()?;
        let digest = bound.source_entry().filter(|digest| state.entry(*digest).is_some())?;
        let is_other = fetched.origin == commit.origin && fetched.revision != commit.revision;
        is_other.then_some((name, (digest, fetched.revision)))
    });
    let others: Vec<(&ModuleName, BaseCommit)> = others.collect();
    let own = others.iter().find(|(name, _)| *name == module);
    own.or_else(|| others.first()).map(|(_, base)| *base)
}
