//! Archives: downloaded, checked and unpacked.

use modstore_fetch::{AcquireError, FetchedArchive, fetch_archive};
use modstore_tier::Key;

use crate::{
    acquire::{
        AcquiredTree, FetchStats, SourceError, Sources, TreeFrom, Upstream, repository::note,
        tiered,
    },
    disk::{DiskError, Verb},
    model::{ArchiveSource, Digest},
};

/// The tree of an archive.
pub(super) fn fetch(
    sources: &Sources<'_>,
    upstream: &Upstream,
    source: &ArchiveSource,
) -> Result<AcquiredTree, SourceError> {
    if let Some(fetched) = tiered::archive(sources, source)? {
        return Ok(AcquiredTree { from: TreeFrom::Tier, ..tree(sources, source, fetched)? });
    }
    sources.may_ask(&source.url.address().origin(), || {
        let sum = Digest::from_bytes(source.sha256).to_string();
        (Key::archive(&sum), format!("the archive with sha256={sum}"))
    })?;
    let host = upstream.host.as_deref();
    if let Some(host) = host.filter(|host| sources.hosts.is_given_up(host)) {
        return Err(SourceError::HostGivenUp { host: host.to_owned() });
    }
    let fetched = download(sources, source).and_then(|it| tree(sources, source, it));
    note(sources, host, fetched.as_ref().err());
    fetched
}

fn download(sources: &Sources<'_>, source: &ArchiveSource) -> Result<FetchedArchive, SourceError> {
    let (context, limits) = (sources.context, sources.settings.archives);
    let (network, staging) = (sources.network()?, (sources.staging)()?);
    let (disk, cancel, memory) = (context.disk, context.cancel, sources.memory());
    Ok(fetch_archive(network, source, disk, staging, cancel, limits, memory)?)
}

fn tree(
    sources: &Sources<'_>,
    source: &ArchiveSource,
    fetched: FetchedArchive,
) -> Result<AcquiredTree, SourceError> {
    let FetchedArchive { staged, warnings, received, archive } = fetched;
    let context = sources.context;
    if let Some(tiers) = sources.tiers {
        tiers.keep_archive(context, source.sha256, &archive);
    }
    context.disk.remove_file(&archive).map_err(AcquireError::Write)?;
    let lost = || {
        let gone = std::io::Error::from(std::io::ErrorKind::NotFound);
        AcquireError::Write(DiskError::new(Verb::Read, staged.tree(), gone))
    };
    Ok(AcquiredTree {
        digest: staged.digest(),
        manifest: staged.manifest().ok_or_else(lost)?,
        warnings,
        stats: FetchStats { written: staged.files(), received, ..FetchStats::default() },
        staged: Some(staged),
        pack: None,
        from: TreeFrom::Archive,
    })
}
