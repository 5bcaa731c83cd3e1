//! The submodules of a commit: each is fetched in its place, at the commit that the tree records, and the whole is one
//! tree.
//!
//! They are fetched level by level, since a submodule says which are in it; those of one level side by side, as far as there are
//! lanes to their hosts. What this command has fetched once is linked
//! for every other module that has it, and a repository is connected to once. Of the module's previous entry, a submodule
//! that is as it was is linked without a question, and one that changed is fetched against it.
//!
//! Limits: a submodule that `.gitmodules` says nothing of, or that has `update = none`, is left out, as by git. The empty
//! directory that git makes in its place is not made: trees have none.

use std::{
    collections::BTreeMap,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
    thread,
};

use gix::{
    ObjectId,
    bstr::{BStr, BString, ByteSlice as _},
};
use modstore_fetch::{
    AcquireError, BaseEntry, FromBase, Network, PlantedCommit, SUBMODULES_FILE, Submodule,
    SubmoduleError, SubmoduleList, commit_from_base, commit_from_mirror, compose,
};

use super::{
    Reach, SourceError, Sources, Upstream,
    entry::open_base,
    key::TreeKey,
    lfs,
    repository::{self, MirrorPaths, PartOf},
    tiered,
};
use crate::{
    disk::{DiskError, Verb, place},
    events::{Event, Step},
    model::{Contents, Fetched, FileKind, ModuleName, Origin, RemoteUrl, Revision},
};

/// The commit whose submodules are wanted.
pub(super) struct Superproject<'a> {
    /// Where it was fetched from.
    pub(super) url: &'a RemoteUrl,
    /// Its commit.
    pub(super) commit: &'a Fetched,
    /// An entry that is likely to be similar.
    pub(super) base: Option<&'a BaseEntry>,
    /// The modules that want it.
    pub(super) modules: &'a [&'a ModuleName],
}

/// A submodule to be fetched.
struct WantedSubmodule {
    /// Where it lies, from the top of the whole tree.
    at: BString,
    url: RemoteUrl,
    revision: Revision,
    /// The commits that it is in, the outermost first.
    within: Vec<(Origin, Revision)>,
}

/// A tree whose submodules are looked for.
struct Level {
    at: BString,
    url: RemoteUrl,
    within: Vec<(Origin, Revision)>,
}

/// Fetches the wanted submodules of a commit, and theirs, into its tree.
///
/// # Errors
/// The first that could not be fetched, by name. The tree is not to be used.
pub(super) fn add(
    sources: &Sources<'_>,
    planted: &mut PlantedCommit,
    contents: &Contents,
    of: &Superproject<'_>,
) -> Result<(), SourceError> {
    let mut parts = BTreeMap::new();
    let top = (of.commit.origin.clone(), of.commit.revision);
    let mut levels = vec![Level { at: "".into(), url: of.url.clone(), within: vec![top] }];
    for depth in 0.. {
        let mut wishes = Vec::new();
        for level in &levels {
            let tree = parts.get(&level.at).unwrap_or(&*planted);
            wishes.extend(wanted(sources, tree, level, contents)?);
        }
        if wishes.is_empty() {
            break;
        }
        check_extent(depth, parts.len() + wishes.len())?;
        levels.clear();
        for wish in &wishes {
            begin(sources, wish, (&*planted, &parts), of)?;
        }
        let fetched = fetch_all(sources, &wishes, &*planted, (contents, of))?;
        for (wish, part) in wishes.into_iter().zip(fetched) {
            let WantedSubmodule { at, url, revision, mut within } = wish;
            within.push((url.origin(), revision));
            parts.insert(at.clone(), part);
            levels.push(Level { at, url, within });
        }
    }
    check_named(contents, &parts)?;
    let folds = || (sources.staging)().map_or(Ok(false), |staging| staging.folds_names());
    Ok(compose(planted, parts.into_iter().collect(), &folds)?)
}

fn check_extent(depth: usize, count: usize) -> Result<(), SubmoduleError> {
    if depth >= SubmoduleList::DEEPEST {
        return Err(SubmoduleError::TooDeep { limit: SubmoduleList::DEEPEST });
    }
    if count > SubmoduleList::MOST {
        return Err(SubmoduleError::TooMany { limit: SubmoduleList::MOST });
    }
    Ok(())
}

