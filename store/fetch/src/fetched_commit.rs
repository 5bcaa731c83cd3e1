//! One commit of a repository becomes a staged tree.
//!
//! When the caller has a tree of the same repository, the request says so, the server sends a thin pack, and unchanged files are
//! linked. When that tree turns out to be damaged, the commit is fetched again, whole. Servers that cannot give one
//! commit alone, or refuse this one, are asked through a bare mirror.
//!
//! Limits: does not ask which commit is wanted; that is the session's part.

use std::{
    io::BufRead,
    path::{Path, PathBuf},
};

use gix::{
    ObjectId,
    bstr::{BStr, BString},
};
use modstore_core::{
    Cancel,
    disk::{Disk, Planting, Staged, Staging},
    events::Step,
    model::{GitTree, KeptCommits, Manifest},
};

use crate::{
    errors::{AcquireError, FetchError, PackError},
    lfs::{LargeFiles, LfsObjects, OtherPlace, PointersLeft},
    limits::{LfsLimits, PackLimits},
    mirror::{AttemptError, CommitSource, Mirror, MirrorPlace},
    pack::{Base, FindObject, MemoryBudget, base_is_usable, os_path},
    protocol::{ContentSource, Session, Tip},
    tree::{
        UnpackOptions, WrittenTree, checkout_into, keep_commit, unpack_history_into, unpack_into,
    },
};

/// A tree of the caller that can be the base of a fetch.
#[derive(Debug)]
pub struct BaseEntry {
    pub(crate) root: PathBuf,
    commit: ObjectId,
    pub(crate) manifest: Manifest,
    pub(crate) git: GitTree,
    pub(crate) commits: KeptCommits,
    reads_all: bool,
}

impl BaseEntry {
    /// The tree at `root`, made of `commit`, with the lists of its files. Nothing is read here; damage shows when a
    /// file is used.
    #[must_use]
    pub fn new(root: PathBuf, commit: ObjectId, manifest: Manifest, git: GitTree) -> Self {
        Self { root, commit, manifest, git, commits: KeptCommits::default(), reads_all: false }
    }

    /// The same, of which every file is read before it is linked, whatever the size of the tree.
    #[must_use]
    pub fn read_whole(self) -> Self {
        Self { reads_all: true, ..self }
    }

    /// The same, with the commit objects that were kept of it.
    #[must_use]
    pub fn with_commits(self, commits: KeptCommits) -> Self {
        Self { commits, ..self }
    }

    /// The commit.
    #[must_use]
    pub const fn commit(&self) -> ObjectId {
        self.commit
    }

    pub(crate) fn as_base(&self) -> Base<'_> {
        let mut base = Base::new(self.root.clone(), self.commit, &self.manifest, &self.git);
        base.reads_all |= self.reads_all;
        base
    }
}

/// A commit whose tree is whole, and may still be added to.
#[derive(Debug)]
pub struct PlantedCommit {
    /// The tree.
    pub writer: Planting,
    /// What is in it.
    pub written: WrittenTree,
    /// Lines a person should read.
    pub warnings: Vec<String>,
}

/// A commit in staging.
#[derive(Debug)]
pub struct FetchedCommit {
    /// Its tree.
    pub staged: Staged,
    /// The files in it.
    pub manifest: Manifest,
    /// Lines a person should read.
    pub warnings: Vec<String>,
    /// Files written and files linked.
    pub files: (u64, u64),
    /// How many of those that were linked were not read before.
    pub unread: u64,
    /// Bytes of packs received.
    pub received: u64,
    /// The commit's pack as it was received, if it was to be kept and has the commit's own objects and no others.
    pub pack: Option<Vec<u8>>,
}

/// Where a fetch writes, and what it may use.
#[derive(Debug, Clone, Copy)]
pub struct Destination<'a> {
    /// The mirror, for servers that make one necessary.
    pub mirror: MirrorPlace<'a>,
    /// The disk.
    pub disk: &'a Disk,
    /// The staging.
    pub staging: &'a Staging,
    /// Where the tree is made: at a path in a larger tree that lies at the root. A new directory of the staging if there is
    /// none.
    pub part_of: Option<(&'a Path, &'a BStr)>,
    /// What a pack may cost.
    pub packs: PackLimits,
    /// Whether the commit's pack is kept as the server gives it.
    pub keeps_pack: bool,
    /// The memory of all fetches that run now.
    pub memory: &'a MemoryBudget,
    /// What the large files of a commit may cost.
    pub lfs: LfsLimits,
    /// Contents of large files that are there already.
    pub objects: &'a LfsObjects,
}

