//! What is to be done for each declared module: pure, before anything is asked of anybody.
//!
//! Modules that share an Origin become one job, whatever spellings they use, so that a repository is
//! listed once and each of its commits fetched once. Only a login that is written in an address is for the modules that
//! have it: those with another, or with none, are a job of their own.

use std::{collections::BTreeMap, path::PathBuf};

use crate::{
    acquire::Wanted,
    model::{
        ArchiveSource, BuildSpec, Declarations, Declared, Digest, GitSource, Lockfile, ModuleName,
        Origin, RecordedSource, RefName, Reference, Source,
    },
};

/// What is to be done, one job for each repository, archive or directory.
#[derive(Debug, Clone)]
pub(super) enum Job {
    /// Ask a repository.
    Repository(RepositoryJob),
    /// Download an archive.
    Archive(Box<ArchiveJob>),
    /// Look whether a directory is there.
    Linked { module: ModuleName, path: PathBuf, text: RecordedSource },
    /// Nothing can be done.
    Impossible { module: ModuleName, why: Impossible },
}

impl Job {
    /// The host it asks, unless that is this machine.
    pub(super) fn host(&self) -> Option<String> {
        let origin = match self {
            Self::Repository(job) => job.origin.clone(),
            Self::Archive(job) => job.source.url.address().origin(),
            Self::Linked { .. } | Self::Impossible { .. } => return None,
        };
        origin.host().map(str::to_owned)
    }

    /// The same for some of its modules; nothing, when there are none.
    pub(super) fn only(&self, of: impl Fn(&ModuleName) -> bool) -> Option<Self> {
        match self {
            Self::Repository(job) => {
                let members = job.members.iter().filter(|member| of(&member.module));
                let members: Vec<Member> = members.cloned().collect();
                let origin = job.origin.clone();
                (!members.is_empty()).then_some(Self::Repository(RepositoryJob { origin, members }))
            }
            Self::Archive(job) => of(&job.module).then(|| self.clone()),
            Self::Linked { module, .. } | Self::Impossible { module, .. } => {
                of(module).then(|| self.clone())
            }
        }
    }
}

/// Why nothing can be done for a module.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(super) enum Impossible {
    /// It is not in `modules.lock`, and only what is there was asked for.
    #[error("modules.lock does not have it")]
    NotLocked,
    /// `modules.lock` has it, from another source than is declared now.
    #[error("modules.lock has it from another source")]
    LockedElsewhere,
}

/// An archive and the module that it is.
#[derive(Debug, Clone)]
pub(super) struct ArchiveJob {
    pub(super) module: ModuleName,
    pub(super) source: ArchiveSource,
    /// The source as it is recorded.
    pub(super) text: RecordedSource,
    /// How it is built, if it is.
    pub(super) build: Option<BuildSpec>,
}

/// A repository and the modules that come from it.
#[derive(Debug, Clone)]
pub(super) struct RepositoryJob {
    pub(super) origin: Origin,
    pub(super) members: Vec<Member>,
}

/// A module of a repository.
#[derive(Debug, Clone)]
pub(super) struct Member {
    pub(super) module: ModuleName,
    pub(super) source: GitSource,
    /// The source as it is recorded.
    pub(super) text: RecordedSource,
    pub(super) wanted: Wanted,
    /// What the tree must be, and the reference it was, when the lock says so.
    pub(super) locked: Option<(Digest, Option<RefName>)>,
    /// How it is built, if it is.
    pub(super) build: Option<BuildSpec>,
}

/// The jobs for `modules` of `declared`; with a lock, only what it says is wanted.
pub(super) fn plan<'a>(
    modules: impl Iterator<Item = (&'a ModuleName, &'a Declared)>,
    lock: Option<&Lockfile>,
) -> Vec<Job> {
    let mut jobs = Vec::new();
    let mut repositories: BTreeMap<Origin, Vec<Vec<Member>>> = BTreeMap::new();
    for (module, declared) in modules {
        let module = module.clone();
        let source = declared.effective_source();
        let text = RecordedSource::from(&source);
        match source {
            Source::Linked(path) => jobs.push(Job::Linked { module, path, text }),
            Source::Archive(source) => {
                let build = declared.build.clone();
                jobs.push(Job::Archive(Box::new(ArchiveJob { module, source, text, build })));
            }
            Source::Git(source) => match member(module.clone(), source, text, lock) {
                Ok(member) => {
                    let member = Member { build: declared.build.clone(), ..member };
                    join(repositories.entry(member.source.url.origin()).or_default(), member);
                }
                Err(why) => jobs.push(Job::Impossible { module, why }),
            },
        }
    }
    for (origin, groups) in repositories {
        jobs.extend(
            groups
                .into_iter()
                .map(|members| Job::Repository(RepositoryJob { origin: origin.clone(), members })),
        );
    }
    jobs
}

/// Adds `member` to those of the same repository that have the same login.
fn join(groups: &mut Vec<Vec<Member>>, member: Member) {
    let same = |group: &&mut Vec<Member>| {
        group.first().is_some_and(|first| first.source.url.has_login_of(&member.source.url))
    };
    match groups.iter_mut().find(same) {
        Some(group) => group.push(member),
        None => groups.push(vec![member]),
    }
}

fn member(
    module: ModuleName,
    source: GitSource,
    text: RecordedSource,
    lock: Option<&Lockfile>,
) -> Result<Member, Impossible> {
    let Some(lock) = lock else {
        let wanted = match &source.reference {
            None => Wanted::Head,
            Some(Reference::Named(name)) => Wanted::Named(name.clone()),
            Some(Reference::Commit(revision)) => Wanted::Commit((*revision).into()),
        };
        return Ok(Member { module, source, text, wanted, locked: None, build: None });
    };
    let locked = lock.modules.get(&module).ok_or(Impossible::NotLocked)?;
    let revision = locked
        .revision
        .filter(|_| RecordedSource::from(&locked.source) == text)
        .ok_or(Impossible::LockedElsewhere)?;
    let wanted = Wanted::Commit(revision.into());
    Ok(Member {
        module,
        source,
        text,
        wanted,
        locked: Some((locked.digest, locked.reference.clone())),
        build: None,
    })
}

/// The declared modules of these names, or all.
///
/// # Errors
/// The first name that is not declared.
pub(super) fn select<'a>(
    declared: &'a Declarations,
    names: &'a [ModuleName],
) -> Result<Vec<(&'a ModuleName, &'a Declared)>, &'a ModuleName> {
    if names.is_empty() {
        return Ok(declared.modules.iter().collect());
    }
    names.iter().map(|name| declared.modules.get_key_value(name).ok_or(name)).collect()
}