/// Whether there is a submodule for each path that is declared.
fn check_named(
    contents: &Contents,
    parts: &BTreeMap<BString, PlantedCommit>,
) -> Result<(), SubmoduleError> {
    let there: Vec<&[u8]> = parts.keys().map(|path| path.as_slice()).collect();
    let Some(path) = contents.submodules.unmet(&there) else { return Ok(()) };
    let submodules = parts.keys().take(5).map(ToString::to_string).collect();
    Err(SubmoduleError::NoSuch { path: path.to_string(), submodules })
}

/// The submodules of one tree that are wanted.
fn wanted(
    sources: &Sources<'_>,
    tree: &PlantedCommit,
    level: &Level,
    contents: &Contents,
) -> Result<Vec<WantedSubmodule>, SourceError> {
    let links = &tree.written.git.gitlinks;
    if links.is_empty() {
        return Ok(Vec::new());
    }
    let Some(list) = list_of(tree).map_err(|error| refused(level.at.as_bstr(), error))? else {
        return Ok(Vec::new());
    };
    let mut wishes = Vec::new();
    for (path, commit) in links {
        let at = below(level.at.as_bstr(), path.as_bstr());
        let Some(submodule) = list.at(path.as_bstr()) else { continue };
        if !contents.submodules.has(&at) {
            continue;
        }
        let refused = |error| self::refused(at.as_bstr(), SourceError::from(error));
        let url = submodule_address(sources.network()?, submodule, &level.url).map_err(refused)?;
        let (Some(url), revision) = (url, Revision::from(*commit)) else { continue };
        if level.within.contains(&(url.origin(), revision)) {
            return Err(refused(SubmoduleError::Loop));
        }
        wishes.push(WantedSubmodule { at, url, revision, within: level.within.clone() });
    }
    Ok(wishes)
}

/// Where a submodule of the repository at `parent` is; `None` where this machine leaves it out.
pub(crate) fn submodule_address(
    network: &Network,
    submodule: &Submodule,
    parent: &RemoteUrl,
) -> Result<Option<RemoteUrl>, SubmoduleError> {
    let submodule = network.submodule_as_configured(submodule);
    if submodule.is_left_out {
        return Ok(None);
    }
    let Some(url) = &submodule.url else {
        return Err(SubmoduleError::NoUrl { name: submodule.name.clone() });
    };
    network.submodule_address(&parent.expose(), &url.to_str_lossy()).map(Some)
}

/// What the `.gitmodules` of a tree says; nothing where there is none.
fn list_of(tree: &PlantedCommit) -> Result<Option<SubmoduleList>, SourceError> {
    let manifest = &tree.written.manifest;
    let Some((_, file)) = manifest.find(SUBMODULES_FILE.into()) else { return Ok(None) };
    if file.size > SubmoduleList::LONGEST {
        let (size, limit) = (file.size, SubmoduleList::LONGEST);
        return Err(SubmoduleError::TooLong { size, limit }.into());
    }
    let path = place(tree.writer.root(), file.path.as_bstr());
    let content = std::fs::read(&path)
        .map_err(|source| AcquireError::Write(DiskError::new(Verb::Read, &path, source)))?;
    let list = SubmoduleList::read(&content)?;
    list.check_ways(|way| {
        manifest.find(way).is_some_and(|(_, file)| file.kind == FileKind::Symlink)
    })?;
    Ok(Some(list))
}

/// Reports a submodule, and makes the way to its place.
fn begin(
    sources: &Sources<'_>,
    wish: &WantedSubmodule,
    (top, parts): (&PlantedCommit, &BTreeMap<BString, PlantedCommit>),
    of: &Superproject<'_>,
) -> Result<(), SourceError> {
    for module in of.modules {
        let step = Step::Submodule(wish.at.as_bstr());
        sources.context.events.happened(Event::Module { module, step });
    }
    make_way(top, parts, wish.at.as_bstr())
        .map_err(|error| wish.failed(AcquireError::Write(error).into()))
}