/// Receives the steps of a fetch, from several threads; waiting for a lock is one.
pub type OnStep<'a> = dyn Fn(Step<'_>) + Sync + 'a;

/// Fetches `commit` into the staging, against `base` where there is one.
///
/// # Errors
/// Files already written stay in the staging, under names of their own, and go with it.
pub fn fetch_commit(
    session: &mut Session,
    commit: ObjectId,
    base: Option<&BaseEntry>,
    into: Destination<'_>,
    on_step: &OnStep<'_>,
    cancel: &Cancel,
) -> Result<PlantedCommit, AcquireError> {
    let base = base.map(BaseEntry::as_base).filter(base_is_usable);
    let fetch = CommitFetch { commit, into, on_step, cancel };
    if session.gives_alone(commit)? {
        match with_base(base.as_ref(), |base| fetch.by_pack(session, base)) {
            Err(AcquireError::Fetch(FetchError::Remote(_))) if session.has_refused(commit) => {}
            alone => return alone,
        }
    }
    if !session.has_name(commit) {
        on_step(Step::History);
    }
    fetch.by_mirror(session, base.as_ref())
}

/// What became of the wish to make a tree from a base of the very commit.
#[derive(Debug)]
pub enum FromBase {
    /// The tree.
    Planted(Box<PlantedCommit>),
    /// Nothing: this file of the base is damaged.
    Damaged(BString),
    /// Nothing: the base does not have all that the tree needs.
    Lacking,
}

/// Makes the tree of a commit from `base`, which is of the very commit, without asking any server.
///
/// # Errors
/// Files already written stay in the staging, under names of their own, and go with it.
pub fn commit_from_base(
    entry: &BaseEntry,
    into: Destination<'_>,
    on_step: &OnStep<'_>,
    cancel: &Cancel,
) -> Result<FromBase, AcquireError> {
    let base = entry.as_base();
    if !base_is_usable(&base) {
        return Ok(FromBase::Lacking);
    }
    let fetch = CommitFetch { commit: base.commit, into, on_step, cancel };
    let nowhere = |_: &ObjectId, _: &mut Vec<u8>| Ok(None);
    let planted: Result<_, AcquireError> = fetch.write(Some(&base), |writer, options| {
        let written = checkout_into(&nowhere, base.git.root, writer, options);
        let mut written = written.map_err(|source| receiving(source, ""))?;
        let object = entry.commits.find(&base.commit);
        object.into_iter().for_each(|object| written.commits.add(base.commit, object.to_vec()));
        Ok(written)
    });
    match planted {
        Ok(planted) => Ok(FromBase::Planted(Box::new(planted))),
        Err(AcquireError::Fetch(FetchError::Receive {
            source: PackError::BaseDamaged { path, .. },
            ..
        })) => Ok(FromBase::Damaged(path)),
        Err(error) if error.lacking().is_some() => Ok(FromBase::Lacking),
        Err(error) => Err(error),
    }
}

/// Takes the commit from the mirror alone, without asking any server; `None` when the mirror cannot give it. Unchanged
/// files are linked from `base` where there is one.
///
/// # Errors
/// Files already written stay in the staging, under names of their own, and go with it.
pub fn commit_from_mirror(
    commit: ObjectId,
    base: Option<&BaseEntry>,
    into: Destination<'_>,
    on_step: &OnStep<'_>,
    cancel: &Cancel,
) -> Result<Option<PlantedCommit>, AcquireError> {
    if !Mirror::is_there(&into.mirror) {
        return Ok(None);
    }
    let fetch = CommitFetch { commit, into, on_step, cancel };
    let url = into.mirror.origin.as_str();
    let mirror = fetch.lock_mirror(url)?;
    let Some(objects) = mirror.objects_with(commit) else { return Ok(None) };
    let find = |id: &ObjectId, buffer: &mut Vec<u8>| objects.find(id, buffer);
    let base = base.map(BaseEntry::as_base).filter(base_is_usable);
    let fetched = objects.tree_of(commit).map_err(|error| blame(error, url)).and_then(|tree| {
        with_base(base.as_ref(), |base| {
            fetch.write(base, |writer, options| {
                let written = checkout_with(&find, (commit, tree), writer, options);
                written.map_err(|error| blame(error, url))
            })
        })
    });
    match fetched {
        Ok(fetched) => Ok(Some(fetched)),
        Err(AttemptError::Mirror(_) | AttemptError::Sent(_)) => Ok(None),
        Err(AttemptError::Other(error)) => Err(error),
    }
}

