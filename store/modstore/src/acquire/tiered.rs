//! Commits and archives from shared tiers. What comes is received as from git, and proves to be what was asked for, or is
//! refused.

use std::cell::OnceCell;

use modstore_fetch::{
    AcquireError, BaseEntry, FetchError, FetchedArchive, OtherPlace, PackError, PlantedCommit,
    TakeContent, archive_from, commit_from_pack, needs_no_base,
};
use modstore_tier::Key;

use super::{
    Reach, SourceError, Sources,
    repository::{self, MirrorPaths, PartOf},
};
use crate::{
    disk::Verb,
    events::Step,
    model::{ArchiveSource, Digest, ModuleName, Origin, RemoteUrl, Revision},
    tier::{Refusal, Tiers},
};

/// The tree of a commit, from the first tier that has it. `base` is only looked for when one does.
pub(super) fn commit(
    sources: &Sources<'_>,
    (origin, revision): (&Origin, Revision),
    base: impl Fn() -> Option<BaseEntry>,
    part_of: Option<PartOf<'_>>,
    module: Option<&ModuleName>,
) -> Result<Option<PlantedCommit>, SourceError> {
    let Some(tiers) = tiers(sources, origin.as_str()) else { return Ok(None) };
    let context = sources.context;
    let on_step = |step: Step<'_>| {
        if let Some(module) = module {
            repository::report(context.events, module, step);
        }
    };
    let paths = MirrorPaths::of(context.layout, origin);
    let into = repository::destination(sources, origin, &paths, part_of)?;
    let (key, known_base) = (Key::commit(&revision.to_string()), OnceCell::new());
    let found = tiers.get(context, (origin.as_str(), &key), |bytes, at, attempt| {
        let base = known_base.get_or_init(&base).as_ref().filter(|_| attempt == 0);
        let pack = (bytes, at);
        let planted = commit_from_pack(pack, revision.into(), base, into, &on_step, context.cancel);
        planted.map_err(|error| judge(error, base.is_some()))
    });
    Ok(found?)
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
