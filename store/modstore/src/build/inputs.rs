//! What a build depends on: files that its globs name, files that it said it has read, and its recipe; and the one
//! name for all of that.
//!
//! Files count by path, kind and content; a file that is not there counts as that. No path of this machine is in the
//! name, but for those outside the module that a build said it has read: a store that was moved builds nothing again.

use std::{
    collections::BTreeMap,
    ffi::OsStr,
    os::unix::ffi::OsStrExt as _,
    path::{Path, PathBuf},
};

use gix::{
    bstr::{BStr, BString, ByteSlice as _},
    glob::{wildmatch, wildmatch::Mode},
};

use super::recipe::{Recipe, number, text};
use crate::{
    disk::{DiskError, Layout, Verb, content_of},
    model::{BuildSpec, ContentHash, Digest, FileKind, Manifest},
};

/// What a module is built from.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Material<'a> {
    /// A tree of the store, or one that is staged; `part` of it is the module.
    Tree {
        /// Where it lies.
        at: &'a Path,
        /// What it has.
        manifest: &'a Manifest,
        /// The module's directory in it; empty for all.
        part: &'a str,
    },
    /// A directory of the user's.
    Directory {
        /// Where it lies.
        at: &'a Path,
    },
}

/// Files with their kind and content, by the path in the module.
pub(super) type Files = BTreeMap<BString, (FileKind, ContentHash)>;

/// What a file was that a build has read; by its path in the module's tree, or its absolute path outside of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Seen {
    Absent,
    Content(ContentHash),
    /// It was written to while the build ran, so that it is not known what the build has read.
    Unsteady,
}

/// The name of all that a build depends on; `read` are the files that an earlier one said it has read.
///
/// # Errors
/// Something cannot be read.
pub(crate) fn key_of(
    recipe: &Recipe<'_>,
    material: Material<'_>,
    read: &[String],
) -> Result<Digest, DiskError> {
    let inputs = material.inputs(recipe.spec)?;
    let read = read.iter().map(|path| (path.clone(), material.seen(path))).collect();
    Ok(key(recipe, &inputs, &read))
}

/// A name for all that a build depends on but for its source. The globs count here, which choose files of the source.
pub(crate) fn key_but_for_source(recipe: &Recipe<'_>, read: &[String]) -> Digest {
    let outside = read.iter().filter(|path| path.starts_with('/'));
    let outside = outside.map(|path| (path.clone(), seen_at(path.as_ref()))).collect();
    let all = key(recipe, &Files::new(), &outside);
    let mut hasher = blake3::Hasher::new_derive_key("modstore 2026 build recipe v1");
    hasher.update(all.as_bytes());
    recipe.spec.inputs.iter().for_each(|glob| text(&mut hasher, glob.as_bytes()));
    if !recipe.spec.each.is_empty() {
        number(&mut hasher, recipe.spec.each.len());
        recipe.spec.each.iter().for_each(|glob| text(&mut hasher, glob.as_bytes()));
    }
    Digest::from_bytes(hasher.finalize().into())
}

/// The name of these.
pub(super) fn key(recipe: &Recipe<'_>, inputs: &Files, read: &BTreeMap<String, Seen>) -> Digest {
    let mut hasher = blake3::Hasher::new_derive_key("modstore 2026 build v1");
    recipe.note(&mut hasher);
    number(&mut hasher, inputs.len());
    for (path, (kind, content)) in inputs {
        text(&mut hasher, path);
        hasher.update(&[kind_byte(*kind)]).update(content.as_bytes());
    }
    number(&mut hasher, read.len());
    for (path, seen) in read {
        text(&mut hasher, path.as_bytes());
        match seen {
            Seen::Absent => hasher.update(&[0]),
            Seen::Content(content) => hasher.update(&[1]).update(content.as_bytes()),
            Seen::Unsteady => hasher.update(&[2]),
        };
    }
    Digest::from_bytes(hasher.finalize().into())
}

