//! A tree with submodules: one tree on disk, of which each part is a tree of git's.
//!
//! Each submodule is planted in its place by itself, under the rules and limits of any commit. [`compose`] makes one list
//! of all; `part` takes a part out of it again, as the base of a later fetch.
//!
//! Limits: which submodules there are, and fetching them, is the caller's.

use gix::{
    ObjectId,
    bstr::{BStr, BString, ByteSlice as _},
};
use modstore_core::{
    disk::{DiskError, FoldsNames, Verb},
    model::{FileKind, GitTree, Manifest, TreeFile},
};

use crate::{
    errors::{AcquireError, FetchError, PackError, SubmoduleError},
    fetched_commit::{BaseEntry, PlantedCommit},
    pack::{contents, os_path},
    submodules::SubmoduleList,
    tree_rules::first_that_leaves,
};

/// The file of a tree in which git writes where its submodules come from.
pub const SUBMODULES_FILE: &str = ".gitmodules";

/// Adds submodules to the tree that they were planted in: where they lie in it, and what was planted. Links are checked
/// again, now that all are known.
///
/// # Errors
/// The tree is not to be used.
pub fn compose(
    top: &mut PlantedCommit,
    parts: Vec<(BString, PlantedCommit)>,
    folds: &FoldsNames<'_>,
) -> Result<(), AcquireError> {
    if parts.is_empty() {
        return Ok(());
    }
    let written = &mut top.written;
    let blobs = std::mem::take(&mut written.git.blobs);
    let files = written.manifest.files().iter().cloned();
    let mut both: Vec<(TreeFile, ObjectId)> = files.zip(blobs).collect();
    for (at, part) in parts {
        top.writer.adopt(at.as_bstr(), &part.writer);
        let (from, below) = (part.written, |path: &BString| below(at.as_bstr(), path.as_bstr()));
        let files = from.manifest.files().iter().zip(&from.git.blobs);
        both.extend(
            files.map(|(file, id)| (TreeFile { path: below(&file.path), ..file.clone() }, *id)),
        );
        let GitTree { root, odd_modes, gitlinks, pointers, .. } = from.git;
        let git = &mut written.git;
        git.odd_modes.extend(odd_modes.into_iter().map(|(path, mode)| (below(&path), mode)));
        git.gitlinks.extend(gitlinks.into_iter().map(|(path, commit)| (below(&path), commit)));
        git.pointers.extend(pointers.into_iter().map(|(path, pointer)| (below(&path), pointer)));
        written.commits.extend(from.commits);
        written.lfs_pointers.extend(from.lfs_pointers.iter().map(below));
        written.collisions.extend(from.collisions.into_iter().map(|mut collision| {
            collision.first = below(&collision.first);
            collision.second = below(&collision.second);
            collision
        }));
        written.written += from.written;
        written.linked += from.linked;
        written.unread += from.unread;
        written.damaged.extend(from.damaged.iter().map(below));
        written.written_bytes += from.written_bytes;
        written.received_bytes += from.received_bytes;
        top.warnings.extend(part.warnings);
        git.submodules.push((at, root));
    }
    both.sort_by(|a, b| a.0.path.cmp(&b.0.path));
    let (files, blobs): (Vec<_>, Vec<_>) = both.into_iter().unzip();
    written.git.blobs = blobs;
    written.git.odd_modes.sort();
    written.git.gitlinks.sort();
    written.git.submodules.sort();
    written.git.pointers.sort();
    written.lfs_pointers.sort();
    written.collisions.sort();
    written.manifest = Manifest::new(files).map_err(|error| refused(PackError::Manifest(error)))?;
    check_links(top, folds)
}

/// A link of one part may lead through a link of another, which neither part knows of.
fn check_links(top: &PlantedCommit, folds: &FoldsNames<'_>) -> Result<(), AcquireError> {
    let links = top.written.manifest.files().iter().filter(|file| file.kind == FileKind::Symlink);
    let texts = links.map(|file| {
        let path = top.writer.root().join(os_path(file.path.as_bstr()));
        let text = std::fs::read_link(&path);
        let text = text.map_err(|source| DiskError::new(Verb::Read, &path, source))?;
        Ok((file.path.clone(), text.into_os_string().into_encoded_bytes().into()))
    });
    let texts: Vec<(BString, BString)> =
        texts.collect::<Result<_, _>>().map_err(AcquireError::Write)?;
    match first_that_leaves(&texts, folds).map_err(AcquireError::Write)? {
        Some(tree) => Err(refused(PackError::Refused(tree))),
        None => Ok(()),
    }
}

fn refused(source: PackError) -> AcquireError {
    AcquireError::Fetch(FetchError::Receive { url: String::new(), source })
}

impl BaseEntry {
    /// The submodule at `path` that was fetched with it.
    #[must_use]
    pub fn submodule(&self, path: &BStr) -> Option<Self> {
        let (manifest, git) = part(&self.manifest, &self.git, path)?;
        let (_, commit) = self.git.gitlinks.iter().find(|(link, _)| link == path)?;
        let root = self.root.join(os_path(path));
        Some(Self::new(root, *commit, manifest, git).with_commits(self.commits.clone()))
    }

