//! The fall-back for servers that cannot give one commit alone: a bare repository of our own, with
//! the history that such a server insists on.
//!
//! The tree is planted while the pack comes in, by the code and under the limits of every other pack, and the mirror
//! keeps the pack. Its index has the commits, the trees and the blobs that were looked at: what nothing asked for is not
//! resolved. A later commit that needs more finds that the mirror lacks it.
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

use std::{
    io::{self, BufRead, Read as _, Seek as _, SeekFrom},
    os::unix::fs::OpenOptionsExt as _,
    path::{Path, PathBuf},
    sync::{Mutex, PoisonError},
    time::Duration,
};

use gix::{
    ObjectId,
    bstr::BString,
    objs::{Find as _, FindHeader as _, Kind},
    revision::walk::Sorting,
    traverse::commit::simple::CommitTimeOrder,
};
use modstore_core::{
    Cancel,
    disk::{
        Disk, DiskError, Holder, Layout, Lock, LockError, Patience, Verb, is_random_name, names_in,
        random_name,
    },
    model::Origin,
};

use super::index::index_of;
use crate::{
    errors::{AcquireError, FetchError, MirrorError, PackError, RemoteError},
    pack::{hash_of, root_in},
    protocol::{RemoteNews, Session, Tip},
    transport::{is_plain_repository, minimal_repository},
    tree::{KeptPack, KnownObject, MODEST},
};

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
pub(crate) struct Mirror<'a> {
    disk: &'a Disk,
    directory: PathBuf,
    hash: String,
    anew: bool,
    /// Where a pack lies until it is whole: whoever is killed leaves it to those who remove stagings.
    staging: PathBuf,
    _lock: Lock,
}

/// Why a mirror did not do its work.
pub(crate) enum Flaw {
    /// It is missing, damaged, or was tampered with: one made anew may do.
    Mirror(Box<dyn std::error::Error + Send + Sync>),
    /// The server sent it like that, knowing nothing of a mirror: it may come whole the next time.
    Sent(AcquireError),
    /// It is not the mirror's fault.
    Other(AcquireError),
}

/// Where the tree of a commit comes from.
pub(crate) enum Supply<'s> {
    /// The mirror has it.
    Objects(&'s Objects),
    /// The server sends it, in a pack that the mirror keeps.
    Pack(&'s mut dyn BufRead, Tip, KeptPack<'s>),
}

/// What was made of it, and what the mirror can give again of the pack.
pub(crate) type Supplied<T> = (T, Vec<KnownObject>);

/// Receiving was ended; why is known where it was.
#[derive(Debug, thiserror::Error)]
#[error("receiving ended")]
struct Ended;

impl<'a> Mirror<'a> {
    /// Takes the lock of the origin, and removes what dead processes left.
    pub(crate) fn lock(
        disk: &'a Disk,
        place: &MirrorPlace<'_>,
        staging: &Path,
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
        let (anew, staging) = (place.anew, staging.to_owned());
        let mirror = Mirror { disk, directory, hash, anew, staging, _lock: lock };
        mirror.remove_leftovers().map_err(AcquireError::Write)?;
        Ok(mirror)
    }

    fn path(&self) -> PathBuf {
        self.directory.join(format!("{}.git", self.hash))
    }

    /// The objects of the mirror, when it is there and has `commit`. Asks nobody.
    pub(crate) fn objects_with(&self, commit: ObjectId) -> Option<Objects> {
        Objects::open(&self.path()).ok().filter(|objects| objects.has(commit))
    }

    /// Whether there is a mirror of this origin.
    pub(crate) fn is_there(place: &MirrorPlace<'_>) -> bool {
        place.layout.mirrors().join(format!("{}.git", place.origin.hash())).is_dir()
    }

