//! [`CloneLayout`]: where programs keep their clones.
//!
//! Limits: reads names only, but for the projects of Amplifier, and follows no link to a directory.

use std::path::{Path, PathBuf};

use toml_edit::Document;

use crate::{
    disk::{DiskError, Verb, is_directory, names_in, read_regular},
    model::Subdirectory,
};

/// The most directories that are looked at for clones.
const MOST: usize = 10_000;

/// The most parts of one clone that become modules, and how deep they lie at most.
const MOST_PARTS: usize = 200;
const DEEPEST_PART: usize = 3;

/// The most bytes of a project's file.
const LONGEST_PROJECT: u64 = 1 << 20;

/// Which program keeps the clones, and so where they lie.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CloneLayout {
    /// Amplifier: the directories of its `cache`, and the projects in them that are modules of its.
    Amplifier,
    /// Sheldon: `repos/<host>/<owner>/<repository>`.
    Sheldon,
    /// lazy.nvim: the directories of `lazy`.
    Lazy,
    /// ComfyUI: the directories of `custom_nodes`.
    Comfyui,
    /// The directories themselves.
    Clones,
}

impl CloneLayout {
    /// The directory within `given` that the clones lie in, and how deep they do.
    fn place(self, given: &Path) -> (PathBuf, usize) {
        let (below, depth) = match self {
            Self::Amplifier => ("cache", 1),
            Self::Sheldon => ("repos", 3),
            Self::Lazy => ("lazy", 1),
            Self::Comfyui => ("custom_nodes", 1),
            Self::Clones => ("", 1),
        };
        let within = given.join(below);
        (if is_directory(&within) { within } else { given.to_owned() }, depth)
    }

    /// The directories that are clones, or would be, sorted by path.
    ///
    /// # Errors
    /// The directory cannot be listed, or has too many in it.
    pub(super) fn clones_in(self, given: &Path) -> Result<Vec<PathBuf>, DiskError> {
        let (root, depth) = self.place(given);
        if !root.is_dir() {
            return Err(DiskError::new(
                Verb::Read,
                &root,
                std::io::Error::from(std::io::ErrorKind::NotADirectory),
            ));
        }
        let mut found = Vec::new();
        collect(&root, depth, &mut found)?;
        found.sort();
        // A clone that is named itself is the one that is meant, unless others lie in it.
        if found.is_empty() && is_repository(&root) {
            found.push(root);
        }
        Ok(found)
    }
}

fn collect(at: &Path, depth: usize, found: &mut Vec<PathBuf>) -> Result<(), DiskError> {
    for name in names_in(at)? {
        let path = at.join(&name);
        // The repository of a clone is no clone beside it.
        if !is_directory(&path) || name == ".git" {
            continue;
        }
        if is_repository(&path) {
            found.push(path);
        } else if let Some(depth) = depth.checked_sub(1).filter(|depth| *depth > 0) {
            collect(&path, depth, found)?;
        }
        if found.len() > MOST {
            let many = std::io::Error::other(format!("more than {MOST} repositories"));
            return Err(DiskError::new(Verb::Read, at, many));
        }
    }
    Ok(())
}

/// The parts of a clone that Amplifier loads as modules of their own, by `#subdirectory=`: the projects below it with an entry
/// point in Amplifier's group. Sorted by path.
pub(super) fn parts_of(clone: &Path) -> Vec<Subdirectory> {
    let mut found = Vec::new();
    collect_parts(clone, Path::new(""), DEEPEST_PART, &mut found);
    found.sort();
    found
}

fn collect_parts(clone: &Path, below: &Path, depth: usize, found: &mut Vec<Subdirectory>) {
    for name in names_in(&clone.join(below)).unwrap_or_default() {
        let part = below.join(&name);
        let is_hidden = name.as_encoded_bytes().starts_with(b".");
        if is_hidden || !is_directory(&clone.join(&part)) || found.len() >= MOST_PARTS {
            continue;
        }
        if is_amplifier_module(&clone.join(&part)) {
            found.extend(part.to_str().and_then(|part| part.parse().ok()));
        }
        if depth > 1 {
            collect_parts(clone, &part, depth - 1, found);
        }
    }
}

/// Whether a directory is a project with an entry point in the group that Amplifier looks for modules in.
fn is_amplifier_module(directory: &Path) -> bool {
    let bytes =
        read_regular(&directory.join("pyproject.toml"), LONGEST_PROJECT).unwrap_or_default();
    let text = String::from_utf8_lossy(&bytes);
    Document::parse(&*text).is_ok_and(|document| {
        let group = document.as_table().get("project").and_then(|it| it.get("entry-points"));
        group.and_then(|it| it.get("amplifier.modules")).is_some()
    })
}

/// Whether it is a clone, a work tree, or a bare repository.
fn is_repository(path: &Path) -> bool {
    path.join(".git").symlink_metadata().is_ok()
        || (path.join("HEAD").is_file() && path.join("objects").is_dir())
}
