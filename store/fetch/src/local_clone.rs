//! A clone on this machine: what its people have in it, and its commit without asking any server.
//!
//! A work tree that surely was not touched is seen to be so without a process (`work_tree`). Any other is compared by git itself,
//! which writes nothing: no index is refreshed, no hook and no monitor is run, and a clone whose own configuration names
//! filters or includes other files is not given to git at all.
//! Objects are read from the clone's own object store, and each is compared with its id.
//!
//! Limits: what a clone becomes is the caller's. Content that git ignores is only reported.

use std::{
    fmt,
    path::{Path, PathBuf},
    process::Command,
    time::Duration,
};

use gix::{ObjectId, Repository};
use modstore_core::{
    Cancel,
    program::{Input, ProgramError, Running},
};

use crate::{
    errors::{AcquireError, PackError},
    fetched_commit::{Destination, OnStep, PlantedCommit, plant_from, receiving},
    mirror::MirrorObjects,
    transport::{leave_repository, speak_english},
    work_tree::{is_made, is_untouched},
};

/// How long git may compare one work tree.
const LONGEST: Duration = Duration::from_secs(120);

/// How many paths are named in a reason.
const NAMED: usize = 3;

/// Sections of a clone's own configuration that can make git run a program, or read a file elsewhere, for a comparison.
const RUNNING: [&str; 3] = ["filter", "include", "includeif"];

/// A clone with a commit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LocalClone {
    /// Its repository.
    pub git: PathBuf,
    /// The commit that is checked out.
    pub commit: ObjectId,
    /// Where it was cloned from, perhaps with a secret; nothing where it has no remote.
    pub url: Option<String>,
    /// The branch of the remote that it follows, `refs/heads/main`; nothing where a commit is checked out.
    pub branch: Option<String>,
    /// Why its files are not just those of a commit that its remote has.
    pub local: Vec<LocalWork>,
}

/// Something in a clone that no commit of its remote has.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum LocalWork {
    /// It has no remote.
    NoRemote,
    /// Its branch follows none of the remote's.
    NoUpstream(String),
    /// Commits that its remote's branch did not have.
    Commits(String),
    /// Files that were edited, added or deleted.
    Edited(Vec<String>),
    /// Files that git does not know.
    Untracked(Vec<String>),
    /// Files that git ignores.
    Ignored(Vec<String>),
    /// Submodules, which are repositories of their own.
    Submodules,
    /// Large files, which the repository keeps with Git LFS.
    LargeFiles,
    /// A section of its configuration that can make git run a program.
    Configured(String),
    /// Settings of one work tree, as of a sparse checkout.
    OwnSettings,
}

impl fmt::Display for LocalWork {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoRemote => f.write_str("it has no remote"),
            Self::NoUpstream(branch) => write!(f, "its branch {branch} follows none of the remote"),
            Self::Commits(count) => write!(f, "commits of its own: {count}"),
            Self::Edited(paths) => write!(f, "edited: {}", listed(paths)),
            Self::Untracked(paths) => write!(f, "not known to git: {}", listed(paths)),
            Self::Ignored(paths) => write!(f, "ignored by git: {}", listed(paths)),
            Self::Submodules => f.write_str("it has submodules"),
            Self::LargeFiles => f.write_str("it has files of Git LFS"),
            Self::Configured(section) => {
                write!(f, "its configuration has `{section}`, which can run programs")
            }
            Self::OwnSettings => f.write_str("its work tree has settings of its own"),
        }
    }
}

fn listed(paths: &[String]) -> String {
    let named = paths.iter().take(NAMED).map(String::as_str).collect::<Vec<_>>().join(", ");
    match paths.len().checked_sub(NAMED) {
        Some(more) if more > 0 => format!("{named} and {more} more"),
        _ => named,
    }
}

