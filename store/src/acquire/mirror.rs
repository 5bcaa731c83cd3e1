//! The fall-back for servers that cannot give one commit alone: a bare repository of our own, with
//! the history that such a server insists on.
//!
//! It is a cache. Nothing in it is made durable, it may be deleted at any time, and what is missing or
//! damaged in it costs one making anew, aside. It is used under the lock of its origin only, so what
//! an interrupted fetch left behind can be told from what a living one is writing.
//!
//! ```text
//! mirrors/<origin-hash>.git            the mirror; each commit that was fetched has a ref of its id
//! mirrors/<origin-hash>.<random>       one being made, or an old one going
//! ```
//!
//! Limits: packs are mapped into memory while the tree is planted. Whoever cuts one short in that
//! moment, rather than replacing it, stops the process.

use std::io::{self, BufRead};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use gix::ObjectId;
use gix::bstr::BString;
use gix::objs::{CommitRefIter, Find as _, Kind};
use gix::odb::pack::Bundle;
use gix::progress::Discard;
use gix::revision::walk::Sorting;
use gix::traverse::commit::simple::CommitTimeOrder;

use super::acquire_error::AcquireError;
use super::base::hash_of;
use super::host::minimal_repository;
use super::limits::Cancel;
use super::mirror_error::MirrorError;
use super::network_error::{FetchError, RemoteError};
use super::pack_error::PackError;
use super::session::{RemoteNews, Session};
use crate::disk::{
    Disk, DiskError, Holder, Layout, Lock, LockError, Patience, Verb, is_random_name, names_in,
    random_name,
};
use crate::model::Origin;

/// The server hears of this many commits that we have.
const HAVES: usize = 256;

/// Where the mirror of a repository lies, and how its lock is taken.
#[derive(Debug, Clone, Copy)]
pub struct MirrorPlace<'a> {
    /// The store.
    pub layout: &'a Layout,
    /// The repository.
    pub origin: &'a Origin,
    /// What those who wait for the lock read. Holds no secret.
    pub command: &'a str,
    /// How long to wait for the lock.
    pub lock_limit: Duration,
    /// Whether one that is there does not count, and is made anew.
    pub anew: bool,
}

impl From<AcquireError> for Flaw {
    fn from(error: AcquireError) -> Self {
        Self::Other(error)
    }
}

/// The mirror of one origin, ours as long as this lives.
pub(super) struct Mirror<'a> {
    disk: &'a Disk,
    directory: PathBuf,
    hash: String,
    anew: bool,
    _lock: Lock,
}

/// Why a mirror did not do its work.
pub(super) enum Flaw {
    /// It is missing, damaged, or was tampered with: one made anew may do.
    Mirror(Box<dyn std::error::Error + Send + Sync>),
    /// It is not the mirror's fault.
    Other(AcquireError),
}

impl<'a> Mirror<'a> {
    /// Takes the lock of the origin, and removes what dead processes left.
    pub(super) fn lock(
        disk: &'a Disk,
        place: &MirrorPlace<'_>,
        url: &str,
        waiting: &dyn Fn(Option<&Holder>),
        cancel: &Cancel,
    ) -> Result<Self, AcquireError> {
        let hash = place.origin.hash();
        let path = place.layout.lock(&format!("origin-{hash}"));
        let lock = take(place, &path, waiting, cancel).map_err(|source| match source {
            LockError::Stopped => AcquireError::Cancelled,
            source => MirrorError::Locked { url: url.to_owned(), source }.into(),
        })?;
        let directory = place.layout.mirrors();
        let mirror = Mirror { disk, directory, hash, anew: place.anew, _lock: lock };
        mirror.remove_leftovers().map_err(AcquireError::Write)?;
        Ok(mirror)
    }

    fn path(&self) -> PathBuf {
        self.directory.join(format!("{}.git", self.hash))
    }

    /// The objects of the mirror, when it is there and has `commit`. Asks nobody.
    pub(super) fn objects_with(&self, commit: ObjectId) -> Option<Objects> {
        Objects::open(&self.path()).ok().filter(|objects| objects.has(commit))
    }

