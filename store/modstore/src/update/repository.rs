//! One repository's part of an update: list once, fetch each commit once, answer for each module.

use std::{collections::BTreeMap, sync::Arc};

use gix::ObjectId;

use super::{
    answer::{Answer, Got},
    plan::{Member, RepositoryJob},
    report::PutOff,
    site::Site,
};
use crate::{
    acquire::{
        AcquireError, BaseEntry, Destination, MirrorPlace, RemoteError, Resolved, Session,
        TransportError, Wanted, check_subdirectory, fetch_commit,
    },
    commit::{Binding, Bound, Fetched, is_whole, read_manifest},
    disk::{Layout, is_directory, read_own},
    events::{Event, Events, Step},
    model::{Digest, GitTree, Manifest, ModuleName, RefName, Subdirectory},
};

/// The tree of a commit that several modules may share.
struct Tree {
    digest: Digest,
    manifest: Manifest,
    submodules: Vec<gix::bstr::BString>,
    warnings: Vec<String>,
    got: Got,
    /// Whether it is in staging and not yet an entry.
    is_new: bool,
}

/// A member and the commit it means.
pub(super) type Meant<'a> = (&'a Member, Resolved);

/// Does the job, and gives one answer for each member.
pub(super) fn run(site: &Site<'_>, job: &RepositoryJob) -> Vec<Answer> {
    let mut answers = Vec::new();
    let (pinned, open): (Vec<_>, Vec<_>) =
        job.members.iter().partition(|member| unchanged_pin(site, job, member).is_some());
    for member in pinned {
        let binding = unchanged_pin(site, job, member).expect("it was one a moment ago");
        answers.push(Answer::unchanged(&member.module, binding));
    }
    let put_off = |member: &Member| {
        site.put_off(&member.module, &member.text, job.origin.host())
            .map(|put_off| Answer::waiting(&member.module, put_off))
    };
    let (waiting, open): (Vec<_>, Vec<_>) = open
        .into_iter()
        .map(|member| (member, put_off(member)))
        .partition(|(_, off)| off.is_some());
    answers.extend(waiting.into_iter().filter_map(|(_, waiting)| waiting));
    let open: Vec<&Member> = open.into_iter().map(|(member, _)| member).collect();
    if open.is_empty() {
        return answers;
    }
    for member in &open {
        site.events.happened(Event::Module { module: &member.module, step: Step::Listing });
    }
    match connect(site, &open) {
        Ok((mut session, meant, failed)) => {
            answers.extend(failed);
            answers.extend(fetch_all(site, job, &mut session, meant));
        }
        Err(error) => answers.extend(fail_all(open.into_iter(), error.into())),
    }
    answers
}

/// The binding of a member that names a commit it already leads to: nobody need be asked.
fn unchanged_pin(site: &Site<'_>, job: &RepositoryJob, member: &Member) -> Option<Binding> {
    match member.wanted {
        Wanted::Commit(commit) => settled(site, job, member, commit).cloned(),
        Wanted::Head | Wanted::Named(_) => None,
    }
}

/// What the member leads to now, if that is its part of `commit` and its entry is there.
fn settled<'s>(
    site: &'s Site<'_>,
    job: &RepositoryJob,
    member: &Member,
    commit: ObjectId,
) -> Option<&'s Binding> {
    let now = site.source(&member.module).filter(|_| !site.fresh)?;
    let Bound::Entry { digest, subdirectory, fetched: Some(fetched) } = &now.bound else {
        return None;
    };
    let same = fetched.origin == job.origin
        && commit == ObjectId::from(fetched.revision)
        && *subdirectory == member.source.subdirectory
        && now.source == member.text
        && member.locked.as_ref().is_none_or(|(locked, _)| locked == digest);
    (same && is_directory(&site.layout.entry(*digest))).then_some(now)
}

/// Asks the repository, by each spelling in turn, what the members mean.
pub(super) fn connect<'a>(
    site: &Site<'_>,
    members: &[&'a Member],
) -> Result<(Session, Vec<Meant<'a>>, Vec<Answer>), RemoteError> {
    let wanted: Vec<Wanted> = members.iter().map(|member| member.wanted.clone()).collect();
    let mut urls: Vec<String> = Vec::new();
    for url in members.iter().map(|member| member.source.url.expose()) {
        if !urls.contains(&url) {
            urls.push(url);
        }
    }
    let mut urls = urls.iter().peekable();
    loop {
        let url = urls.next().expect("a job has a member");
        match site.network.connect(url, &wanted, site.cancel) {
            Err(_) if urls.peek().is_some() && !site.cancel.is_cancelled() => {}
            Err(error) => {
                note_host(site, members, error.transport());
                return Err(error);
            }
            Ok(mut session) => {
                note_host(site, members, None);
                let (mut meant, mut failed) = (Vec::new(), Vec::new());
                for (member, resolution) in members.iter().zip(session.take_resolutions()) {
                    match resolution {
                        Ok(resolved) => meant.push((*member, resolved)),
                        Err(error) => {
                            failed.push(Answer::failed(&member.module, Arc::new(error.into())))
                        }
                    }
                }
                return Ok((session, meant, failed));
            }
        }
    }
}

