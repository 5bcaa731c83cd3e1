//! Why a distribution is left alone: a link on the way to a file that a fix would write, a file that another user may
//! write to, or a `RECORD` that names files outside the environment, which an installer would delete.
//!
//! Checked before anything is planned, and again before anything is written by hand.

use std::{
    collections::BTreeSet,
    path::{Path, PathBuf},
};

use crate::{
    inspected::{Editable, InspectedEnvironment},
    ownership::foreign,
};

/// Why nothing is written for a distribution, or, without one, anything at all in this environment.
pub(crate) fn in_the_way(
    environment: &InspectedEnvironment,
    editable: Option<&Editable<'_>>,
) -> Option<String> {
    let within = Within::of(environment);
    let mut written = environment.found.paths.site.clone();
    if let Some(editable) = editable {
        written.extend(files_of(editable));
        let recorded = editable.files.iter().flatten().map(|file| file.path.as_path());
        let recorded: BTreeSet<&Path> = recorded.filter_map(Path::parent).collect();
        if let Some(why) = recorded.into_iter().find_map(|directory| within.keeps_off(directory)) {
            return Some(format!("its RECORD has a file in a place where {why}"));
        }
    }
    written.iter().find_map(|path| match within.link_to(path) {
        Some(link) => Some(format!("{} is a link, and is left alone", link.display())),
        None => foreign(path).map(|foreign| format!("{foreign}, so it is left alone")),
    })
}

/// Everything that a fix of this distribution would write, remove or make, and its directories.
fn files_of(editable: &Editable<'_>) -> Vec<PathBuf> {
    let mut files = editable.pointing_files();
    files.extend(editable.direct_url_file());
    if let Some(distribution) = editable.distribution {
        files.push(distribution.directory.join("RECORD"));
        files.push(distribution.directory.clone());
    }
    let modules = files.iter().filter(|path| path.extension().is_some_and(|end| end == "py"));
    let caches: Vec<PathBuf> =
        modules.filter_map(|path| Some(path.parent()?.join("__pycache__"))).collect();
    files.extend(caches);
    files
}

/// The directories that an installer may change for an environment.
struct Within<'a> {
    prefix: &'a Path,
    /// The directories above `bin` and `lib` of a site directory.
    roots: Vec<&'a Path>,
}

impl<'a> Within<'a> {
    fn of(environment: &'a InspectedEnvironment) -> Self {
        let prefix = environment.prefix();
        let above = environment.found.paths.site.iter().filter_map(|site| site.ancestors().nth(3));
        Self { prefix, roots: std::iter::once(prefix).chain(above).collect() }
    }

    fn keeps_off(&self, directory: &Path) -> Option<String> {
        if !self.roots.iter().any(|root| directory.starts_with(root)) {
            return Some(format!("the environment has nothing: {}", directory.display()));
        }
        let link = self.link_to(directory)?;
        Some(format!("a link leads: {}", link.display()))
    }

    /// The first link on the way from the environment to `path`, or that itself.
    fn link_to(&self, path: &Path) -> Option<PathBuf> {
        let root = self.roots.iter().find(|root| path.starts_with(root));
        let root = root.copied().unwrap_or(path);
        let below = path.ancestors().take_while(|above| *above != root);
        let mut below: Vec<&Path> = below.collect();
        if root == path {
            below.push(path);
        }
        // Of a virtual environment, `lib64` is `lib`.
        let is_lib = |path: &Path| {
            path == self.prefix.join("lib64")
                && std::fs::read_link(path).is_ok_and(|to| to == Path::new("lib"))
        };
        let link = below.into_iter().rev().find(|path| path.is_symlink() && !is_lib(path));
        link.map(Path::to_owned)
    }
}
