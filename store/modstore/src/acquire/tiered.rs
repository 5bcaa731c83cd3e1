//! Commits and archives from shared tiers. What comes is received as from git, and proves to be what was asked for, or is
//! refused.

use std::io::BufRead;

use modstore_fetch::{
    AcquireError, BaseEntry, Destination, FetchError, FetchedArchive, OnStep, OtherPlace,
    PackError, PlantedCommit, TakeContent, archive_from, commit_from_pack, is_longer_than,
    needs_no_base, tree_from_pack,
};
use modstore_tier::Key;

use super::{
    Reach, SourceError, Sources,
    repository::{self, MirrorPaths, PartOf},
};
use crate::{
    Context,
    disk::{Staged, Verb},
    model::{ArchiveSource, Digest, ModuleName, Origin, RemoteUrl, Revision},
    tier::{LONG_PACK, Refusal, Tiers},
};

/// The tree of a commit, from the first tier that has it: what changed since `base`, where that is worth a question, or else
/// all of it. `base` is only looked for when a tier may be asked.
pub(super) fn commit(
    sources: &Sources<'_>,
    (origin, revision): (&Origin, Revision),
    base: impl Fn() -> Option<BaseEntry>,
    part_of: Option<PartOf<'_>>,
    module: Option<&ModuleName>,
) -> Result<Option<PlantedCommit>, SourceError> {
    let asked = tiers(sources, origin.as_str()).filter(|tiers| tiers.may_give(origin.as_str()));
    let Some(tiers) = asked else { return Ok(None) };
    let context = sources.context;
    let on_step = repository::reporting(context.events, module);
    let paths = MirrorPaths::of(context.layout, origin);
    let into = repository::destination(sources, origin, &paths, part_of)?;
    let wanted = Wanted { tiers, context, origin, revision, into, on_step: &on_step };
    let base = base();
    let thin = base.as_ref().map_or(Ok(None), |base| wanted.thin(base))?;
    match thin {
        Some(planted) => Ok(Some(planted)),
        None => Ok(wanted.whole(base.as_ref())?),
    }
}

/// A commit that tiers are asked for.
struct Wanted<'w> {
    tiers: &'w Tiers,
    context: Context<'w>,
    origin: &'w Origin,
    revision: Revision,
    into: Destination<'w>,
    on_step: &'w OnStep<'w>,
}

impl Wanted<'_> {
    /// From the pack that is thin against `base`, if the commit is likely to have one.
    fn thin(&self, base: &BaseEntry) -> Result<Option<PlantedCommit>, AcquireError> {
        if Revision::from(base.commit()) == self.revision || !is_longer_than(base, LONG_PACK) {
            return Ok(None);
        }
        let key = Key::commit_from(&self.revision.to_string(), &base.commit().to_string());
        let taken = self.tiers.get(self.context, (self.origin.as_str(), &key), |bytes, at, _| {
            self.plant((bytes, at), Some(base)).map_err(|error| match is_of_base(&error) {
                // Nothing is wrong with the pack.
                true => Refusal::Own(error),
                false => judge(error, false),
            })
        });
        match taken {
            Err(error) if is_of_base(&error) => Ok(None),
            taken => taken.inspect(|taken| taken.iter().for_each(|_| self.tiers.count_thin())),
        }
    }

    /// From the pack of all of it.
    fn whole(&self, base: Option<&BaseEntry>) -> Result<Option<PlantedCommit>, AcquireError> {
        let key = Key::commit(&self.revision.to_string());
        let origin = self.origin.as_str();
        self.tiers.get(self.context, (origin, &key), |bytes, at, attempt| {
            let base = base.filter(|_| attempt == 0);
            self.plant((bytes, at), base).map_err(|error| judge(error, base.is_some()))
        })
    }

    fn plant(
        &self,
        pack: (&mut dyn BufRead, &str),
        base: Option<&BaseEntry>,
    ) -> Result<PlantedCommit, AcquireError> {
        let (into, commit) = (self.into, self.revision.into());
        commit_from_pack(pack, commit, base, into, self.on_step, self.context.cancel)
    }
}