/// The name of what one run depends on that is for `input`, of the name of all that every run depends on.
pub(super) fn key_of_input(all: Digest, input: &str, own: (FileKind, ContentHash)) -> Digest {
    let mut hasher = blake3::Hasher::new_derive_key("modstore 2026 build of one input v1");
    hasher.update(all.as_bytes());
    text(&mut hasher, input.as_bytes());
    hasher.update(&[kind_byte(own.0)]).update(own.1.as_bytes());
    Digest::from_bytes(hasher.finalize().into())
}

const fn kind_byte(kind: FileKind) -> u8 {
    match kind {
        FileKind::File => 0,
        FileKind::Executable => 1,
        FileKind::Symlink => 2,
    }
}

impl Material<'_> {
    /// The files that count for every run of the command: those that the globs name, without those that it runs for by
    /// themselves.
    pub(super) fn inputs(&self, spec: &BuildSpec) -> Result<Files, DiskError> {
        self.files(&|path| is_named(path, &spec.inputs) && !is_one_of_each(path, spec))
    }

    /// The files that the command runs for, each by itself.
    pub(super) fn each(&self, spec: &BuildSpec) -> Result<Files, DiskError> {
        let mut files = self.files(&|path| is_one_of_each(path, spec))?;
        files.retain(|_, (kind, _)| *kind != FileKind::Symlink);
        Ok(files)
    }

    /// The files that are chosen.
    pub(super) fn files(&self, is_chosen: &dyn Fn(&BStr) -> bool) -> Result<Files, DiskError> {
        match self {
            Self::Tree { manifest, part, .. } => {
                let below = manifest.below(BStr::new(part)).iter();
                let named = below.filter_map(|file| {
                    let path = file.path.strip_prefix(part.as_bytes())?;
                    let path = path.strip_prefix(b"/").unwrap_or(path).as_bstr();
                    is_chosen(path).then(|| (path.to_owned(), (file.kind, file.content)))
                });
                Ok(named.collect())
            }
            Self::Directory { at } => {
                let mut files = Files::new();
                walk(at, &BString::default(), &mut |path, from, kind| {
                    if is_chosen(path) {
                        let content = content_of(from, kind);
                        let content =
                            content.map_err(|error| DiskError::new(Verb::Read, from, error))?;
                        files.insert(path.to_owned(), (kind, content.0));
                    }
                    Ok(())
                })?;
                Ok(files)
            }
        }
    }

    /// What a file is now that a build has read.
    pub(super) fn seen(&self, path: &str) -> Seen {
        match self {
            _ if path.starts_with('/') => seen_at(path.as_ref()),
            Self::Tree { manifest, .. } => {
                let found = manifest.find(path.into());
                found.map_or(Seen::Absent, |(_, file)| Seen::Content(file.content))
            }
            Self::Directory { at } => seen_at(&at.join(path)),
        }
    }

    /// Where it lies, and which part of it is the module.
    pub(super) const fn place(&self) -> (&Path, &str) {
        match self {
            Self::Tree { at, part, .. } => (at, part),
            Self::Directory { at } => (at, ""),
        }
    }
}

fn seen_at(path: &Path) -> Seen {
    // A pipe or a device has no content that one could come to the end of.
    if !path.is_file() {
        return Seen::Absent;
    }
    let content = content_of(path, FileKind::File);
    content.map_or(Seen::Absent, |(content, _)| Seen::Content(content))
}

/// Whether a path is named by the globs: the last that fits decides, and one with `!` says no.
fn is_named(path: &BStr, globs: &[String]) -> bool {
    let fits = |glob: &str| wildmatch(glob.into(), path, Mode::NO_MATCH_SLASH_LITERAL);
    let last = globs.iter().rev().find_map(|glob| match glob.strip_prefix('!') {
        Some(glob) => fits(glob).then_some(false),
        None => fits(glob).then_some(true),
    });
    last.unwrap_or(false)
}

/// Whether a path is one that the command runs for by itself.
pub(super) fn is_one_of_each(path: &BStr, spec: &BuildSpec) -> bool {
    is_named(path, &spec.each)
}

/// Whether a name at the top of a module is not one of its files, but belongs to git or to the store.
pub(super) fn is_left_out(name: &OsStr) -> bool {
    name == ".git" || name == Layout::OWN
}

