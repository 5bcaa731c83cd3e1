//! Entries of other stores of this user: the projects on one machine download what they share once.
//!
//! Which store has a tree is in an index below the user's cache directory, one small file for each tree. A process writes
//! there what it has itself fetched from the tree's origin, so the index is believed, and the stores are not: a project's
//! home comes with the project. What is taken from one is compared with the digest in the index, each byte read. It is then
//! linked, or copied where that is not possible.
//!
//! Limits: the index counts on nothing. A store that is gone, or has swept the entry, just does not have it. No lock of
//! another store is taken; a sweep there makes linking fail, and the origin is asked.

use std::{
    collections::BTreeSet,
    os::unix::fs::MetadataExt as _,
    path::{Path, PathBuf},
};

use gix::bstr::{BString, ByteSlice as _};
use modstore_fetch::PointersLeft;
use rayon::prelude::*;

use crate::{
    acquire::{
        AcquiredTree, FetchStats, SourceError, Sources, TreeFrom,
        entry::{BaseCommit, kept_commits},
        key::TreeKey,
        places::FoundTree,
    },
    disk::{
        DiskError, Layout, LinkError, OpenTree, Planting, Staged, has_content, is_directory,
        is_only_ours, names_in, random_name, read_manifest, read_own, read_regular,
    },
    model::{Digest, GitTree, Manifest, ModuleName},
};

/// The bytes of one file of the index that are read.
const LONGEST: u64 = 16 << 10;

/// How many stores are remembered for one tree.
const STORES: usize = 4;

/// How many trees are remembered below one of the 256 directories of the index; then the older half is forgotten.
const TREES: usize = 64;

/// A store that had a tree.
#[derive(Debug, PartialEq, Eq)]
struct Known {
    digest: Digest,
    /// What git called its files, hashed; none for an archive.
    git: Option<Digest>,
    home: PathBuf,
}

/// The tree, from the first store that has it.
pub(super) fn find(
    sources: &Sources<'_>,
    key: &TreeKey,
    _: Option<BaseCommit>,
    _: &ModuleName,
) -> Result<Option<FoundTree>, SourceError> {
    let Some(index) = &sources.shared else { return Ok(None) };
    let own = sources.context.layout.resolved_home();
    for known in read(&place(index, key)).into_iter().filter(|known| known.home != own) {
        if sources.context.cancel.is_cancelled() {
            return Err(SourceError::cancelled());
        }
        if let Ok(Some(tree)) = take(sources, key, &known) {
            if let TreeKey::Commit { origin, .. } = key {
                // What a login has opened there is not public here.
                let mirrors = Layout::new(&known.home).mirrors();
                sources.network()?.learn_of_logins(&mirrors, origin);
            }
            return Ok(Some(FoundTree::Whole(Box::new(tree))));
        }
    }
    Ok(None)
}

/// Notes that this store is about to have a tree, which came from its origin just now. What cannot be noted is fetched again.
pub(in crate::acquire) fn remember(sources: &Sources<'_>, key: &TreeKey, tree: &AcquiredTree) {
    let (Some(index), Some(staged)) = (&sources.shared, &tree.staged) else { return };
    let git = staged.git().map(|path| read_own(path).map(|bytes| hash_of(&bytes)));
    let home = sources.context.layout.resolved_home();
    if let Ok(git) = git.transpose() {
        // An index that cannot be written shares nothing, and that is all.
        let _ = note(sources, &place(index, key), Known { digest: tree.digest, git, home });
    }
}

fn note(sources: &Sources<'_>, path: &Path, new: Known) -> Result<(), DiskError> {
    let disk = sources.context.disk;
    let Some(shelf) = path.parent() else { return Ok(()) };
    disk.ensure_dir(shelf)?;
    let mut known = read(path);
    known.retain(|known| known.home != new.home);
    known.insert(0, new);
    let lines: Vec<String> = known.iter().filter_map(Known::line).take(STORES).collect();
    let spare = shelf.join(random_name(shelf)?);
    disk.create_file(&spare, lines.concat().as_bytes())?;
    disk.rename(&spare, path)?;
    forget_old(sources, shelf)
}

/// Keeps a directory of the index small.
fn forget_old(sources: &Sources<'_>, shelf: &Path) -> Result<(), DiskError> {
    let names = names_in(shelf)?;
    if names.len() <= TREES {
        return Ok(());
    }
    let age = |path: &PathBuf| path.symlink_metadata().map_or(0, |meta| meta.mtime());
    let mut paths: Vec<PathBuf> = names.into_iter().map(|name| shelf.join(name)).collect();
    paths.sort_by_cached_key(age);
    let older = paths.len() / 2;
    paths.iter().take(older).try_for_each(|path| sources.context.disk.remove_file(path))
}

/// The file of the index for a tree.
fn place(index: &Path, key: &TreeKey) -> PathBuf {
    let text = match key {
        TreeKey::Commit { origin, revision, .. } => format!("commit {revision} {origin}"),
        TreeKey::Checksum { kind, sha256 } => format!("{kind} {}", Digest::from_bytes(*sha256)),
    };
    let name = hash_of(text.as_bytes()).to_string();
    let (shelf, rest) = name.split_at(2);
    index.join(shelf).join(rest)
}

fn hash_of(bytes: &[u8]) -> Digest {
    Digest::from_bytes(blake3::hash(bytes).into())
}