/// Whether a file of the base is not what it should be.
fn is_of_base(error: &AcquireError) -> bool {
    matches!(
        error,
        AcquireError::Fetch(FetchError::Receive { source: PackError::BaseDamaged { .. }, .. })
    )
}

/// The tree of an archive, from the first tier that has its bytes.
pub(super) fn archive(
    sources: &Sources<'_>,
    source: &ArchiveSource,
) -> Result<Option<FetchedArchive>, SourceError> {
    let origin = RemoteUrl::origin(source.url.address());
    let Some(tiers) = tiers(sources, origin.as_str()) else { return Ok(None) };
    let (context, limits) = (sources.context, sources.settings.archives);
    let (network, staging) = (sources.network()?, (sources.staging)()?);
    let key = Key::archive(&Digest::from_bytes(source.sha256).to_string());
    let found = tiers.get(context, (origin.as_str(), &key), |bytes, _, _| {
        let (disk, cancel, memory) = (context.disk, context.cancel, sources.memory());
        let fetched = archive_from(bytes, network, source, disk, staging, cancel, limits, memory);
        fetched.map_err(|error| judge(error, false))
    });
    Ok(found?)
}

/// What was built of a module from this origin, from the first tier that has this very tree.
pub(crate) fn built_tree(
    sources: &Sources<'_>,
    (origin, digest): (&Origin, Digest),
    module: &ModuleName,
) -> Result<Option<Staged>, SourceError> {
    let asked = tiers(sources, origin.as_str()).filter(|tiers| tiers.may_give(origin.as_str()));
    let Some(tiers) = asked else { return Ok(None) };
    let context = sources.context;
    let on_step = repository::reporting(context.events, Some(module));
    let paths = MirrorPaths::of(context.layout, origin);
    let into = repository::destination(sources, origin, &paths, None)?;
    let key = Key::tree(&digest.to_string());
    let taken = tiers.get(context, (origin.as_str(), &key), |bytes, at, _| {
        let built = tree_from_pack((bytes, at), digest, into, &on_step, context.cancel);
        built.map_err(|error| judge(error, false))
    });
    Ok(taken?)
}

/// What the tiers have of the content that Git LFS keeps for a repository.
pub(super) struct LargeFiles<'s, 'a> {
    pub(super) sources: &'s Sources<'a>,
    pub(super) origin: &'s Origin,
}

impl OtherPlace for LargeFiles<'_, '_> {
    fn offer(&self, sha256: &str, take: &mut TakeContent<'_>) -> Result<bool, AcquireError> {
        let (sources, origin) = (self.sources, self.origin.as_str());
        let Some(tiers) = tiers(sources, origin) else { return Ok(false) };
        let key = Key::large_file(sha256);
        let taken = tiers.get(sources.context, (origin, &key), |mut bytes, at, _| {
            take(&mut bytes, at).map_err(|error| judge(error, false))
        });
        Ok(taken?.is_some())
    }

    fn is_only(&self) -> bool {
        tiers(self.sources, self.origin.as_str())
            .is_some_and(|tiers| tiers.replace_git(self.origin.as_str()))
    }
}

/// The tiers that may be asked. Who wants everything from its origin means no tier, unless there is no other origin.
fn tiers<'s>(sources: &'s Sources<'_>, origin: &str) -> Option<&'s Tiers> {
    let tiers = sources.tiers.filter(|tiers| !tiers.is_empty())?;
    let is_meant = sources.reach < Reach::OriginOnly || tiers.replace_git(origin);
    is_meant.then_some(tiers)
}

/// Whose fault it is that bytes did not become a tree.
fn judge(error: AcquireError, had_base: bool) -> Refusal<AcquireError> {
    let is_own = match &error {
        AcquireError::Cancelled | AcquireError::Staging(_) => true,
        AcquireError::Write(failed) => failed.verb != Verb::Read,
        AcquireError::Fetch(FetchError::Receive { source, .. }) => {
            matches!(source, PackError::Cancelled | PackError::Spill { .. } | PackError::Write(_))
        }
        _ => false,
    };
    match is_own {
        true => Refusal::Own(error),
        false if had_base && needs_no_base(&error) => Refusal::Again(error),
        false => Refusal::Proof(error),
    }
}
