//! [`ModuleTree`]: a module and where its files are, in the store or still in staging.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::{Path, PathBuf},
};

use modstore_core::{
    disk::{Layout, Staged, part_of, read_manifest, read_regular},
    model::{
        Binding, Bound, ContentHash, DeclaredProbe, Digest, DistributionName, FileKind, Manifest,
        ModuleName, Origin, Source, Subdirectory, TreeFile,
    },
};

use super::{
    project::{Project, files_below},
    project_metadata::ProjectMetadata,
};
use crate::read::small_text;

/// A file of a linked directory that is larger than this is no input of any metadata.
const LARGE: u64 = 1 << 20;

/// A module and its files.
#[derive(Debug, Clone)]
pub struct ModuleTree {
    /// Its name.
    pub module: ModuleName,
    /// The whole tree that a build needs.
    pub tree: PathBuf,
    /// The part of it that is the module, without links on the way; a single file is one of its own.
    pub subdirectory: Option<Subdirectory>,
    /// The repository that it comes from; none for a linked directory and for an archive.
    pub origin: Option<Origin>,
    /// What is imported of it, where that is declared.
    pub probe: Option<DeclaredProbe>,
    /// The list of the tree; none for a linked directory.
    manifest: Option<Manifest>,
}

impl ModuleTree {
    /// The module as `binding` says, from `staged` trees or the store. `None` if its tree is nowhere.
    pub fn of(
        layout: &Layout,
        module: &ModuleName,
        binding: &Binding,
        staged: &BTreeMap<Digest, &Staged>,
    ) -> Option<Self> {
        let module = module.clone();
        let origin = binding.source.source().and_then(Source::origin);
        match &binding.bound {
            Bound::Linked { path } => Some(Self {
                module,
                tree: layout.linked(path),
                subdirectory: None,
                origin,
                probe: None,
                manifest: None,
            }),
            Bound::Entry { .. } | Bound::Built(_) | Bound::Kept(_) => {
                let digest = binding.digest()?;
                let part = match &binding.bound {
                    Bound::Entry { subdirectory, .. } => subdirectory.as_ref(),
                    Bound::Kept(kept) => kept.subdirectory.as_ref(),
                    Bound::Linked { .. } | Bound::Built(_) => None,
                };
                let entry = layout.entry(digest);
                let (tree, manifest) = match staged.get(&digest).filter(|_| !entry.is_dir()) {
                    Some(staged) => (staged.tree().to_owned(), staged.manifest()?),
                    None => (entry, read_manifest(layout, digest)?),
                };
                let subdirectory = match part {
                    Some(part) => followed(&tree, &manifest, part)?,
                    None => None,
                };
                let (probe, manifest) = (None, Some(manifest));
                Some(Self { module, tree, subdirectory, origin, probe, manifest })
            }
        }
    }

    /// The module's own directory.
    pub fn directory(&self) -> PathBuf {
        self.subdirectory.as_ref().map_or_else(|| self.tree.clone(), |below| self.tree.join(below))
    }

    /// The names that an import is tried of where these distributions are installed: as declared, or else those that its
    /// distribution promises. None: nothing is to be imported.
    pub fn imports(
        &self,
        metadata: &ProjectMetadata,
        is_installed: impl Fn(&DistributionName) -> bool,
    ) -> BTreeSet<String> {
        match &self.probe {
            None => metadata.imports_with(is_installed),
            Some(DeclaredProbe::Nothing) => BTreeSet::new(),
            Some(DeclaredProbe::Imports(names)) => names.clone(),
        }
    }

    /// The part of the tree that it is, as text.
    fn below(&self) -> Option<&str> {
        self.subdirectory.as_ref().map(Subdirectory::as_str)
    }

    /// Whether it is a linked directory: the user's own, live.
    pub const fn is_linked(&self) -> bool {
        self.manifest.is_none()
    }

    /// Its files by their path, as its source has them; none for a linked directory.
    pub fn files(&self) -> BTreeMap<PathBuf, ContentHash> {
        self.manifest
            .iter()
            .flat_map(|manifest| files_below(manifest, self.below()))
            .map(|(path, file)| (PathBuf::from(path), file.content))
            .collect()
    }

