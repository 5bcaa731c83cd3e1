//! [`CloneLayout`]: where programs keep their clones.
//!
//! Limits: reads names only, and follows no link to a directory.

use std::path::{Path, PathBuf};

use crate::disk::{DiskError, Verb, is_directory, names_in};

/// The most directories that are looked at for clones.
const MOST: usize = 10_000;

/// Which program keeps the clones, and so where they lie.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CloneLayout {
    /// Amplifier: the directories of its `cache`.
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
        Ok(found)
    }
}

fn collect(at: &Path, depth: usize, found: &mut Vec<PathBuf>) -> Result<(), DiskError> {
    for name in names_in(at)? {
        let path = at.join(&name);
        if !is_directory(&path) {
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

/// Whether it is a clone, a work tree, or a bare repository.
fn is_repository(path: &Path) -> bool {
    path.join(".git").symlink_metadata().is_ok()
        || (path.join("HEAD").is_file() && path.join("objects").is_dir())
}
