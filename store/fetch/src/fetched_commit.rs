//! One commit of a repository becomes a staged tree.
//!
//! The entry is the mirror: when the store has a tree of the same repository, the server is told so,
//! sends a thin pack, and unchanged files are linked. When that tree turns out to be damaged the
//! commit is fetched again, whole. Where a server cannot serve a single commit, the bare mirror is
//! the fall-back.

use std::{io::BufRead, path::PathBuf};

use gix::{ObjectId, bstr::BString};
use modstore_core::{
    Cancel,
    disk::{Disk, Holder, Layout, Planting, Staged, Staging, read_manifest, read_own},
    model::{Digest, GitTree, Manifest},
};

use crate::{
    errors::{AcquireError, FetchError, PackError, PackLimits},
    mirror::{Flaw, Mirror, MirrorPlace, Supply},
    pack::{Base, MemoryBudget},
    protocol::{RemoteNews, Session, Tip},
    tree::{PackNews, PlantOptions, Planted, plant_history, plant_pack, plant_tree},
};

/// An entry that can be the base of a fetch.
#[derive(Debug)]
pub struct BaseEntry {
    root: PathBuf,
    commit: ObjectId,
    manifest: Manifest,
    git: GitTree,
}

/// What a fetch tells while it runs.
#[derive(Debug, Clone, Copy)]
pub enum FetchNews<'a> {
    /// The server says what it is doing.
    Says(&'a str),
    /// Part of a pack has come.
    Pack(PackNews),
    /// Somebody else works with the mirror; said once, after a second.
    Waiting(Option<&'a Holder>),
}

/// A commit in staging.
#[derive(Debug)]
pub struct FetchedCommit {
    /// Its tree.
    pub staged: Staged,
    /// What is in it.
    pub manifest: Manifest,
    /// Submodules, which are not in the tree.
    pub submodules: Vec<BString>,
    /// Lines a person should read.
    pub warnings: Vec<String>,
    /// Files written and files linked.
    pub files: (u64, u64),
    /// Bytes of packs received.
    pub received: u64,
}

/// Where a fetch writes.
#[derive(Debug, Clone, Copy)]
pub struct Destination<'a> {
    /// The mirror, for servers that make one necessary.
    pub mirror: MirrorPlace<'a>,
    /// The disk.
    pub disk: &'a Disk,
    /// The staging.
    pub staging: &'a Staging,
    /// What a pack may cost.
    pub packs: PackLimits,
    /// The memory of all fetches that run now.
    pub memory: &'a MemoryBudget,
}

impl BaseEntry {
    /// The entry `digest`, made of `commit`, if the store has all that a base needs.
    #[must_use]
    pub fn open(layout: &Layout, digest: Digest, commit: ObjectId) -> Option<Self> {
        let manifest = read_manifest(layout, digest)?;
        let git = GitTree::from_bytes(&read_own(&layout.git_tree(digest)).ok()?, &manifest)?;
        Some(Self { root: layout.entry(digest), commit, manifest, git })
    }

    /// Where the commit that `digest` was made of has submodules; `None` when that is not known.
    #[must_use]
    pub fn submodules(
        layout: &Layout,
        digest: Digest,
        manifest: &Manifest,
    ) -> Option<Vec<BString>> {
        let git = GitTree::from_bytes(&read_own(&layout.git_tree(digest)).ok()?, manifest)?;
        Some(git.gitlinks.into_iter().map(|(path, _)| path).collect())
    }
}

