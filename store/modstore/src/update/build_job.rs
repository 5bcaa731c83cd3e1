//! One build of an update, and what all of them share: the modules whose sources are there, the files that they are built
//! from, and how many builds have found no network.

use std::{
    path::PathBuf,
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicU32, Ordering},
    },
};

use super::{
    attempts::moved,
    context::UpdateContext,
    options::RetryPolicy,
    outcome::{ModuleChange, Outcome},
    plan::Deferred,
    staging::Trees,
};
use crate::{
    acquire::{BuiltBy, FetchStats},
    build::{self, Build, BuildError, Material, Recipe},
    commit::BuiltOn,
    disk::{DiskError, Verb, is_right, is_whole, part_of, read_manifest},
    events::{Event, Step},
    model::{
        Attempt, Binding, Bound, BuildSpec, Digest, LockedBuild, Manifest, ModuleName, Platform,
    },
};

/// After this many builds that found no network the others are left for later.
const MOST_FAILURES: u32 = 3;

/// What all builds of one update share.
pub(super) struct Builds<'a, 'c> {
    pub(super) context: &'a UpdateContext<'c>,
    pub(super) trees: &'a Trees,
    /// How many have failed for a reason of the moment.
    pub(super) failures: AtomicU32,
    /// How many have worked that had failed before for such a reason.
    pub(super) recovered: AtomicU32,
    /// Where trees were built, as far as a lock may name them.
    pub(super) built_on: Mutex<BuiltOn>,
}

/// A module whose source is there.
pub(super) struct BuildJob<'a> {
    pub(super) module: &'a ModuleName,
    pub(super) spec: &'a BuildSpec,
    /// What it would be without a build, and what that cost.
    pub(super) source: ModuleChange,
    /// What the lock says was built of it on a machine like this one.
    pub(super) locked: Option<&'a LockedBuild>,
}

impl Builds<'_, '_> {
    /// Whether the entry is about to be one again.
    pub(super) fn is_staged(&self, entry: Option<Digest>) -> bool {
        entry.is_some_and(|digest| self.trees.contains_key(&digest))
    }

    /// Runs the build of a module once; for the `input`, if it runs for each.
    pub(super) fn run_build(
        &self,
        module: &ModuleName,
        (recipe, material): (&Recipe<'_>, Material<'_>),
        input: Option<&str>,
    ) -> Result<build::Built, BuildError> {
        let store = self.context.store;
        if store.cancel.is_cancelled() {
            return Err(BuildError::cancelled());
        }
        let staging = (self.context.claim)().map_err(BuildError::Staging)?;
        let on_line = |line: &str| {
            let step = Step::Says(line);
            store.events.happened(Event::Module { module, step });
        };
        let (disk, cancel) = (store.disk, store.cancel);
        Build { disk, staging, recipe, material, input, cancel, on_line: &on_line }.run()
    }

    /// Notes on which platform a tree was built under a key, if a lock may name it.
    pub(super) fn tell(&self, built: (Digest, Digest), platform: Option<Platform>) {
        let mut built_on = self.built_on.lock().unwrap_or_else(PoisonError::into_inner);
        built_on.extend(platform.map(|platform| (built, platform)));
    }

    /// Whether so many builds have found no network that the others are left for later.
    pub(super) fn is_given_up(&self) -> bool {
        self.failures.load(Ordering::Relaxed) >= MOST_FAILURES
    }

    /// Counts a build that has worked after `failed`, if that was its last try.
    pub(super) fn worked_after(&self, failed: Option<&Attempt>) {
        if failed.is_some_and(|attempt| attempt.next_scan().is_some()) {
            self.recovered.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Counts a build that has failed.
    pub(super) fn failed(&self, error: &BuildError) {
        if error.is_of_the_moment() {
            self.failures.fetch_add(1, Ordering::Relaxed);
        }
    }
}

impl BuildJob<'_> {
    /// The module is to be this, for what its source cost.
    pub(super) fn becomes(&self, to: Binding) -> Outcome {
        Outcome::changed(to, self.source.warnings.clone(), self.source.stats)
    }

    /// The same, of what was built now.
    pub(super) fn becomes_built(&self, to: Binding, by: BuiltBy) -> Outcome {
        let stats = FetchStats { built: Some(by), ..self.source.stats };
        Outcome::changed(to, self.source.warnings.clone(), stats)
    }
}

/// A module whose build would fail as before.
pub(super) fn pinned(attempt: Option<&Attempt>, source: &Binding) -> Outcome {
    let moved = attempt.map(|attempt| (attempt, moved(attempt, source)));
    match moved {
        Some((attempt, moved)) if *attempt != moved => Outcome::Pinned(Box::new(moved)),
        _ => Outcome::Deferred(Deferred::Pinned),
    }
}

/// Whether what was built is there: by size and time of each file, or, when everything is to be tried, read to the last
/// byte.
pub(super) fn is_there(context: &UpdateContext<'_>, digest: Digest, policy: RetryPolicy) -> bool {
    let layout = context.store.layout;
    context.state.entry(digest).is_some()
        && match policy {
            RetryPolicy::All => is_right(layout, digest),
            RetryPolicy::Interactive | RetryPolicy::DueOnly => is_whole(layout, digest),
        }
}

/// The files that a module is built from, wherever they are by now.
pub(super) enum BuildTree {
    Tree { at: PathBuf, manifest: Manifest, part: String },
    Directory(PathBuf),
}

impl BuildTree {
    pub(super) fn of(
        context: &UpdateContext<'_>,
        source: &Binding,
        trees: &Trees,
    ) -> Result<Self, DiskError> {
        let layout = context.store.layout;
        let (digest, part) = match &source.bound {
            Bound::Linked { path } => return Ok(Self::Directory(layout.linked(path))),
            Bound::Entry { digest, subdirectory, .. } => (*digest, subdirectory.as_ref()),
            Bound::Built(built) => (built.digest, None),
            Bound::Kept(kept) => (kept.source, kept.subdirectory.as_ref()),
        };
        let staged = trees.get(&digest);
        let found =
            match staged.and_then(|staged| Some((staged.tree().to_owned(), staged.manifest()?))) {
                Some(staged) => Some(staged),
                None => read_manifest(layout, digest).map(|list| (layout.entry(digest), list)),
            };
        let lost = || std::io::Error::from(std::io::ErrorKind::NotFound);
        let (at, manifest) =
            found.ok_or_else(|| DiskError::new(Verb::Read, layout.manifest(digest), lost()))?;
        let part = part.map(|part| part_of(&at, &manifest, part)).transpose();
        let part = part.map_err(|error| {
            DiskError::new(Verb::Read, layout.manifest(digest), std::io::Error::other(error))
        })?;
        let part = part.map_or_else(String::new, |part| part.path().to_owned());
        Ok(Self::Tree { at, manifest, part })
    }

    pub(super) fn material(&self) -> Material<'_> {
        match self {
            Self::Tree { at, manifest, part } => Material::Tree { at, manifest, part },
            Self::Directory(at) => Material::Directory { at },
        }
    }
}
