//! Commits of git repositories: one listing for all names, and each commit fetched against the entry that is most like
//! it.

use std::path::{Path, PathBuf};

use gix::bstr::BStr;

use modstore_fetch::{
    AcquireError, BaseEntry, Destination, MirrorPlace, PlantedCommit, RemoteError, Resolved,
    Session, Wanted, fetch_commit, is_short_id,
};

use modstore_tier::Key;

use super::{
    NewerVersion, Reach, SourceError, Sources, Upstream,
    entry::{BaseCommit, open_base},
    resolution::Resolution,
};
use crate::{
    disk::Layout,
    events::{Event, Events, Step},
    model::{Fetched, ModuleName, Origin, RefName, Revision},
    tier::Tiers,
};

/// What each of these names means; all fail alike when the repository cannot be asked. `modules` are those that want
/// to know, one for each name.
pub(super) fn list(
    sources: &Sources<'_>,
    upstream: &mut Upstream,
    wanted: &[Wanted],
    modules: &[&ModuleName],
) -> Vec<Result<Resolution, SourceError>> {
    if wanted.is_empty() {
        return Vec::new();
    }
    let Some(origin) = upstream.urls.first().map(|url| url.origin()) else { return Vec::new() };
    match connected(sources, upstream, wanted, modules) {
        Err(error) => wanted.iter().map(|_| Err(error.clone())).collect(),
        Ok(session) => {
            let (found, url) = (session.take_resolutions(), session.url().to_owned());
            upstream.remarks.extend(found.iter().flatten().filter_map(|found| remark(found, &url)));
            upstream.newer.extend(found.iter().flatten().filter_map(newer));
            let resolved = found.into_iter().zip(wanted);
            let resolved = resolved.map(|(resolved, wanted)| {
                let is_id = match &resolved {
                    Ok(resolved) => resolved.name.is_none(),
                    Err(RemoteError::NoSuchRef { .. } | RemoteError::AmbiguousId { .. }) => true,
                    Err(_) => false,
                };
                let known = Some(wanted).filter(|_| is_id);
                let known = known.and_then(|wanted| by_short_id(sources, &origin, wanted));
                known.map_or_else(|| resolution(&origin, resolved), Ok)
            });
            resolved.collect()
        }
    }
}

/// What a person should know of a name that is a branch and a tag.
fn remark(found: &Resolved, url: &str) -> Option<(Revision, String)> {
    let Resolved { commit, name: Some(branch), also_a_tag: Some(tag), .. } = found else {
        return None;
    };
    let name = branch.strip_prefix("refs/heads/").unwrap_or(branch);
    let text = format!(
        "{name} is a branch ({commit}) and a tag ({tag}) in {url}; the branch was taken, as by `git clone --branch`: write \
         {branch} or refs/tags/{name}"
    );
    Some(((*commit).into(), text))
}

/// The newest version after the tag that was found.
fn newer(found: &Resolved) -> Option<(RefName, NewerVersion)> {
    let (name, newer) = (found.name.as_deref()?, found.newer.as_ref()?);
    let followed = name.strip_prefix("refs/tags/").unwrap_or(name).to_owned();
    let (tag, revision) = (newer.name.clone(), newer.commit.into());
    Some((RefName::from(name), NewerVersion { followed, tag, revision }))
}

fn resolution(
    origin: &Origin,
    resolved: Result<Resolved, RemoteError>,
) -> Result<Resolution, SourceError> {
    let Resolved { commit, name, .. } = resolved.map_err(AcquireError::from)?;
    Ok(Resolution::Commit(Fetched {
        origin: origin.clone(),
        reference: name.map(RefName::from),
        revision: commit.into(),
    }))
}

/// What a short commit id stands for that was found before: the listing knows it only as long as a name leads to it.
fn by_short_id(sources: &Sources<'_>, origin: &Origin, wanted: &Wanted) -> Option<Resolution> {
    let Wanted::Named(digits) = wanted else { return None };
    let found = is_short_id(digits).then(|| sources.known().commit_like(origin, digits))?;
    let commit = |revision| Fetched { origin: origin.clone(), reference: None, revision };
    found.map(|revision| Resolution::Commit(commit(revision)))
}

/// The connection, which is made with the first call.
pub(super) fn connected<'u>(
    sources: &Sources<'_>,
    upstream: &'u mut Upstream,
    wanted: &[Wanted],
    modules: &[&ModuleName],
) -> Result<&'u mut Session, SourceError> {
    let Upstream { urls, host, connection, .. } = upstream;
    let connection = connection.get_or_insert_with(|| {
        if sources.context.cancel.is_cancelled() {
            return Err(SourceError::cancelled());
        }
        if let Some(host) = host.as_ref().filter(|host| sources.hosts.is_given_up(host)) {
            return Err(SourceError::HostGivenUp { host: host.clone() });
        }
        for module in modules {
            sources.context.events.happened(Event::Module { module, step: Step::Listing });
        }
        let addresses = urls.iter().map(|url| url.expose());
        let connected = connect(sources, addresses, wanted).map(|(answered, session)| {
            // What else is asked about the repository is asked by this address.
            urls.swap(0, answered);
            session
        });
        note(sources, host.as_deref(), connected.as_ref().err());
        connected
    });
    connection.as_mut().map_err(|error| error.clone())
}