/// Fetches `commit` into the staging, against `base` where there is one.
///
/// # Errors
/// What was written stays in the staging, under names of its own, and goes with it.
pub fn fetch_commit(
    session: &mut Session,
    commit: ObjectId,
    base: Option<&BaseEntry>,
    into: Destination<'_>,
    news: &(dyn Fn(FetchNews<'_>) + Sync),
    cancel: &Cancel,
) -> Result<FetchedCommit, AcquireError> {
    let base =
        base.map(|base| Base::new(base.root.clone(), base.commit, &base.manifest, &base.git));
    let base = base.filter(crate::pack::base_is_usable);
    let fetching = Fetching { commit, into, news, cancel };
    match session.gives_alone(commit)? {
        true => with_base(base.as_ref(), |base| fetching.by_pack(session, base)),
        false => fetching.by_mirror(session, base.as_ref()),
    }
}

/// The commit from the mirror alone, without asking any server; `None` when the mirror cannot give it.
///
/// # Errors
/// What was written stays in the staging, under names of its own, and goes with it.
pub fn commit_from_mirror(
    commit: ObjectId,
    into: Destination<'_>,
    news: &(dyn Fn(FetchNews<'_>) + Sync),
    cancel: &Cancel,
) -> Result<Option<FetchedCommit>, AcquireError> {
    if !Mirror::is_there(&into.mirror) {
        return Ok(None);
    }
    let origin = into.mirror.origin.as_str();
    let waiting = |holder: Option<&Holder>| news(FetchNews::Waiting(holder));
    let staging = into.staging.directory();
    let mirror = Mirror::lock(into.disk, &into.mirror, staging, origin, &waiting, cancel)?;
    let Some(objects) = mirror.objects_with(commit) else { return Ok(None) };
    let find = |id: &ObjectId, buffer: &mut Vec<u8>| objects.find(id, buffer);
    let fetching = Fetching { commit, into, news, cancel };
    let planted = objects.tree_of(commit).map_err(|error| blame(error, origin)).and_then(|tree| {
        fetching.plant(None, |planting, options| {
            plant_tree(&find, tree, planting, options).map_err(|error| blame(error, origin))
        })
    });
    match planted {
        Ok(fetched) => Ok(Some(fetched)),
        Err(Flaw::Mirror(_) | Flaw::Sent(_)) => Ok(None),
        Err(Flaw::Other(error)) => Err(error),
    }
}

/// Attempts it with the base, and once more without when that turns out not to hold what it should.
fn with_base<'b>(
    base: Option<&'b Base<'b>>,
    mut attempt: impl FnMut(Option<&'b Base<'b>>) -> Result<FetchedCommit, AcquireError>,
) -> Result<FetchedCommit, AcquireError> {
    let tried = attempt(base);
    let lacking = tried.as_ref().err().filter(|_| base.is_some()).and_then(lacking_in_base);
    let Some(path) = lacking.cloned() else { return tried };
    let mut fetched = attempt(None)?;
    let warning =
        format!("`{path}` of the entry before is damaged or missing; the whole tree was fetched");
    fetched.warnings.push(warning);
    Ok(fetched)
}

/// What the base lacks, if that is the error.
fn lacking_in_base(error: &AcquireError) -> Option<&BString> {
    match error {
        // Missing: the base has less than its commit, for what git holds is not all in a tree.
        AcquireError::Fetch(FetchError::Receive {
            source: PackError::BaseDamaged { path, .. } | PackError::MissingObject { path, .. },
            ..
        }) => Some(path),
        _ => None,
    }
}

/// One commit being fetched.
struct Fetching<'a> {
    commit: ObjectId,
    into: Destination<'a>,
    news: &'a (dyn Fn(FetchNews<'_>) + Sync),
    cancel: &'a Cancel,
}

