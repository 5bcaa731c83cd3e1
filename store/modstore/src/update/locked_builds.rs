//! What the lock says was built elsewhere, taken in the place of a build: from the store if it has it, or else from a shared
//! tier, whose word counts for nothing.
//!
//! It is taken where this machine is of the same kind, and the name of all that its build would depend on is the one in the lock.
//! A tree that does not have the digest in the lock is refused, and the module is built.

use super::{
    build_job::{BuildJob, Builds, is_there},
    outcome::Outcome,
    plan::built_from,
};
use crate::{
    acquire::{BuiltBy, built_tree},
    build::{Build, Material, Recipe, this_platform},
    disk::Staged,
    events::Event,
    model::{Built, Digest, LockedBuild, MadeFrom, causes},
    update::options::RetryPolicy,
};

impl Builds<'_, '_> {
    /// The module as the lock says it was built, if its build here would depend on the same, all of which `key` names.
    pub(super) fn take_locked(
        &self,
        work: &BuildJob<'_>,
        how: (&Recipe<'_>, Material<'_>),
        (locked, key): (&LockedBuild, Digest),
    ) -> Option<(Outcome, Option<Staged>)> {
        if key != locked.inputs {
            return None;
        }
        let source = &work.source.to;
        let from = MadeFrom::of(&source.bound);
        let built = Built { digest: locked.digest, from, key, read: locked.read.clone() };
        let to = built_from(source, built);
        self.tell((locked.digest, key), this_platform().cloned());
        if is_there(self.context, locked.digest, RetryPolicy::DueOnly) {
            return Some((work.becomes(to), None));
        }
        let repository = source.source.source()?;
        let origin = repository.address()?.origin();
        let wanted = (&origin, locked.digest);
        let staged = built_tree(&self.context.sources, wanted, work.module).ok().flatten()?;
        self.passes(work, how, &staged)
            .then(|| (work.becomes_built(to, BuiltBy::Other), Some(staged)))
    }

    /// Whether a tree from elsewhere passes what a tree that is built here must pass.
    fn passes(
        &self,
        work: &BuildJob<'_>,
        (recipe, material): (&Recipe<'_>, Material<'_>),
        staged: &Staged,
    ) -> bool {
        let store = self.context.store;
        let Ok(staging) = (self.context.claim)() else { return false };
        let (disk, cancel) = (store.disk, store.cancel);
        let on_line = |_: &str| {};
        let build =
            Build { disk, staging, recipe, material, input: None, cancel, on_line: &on_line };
        let tried = build.try_out(staged);
        if let Err(error) = &tried {
            let why = causes(error).join(": ");
            let module = work.module;
            let text = format!("`{module}`: what the lock says was built is not taken: {why}");
            store.events.happened(Event::Notice { text: &text });
        }
        tried.is_ok()
    }
}