/// Writes the tree of a commit whose objects `find` has. `at` names where they are, for errors.
pub(crate) fn plant_from(
    find: &FindObject<'_>,
    (commit, tree): (ObjectId, ObjectId),
    at: &str,
    (into, on_step): (Destination<'_>, &OnStep<'_>),
    cancel: &Cancel,
) -> Result<PlantedCommit, AcquireError> {
    let fetch = CommitFetch { commit, into, on_step, cancel };
    fetch.write(None, |writer, options| {
        let written = checkout_with(find, (commit, tree), writer, options);
        written.map_err(|source| receiving(source, at))
    })
}

/// Writes the tree of a commit, and keeps the commit.
fn checkout_with(
    find: &FindObject<'_>,
    (commit, tree): (ObjectId, ObjectId),
    writer: &Planting,
    options: &UnpackOptions<'_>,
) -> Result<WrittenTree, PackError> {
    let mut written = checkout_into(find, tree, writer, options)?;
    keep_commit(find, commit, &mut written.commits)?;
    Ok(written)
}

/// Makes the tree of a commit from a pack that anyone may have made: what does not prove to be of this commit is an error.
/// Unchanged files are linked from `base`, where there is one; it may have to be left out, which [`needs_no_base`] tells.
///
/// # Errors
/// The tree is not to be used. `at` names the pack.
pub fn commit_from_pack(
    (pack, at): (&mut dyn BufRead, &str),
    commit: ObjectId,
    base: Option<&BaseEntry>,
    into: Destination<'_>,
    on_step: &OnStep<'_>,
    cancel: &Cancel,
) -> Result<PlantedCommit, AcquireError> {
    // Of the very commit an entry would answer for the pack.
    let base = base.filter(|base| base.commit != commit);
    let base = base.map(BaseEntry::as_base).filter(base_is_usable);
    // The tier has it already.
    let into = Destination { keeps_pack: false, ..into };
    let fetch = CommitFetch { commit, into, on_step, cancel };
    let spill = into.staging.fresh();
    let tip = Tip { commit, tag: None };
    fetch.write(base.as_ref(), |writer, options| {
        let written = unpack_into(pack, tip, writer, &spill, options);
        written.map_err(|source| receiving(source, at))
    })
}

/// Whether a pack that could not be made into a tree against a base may be made into one without.
#[must_use]
pub fn needs_no_base(error: &AcquireError) -> bool {
    error.lacking().is_some()
}

/// Attempts a fetch with the base, and once more without it when it lacks a file that it should have.
fn with_base<'b, E: LacksBase>(
    base: Option<&'b Base<'b>>,
    mut attempt: impl FnMut(Option<&'b Base<'b>>) -> Result<PlantedCommit, E>,
) -> Result<PlantedCommit, E> {
    let first = attempt(base);
    let lacking = first.as_ref().err().filter(|_| base.is_some()).and_then(E::lacking);
    let Some(path) = lacking.cloned() else { return first };
    let mut fetched = attempt(None)?;
    let warning =
        format!("`{path}` of the previous entry is damaged or missing; the whole tree was fetched");
    fetched.warnings.push(warning);
    Ok(fetched)
}

/// An error that may mean that the base does not have what it should.
trait LacksBase {
    /// The file that the base lacks, if that is the error.
    fn lacking(&self) -> Option<&BString>;
}

impl LacksBase for AcquireError {
    fn lacking(&self) -> Option<&BString> {
        match self {
            // A missing object counts: the server left out whatever the commit has, and not all that git has in a
            // commit is in a tree on disk.
            Self::Fetch(FetchError::Receive {
                source: PackError::BaseDamaged { path, .. } | PackError::MissingObject { path, .. },
                ..
            }) => Some(path),
            _ => None,
        }
    }
}

impl LacksBase for AttemptError {
    fn lacking(&self) -> Option<&BString> {
        match self {
            Self::Other(error) => error.lacking(),
            Self::Mirror(_) | Self::Sent(_) => None,
        }
    }
}