/// Remembers, for the rest of this update, whether the host has answered.
fn note_host(site: &Site<'_>, members: &[&Member], fault: Option<&TransportError>) {
    let origin = members.first().map(|member| member.source.url.origin());
    let Some(host) = origin.as_ref().and_then(|origin| origin.host()) else { return };
    match fault.is_some_and(TransportError::is_network) {
        true => site.breaker.failed(host),
        false => site.breaker.answered(host),
    }
}

/// Has every commit once, and binds each member to its part of it.
fn fetch_all(
    site: &Site<'_>,
    job: &RepositoryJob,
    session: &mut Session,
    meant: Vec<Meant<'_>>,
) -> Vec<Answer> {
    let mut commits: BTreeMap<ObjectId, Vec<Meant<'_>>> = BTreeMap::new();
    let mut answers = Vec::new();
    for (member, resolved) in meant {
        match settled(site, job, member, resolved.commit) {
            Some(now) if reference_of(now) == resolved.name.as_deref() => {
                answers.push(Answer::unchanged(&member.module, now.clone()));
            }
            _ if is_pinned(site, member, resolved.commit) => {
                answers.push(Answer::waiting(&member.module, PutOff::Pinned));
            }
            _ => commits.entry(resolved.commit).or_default().push((member, resolved)),
        }
    }
    for (commit, members) in commits {
        match tree_of(site, job, session, commit, &members) {
            Ok(mut tree) => {
                answers.extend(members.iter().map(|meant| bind(site, job, &mut tree, meant)))
            }
            Err(error) => {
                if let Some(host) = job.origin.host().filter(|_| error.is_network()) {
                    site.breaker.failed(host);
                }
                let error = Arc::new(error);
                answers.extend(members.iter().map(|(member, _)| {
                    Answer::failed_at(&member.module, Arc::clone(&error), commit.into())
                }));
            }
        }
    }
    answers
}

/// Whether there is no use in fetching this very commit.
fn is_pinned(site: &Site<'_>, member: &Member, commit: ObjectId) -> bool {
    site.is_pinned(&member.module, (&member.text, Some(commit.into())), member.build.as_ref())
}

/// The full name of the reference that a binding followed.
fn reference_of(binding: &Binding) -> Option<&str> {
    match &binding.bound {
        Bound::Entry { fetched: Some(fetched), .. } => {
            fetched.reference.as_ref().map(RefName::as_str)
        }
        Bound::Entry { fetched: None, .. } | Bound::Linked { .. } | Bound::Built(_) => None,
    }
}

/// The commit's tree: in the store already, or fetched.
fn tree_of(
    site: &Site<'_>,
    job: &RepositoryJob,
    session: &mut Session,
    commit: ObjectId,
    members: &[Meant<'_>],
) -> Result<Tree, AcquireError> {
    if !site.fresh
        && let Some(tree) = stored_tree(site, job, commit)
    {
        return Ok(tree);
    }
    let staging = site.staging()?;
    let mirror = MirrorPlace {
        directory: &site.layout.mirrors(),
        lock: &site.layout.lock(&format!("origin-{}", job.origin.hash())),
        origin: &job.origin,
        command: &site.options.command,
        lock_limit: site.options.lock_limit,
        rebuild: site.fresh,
    };
    let (disk, packs, memory) = (site.disk, site.options.packs, &site.memory);
    let into = Destination { mirror, disk, staging: &staging, packs, memory };
    let base = if site.fresh { None } else { base_for(site, job, members) };
    let first = members.first().map(|(member, _)| &member.module);
    let on_step = |step: Step<'_>| {
        if let Some(module) = first {
            tell_fetch(site.events, module, step);
        }
    };
    // From here on it is no longer the listing that is waited for.
    if let Some(module) = first {
        let step = Step::Receiving { bytes: 0, objects: 0, of: None };
        site.events.happened(Event::Module { module, step });
    }
    let fetched = fetch_commit(session, commit, base.as_ref(), into, &on_step, site.cancel)?;
    let digest = fetched.staged.digest();
    site.keep(fetched.staged);
    let (written, linked) = fetched.files;
    Ok(Tree {
        digest,
        manifest: fetched.manifest,
        submodules: fetched.submodules,
        warnings: fetched.warnings,
        got: Got { written, linked, received: fetched.received },
        is_new: true,
    })
}

/// Tells whoever listens how the fetch for a module goes on.
pub(crate) fn tell_fetch(events: &dyn Events, module: &ModuleName, step: Step<'_>) {
    events.happened(match step {
        Step::WaitingForLock { holder } => Event::Waiting { holder },
        step => Event::Module { module, step },
    });
}