/// Asks by each spelling of the address in turn. Says which of them was answered.
fn connect(
    sources: &Sources<'_>,
    addresses: impl Iterator<Item = String>,
    wanted: &[Wanted],
) -> Result<(usize, Session), SourceError> {
    let (network, cancel) = (sources.network()?, sources.context.cancel);
    let mut refused: Option<RemoteError> = None;
    for (number, address) in addresses.enumerate() {
        match network.connect(&address, wanted, cancel) {
            Ok(session) => return Ok((number, session)),
            Err(error) if cancel.is_cancelled() => return Err(AcquireError::from(error).into()),
            Err(error) => refused = Some(error),
        }
    }
    Err(AcquireError::from(refused.expect("a repository has an address")).into())
}

/// Remembers whether the host has answered.
pub(super) fn note(sources: &Sources<'_>, host: Option<&str>, error: Option<&SourceError>) {
    let Some(host) = host else { return };
    match error {
        Some(SourceError::Acquire(error)) if error.is_offline() => {}
        Some(SourceError::Acquire(error)) if error.is_network() => sources.hosts.failed(host),
        _ => sources.hosts.answered(host),
    }
}

/// Fetches a commit against `base`, into a new directory of the staging unless it is `part_of` another tree.
pub(super) fn fetch(
    sources: &Sources<'_>,
    upstream: &mut Upstream,
    commit: &Fetched,
    base: Option<&BaseEntry>,
    part_of: Option<PartOf<'_>>,
    modules: &[&ModuleName],
) -> Result<PlantedCommit, SourceError> {
    let context = sources.context;
    sources.may_ask(&commit.origin, || {
        let revision = commit.revision.to_string();
        let what = format!("commit {revision} of {}", commit.origin);
        (Key::commit(&revision), what)
    })?;
    let (origin, commit) = (&commit.origin, commit.revision.into());
    let wanted = [Wanted::Commit(commit)];
    let session = connected(sources, upstream, &wanted, modules)?;
    let paths = MirrorPaths::of(context.layout, origin);
    let into = destination(sources, origin, &paths, part_of)?;
    let module = modules.first().copied();
    let on_step = reporting(context.events, module);
    // From here on it is no longer the listing that is waited for.
    if let Some(module) = module {
        let step = Step::Receiving { bytes: 0, objects: 0, of: None };
        context.events.happened(Event::Module { module, step });
    }
    let fetched = fetch_commit(session, commit, base, into, &on_step, context.cancel);
    let planted = fetched.inspect_err(|error| {
        if let Some(host) = upstream.host.as_deref().filter(|_| error.is_network()) {
            sources.hosts.failed(host);
        }
    });
    Ok(planted?)
}

/// The entry that a commit of this repository is fetched against: `base`, or else the newest that the store knows.
pub(super) fn base(
    sources: &Sources<'_>,
    origin: &Origin,
    base: Option<BaseCommit>,
) -> Option<BaseEntry> {
    open_base(sources.context.layout, base_commit(sources, origin, base)?)
}

/// Which entry that is.
pub(super) fn base_commit(
    sources: &Sources<'_>,
    origin: &Origin,
    base: Option<BaseCommit>,
) -> Option<BaseCommit> {
    match sources.reach {
        Reach::Everywhere => base.or_else(|| sources.known().newest(origin)),
        // The files of a base are the very files that are not to be relied on.
        Reach::OutsideTheStore | Reach::OriginOnly => None,
    }
}

/// Where the mirror of a repository lies, if there is one.
pub(super) fn mirror(layout: &Layout, origin: &Origin) -> PathBuf {
    layout.mirrors().join(format!("{}.git", origin.hash()))
}

/// The paths of a repository's mirror in the store.
pub(super) struct MirrorPaths {
    directory: PathBuf,
    lock: PathBuf,
}

impl MirrorPaths {
    pub(super) fn of(layout: &Layout, origin: &Origin) -> Self {
        let lock = layout.lock(&format!("origin-{}", origin.hash()));
        Self { directory: layout.mirrors(), lock }
    }
}

/// The root of a tree, and where in it a part of it lies.
pub(super) type PartOf<'p> = (&'p Path, &'p BStr);

/// Where a commit of this repository is written to: where it is a part, or else to a new directory of the staging.
pub(super) fn destination<'d>(
    sources: &'d Sources<'_>,
    origin: &'d Origin,
    paths: &'d MirrorPaths,
    part_of: Option<PartOf<'d>>,
) -> Result<Destination<'d>, SourceError> {
    let context = sources.context;
    let mirror = MirrorPlace {
        directory: &paths.directory,
        lock: &paths.lock,
        origin,
        command: context.command,
        lock_limit: context.lock_limit,
        rebuild: sources.reach == Reach::OriginOnly,
    };
    let (disk, staging) = (context.disk, (sources.staging)()?);
    Ok(Destination {
        mirror,
        disk,
        staging,
        part_of,
        packs: sources.settings.packs,
        keeps_pack: part_of.is_none() && sources.tiers.is_some_and(Tiers::publishes),
        memory: sources.memory(),
        lfs: sources.settings.lfs,
        objects: &sources.objects,
    })
}

/// Reports the progress of a fetch for a module, if it is for one.
pub(super) fn reporting<'r>(
    events: &'r dyn Events,
    module: Option<&'r ModuleName>,
) -> impl Fn(Step<'_>) + 'r {
    move |step| {
        let Some(module) = module else { return };
        events.happened(match step {
            Step::WaitingForLock { holder } => Event::Waiting { holder },
            step => Event::Module { module, step },
        });
    }
}