    /// Lets `work` have what `commit` is made of, from the mirror or from the server. When the mirror turns out to be
    /// damaged, or lacks something, or the pack is damaged, the mirror is made anew and `work` is called once more.
    ///
    /// # Errors
    /// The mirror is gone or as good as it was; the next one to use it tries again.
    pub(crate) fn with_commit<T>(
        &self,
        session: &mut Session,
        commit: ObjectId,
        progress: &dyn Fn(RemoteNews<'_>),
        cancel: &Cancel,
        mut work: impl FnMut(Supply<'_>) -> Result<Supplied<T>, Flaw>,
    ) -> Result<T, AcquireError> {
        let mut attempt = |anew: bool| match anew {
            false => self.fetch_into(&self.path(), session, commit, progress, cancel, &mut work),
            true => self.make_anew(session, commit, progress, cancel, &mut work),
        };
        match attempt(self.anew || !self.path().is_dir()) {
            Ok(done) => return Ok(done),
            Err(Flaw::Other(error)) => return Err(error),
            Err(Flaw::Mirror(_) | Flaw::Sent(_)) => {}
        }
        match attempt(true) {
            Ok(done) => Ok(done),
            Err(Flaw::Other(error) | Flaw::Sent(error)) => Err(error),
            Err(Flaw::Mirror(source)) => {
                Err(MirrorError::Damaged { url: session.url().to_owned(), source }.into())
            }
        }
    }

    /// Makes a mirror aside and puts it in place of the one that is there.
    fn make_anew<T>(
        &self,
        session: &mut Session,
        commit: ObjectId,
        progress: &dyn Fn(RemoteNews<'_>),
        cancel: &Cancel,
        work: &mut dyn FnMut(Supply<'_>) -> Result<Supplied<T>, Flaw>,
    ) -> Result<T, Flaw> {
        let written = |error| Flaw::Other(AcquireError::Write(error));
        let aside = self.aside().map_err(written)?;
        let make = || {
            self.disk.ensure_dir(&aside.join("objects/pack"))?;
            self.disk.ensure_dir(&aside.join("refs/modstore"))?;
            minimal_repository(&aside)
                .map_err(|source| DiskError::new(Verb::CreateFile, &aside, source))
        };
        make().map_err(written)?;
        let done = self.fetch_into(&aside, session, commit, progress, cancel, work);
        let done = done.inspect_err(|_| {
            // What cannot be removed now is removed by the next one to take the lock.
            let _ = self.disk.remove_tree(&aside);
        })?;
        let replace = || {
            if self.path().symlink_metadata().is_ok() {
                // A directory of an overlay's lower layer is not renamed; a mirror may be deleted at any time.
                let moved = self.disk.rename(&self.path(), &self.aside()?);
                moved.or_else(|_stays| self.disk.remove_tree(&self.path()))?;
            }
            self.disk.rename(&aside, &self.path())
        };
        // Whoever took it away while it was being put in place may have stopped by now.
        replace().map_err(|error| Flaw::Mirror(error.into()))?;
        self.remove_leftovers().map_err(written)?;
        Ok(done)
    }

    fn aside(&self) -> Result<PathBuf, DiskError> {
        let name = format!("{}.{}", self.hash, random_name(&self.directory)?);
        Ok(self.directory.join(name))
    }

    /// Lets `work` have `commit` from the repository at `path`, which it is fetched into unless it is there.
    fn fetch_into<T>(
        &self,
        path: &Path,
        session: &mut Session,
        commit: ObjectId,
        progress: &dyn Fn(RemoteNews<'_>),
        cancel: &Cancel,
        work: &mut dyn FnMut(Supply<'_>) -> Result<Supplied<T>, Flaw>,
    ) -> Result<T, Flaw> {
        let haves = haves(path).map_err(Flaw::Mirror)?;
        let objects = Objects::open(path).map_err(Flaw::Mirror)?;
        if haves.contains(&commit) || objects.has(commit) {
            return Ok(work(Supply::Objects(&objects))?.0);
        }
        let mut failed = None;
        let receive = |pack: &mut dyn BufRead, tip: Tip| {
            let received = keep_pack(pack, tip, (path, &self.staging), &objects, work);
            received.map_err(|flaw| {
                failed = Some(flaw);
                Ended
            })
        };
        let done = match (session.fetch_history(commit, &haves, progress, receive), failed) {
            (Ok(done), _) => done,
            (Err(FetchError::Remote(error)), _) => {
                return Err(Flaw::Other(from_network(error, cancel)));
            }
            (Err(FetchError::Receive { .. }), Some(flaw)) => {
                return Err(judge(flaw, commit, session, haves.is_empty()));
            }
            (Err(FetchError::Receive { source, .. }), None) => {
                return Err(Flaw::Mirror(source.into()));
            }
        };
        self.name(path, commit, &haves).map_err(|error| Flaw::Mirror(error.into()))?;
        Ok(done)
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
        let path = self.path();
        if path.symlink_metadata().is_ok() && !is_our_own(&path) {
            self.disk.rename(&path, &self.aside()?)?;
        }
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

/// Whether a mirror is what we make: with our configuration and no other, and with nothing that leads elsewhere. What we
/// write and delete in it would be there, and what we read from there.
fn is_our_own(path: &Path) -> bool {
    let leads_nowhere = |below: &&str| {
        let found = path.join(below).symlink_metadata();
        found.map_or(true, |found| found.is_dir())
    };
    let is_absent = |below: &&str| path.join(below).symlink_metadata().is_err();
    is_plain_repository(path)
        && ["objects/pack", "objects/info", "refs/modstore"].iter().all(leads_nowhere)
        && ["commondir", "objects/info/alternates", "shallow"].iter().all(is_absent)
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

/// Lets `work` have the pack, keeps it with its index, and lets nothing of them be seen before both are whole.
fn keep_pack<T>(
    pack: &mut dyn BufRead,
    tip: Tip,
    (path, staging): (&Path, &Path),
    objects: &Objects,
    work: &mut dyn FnMut(Supply<'_>) -> Result<Supplied<T>, Flaw>,
) -> Result<T, Flaw> {
    let directory = path.join("objects/pack");
    let not_kept = |error: io::Error| Flaw::Mirror(error.into());
    let name = random_name(staging).map_err(|error| Flaw::Mirror(error.into()))?;
    let temporary = staging.join(format!("{name}.pack"));
    let mut options = std::fs::OpenOptions::new();
    let file = options.read(true).write(true).create_new(true).mode(0o444).open(&temporary);
    let file = file.map_err(not_kept)?;
    let earlier = |id: &ObjectId, buffer: &mut Vec<u8>| objects.find(id, buffer);
    let kept = KeptPack { file, path: &temporary, earlier: &earlier };
    let received = work(Supply::Pack(pack, tip, kept)).and_then(|(done, known)| {
        install(&directory, &temporary, &known)?;
        Ok(done)
    });
    if received.is_err() {
        // What cannot be removed now goes with the staging.
        let _ = std::fs::remove_file(&temporary);
    }
    received
}

/// Gives a whole pack its index and its name.
fn install(directory: &Path, temporary: &Path, known: &[KnownObject]) -> Result<(), Flaw> {
    let install = || -> io::Result<()> {
        let mut sum = [0; 20];
        let mut file = std::fs::File::open(temporary)?;
        file.seek(SeekFrom::End(-20))?;
        file.read_exact(&mut sum)?;
        let name = directory.join(format!("pack-{}", ObjectId::Sha1(sum)));
        let index = temporary.with_extension("idx");
        std::fs::write(&index, index_of(known, &sum).map_err(io::Error::other)?)?;
        std::fs::rename(temporary, name.with_extension("pack"))?;
        std::fs::rename(index, name.with_extension("idx"))
    };
    install().map_err(|error| Flaw::Mirror(error.into()))
}

/// Whose fault it is that a pack did not become a tree. Where the server was told what the mirror has, it may be the
/// mirror's; where it was told nothing, it sent what it sent.
fn judge(flaw: Flaw, commit: ObjectId, session: &Session, from_nothing: bool) -> Flaw {
    let Flaw::Other(AcquireError::Fetch(FetchError::Receive { url, source })) = flaw else {
        return flaw;
    };
    let error: AcquireError = match source {
        PackError::MissingObject { id, .. } if id == commit => session.not_given(commit).into(),
        source @ (PackError::MissingObject { .. }
        | PackError::Find { .. }
        | PackError::Corrupt { .. }
        | PackError::Truncated { .. }) => AcquireError::Fetch(FetchError::Receive { url, source }),
        source => {
            return Flaw::Other(AcquireError::Fetch(FetchError::Receive { url, source }));
        }
    };
    match from_nothing {
        true => Flaw::Sent(error),
        false => Flaw::Mirror(error.into()),
    }
}

fn from_network(error: RemoteError, cancel: &Cancel) -> AcquireError {
    if cancel.is_cancelled() { AcquireError::Cancelled } else { error.into() }
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
pub(crate) struct Objects {
    /// Each use takes one and gives it back; their caches make it worth while.
    handles: Mutex<Vec<gix::OdbHandle>>,
    /// Held while a large object is decoded: one at a time.
    large: Mutex<()>,
}

/// Objects from this size on are decoded one at a time.
const LARGE: u64 = 1 << 20;

impl Objects {
    fn open(path: &Path) -> Result<Self, Box<dyn std::error::Error + Send + Sync>> {
        let mut handle = open(path)?.objects.clone();
        // Nobody adds to it while its lock is ours; to look at the disk for each object that is not there is dear.
        handle.refresh_never();
        Ok(Objects { handles: Mutex::new(vec![handle]), large: Mutex::default() })
    }

    fn has(&self, id: ObjectId) -> bool {
        self.find(&id, &mut Vec::new()).is_ok_and(|found| found.is_some())
    }

    /// The object's kind, its bytes in `buffer`; `None` when it is not there.
    pub(crate) fn find(
        &self,
        id: &ObjectId,
        buffer: &mut Vec<u8>,
    ) -> Result<Option<Kind>, Box<dyn std::error::Error + Send + Sync>> {
        let handle = self.take();
        let found = self.find_with(&handle, id, buffer);
        self.handles.lock().unwrap_or_else(PoisonError::into_inner).push(handle);
        found
    }

    fn find_with(
        &self,
        handle: &gix::OdbHandle,
        id: &ObjectId,
        buffer: &mut Vec<u8>,
    ) -> Result<Option<Kind>, Box<dyn std::error::Error + Send + Sync>> {
        let Some(header) = handle.try_header(id)? else { return Ok(None) };
        // The mirror is said to lack what would be too much to hold.
        if header.size > MODEST {
            return Ok(None);
        }
        let alone = || self.large.lock().unwrap_or_else(PoisonError::into_inner);
        let _alone = (header.size >= LARGE).then(alone);
        Ok(handle.try_find(id, buffer)?.map(|data| data.kind))
    }

    /// The tree of a commit.
    ///
    /// # Errors
    /// The commit is missing or damaged, or it is something else.
    pub(crate) fn tree_of(&self, commit: ObjectId) -> Result<ObjectId, PackError> {
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
        root_in(&commit, &bytes)
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