/// One commit being fetched.
struct CommitFetch<'a> {
    commit: ObjectId,
    into: Destination<'a>,
    on_step: &'a OnStep<'a>,
    cancel: &'a Cancel,
}

impl CommitFetch<'_> {
    /// Lets `fill` write a new tree. A tree that failed is removed.
    fn write<'b, E: From<AcquireError>>(
        &self,
        base: Option<&'b Base<'b>>,
        fill: impl FnOnce(&Planting, &UnpackOptions<'_>) -> Result<WrittenTree, E>,
    ) -> Result<PlantedCommit, E> {
        plant(self.into, base, (self.on_step, self.cancel), fill)
    }

    /// From a pack that holds the commit alone.
    fn by_pack<'b>(
        &self,
        session: &mut Session,
        base: Option<&'b Base<'b>>,
    ) -> Result<PlantedCommit, AcquireError> {
        let spill = self.into.staging.fresh();
        let have = base.map(|base| base.commit);
        self.write(base, |writer, options| {
            let receive =
                |pack: &mut dyn BufRead, tip: Tip| unpack_into(pack, tip, writer, &spill, options);
            let written = session.fetch(self.commit, have, &|step| self.on_remote(step), receive);
            written.map_err(AcquireError::Fetch)
        })
    }

    /// From our own bare mirror, which the commit is fetched into.
    fn by_mirror<'b>(
        &self,
        session: &mut Session,
        base: Option<&'b Base<'b>>,
    ) -> Result<PlantedCommit, AcquireError> {
        let url = session.url().to_owned();
        let mirror = self.lock_mirror(&url)?;
        let on_step = |step: Step<'_>| self.on_remote(step);
        with_base(base, |base| {
            mirror.with_commit(session, self.commit, &on_step, self.cancel, |source| match source {
                CommitSource::Mirror(objects) => {
                    let tree = objects.tree_of(self.commit).map_err(|error| blame(error, &url))?;
                    let find = |id: &ObjectId, buffer: &mut Vec<u8>| objects.find(id, buffer);
                    let fetched = self.write(base, |writer, options| {
                        checkout_with(&find, (self.commit, tree), writer, options)
                            .map_err(|error| blame(error, &url))
                    })?;
                    Ok((fetched, Vec::new()))
                }
                CommitSource::Pack(pack, tip, kept) => {
                    let scratch = self.into.staging.fresh();
                    let mut known = Vec::new();
                    let fetched = self.write(base, |writer, options| {
                        let (written, found) =
                            unpack_history_into(pack, tip, writer, kept, &scratch, options)
                                .map_err(|source| AttemptError::Other(receiving(source, &url)))?;
                        known = found;
                        Ok::<_, AttemptError>(written)
                    })?;
                    Ok((fetched, known))
                }
            })
        })
    }

    fn lock_mirror(&self, url: &str) -> Result<Mirror<'_>, AcquireError> {
        let Destination { disk, staging, mirror: place, .. } = &self.into;
        let on_wait = |holder: Option<&_>| (self.on_step)(Step::WaitingForLock { holder });
        Mirror::lock(disk, place, staging.directory(), url, &on_wait, self.cancel)
    }

    /// Passes on what the server says. Received bytes are reported by the unpacker, which knows the objects too.
    fn on_remote(&self, step: Step<'_>) {
        if matches!(step, Step::Remote(_)) {
            (self.on_step)(step);
        }
    }
}