/// The list of what git called the files of an entry, with the files.
fn lists_of(layout: &Layout, digest: Digest) -> Option<(Manifest, GitTree)> {
    let manifest = read_manifest(layout, digest)?;
    let git = GitTree::from_bytes(&read_own(&layout.git_tree(digest)).ok()?, &manifest)?;
    Some((manifest, git))
}

/// An entry of the store that was made of this commit, now or in an earlier generation. One that is not
/// shown now is looked at file by file before it is shown again.
fn stored_tree(site: &Site<'_>, job: &RepositoryJob, commit: ObjectId) -> Option<Tree> {
    let is_shown = |digest| site.state.modules().values().any(|now| now.digest() == Some(digest));
    let is_there = |digest| match is_shown(digest) {
        true => is_directory(&site.layout.entry(digest)),
        false => is_whole(site.layout, digest),
    };
    let digest = site.history_of(&job.origin).iter().find_map(|(digest, fetched)| {
        let is_known = site.state.entry(*digest).is_some();
        (commit == ObjectId::from(fetched.revision) && is_known && is_there(*digest))
            .then_some(*digest)
    })?;
    let (manifest, git) = lists_of(site.layout, digest)?;
    let submodules = git.gitlinks.into_iter().map(|(path, _)| path).collect();
    Some(Tree {
        digest,
        manifest,
        submodules,
        warnings: Vec::new(),
        got: Got::default(),
        is_new: false,
    })
}

/// What the members lead to now is nearest to what they will; else the newest of the repository.
fn base_for(site: &Site<'_>, job: &RepositoryJob, members: &[Meant<'_>]) -> Option<BaseEntry> {
    let now = members.iter().filter_map(|(member, _)| site.source(&member.module));
    let now = now.filter_map(|binding| match &binding.bound {
        Bound::Entry { digest, fetched: Some(fetched), .. } if fetched.origin == job.origin => {
            Some((*digest, fetched))
        }
        _ => None,
    });
    let before = site.history_of(&job.origin).iter().map(|(digest, fetched)| (*digest, fetched));
    let (digest, fetched) = now.chain(before).next()?;
    let (manifest, git) = lists_of(site.layout, digest)?;
    Some(BaseEntry::new(site.layout.entry(digest), fetched.revision.into(), manifest, git))
}

/// The answer for one member whose tree is there.
fn bind(
    site: &Site<'_>,
    job: &RepositoryJob,
    tree: &mut Tree,
    (member, resolved): &Meant<'_>,
) -> Answer {
    if let Err(error) = check_part(tree, member) {
        return Answer::failed_at(&member.module, Arc::new(error), resolved.commit.into());
    }
    let locked_reference = member.locked.as_ref().and_then(|(_, reference)| reference.clone());
    let fetched = Fetched {
        origin: job.origin.clone(),
        reference: resolved.name.clone().map(RefName::from).or(locked_reference),
        revision: resolved.commit.into(),
    };
    let binding = Binding {
        source: member.text.clone(),
        bound: Bound::Entry {
            digest: tree.digest,
            subdirectory: member.source.subdirectory.clone(),
            fetched: Some(fetched),
        },
    };
    let now = site.source(&member.module);
    // A new tree for an old binding: somebody took the entry away.
    if now == Some(&binding) && !tree.is_new {
        return Answer::unchanged(&member.module, binding);
    }
    // What was fetched for several modules is counted, and warned of, once.
    let (warnings, got) = (std::mem::take(&mut tree.warnings), std::mem::take(&mut tree.got));
    Answer::bound(&member.module, binding, warnings, got)
}

/// Whether the tree has the part that the member wants, whole, and is the one that was locked.
fn check_part(tree: &Tree, member: &Member) -> Result<(), AcquireError> {
    if let Some((locked, _)) = &member.locked
        && *locked != tree.digest
    {
        return Err(AcquireError::OtherTree { found: tree.digest, locked: *locked });
    }
    check_subdirectory(&tree.manifest, member.source.subdirectory.as_ref())?;
    let part = member.source.subdirectory.as_ref().map_or("", Subdirectory::as_str);
    let within = |path: &gix::bstr::BString| {
        part.is_empty()
            || path
                .strip_prefix(part.as_bytes())
                .is_some_and(|rest| rest.is_empty() || rest.starts_with(b"/"))
    };
    match tree.submodules.iter().find(|path| within(path)) {
        Some(path) => Err(AcquireError::Submodule { path: path.clone() }),
        None => Ok(()),
    }
}

fn fail_all<'a>(members: impl Iterator<Item = &'a Member>, error: AcquireError) -> Vec<Answer> {
    let error = Arc::new(error);
    members.map(|member| Answer::failed(&member.module, Arc::clone(&error))).collect()
}