    /// The files beside the directory of a project that its metadata can depend on.
    fn beside<'a>(
        &self,
        manifest: &'a Manifest,
        project: &'a Project,
    ) -> Vec<(&'a str, &'a TreeFile)> {
        let Some(below) = &self.subdirectory else { return Vec::new() };
        let mut all = files_below(manifest, None);
        if project.counts_all() {
            let own = format!("{below}/");
            all.retain(|(path, _)| !path.starts_with(&own));
            return all;
        }
        let found = project.outside().filter_map(|named| {
            let at = resolved(below.as_str(), named)?;
            let (_, file) = all.iter().find(|(path, _)| *path == at)?;
            Some((named, *file))
        });
        found.collect()
    }

    /// The Python project that it is, and the key of that, if it is one.
    pub fn project(&self) -> Option<(Project, ContentHash)> {
        let directory = self.directory();
        let project = Project::read(|file| small_text(&directory.join(file)))?;
        let key = match &self.manifest {
            Some(manifest) => {
                project.key(&files_below(manifest, self.below()), &self.beside(manifest, &project))
            }
            None => {
                let files = files_of(&directory);
                let files: Vec<(&str, &TreeFile)> =
                    files.iter().map(|(path, file)| (path.as_str(), file)).collect();
                // Two directories of the same files need not stay the same.
                let at = ContentHash::of(directory.as_os_str().as_encoded_bytes());
                let key = project.key(&files, &[]);
                ContentHash::of(&[*at.as_bytes(), *key.as_bytes()].concat())
            }
        };
        Some((project, key))
    }
}

/// The part that `written` leads to; nothing for the whole tree. `None` if it leads nowhere.
fn followed(
    tree: &Path,
    manifest: &Manifest,
    written: &Subdirectory,
) -> Option<Option<Subdirectory>> {
    match part_of(tree, manifest, written).ok()?.path() {
        "" => Some(None),
        path => path.parse().ok().map(Some),
    }
}

/// The path in a tree of `path` below `directory`; it may lead up.
fn resolved(directory: &str, path: &str) -> Option<String> {
    let mut parts: Vec<&str> = directory.split('/').filter(|part| !part.is_empty()).collect();
    for part in path.split('/') {
        match part {
            ".." => drop(parts.pop()?),
            "" | "." => {}
            part => parts.push(part),
        }
    }
    Some(parts.join("/"))
}

/// The files at the top of a linked directory, and of its `src`: those that metadata can depend on, except a readme or a
/// version elsewhere.
fn files_of(directory: &Path) -> Vec<(String, TreeFile)> {
    let mut files = Vec::new();
    for below in ["", "src/"] {
        for child in fs::read_dir(directory.join(below)).into_iter().flatten().flatten() {
            let Some(name) = child.file_name().to_str().map(|name| format!("{below}{name}")) else {
                continue;
            };
            let path = child.path();
            let package = path.join("__init__.py");
            let (name, path) = if package.is_file() {
                (format!("{name}/__init__.py"), package)
            } else {
                (name, path)
            };
            files.extend(file_of(&path).map(|file| (name, file)));
        }
    }
    files.sort_by(|(a, _), (b, _)| a.cmp(b));
    files
}

fn file_of(path: &Path) -> Option<TreeFile> {
    let meta = fs::metadata(path).ok().filter(|meta| meta.is_file() && meta.len() <= LARGE)?;
    let content = ContentHash::of(&read_regular(path, LARGE).ok()?);
    Some(TreeFile { path: "".into(), kind: FileKind::File, size: meta.len(), content })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_may_lead_up_but_not_out_of_the_tree() {
        for (path, expected) in [
            ("../../VERSION", Some("VERSION")),
            ("../b/./c", Some("modules/b/c")),
            ("x", Some("modules/a/x")),
            ("../../../x", None),
        ] {
            assert_eq!(resolved("modules/a", path).as_deref(), expected, "{path}");
        }
    }
}