/// Plants submodules in their places: each for which there is a lane to its host by a thread of its own, and the others by this
/// one, which has the lane of the module. The first in order that fails is reported, and what comes after it is not begun.
fn fetch_all(
    sources: &Sources<'_>,
    wishes: &[WantedSubmodule],
    top: &PlantedCommit,
    what: (&Contents, &Superproject<'_>),
) -> Result<Vec<PlantedCommit>, SourceError> {
    let (failed, done) = (AtomicUsize::new(usize::MAX), Mutex::new(BTreeMap::new()));
    let run = |number: usize, wish: &WantedSubmodule| {
        if failed.load(Ordering::Relaxed) < number {
            return;
        }
        let fetched = fetch(sources, wish, top, what);
        if fetched.is_err() {
            failed.fetch_min(number, Ordering::Relaxed);
        }
        done.lock().unwrap_or_else(PoisonError::into_inner).insert(number, fetched);
    };
    let run = &run;
    thread::scope(|scope| {
        for (number, wish) in wishes.iter().enumerate() {
            let host = wish.url.origin().host().map(str::to_owned).unwrap_or_default();
            let is_last = number + 1 == wishes.len();
            let Some(lane) = (!is_last).then(|| sources.lanes.enter(&host)).flatten() else {
                run(number, wish);
                continue;
            };
            let aside = move || {
                run(number, wish);
                drop(lane);
                // Modules may wait for room.
                sources.lanes.announce();
            };
            if thread::Builder::new().spawn_scoped(scope, aside).is_err() {
                run(number, wish);
            }
        }
    });
    done.into_inner().unwrap_or_else(PoisonError::into_inner).into_values().collect()
}

impl WantedSubmodule {
    /// The error that names it.
    fn failed(&self, error: SourceError) -> SourceError {
        if error.is_cancelled() {
            return error;
        }
        let (path, url) = (self.at.clone(), Some(self.url.to_string()));
        SourceError::Submodule { path, url, source: Arc::new(error) }
    }
}

/// Plants a submodule in its place.
fn fetch(
    sources: &Sources<'_>,
    wish: &WantedSubmodule,
    top: &PlantedCommit,
    (contents, of): (&Contents, &Superproject<'_>),
) -> Result<PlantedCommit, SourceError> {
    let WantedSubmodule { at, url, revision, .. } = wish;
    let root = place(top.writer.root(), at.as_bstr());
    let commit = Fetched { origin: url.origin(), reference: None, revision: *revision };
    let shared = sources.submodules.repository(url);
    // Another module that wants the same waits here, and then finds it fetched.
    let mut upstream = shared.lock().unwrap_or_else(PoisonError::into_inner);
    let part_of = (top.writer.root(), at.as_bstr());
    let planted = plant(sources, &mut upstream, &commit, part_of, of);
    let base = of.base.and_then(|base| base.submodule(at.as_bstr()));
    let planted = planted.and_then(|mut planted| {
        lfs::fill(sources, &mut planted, (url, None), base.as_ref(), (contents, of.modules))?;
        Ok(planted)
    });
    let planted = planted.map_err(|error| wish.failed(error))?;
    sources.submodules.remember(&commit, &root, &planted);
    Ok(planted)
}

/// The tree of a submodule, from the nearest place that has it. What is damaged of those that are here is named in it.
fn plant(
    sources: &Sources<'_>,
    upstream: &mut Upstream,
    commit: &Fetched,
    part_of: PartOf<'_>,
    of: &Superproject<'_>,
) -> Result<PlantedCommit, SourceError> {
    let mut damaged = Vec::new();
    for base in same(sources, commit, of.base, part_of.1) {
        match from_same(sources, &base, commit, (part_of, of))? {
            FromBase::Planted(planted) => return Ok(with_damaged(*planted, damaged)),
            FromBase::Damaged(path) => damaged.push(path),
            FromBase::Lacking => {}
        }
    }
    plant_other(sources, upstream, commit, part_of, of).map(|it| with_damaged(it, damaged))
}

fn with_damaged(mut planted: PlantedCommit, damaged: Vec<BString>) -> PlantedCommit {
    planted.written.damaged.extend(damaged);
    planted
}

/// The tree of a submodule from a tree of the same commit.
fn from_same(
    sources: &Sources<'_>,
    base: &BaseEntry,
    commit: &Fetched,
    (part_of, of): (PartOf<'_>, &Superproject<'_>),
) -> Result<FromBase, SourceError> {
    let context = sources.context;
    let on_step = repository::reporting(context.events, of.modules.first().copied());
    let paths = MirrorPaths::of(context.layout, &commit.origin);
    let into = repository::destination(sources, &commit.origin, &paths, Some(part_of))?;
    Ok(commit_from_base(base, into, &on_step, context.cancel)?)
}

/// The tree of a submodule from where no tree of the very commit is needed.
fn plant_other(
    sources: &Sources<'_>,
    upstream: &mut Upstream,
    commit: &Fetched,
    part_of: PartOf<'_>,
    of: &Superproject<'_>,
) -> Result<PlantedCommit, SourceError> {
    let context = sources.context;
    let on_step = repository::reporting(context.events, of.modules.first().copied());
    let paths = MirrorPaths::of(context.layout, &commit.origin);
    let into = repository::destination(sources, &commit.origin, &paths, Some(part_of))?;
    let base = of.base.and_then(|base| base.submodule(part_of.1));
    // What is linked from elsewhere is in no slice that is read of the module's own entry.
    let other = || Some(repository::base(sources, &commit.origin, None)?.read_whole());
    let base = base.or_else(other);
    // Of the very commit there was none that is whole.
    let base = base.filter(|base| Revision::from(base.commit()) != commit.revision);
    if sources.reach <= Reach::OutsideTheStore {
        let id = commit.revision.into();
        let found = commit_from_mirror(id, base.as_ref(), into, &on_step, context.cancel)?;
        if let Some(planted) = found {
            return Ok(planted);
        }
    }
    let asked = (&commit.origin, commit.revision);
    let module = of.modules.first().copied();
    if let Some(planted) = tiered::commit(sources, asked, || None, Some(part_of), module)? {
        return Ok(planted);
    }
    repository::fetch(sources, upstream, commit, base.as_ref(), Some(part_of), of.modules)
}

/// Trees of this very commit that are here. `at` is where it is to lie.
fn same(
    sources: &Sources<'_>,
    commit: &Fetched,
    base: Option<&BaseEntry>,
    at: &BStr,
) -> impl Iterator<Item = Arc<BaseEntry>> {
    let id: ObjectId = commit.revision.into();
    let fetched = sources.submodules.fetched(commit);
    let before = base.and_then(|base| {
        let mut submodules = base.submodules().filter(|(_, commit)| *commit == id);
        submodules.find_map(|(path, _)| {
            let submodule = base.submodule(path)?;
            Some(if path == at { submodule } else { submodule.read_whole() })
        })
    });
    let known = || match sources.reach {
        Reach::Everywhere => known(sources, commit),
        Reach::OutsideTheStore | Reach::OriginOnly => None,
    };
    fetched.into_iter().chain(before.or_else(known).map(Arc::new))
}

/// An entry of the store that is this commit. What is kept beside an entry may be of another commit with the same files,
/// so it counts only where it can tell nothing else than files.
fn known(sources: &Sources<'_>, commit: &Fetched) -> Option<BaseEntry> {
    let Fetched { origin, revision, .. } = commit.clone();
    let key = TreeKey::Commit { origin, revision, contents: Contents::USUAL };
    let mut bases = sources.known().find(&key).iter().filter_map(|digest| {
        let base = open_base(sources.context.layout, (*digest, commit.revision))?;
        (!base.may_have_submodules()).then(|| base.read_whole())
    });
    bases.next()
}

/// Makes the directories that lead to a submodule, as far as no file has made them.
fn make_way(
    top: &PlantedCommit,
    parts: &BTreeMap<BString, PlantedCommit>,
    at: &BStr,
) -> Result<(), DiskError> {
    let around = parts.iter().filter(|(path, _)| is_in(at, path.as_bstr()));
    let (inside, within, writer) = around
        .max_by_key(|(path, _)| path.len())
        .and_then(|(path, part)| Some((at.get(path.len() + 1..)?, path.as_bstr(), &part.writer)))
        .unwrap_or((at.as_bytes(), BStr::new(""), &top.writer));
    let inside = inside.as_bstr();
    let ways = inside.find_iter("/").filter_map(|end| inside.get(..end)).map(BStr::new);
    for way in ways {
        let path = place(top.writer.root(), below(within, way).as_bstr());
        if path.symlink_metadata().is_err() {
            writer.directory(way)?;
        }
    }
    Ok(())
}

fn is_in(path: &BStr, directory: &BStr) -> bool {
    path.strip_prefix(directory.as_bytes()).is_some_and(|rest| rest.starts_with(b"/"))
}

fn below(directory: &BStr, path: &BStr) -> BString {
    match directory.is_empty() {
        true => path.to_owned(),
        false => [directory.as_bytes(), b"/", path.as_bytes()].concat().into(),
    }
}

/// The error of a submodule that is not asked for.
fn refused(at: &BStr, error: SourceError) -> SourceError {
    match at.is_empty() {
        true => error,
        false => SourceError::Submodule { path: at.to_owned(), url: None, source: Arc::new(error) },
    }
}
