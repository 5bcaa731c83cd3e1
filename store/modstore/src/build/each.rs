//! A build that runs for each of several files: what one run depends on, and the one tree of what all have made.
//!
//! Every run has the whole module but for the other files that the command runs for: it cannot depend on these. What is
//! made of them lies in one tree, which is an entry like any other; its files are those of the parts, linked and not
//! copied.

use std::{
    collections::{BTreeMap, BTreeSet},
    os::unix::ffi::OsStrExt as _,
    path::{Path, PathBuf},
};

use gix::bstr::{BString, ByteSlice as _};

use super::{
    built::check_links,
    error::BuildError,
    inputs::{Files, Material, Seen, key, key_of_input, on_disk},
    recipe::{Recipe, number, text},
};
use crate::{
    disk::{Disk, DiskError, LinkError, Planting, Staged, Staging, Verb},
    model::{BuildSpec, ContentHash, Digest, FileKind, Manifest, TreeFile},
};

/// The most files that one command runs for.
const MOST: usize = 10_000;

/// The files that a command runs for, each by itself, and what all runs have.
#[derive(Debug)]
pub(crate) struct EachInput<'a> {
    recipe: &'a Recipe<'a>,
    material: Material<'a>,
    shared: Files,
    own: BTreeMap<String, (FileKind, ContentHash)>,
}

impl<'a> EachInput<'a> {
    /// Looks them up.
    ///
    /// # Errors
    /// They cannot be read, there are none, or too many, or one has a name that is no text.
    pub(crate) fn of(recipe: &'a Recipe<'a>, material: Material<'a>) -> Result<Self, BuildError> {
        let spec = recipe.spec;
        let each = material.each(spec).map_err(BuildError::Inputs)?;
        if each.is_empty() {
            return Err(BuildError::NoInput { each: globs(spec) });
        }
        if each.len() > MOST {
            return Err(BuildError::TooManyInputs { each: globs(spec), found: each.len() });
        }
        let mut own = BTreeMap::new();
        for (path, seen) in each {
            let path = String::from_utf8(path.into())
                .map_err(|error| BuildError::InputName { path: error.into_bytes().into() })?;
            own.insert(path, seen);
        }
        let shared = material.inputs(spec).map_err(BuildError::Inputs)?;
        Ok(Self { recipe, material, shared, own })
    }

    /// Their paths, in order.
    pub(crate) fn paths(&self) -> impl Iterator<Item = &str> {
        self.own.keys().map(String::as_str)
    }

    /// The name of all that a run for `input` depends on; `read` are the files that an earlier one said it has read.
    pub(crate) fn key(&self, input: &str, read: &[String]) -> Digest {
        let read: BTreeMap<String, Seen> =
            read.iter().map(|path| (path.clone(), self.material.seen(path))).collect();
        let all = key(self.recipe, &self.shared, &read);
        self.own.get(input).map_or(all, |own| key_of_input(all, input, *own))
    }
}

fn globs(spec: &BuildSpec) -> String {
    spec.each.join("`, `")
}

/// The name of a tree that was made of these inputs, by what each was really built from.
pub(crate) fn key_of_all<'k>(keys: impl ExactSizeIterator<Item = (&'k str, Digest)>) -> Digest {
    let mut hasher = blake3::Hasher::new_derive_key("modstore 2026 build for each v1");
    number(&mut hasher, keys.len());
    for (input, key) in keys {
        text(&mut hasher, input.as_bytes());
        hasher.update(key.as_bytes());
    }
    Digest::from_bytes(hasher.finalize().into())
}

/// What was made of one input.
#[derive(Debug)]
pub(crate) struct BuiltPart<'a> {
    pub(crate) input: &'a str,
    /// The tree that has its files.
    pub(crate) root: PathBuf,
    pub(crate) files: Vec<TreeFile>,
}

/// The one tree of all parts: nothing is written for it yet.
#[derive(Debug)]
pub(crate) struct JoinedTree {
    pub(crate) manifest: Manifest,
    /// Where each of its files is now.
    roots: BTreeMap<BString, PathBuf>,
}