    /// The submodules that were fetched with it: where they lie, and their commits.
    pub fn submodules(&self) -> impl Iterator<Item = (&BStr, ObjectId)> {
        let fetched = |path: &BString| self.git.submodules.iter().any(|(link, _)| link == path);
        let links = self.git.gitlinks.iter().filter(move |(path, _)| fetched(path));
        links.map(|(path, commit)| (path.as_bstr(), *commit))
    }

    /// The submodules right in it, and not in another one: where they lie, and their commits.
    pub fn own_submodules(&self) -> impl Iterator<Item = (&BStr, ObjectId)> {
        let is_in = |path: &BStr, other: &BString| {
            path.strip_prefix(other.as_slice()).is_some_and(|rest| rest.starts_with(b"/"))
        };
        let is_own = move |(path, _): &(&BStr, ObjectId)| {
            !self.git.submodules.iter().any(|(other, _)| is_in(path, other))
        };
        self.submodules().filter(is_own)
    }

    /// What its file says of submodules; nothing where there is none.
    ///
    /// # Errors
    /// The file cannot be used.
    pub fn submodule_list(&self) -> Result<Option<SubmoduleList>, SubmoduleError> {
        let Some((_, file)) = self.manifest.find(SUBMODULES_FILE.into()) else { return Ok(None) };
        let limit = SubmoduleList::LONGEST;
        if file.size > limit {
            return Err(SubmoduleError::TooLong { size: file.size, limit });
        }
        let path = self.root.join(SUBMODULES_FILE);
        // What cannot be read says nothing, as what is not there.
        contents(&path, file.kind, file.size)
            .map_or(Ok(None), |text| SubmoduleList::read(&text).map(Some))
    }

    /// Whether the tree has the file in which git writes where submodules come from.
    #[must_use]
    pub fn may_have_submodules(&self) -> bool {
        self.manifest.find(SUBMODULES_FILE.into()).is_some()
    }
}

/// The list of the submodule at `at`, as if its tree were one by itself; `None` when none was fetched there.
fn part(manifest: &Manifest, git: &GitTree, at: &BStr) -> Option<(Manifest, GitTree)> {
    let (_, root) = git.submodules.iter().find(|(path, _)| path == at)?;
    let inside =
        |path: &BString| Some(path.strip_prefix(at.as_bytes())?.strip_prefix(b"/")?.into());
    let files = manifest.files().iter().zip(&git.blobs);
    let both = files.filter_map(|(file, id)| {
        Some((TreeFile { path: inside(&file.path)?, ..file.clone() }, *id))
    });
    let (files, blobs): (Vec<_>, Vec<_>) = both.unzip();
    let part = GitTree {
        root: *root,
        blobs,
        odd_modes: within(&git.odd_modes, inside),
        gitlinks: within(&git.gitlinks, inside),
        submodules: within(&git.submodules, inside),
        pointers: within(&git.pointers, inside),
        contents: git.contents.clone(),
    };
    Some((Manifest::new(files).ok()?, part))
}

fn within<T: Clone>(
    all: &[(BString, T)],
    inside: impl Fn(&BString) -> Option<BString>,
) -> Vec<(BString, T)> {
    all.iter().filter_map(|(path, what)| Some((inside(path)?, what.clone()))).collect()
}

/// A path of a part as one of the whole.
fn below(at: &BStr, path: &BStr) -> BString {
    [at.as_bytes(), b"/", path.as_bytes()].concat().into()
}

#[cfg(test)]
mod tests {
    use modstore_core::model::{ContentHash, Contents};

    use super::*;

    fn id(byte: u8) -> ObjectId {
        ObjectId::from_bytes_or_panic(&[byte; 20])
    }

    #[test]
    fn a_part_is_what_its_submodule_is_by_itself() {
        let file = |path: &str| TreeFile {
            path: path.into(),
            kind: FileKind::File,
            size: 1,
            content: ContentHash::of(path.as_bytes()),
        };
        let files = ["a", "a-b", "sub/deep/x", "sub/y", "sub2"].map(file).to_vec();
        let blobs = (1..=5).map(id).collect();
        let links = vec![("sub".into(), id(10)), ("sub/deep".into(), id(11))];
        let odd = vec![("a".into(), 0o100_664), ("sub/y".into(), 0o100_600)];
        let whole = GitTree {
            submodules: vec![("sub".into(), id(20)), ("sub/deep".into(), id(21))],
            contents: Contents::USUAL,
            ..GitTree::plain(id(0), blobs, odd, links)
        };
        let manifest = Manifest::new(files).unwrap();
        let (inner, git) = part(&manifest, &whole, "sub".into()).unwrap();
        let paths: Vec<&BString> = inner.files().iter().map(|file| &file.path).collect();
        assert_eq!(paths, ["deep/x", "y"]);
        assert_eq!((git.root, git.blobs), (id(20), vec![id(3), id(4)]));
        assert_eq!(git.odd_modes, [("y".into(), 0o100_600)]);
        assert_eq!(git.gitlinks, [("deep".into(), id(11))]);
        assert_eq!(git.submodules, [("deep".into(), id(21))]);
        assert!(part(&manifest, &whole, "a".into()).is_none());
    }
}