    /// Whether there is a mirror of this origin.
    pub(super) fn is_there(place: &MirrorPlace<'_>) -> bool {
        place.layout.mirrors().join(format!("{}.git", place.origin.hash())).is_dir()
    }

    /// Lets `work` have the mirror, with `commit` fetched into it. When the mirror turns out to be
    /// damaged, on the way or by `work`, it is made anew and `work` is called once more.
    ///
    /// # Errors
    /// The mirror is gone or as good as it was; the next one to use it tries again.
    pub(super) fn with_commit<T>(
        &self,
        session: &mut Session,
        commit: ObjectId,
        progress: &dyn Fn(RemoteNews<'_>),
        cancel: &Cancel,
        mut work: impl FnMut(&Objects, u64) -> Result<T, Flaw>,
    ) -> Result<T, AcquireError> {
        let mut attempt = |anew: bool| {
            let received = match anew {
                false => self.fetch_into(&self.path(), session, commit, progress, cancel)?,
                true => self.make_anew(session, commit, progress, cancel)?,
            };
            work(&Objects::open(&self.path()).map_err(Flaw::Mirror)?, received)
        };
        match attempt(self.anew || !self.path().is_dir()) {
            Ok(done) => return Ok(done),
            Err(Flaw::Other(error)) => return Err(error),
            Err(Flaw::Mirror(_)) => {}
        }
        match attempt(true) {
            Ok(done) => Ok(done),
            Err(Flaw::Other(error)) => Err(error),
            Err(Flaw::Mirror(source)) => {
                Err(MirrorError::Damaged { url: session.url().to_owned(), source }.into())
            }
        }
    }

    /// Makes a mirror aside and puts it in place of the one that is there.
    fn make_anew(
        &self,
        session: &mut Session,
        commit: ObjectId,
        progress: &dyn Fn(RemoteNews<'_>),
        cancel: &Cancel,
    ) -> Result<u64, Flaw> {
        let written = |error| Flaw::Other(AcquireError::Write(error));
        let aside = self.aside().map_err(written)?;
        let make = || {
            self.disk.ensure_dir(&aside.join("objects/pack"))?;
            self.disk.ensure_dir(&aside.join("refs/modstore"))?;
            minimal_repository(&aside)
                .map_err(|source| DiskError::new(Verb::CreateFile, &aside, source))
        };
        make().map_err(written)?;
        let received = self.fetch_into(&aside, session, commit, progress, cancel)?;
        let replace = || {
            if self.path().is_dir() {
                // A directory of an overlay's lower layer is not renamed; a mirror may be deleted at any time.
                let moved = self.disk.rename(&self.path(), &self.aside()?);
                moved.or_else(|_stays| self.disk.remove_tree(&self.path()))?;
            }
            self.disk.rename(&aside, &self.path())
        };
        // Whoever took it away while it was being put in place may have stopped by now.
        replace().map_err(|error| Flaw::Mirror(error.into()))?;
        self.remove_leftovers().map_err(written)?;
        Ok(received)
    }

    fn aside(&self) -> Result<PathBuf, DiskError> {
        let name = format!("{}.{}", self.hash, random_name(&self.directory)?);
        Ok(self.directory.join(name))
    }

    /// Fetches `commit` with its history into the repository at `path`, unless it is there, and says
    /// how many bytes came.
    fn fetch_into(
        &self,
        path: &Path,
        session: &mut Session,
        commit: ObjectId,
        progress: &dyn Fn(RemoteNews<'_>),
        cancel: &Cancel,
    ) -> Result<u64, Flaw> {
        let haves = haves(path).map_err(Flaw::Mirror)?;
        if haves.contains(&commit) || Objects::open(path).map_err(Flaw::Mirror)?.has(commit) {
            return Ok(0);
        }
        let received = std::cell::Cell::new(0);
        let counted = |news: RemoteNews<'_>| {
            if let RemoteNews::Received(bytes) = news {
                received.set(bytes);
            }
            progress(news);
        };
        session
            .fetch_history(commit, &haves, &counted, |pack| keep_pack(pack, path, cancel))
            .map_err(|error| flaw(error, path, cancel))?;
        if !Objects::open(path).map_err(Flaw::Mirror)?.has(commit) {
            let error = session.not_given(commit);
            // What we said we have and have no more, the server did not send.
            return Err(match haves.is_empty() {
                true => Flaw::Other(error.into()),
                false => Flaw::Mirror(error.into()),
            });
        }
        self.name(path, commit, &haves).map_err(|error| Flaw::Mirror(error.into()))?;
        Ok(received.get())
    }

    /// Gives `commit` a ref, so that nobody's `git gc` takes it away, and takes the refs of those
    /// that it follows on.
    fn name(&self, path: &Path, commit: ObjectId, had: &[ObjectId]) -> Result<(), DiskError> {
        let refs = path.join("refs/modstore");
        self.disk.ensure_dir(&refs)?;
        let name = refs.join(commit.to_string());
        self.disk.remove_file(&name)?;
        self.disk.create_file(&name, format!("{commit}\n").as_bytes())?;
        let tips = tips(path)?;
        for passed in ancestors(path, &[commit]).unwrap_or_default() {
            if passed != commit && tips.contains(&passed) && had.contains(&passed) {
                self.disk.remove_file(&refs.join(passed.to_string()))?;
            }
        }
        Ok(())
    }

    /// Removes what nobody can be using: this origin's lock is ours. What cannot be removed is left.
    fn remove_leftovers(&self) -> Result<(), DiskError> {
        for name in names_in(&self.directory)? {
            let ours =
                name.to_str().and_then(|name| name.strip_prefix(&self.hash)?.strip_prefix('.'));
            if ours.is_some_and(|rest| is_random_name(rest.as_ref())) {
                self.disk
                    .remove_tree(&self.directory.join(name))
                    .or_else(|error| self.disk.leave(error))?;
            }
        }
        for below in ["", "objects/pack", "refs/modstore"] {
            let directory = self.path().join(below);
            // A damaged mirror may have anything in a directory's place.
            for name in names_in(&directory).unwrap_or_default() {
                let text = name.to_string_lossy();
                let packing = below == "objects/pack";
                if text.ends_with(".lock")
                    || (packing && (text.starts_with(".tmp") || text.ends_with(".keep")))
                {
                    self.disk
                        .remove_tree(&directory.join(&name))
                        .or_else(|error| self.disk.leave(error))?;
                }
            }
        }
        Ok(())
    }
}

fn take(
    place: &MirrorPlace<'_>,
    path: &Path,
    waiting: &dyn Fn(Option<&Holder>),
    cancel: &Cancel,
) -> Result<Lock, LockError> {
    let stop = || cancel.is_cancelled();
    let patience = Patience { limit: place.lock_limit, stop: &stop, told: waiting };
    Lock::take(path, place.command, patience)
}

/// Writes the pack and its index, and lets nothing of them be seen before both are whole.
fn keep_pack(pack: &mut dyn BufRead, path: &Path, cancel: &Cancel) -> Result<(), gix::Error> {
    let bases = open(path)?.objects.clone();
    let written = Bundle::write_to_directory(
        pack,
        Some(&path.join("objects/pack")),
        &mut Discard,
        cancel.flag(),
        Some(bases),
        gix::hash::Kind::Sha1,
        gix::odb::pack::bundle::write::Options::default(),
    )?;
    // It kept others from collecting the pack before it was in use; that it stays does no harm.
    let _ = written.keep_path.map(std::fs::remove_file);
    Ok(())
}

fn flaw(error: FetchError<gix::Error>, path: &Path, cancel: &Cancel) -> Flaw {
    match error {
        FetchError::Remote(error) => Flaw::Other(from_network(error, cancel)),
        FetchError::Receive { .. } if cancel.is_cancelled() => Flaw::Other(AcquireError::Cancelled),
        FetchError::Receive { source, .. } => match disk_is_full(&source) {
            Some(full) => Flaw::Other(AcquireError::Write(DiskError::new(
                Verb::CreateFile,
                path.join("objects/pack"),
                full,
            ))),
            None => Flaw::Mirror(source.into()),
        },
    }
}

fn from_network(error: RemoteError, cancel: &Cancel) -> AcquireError {
    if cancel.is_cancelled() { AcquireError::Cancelled } else { error.into() }
}

fn disk_is_full(error: &gix::Error) -> Option<io::ErrorKind> {
    let causes =
        std::iter::successors(Some(error as &(dyn std::error::Error + 'static)), |cause| {
            cause.source()
        });
    let full = |kind: &io::ErrorKind| {
        matches!(kind, io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded)
    };
    causes.filter_map(|cause| cause.downcast_ref::<io::Error>()).map(io::Error::kind).find(full)
}

fn open(path: &Path) -> gix::Result<gix::Repository> {
    let options = gix::open::Options::isolated().with(gix::sec::Trust::Full).open_path_as_is(true);
    gix::open_opts(path, options)
}

/// The commits that were fetched. Their names are what counts, so a ref that is cut short is no harm.
fn tips(path: &Path) -> Result<Vec<ObjectId>, DiskError> {
    let names = names_in(&path.join("refs/modstore"))?;
    Ok(names.iter().filter_map(|name| name.to_str()?.parse().ok()).collect())
}

/// The newest commits that are there with all their history.
fn haves(path: &Path) -> Result<Vec<ObjectId>, Box<dyn std::error::Error + Send + Sync>> {
    let tips = tips(path)?;
    if tips.is_empty() { Ok(Vec::new()) } else { ancestors(path, &tips) }
}

fn ancestors(
    path: &Path,
    tips: &[ObjectId],
) -> Result<Vec<ObjectId>, Box<dyn std::error::Error + Send + Sync>> {
    let newest = Sorting::ByCommitTime(CommitTimeOrder::NewestFirst);
    let repository = open(path)?;
    let walk = repository.rev_walk(tips.iter().copied()).sorting(newest).all()?;
    walk.take(HAVES).map(|each| Ok(each?.id)).collect()
}

/// The objects of a mirror, for many threads at once.
pub(super) struct Objects {
    /// Each use takes one and gives it back; their caches make it worth while.
    handles: Mutex<Vec<gix::OdbHandle>>,
}

impl Objects {
    fn open(path: &Path) -> Result<Self, Box<dyn std::error::Error + Send + Sync>> {
        let handle = open(path)?.objects.clone();
        Ok(Objects { handles: Mutex::new(vec![handle]) })
    }

    fn has(&self, id: ObjectId) -> bool {
        self.find(&id, &mut Vec::new()).is_ok_and(|found| found.is_some())
    }

    /// The object's kind, its bytes in `buffer`; `None` when it is not there.
    pub(super) fn find(
        &self,
        id: &ObjectId,
        buffer: &mut Vec<u8>,
    ) -> Result<Option<Kind>, Box<dyn std::error::Error + Send + Sync>> {
        let handle = self.take();
        let found = handle.try_find(id, buffer).map(|found| found.map(|data| data.kind));
        self.handles.lock().unwrap_or_else(PoisonError::into_inner).push(handle);
        Ok(found?)
    }

    /// The tree of a commit.
    ///
    /// # Errors
    /// The commit is missing or damaged, or it is something else.
    pub(super) fn tree_of(&self, commit: ObjectId) -> Result<ObjectId, PackError> {
        let mut bytes = Vec::new();
        let found = self.find(&commit, &mut bytes);
        let kind = found
            .map_err(|source| PackError::Find { id: commit, source })?
            .ok_or_else(|| PackError::MissingObject { id: commit, path: BString::default() })?;
        if kind != Kind::Commit {
            return Err(PackError::NotACommit { id: commit });
        }
        if hash_of(kind, &bytes)? != commit {
            return Err(PackError::corrupt(0, format!("{commit} is not what its id says")));
        }
        CommitRefIter::from_bytes(&bytes, gix::hash::Kind::Sha1)
            .tree_id()
            .map_err(|source| PackError::Find { id: commit, source: source.into() })
    }

    fn take(&self) -> gix::OdbHandle {
        let mut handles = self.handles.lock().unwrap_or_else(PoisonError::into_inner);
        match handles.len() {
            1 => handles.first().cloned(),
            _ => handles.pop(),
        }
        .expect("the first one is never taken")
    }
}