/// Lets `fill` write a new tree. A tree that failed is removed.
pub(crate) fn plant<'b, E: From<AcquireError>>(
    into: Destination<'_>,
    base: Option<&'b Base<'b>>,
    (on_step, cancel): (&OnStep<'_>, &Cancel),
    fill: impl FnOnce(&Planting, &UnpackOptions<'_>) -> Result<WrittenTree, E>,
) -> Result<PlantedCommit, E> {
    let Destination { disk, staging, .. } = into;
    let (root, at) = match into.part_of {
        Some((top, at)) => (top.join(os_path(at)), at),
        None => (staging.fresh(), BStr::new("")),
    };
    let writer = Planting::create(disk, &root).map_err(AcquireError::Write)?.at(at);
    let options = UnpackOptions {
        base,
        folds: &|| staging.folds_names(),
        limits: into.packs,
        keeps_pack: into.keeps_pack,
        memory: into.memory,
        on_step,
        cancel,
    };
    let written = fill(&writer, &options).inspect_err(|_| {
        // Other fetches may need the room before the staging goes.
        let _ = disk.remove_tree(&root);
    })?;
    Ok(PlantedCommit { writer, written, warnings: Vec::new() })
}

/// Whether it is the mirror's fault that its tree could not be written.
fn blame(error: PackError, url: &str) -> AttemptError {
    match error {
        PackError::MissingObject { .. } | PackError::Find { .. } | PackError::Corrupt { .. } => {
            AttemptError::Mirror(error.into())
        }
        PackError::Cancelled => AttemptError::Other(AcquireError::Cancelled),
        source => AttemptError::Other(receiving(source, url)),
    }
}

pub(crate) fn receiving(source: PackError, url: &str) -> AcquireError {
    match source {
        PackError::Cancelled => AcquireError::Cancelled,
        source => AcquireError::Fetch(FetchError::Receive { url: url.to_owned(), source }),
    }
}

impl PlantedCommit {
    /// Lists the files whose content Git LFS keeps; their pointers stay.
    ///
    /// # Errors
    /// The tree is not to be used.
    pub fn list_large_files(
        &mut self,
        into: Destination<'_>,
        cancel: &Cancel,
    ) -> Result<(), AcquireError> {
        into.large_files(&|_| {}, cancel).list(&self.writer, &mut self.written)
    }

    /// Gives the files whose content Git LFS keeps that content: from `base` where it has it, else from `other` or from where
    /// the repository keeps it.
    ///
    /// # Errors
    /// The tree is not to be used.
    pub fn fetch_large_files(
        &mut self,
        (repository, other): (&ContentSource, Option<&dyn OtherPlace>),
        base: Option<&BaseEntry>,
        into: Destination<'_>,
        on_step: &OnStep<'_>,
        cancel: &Cancel,
    ) -> Result<(), AcquireError> {
        let (files, base) = (into.large_files(on_step, cancel), base.map(BaseEntry::as_base));
        self.written.git.contents.lfs = true;
        files.fill(&self.writer, &mut self.written, base.as_ref(), (&repository.access, other))
    }

    /// Seals the tree, and collects what a person should know about it.
    ///
    /// # Errors
    /// The tree stays in the staging, and goes with it.
    pub fn seal(self, disk: &Disk) -> Result<FetchedCommit, AcquireError> {
        let Self { writer, written, mut warnings } = self;
        let staged = Staged::seal(disk, writer, &written.manifest, Some(&written.git))
            .and_then(|staged| staged.keep_commits(disk, &written.commits))
            .map_err(AcquireError::Write)?;
        let left = PointersLeft::of(&written.manifest, &written.git);
        warnings.extend(left.any().then(|| left.to_string()));
        warnings.extend(stray(&written));
        warnings.extend(written.damaged.iter().map(|path| {
            format!("`{path}` of the previous entry is damaged or missing; its content was fetched")
        }));
        warnings.extend(written.collisions.iter().map(ToString::to_string));
        Ok(FetchedCommit {
            staged,
            warnings,
            manifest: written.manifest,
            files: (written.written, written.linked),
            unread: written.unread,
            received: written.received_bytes,
            pack: written.pack,
        })
    }
}

impl Destination<'_> {
    fn large_files<'l>(&'l self, on_step: &'l OnStep<'l>, cancel: &'l Cancel) -> LargeFiles<'l> {
        LargeFiles {
            limits: self.lfs,
            most: self.packs.tree,
            memory: self.memory,
            disk: self.disk,
            staging: self.staging,
            objects: self.objects,
            on_step,
            cancel,
        }
    }
}

/// Files that look like pointers and are none, as git sees it.
fn stray(written: &WrittenTree) -> Option<String> {
    let pointers = &written.git.pointers;
    let is_stray =
        |path: &&BString| pointers.binary_search_by(|(other, _)| other.cmp(path)).is_err();
    let mut stray = written.lfs_pointers.iter().filter(is_stray);
    let (first, more) = (stray.next()?, stray.count());
    let them = if more == 0 { first.to_string() } else { format!("{first} and {more} more") };
    Some(format!(
        "{them}: a Git LFS pointer by its text, and not by .gitattributes, so that git leaves it as it is"
    ))
}