/// A directory is no clone that could be looked at. Nothing was changed in it.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CloneError {
    /// It is a repository without files.
    #[error("it is a bare repository")]
    Bare,
    /// Git's files in it cannot be read.
    #[error("its repository cannot be read")]
    Unreadable(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// Nothing was ever committed.
    #[error("it has no commit")]
    NoCommit,
    /// Its files lie elsewhere.
    #[error("its files lie elsewhere")]
    Elsewhere,
    /// Git could not compare its files.
    #[error("git cannot compare its files")]
    Compare(#[source] ProgramError),
}

impl CloneError {
    /// Whether it is the wish to stop.
    #[must_use]
    pub const fn is_cancelled(&self) -> bool {
        matches!(self, Self::Compare(ProgramError::Cancelled { .. }))
    }
}

impl LocalClone {
    /// Looks at the clone in this directory, and writes nothing.
    ///
    /// # Errors
    /// See [`CloneError`].
    pub fn look(directory: &Path, cancel: &Cancel) -> Result<Self, CloneError> {
        let repository = opened(directory)?;
        match repository.workdir() {
            None => return Err(CloneError::Bare),
            Some(files) if !is_same(files, directory) => return Err(CloneError::Elsewhere),
            Some(_) => {}
        }
        // Not looked up yet: a commit that cannot be read is no missing one.
        let head = repository.head().map_err(|error| CloneError::Unreadable(error.into()))?;
        let commit = head.id().ok_or(CloneError::NoCommit)?.detach();
        let config = repository.config_snapshot();
        let text = |key: &str| config.string(key).map(|value| value.to_string());
        let name = repository.head_name().ok().flatten().map(|name| name.shorten().to_string());
        let of_branch = |key: &str| text(&format!("branch.{}.{key}", name.as_deref()?));
        let remote = of_branch("remote").unwrap_or_else(|| "origin".to_owned());
        let mut found = Self {
            git: repository.path().to_owned(),
            commit,
            url: text(&format!("remote.{remote}.url")),
            branch: of_branch("merge"),
            local: Vec::new(),
        };
        let sections = config.plumbing().sections().map(|section| section.header().name());
        let mut running = sections.map(|name| name.to_string().to_ascii_lowercase());
        if let Some(section) = running.find(|name| RUNNING.contains(&name.as_str())) {
            found.local.push(LocalWork::Configured(section));
            return Ok(found);
        }
        if repository.path().join("config.worktree").exists() {
            found.local.push(LocalWork::OwnSettings);
        }
        found.local.extend(found.url.is_none().then_some(LocalWork::NoRemote));
        if let Some(name) = name.filter(|_| found.branch.is_none()) {
            found.local.push(LocalWork::NoUpstream(name));
        }
        found.local.extend(directory.join(".gitmodules").exists().then_some(LocalWork::Submodules));
        let attributes = std::fs::read(directory.join(".gitattributes")).unwrap_or_default();
        let is_large = String::from_utf8_lossy(&attributes).contains("filter=lfs");
        found.local.extend(is_large.then_some(LocalWork::LargeFiles));
        if !is_untouched((&repository, directory), commit, cancel) {
            let status = compared(directory, cancel).map_err(CloneError::Compare)?;
            found.local.extend(work_in(&status));
        }
        Ok(found)
    }
}

fn opened(directory: &Path) -> Result<Repository, CloneError> {
    let options = gix::open::Options::isolated().with(gix::sec::Trust::Full);
    gix::open_opts(directory, options).map_err(|error| CloneError::Unreadable(error.into()))
}

fn is_same(one: &Path, other: &Path) -> bool {
    let resolved = |path: &Path| path.canonicalize().ok();
    resolved(one).is_some() && resolved(one) == resolved(other)
}

/// What git says of the files.
fn compared(directory: &Path, cancel: &Cancel) -> Result<Vec<u8>, ProgramError> {
    let mut command = Command::new("git");
    for setting in [
        "core.fsmonitor=false",
        "core.untrackedCache=false",
        "core.hooksPath=/dev/null",
        "safe.directory=*",
        "status.renames=false",
        "status.showStash=false",
    ] {
        command.args(["-c", setting]);
    }
    command.args(["--no-optional-locks", "-C"]).arg(directory);
    command.args(["status", "--porcelain=v2", "--branch", "-z"]);
    command.args(["--untracked-files=normal", "--ignored=traditional", "--ignore-submodules=all"]);
    leave_repository(&mut command);
    speak_english(&mut command);
    command.env("GIT_NO_LAZY_FETCH", "1").env("GIT_TERMINAL_PROMPT", "0");
    let running = Running {
        input: Input::Nothing,
        limit: LONGEST,
        cancel,
        told: &|_| {},
        // It only reads and ends by itself; a watch over each would be a second process for each clone.
        ends_with_us: false,
    };
    running.succeed(command).map(|ran| ran.stdout)
}

/// What stands in the answer of `git status --porcelain=v2 -z`.
fn work_in(status: &[u8]) -> Vec<LocalWork> {
    let (mut edited, mut untracked, mut ignored) = (Vec::new(), Vec::new(), Vec::new());
    let mut found = Vec::new();
    for record in status.split(|byte| *byte == 0) {
        let record = String::from_utf8_lossy(record);
        let path = |fields: usize| record.splitn(fields + 1, ' ').nth(fields).map(str::to_owned);
        match record.split(' ').next() {
            Some("#") => {
                let ahead = record.strip_prefix("# branch.ab +");
                let ahead = ahead.and_then(|rest| rest.split(' ').next());
                let own = ahead.filter(|count| *count != "0");
                found.extend(own.map(|count| LocalWork::Commits(count.to_owned())));
            }
            Some("1") => edited.extend(path(8)),
            Some("2") => edited.extend(path(9)),
            Some("u") => edited.extend(path(10)),
            Some("?") => untracked.extend(path(1).filter(|path| !is_made(path))),
            Some("!") => ignored.extend(path(1).filter(|path| !is_made(path))),
            _ => {}
        }
    }
    let kinds = [
        (edited, LocalWork::Edited as fn(Vec<String>) -> LocalWork),
        (untracked, LocalWork::Untracked),
        (ignored, LocalWork::Ignored),
    ];
    found.extend(
        kinds.into_iter().filter(|(paths, _)| !paths.is_empty()).map(|(paths, of)| of(paths)),
    );
    found
}

/// Takes a commit from the repository of a clone, without asking any server. Each object is compared with its id.
///
/// # Errors
/// The clone does not have all of it, or has it damaged. Files already written stay in the staging, and go with it.
pub fn commit_from_clone(
    repository: &Path,
    commit: ObjectId,
    into: Destination<'_>,
    on_step: &OnStep<'_>,
    cancel: &Cancel,
) -> Result<PlantedCommit, AcquireError> {
    let at = repository.display().to_string();
    let objects = MirrorObjects::open(repository)
        .map_err(|source| receiving(PackError::Find { id: commit, source }, &at))?;
    let find = |id: &ObjectId, buffer: &mut Vec<u8>| objects.find(id, buffer);
    let tree = objects.tree_of(commit).map_err(|error| receiving(error, &at))?;
    plant_from(&find, (commit, tree), &at, (into, on_step), cancel)
}

#[cfg(test)]
mod against_git_tests;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_record_of_a_status_is_read() {
        let status = b"# branch.oid 1\0# branch.head main\0# branch.ab +2 -1\0\
            1 .M N... 100644 100644 100644 1 1 a file\0\
            u UU N... 100644 100644 100644 100644 1 1 1 both\0\
            ? new\0! made/\0! a/__pycache__/\0! b.pyc\0\
            ? a/x.egg-info/\0? .amplifier_cache_meta.json\0";
        let found: Vec<String> = work_in(status).iter().map(ToString::to_string).collect();
        assert_eq!(
            found,
            [
                "commits of its own: 2",
                "edited: a file, both",
                "not known to git: new",
                "ignored by git: made/"
            ]
        );
        assert_eq!(work_in(b"# branch.oid 1\0# branch.ab +0 -3\0"), []);
        let many: Vec<String> = ('a'..='e').map(String::from).collect();
        assert_eq!(listed(&many), "a, b, c and 2 more");
    }
}