impl JoinedTree {
    /// Puts the parts together.
    ///
    /// # Errors
    /// Two of them have other things at one path.
    pub(crate) fn of(parts: &[BuiltPart<'_>]) -> Result<Self, BuildError> {
        let mut all: BTreeMap<&BString, (&BuiltPart<'_>, &TreeFile)> = BTreeMap::new();
        for part in parts {
            for file in &part.files {
                match all.get(&file.path) {
                    Some((_, other)) if *other == file => {}
                    Some((other, _)) => return Err(twice(&file.path, other, part)),
                    None => drop(all.insert(&file.path, (part, file))),
                }
            }
        }
        for (path, (part, _)) in &all {
            let above = path.find_iter("/").filter_map(|end| path.get(..end));
            let mut files = above.filter_map(|above| all.get(&BString::from(above)));
            if let Some((other, file)) = files.next() {
                return Err(twice(&file.path, other, part));
            }
        }
        let files = all.values().map(|(_, file)| (*file).clone()).collect();
        let manifest = Manifest::new(files).expect("each path is in the map once");
        let roots = all.into_iter().map(|(path, (part, _))| (path.clone(), part.root.clone()));
        Ok(Self { manifest, roots: roots.collect() })
    }

    /// Stages it. Its files are those of the parts, linked.
    ///
    /// # Errors
    /// The tree is not to be used.
    pub(crate) fn stage(&self, disk: &Disk, staging: &Staging) -> Result<Staged, BuildError> {
        check_links(staging, self.links()?)?;
        self.plant(disk, staging).map_err(BuildError::Keep)
    }

    /// Where the links lead, of all parts: one may lead on to another.
    fn links(&self) -> Result<Vec<(BString, BString)>, BuildError> {
        let links = self.manifest.files().iter().filter(|file| file.kind == FileKind::Symlink);
        let links = links.filter_map(|file| {
            let at = on_disk(self.roots.get(&file.path)?, file.path.as_bstr());
            let text = std::fs::read_link(&at);
            let text = text.map_err(|error| DiskError::new(Verb::Read, &at, error));
            Some(text.map(|text| (file.path.clone(), text.as_os_str().as_bytes().into())))
        });
        links.collect::<Result<_, _>>().map_err(BuildError::Keep)
    }

    fn plant(&self, disk: &Disk, staging: &Staging) -> Result<Staged, DiskError> {
        let planting = Planting::create(disk, &staging.fresh())?;
        let files = self.manifest.files();
        let directories: BTreeSet<&[u8]> = files
            .iter()
            .flat_map(|file| file.path.find_iter("/").filter_map(|end| file.path.get(..end)))
            .collect();
        for directory in directories {
            planting.directory(directory.as_bstr())?;
        }
        for file in files {
            let root = self.roots.get(&file.path).map_or(Path::new(""), PathBuf::as_path);
            let linked = planting.link(file.path.as_bstr(), file, root);
            linked.map_err(|error| match error {
                LinkError::Disk(error) => error,
                damaged @ LinkError::Damaged { .. } => {
                    DiskError::new(Verb::HardLink, root, std::io::Error::other(damaged))
                }
            })?;
        }
        Staged::seal(disk, planting, &self.manifest, None)
    }
}

fn twice(path: &BString, one: &BuiltPart<'_>, other: &BuiltPart<'_>) -> BuildError {
    let inputs = [one.input.to_owned(), other.input.to_owned()];
    BuildError::SameOutput { path: path.clone(), inputs }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn part<'a>(input: &'a str, files: &[(&str, &str)]) -> BuiltPart<'a> {
        let files = files.iter().map(|(path, content)| TreeFile {
            path: (*path).into(),
            kind: FileKind::File,
            size: content.len() as u64,
            content: ContentHash::of(content.as_bytes()),
        });
        BuiltPart { input, root: PathBuf::new(), files: files.collect() }
    }

    fn joined(parts: &[BuiltPart<'_>]) -> Result<Vec<String>, String> {
        let joined = JoinedTree::of(parts).map_err(|error| error.to_string())?;
        Ok(joined.manifest.files().iter().map(|file| file.path.to_string()).collect())
    }

    #[test]
    fn parts_lie_beside_each_other_and_the_same_file_of_two_is_one() {
        let (a, b) =
            (part("a", &[("a", "1"), ("x/y", "2")]), part("b", &[("b", "1"), ("x/y", "2")]));
        assert_eq!(joined(&[a, b]).unwrap(), ["a", "b", "x/y"]);
    }

    #[test]
    fn two_parts_that_want_one_path_are_both_named() {
        for other in [[("x", "2")], [("x/y", "1")]] {
            let error = joined(&[part("a", &[("x", "1")]), part("b", &other)]).unwrap_err();
            assert!(
                error.contains("`x`") && error.contains("`a`") && error.contains("`b`"),
                "{error}"
            );
        }
    }
}