/// Shows every file and link below `at`, with its path from there; things that are neither are passed over.
pub(super) fn walk(
    at: &Path,
    below: &BString,
    shown: &mut dyn FnMut(&BStr, &Path, FileKind) -> Result<(), DiskError>,
) -> Result<(), DiskError> {
    use std::os::unix::fs::PermissionsExt as _;
    let children = match at.read_dir() {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(()),
        children => children.map_err(|error| DiskError::new(Verb::Read, at, error))?,
    };
    for found in children {
        let found = found.map_err(|error| DiskError::new(Verb::Read, at, error))?;
        let name = found.file_name();
        if below.is_empty() && is_left_out(&name) {
            continue;
        }
        let (child, path) = (found.path(), joined(below, &name));
        let unread = |error| DiskError::new(Verb::Read, &child, error);
        // The listing tells the kind; only whether a file may be run takes a look at it.
        match found.file_type().map_err(unread)? {
            kind if kind.is_dir() => walk(&child, &path, shown)?,
            kind if kind.is_symlink() => shown(path.as_bstr(), &child, FileKind::Symlink)?,
            kind if kind.is_file() => {
                let may_run = found.metadata().map_err(unread)?.permissions().mode() & 0o100 != 0;
                let kind = if may_run { FileKind::Executable } else { FileKind::File };
                shown(path.as_bstr(), &child, kind)?;
            }
            _ => {}
        }
    }
    Ok(())
}

fn joined(below: &BString, name: &OsStr) -> BString {
    let mut path = below.clone();
    if !path.is_empty() {
        path.push(b'/');
    }
    path.extend_from_slice(name.as_bytes());
    path
}

/// A path of a module's tree on the disk.
pub(super) fn on_disk(root: &Path, path: &BStr) -> PathBuf {
    root.join(OsStr::from_bytes(path.as_bytes()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_glob_that_fits_decides() {
        let globs = |globs: &[&str], path: &str| {
            let globs: Vec<String> = globs.iter().map(|glob| (*glob).to_owned()).collect();
            is_named(path.into(), &globs)
        };
        assert!(globs(&["**"], "a") && globs(&["**"], "a/b.ts") && globs(&["**"], ".hidden/x"));
        assert!(globs(&["src/**"], "src/deep/x") && !globs(&["src/**"], "src2/x"));
        assert!(globs(&["**/*.ts"], "a.ts") && globs(&["**/*.ts"], "a/b/c.ts"));
        assert!(globs(&["*.ts"], "a.ts") && !globs(&["*.ts"], "a/b.ts"));
        let but = ["**", "!node_modules/**", "node_modules/kept"];
        assert!(globs(&but, "a") && !globs(&but, "node_modules/a/b"));
        assert!(globs(&but, "node_modules/kept") && !globs(&[], "a"));
    }

    #[test]
    fn a_tree_and_a_directory_of_the_same_files_have_the_same_inputs() {
        let place = tempfile::tempdir().unwrap();
        std::fs::create_dir_all(place.path().join("src/.git")).unwrap();
        std::fs::create_dir_all(place.path().join(".git")).unwrap();
        let mut files = Vec::new();
        for (path, content) in [("a", "1"), ("src/b", "2"), ("src/.git/deep", "3")] {
            std::fs::write(place.path().join(path), content).unwrap();
            files.push(crate::model::TreeFile {
                path: format!("part/{path}").into(),
                kind: FileKind::File,
                size: 1,
                content: ContentHash::of(content.as_bytes()),
            });
        }
        std::fs::write(place.path().join(".git/HEAD"), "no input").unwrap();
        let manifest = Manifest::new(files).unwrap();
        let tree = Material::Tree { at: place.path(), manifest: &manifest, part: "part" };
        let directory = Material::Directory { at: place.path() };
        let inputs = tree.files(&|_| true).unwrap();
        assert_eq!(inputs.len(), 3);
        assert_eq!(inputs, directory.files(&|_| true).unwrap());
        assert_eq!(directory.seen("src/b"), tree.seen("part/src/b"));
        assert_eq!((directory.seen("no"), tree.seen("no")), (Seen::Absent, Seen::Absent));
    }
}