impl Fetching<'_> {
    fn plant<'b, E: From<AcquireError>>(
        &self,
        base: Option<&'b Base<'b>>,
        run: impl FnOnce(&Planting, &PlantOptions<'_>) -> Result<Planted, E>,
    ) -> Result<FetchedCommit, E> {
        let Destination { disk, staging, .. } = self.into;
        let root = staging.fresh();
        let planting = Planting::create(disk, &root).map_err(AcquireError::Write)?;
        let options = PlantOptions {
            base,
            folds: &|| staging.folds_names(),
            limits: self.into.packs,
            memory: self.into.memory,
            progress: &|progress| (self.news)(FetchNews::Pack(progress)),
            cancel: &|| self.cancel.is_cancelled(),
        };
        let planted = run(&planting, &options).inspect_err(|_| {
            // Others may need the room before the staging goes.
            let _ = disk.remove_tree(&root);
        })?;
        Ok(stage(disk, planting, planted)?)
    }

    /// From a pack that holds the commit alone.
    fn by_pack<'b>(
        &self,
        session: &mut Session,
        base: Option<&'b Base<'b>>,
    ) -> Result<FetchedCommit, AcquireError> {
        let spill = self.into.staging.fresh();
        let have = base.map(|base| base.commit);
        self.plant(base, |planting, options| {
            let receive =
                |pack: &mut dyn BufRead, tip: Tip| plant_pack(pack, tip, planting, &spill, options);
            let planted = session.fetch(self.commit, have, &|news| self.says(news), receive);
            planted.map_err(AcquireError::Fetch)
        })
    }

    /// From our own bare mirror, which the commit is fetched into.
    fn by_mirror<'b>(
        &self,
        session: &mut Session,
        base: Option<&'b Base<'b>>,
    ) -> Result<FetchedCommit, AcquireError> {
        let Destination { disk, staging, mirror: place, .. } = &self.into;
        let url = session.url().to_owned();
        let waiting = |holder: Option<&Holder>| (self.news)(FetchNews::Waiting(holder));
        let mirror = Mirror::lock(disk, place, staging.directory(), &url, &waiting, self.cancel)?;
        let told = |news: RemoteNews<'_>| match news {
            RemoteNews::Received(bytes) => {
                (self.news)(FetchNews::Pack(PackNews { bytes, objects: 0, total: 0 }));
            }
            news => self.says(news),
        };
        with_base(base, |base| {
            mirror.with_commit(session, self.commit, &told, self.cancel, |supply| match supply {
                Supply::Objects(objects) => {
                    let tree = objects.tree_of(self.commit).map_err(|error| blame(error, &url))?;
                    let find = |id: &ObjectId, buffer: &mut Vec<u8>| objects.find(id, buffer);
                    let fetched = self.plant(base, |planting, options| {
                        plant_tree(&find, tree, planting, options)
                            .map_err(|error| blame(error, &url))
                    })?;
                    Ok((fetched, Vec::new()))
                }
                Supply::Pack(pack, tip, kept) => {
                    let (mut known, scratch) = (Vec::new(), self.into.staging.fresh());
                    let fetched = self.plant(base, |planting, options| {
                        let planted = plant_history(pack, tip, planting, kept, &scratch, options);
                        let (planted, found) =
                            planted.map_err(|source| Flaw::Other(receiving(source, &url)))?;
                        known = found;
                        Ok::<_, Flaw>(planted)
                    })?;
                    Ok((fetched, known))
                }
            })
        })
    }

    fn says(&self, news: RemoteNews<'_>) {
        if let RemoteNews::Says(text) = news {
            (self.news)(FetchNews::Says(text));
        }
    }
}

/// Whether it is the mirror's fault that its tree could not be planted.
fn blame(error: PackError, url: &str) -> Flaw {
    match error {
        PackError::MissingObject { .. } | PackError::Find { .. } | PackError::Corrupt { .. } => {
            Flaw::Mirror(error.into())
        }
        PackError::Cancelled => Flaw::Other(AcquireError::Cancelled),
        source => Flaw::Other(receiving(source, url)),
    }
}

fn receiving(source: PackError, url: &str) -> AcquireError {
    match source {
        PackError::Cancelled => AcquireError::Cancelled,
        source => AcquireError::Fetch(FetchError::Receive { url: url.to_owned(), source }),
    }
}

/// Seals what was planted, and says what a person should know of it.
pub(crate) fn stage(
    disk: &Disk,
    planting: Planting,
    planted: Planted,
) -> Result<FetchedCommit, AcquireError> {
    let staged = Staged::seal(disk, planting, &planted.manifest, Some(&planted.git))
        .map_err(AcquireError::Write)?;
    let pointers = planted
        .lfs_pointers
        .iter()
        .map(|path| format!("{path} is a Git LFS pointer, and its content is not fetched"));
    let collisions = planted.collisions.iter().map(ToString::to_string);
    Ok(FetchedCommit {
        staged,
        warnings: pointers.chain(collisions).collect(),
        submodules: planted.git.gitlinks.into_iter().map(|(path, _)| path).collect(),
        manifest: planted.manifest,
        files: (planted.written, planted.linked),
        received: planted.received_bytes,
    })
}