fn read(path: &Path) -> Vec<Known> {
    let bytes = read_regular(path, LONGEST).unwrap_or_default();
    let text = String::from_utf8(bytes).unwrap_or_default();
    text.lines().take(STORES).filter_map(Known::read).collect()
}

impl Known {
    fn read(line: &str) -> Option<Self> {
        let (digest, rest) = line.split_once(' ')?;
        let (git, home) = rest.split_once(' ')?;
        let git = if git == "-" { None } else { Some(git.parse().ok()?) };
        Some(Self { digest: digest.parse().ok()?, git, home: PathBuf::from(home) })
    }

    /// Its line; none for a home whose path is not one line of text.
    fn line(&self) -> Option<String> {
        let home = self.home.to_str().filter(|home| !home.contains('\n'))?;
        let git = self.git.map_or_else(|| "-".to_owned(), |git| git.to_string());
        Some(format!("{} {git} {home}\n", self.digest))
    }
}

/// The tree of another store's entry, in a staging of this one.
fn take(
    sources: &Sources<'_>,
    key: &TreeKey,
    known: &Known,
) -> Result<Option<AcquiredTree>, SourceError> {
    let layout = Layout::new(&known.home);
    let entry = layout.entry(known.digest);
    if !is_directory(&entry) || !is_only_ours(&entry) {
        return Ok(None);
    }
    let Some(manifest) = read_manifest(&layout, known.digest) else { return Ok(None) };
    let git = match known.git {
        None => None,
        Some(expected) => match git_of(&layout, known.digest, expected, &manifest) {
            Some(git) => Some(git),
            None => return Ok(None),
        },
    };
    if let TreeKey::Commit { contents, .. } = key
        && !git.as_ref().is_some_and(|git| git.is_of(contents))
    {
        return Ok(None);
    }
    let Some(staged) = stage(sources, &entry, &manifest, git.as_ref())? else { return Ok(None) };
    let kept = staged.keep_commits(sources.context.disk, &kept_commits(&layout, known.digest));
    let staged = kept.map_err(modstore_fetch::AcquireError::Write)?;
    let left = git.as_ref().map(|git| PointersLeft::of(&manifest, git));
    Ok(Some(AcquiredTree {
        digest: known.digest,
        warnings: left.filter(PointersLeft::any).map(|left| left.to_string()).into_iter().collect(),
        stats: FetchStats { linked: staged.files(), ..FetchStats::default() },
        staged: Some(staged),
        manifest,
        pack: None,
        from: TreeFrom::Neighbour,
    }))
}

fn git_of(
    layout: &Layout,
    digest: Digest,
    expected: Digest,
    manifest: &Manifest,
) -> Option<GitTree> {
    let bytes = read_own(&layout.git_tree(digest)).ok()?;
    (hash_of(&bytes) == expected).then(|| GitTree::from_bytes(&bytes, manifest))?
}

/// Links all files of an entry, each of which must have the content that the manifest says.
fn stage(
    sources: &Sources<'_>,
    entry: &Path,
    manifest: &Manifest,
    git: Option<&GitTree>,
) -> Result<Option<Staged>, SourceError> {
    let (disk, staging) = (sources.context.disk, (sources.staging)()?);
    let root = staging.fresh();
    let whole = || -> Result<Option<Staged>, DiskError> {
        let planting = Planting::create(disk, &root)?;
        let directories: BTreeSet<BString> = manifest.files().iter().flat_map(parents).collect();
        directories.iter().try_for_each(|path| planting.directory(path.as_bstr()))?;
        let entry = OpenTree::new(entry);
        let taken = manifest.files().par_iter().map(|file| {
            if !has_content(&entry, file) {
                return Ok(false);
            }
            match planting.link(file.path.as_bstr(), file, &entry) {
                Ok(()) => Ok(true),
                Err(LinkError::Damaged { .. }) => Ok(false),
                Err(LinkError::Disk(error)) => Err(error),
            }
        });
        if !taken.try_reduce(|| true, |a, b| Ok(a && b))? {
            return Ok(None);
        }
        Staged::seal(disk, planting, manifest, git).map(Some)
    };
    let staged = whole();
    if !matches!(staged, Ok(Some(_))) {
        // The origin's tree may need the room.
        let _ = disk.remove_tree(&root);
    }
    staged.map_err(|error| SourceError::from(modstore_fetch::AcquireError::Write(error)))
}

fn parents(file: &crate::model::TreeFile) -> Vec<BString> {
    let path = &file.path;
    path.find_iter("/").map(|at| BString::from(path.get(..at).unwrap_or_default())).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_of_the_index_is_read_as_it_was_written() {
        let digest = Digest::from_bytes([7; 32]);
        for (git, home) in [(None, "/a b"), (Some(digest), "/home/me/.modstore")] {
            let known = Known { digest, git, home: PathBuf::from(home) };
            assert_eq!(Known::read(known.line().unwrap().trim_end()), Some(known));
        }
        let known = Known { digest, git: None, home: PathBuf::from("/a\nb") };
        assert_eq!(known.line(), None);
        for broken in ["", "x", "x - /home", &format!("{digest} y /home"), &digest.to_string()] {
            assert_eq!(Known::read(broken), None, "{broken}");
        }
    }
}
