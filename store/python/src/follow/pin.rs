//! The import path of one generation: what an environment gets from its modules through the switch, with the
//! switch taken out.
//!
//! A process that is given these paths in place of those through `current` sees one version of every module for as
//! long as it lives, and so do its children. It has to hold a lease, or a sweep may take the generation away.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};

use modstore_core::{
    disk::Layout,
    model::{Binding, Generation, ModuleName},
};

use super::registration::{Installed, Registration};
use crate::build::{Subject, known, variant};

/// What the modules of `generation` put on the import path of an environment, by module. `modules` tells what the
/// generation binds, if that is not what the environment was settled for.
pub fn pinned(
    layout: &Layout,
    registration: &Registration,
    generation: Generation,
    modules: impl FnOnce() -> Option<BTreeMap<ModuleName, Binding>>,
) -> BTreeMap<ModuleName, Vec<PathBuf>> {
    let directory = layout.generation(generation);
    let bound = registration.installed.iter();
    if registration.is_settled_for(Some(generation)) {
        let paths = |(module, installed): (&ModuleName, &Installed)| {
            (
                module.clone(),
                installed
                    .paths
                    .iter()
                    .filter_map(|path| through(&directory, module, path))
                    .collect(),
            )
        };
        return bound.map(paths).collect();
    }
    let modules = modules().unwrap_or_default();
    let then = bound.filter_map(|(module, _)| {
        let subject = Subject::of(layout, module, modules.get(module.as_str())?, &BTreeMap::new())?;
        let facts = known(layout, &subject, &registration.tag)?;
        let shown = directory.join(module.as_str());
        let made = variant::place(&shown, &registration.tag);
        let paths = match made.is_dir() {
            true => vec![made],
            false => facts.paths.iter().map(|path| shown.join(path)).collect(),
        };
        Some((module.clone(), paths))
    });
    then.collect()
}

/// A path `live/<module>/current/…` or `live/<module>/<tag>`, as it is in a generation.
fn through(generation: &Path, module: &ModuleName, path: &Path) -> Option<PathBuf> {
    let below = path.strip_prefix(Path::new("live").join(module.as_str())).ok()?;
    let shown = generation.join(module.as_str());
    match below.strip_prefix("current") {
        Ok(root) => Some(shown.join(root).components().collect()),
        Err(_) => Some(variant::place(&shown, below.to_str()?)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_switch_is_taken_out_of_a_path() {
        let module: ModuleName = "mod".parse().unwrap();
        let pinned =
            |path: &str| through(Path::new("/home/generations/7"), &module, Path::new(path));
        assert_eq!(pinned("live/mod/current/src"), Some("/home/generations/7/mod/src".into()));
        assert_eq!(pinned("live/mod/current"), Some("/home/generations/7/mod".into()));
        let variant = "/home/generations/7/mod/.modstore/cpython-312-x86_64-linux-gnu";
        assert_eq!(pinned("live/mod/cpython-312-x86_64-linux-gnu"), Some(variant.into()));
        assert_eq!(pinned("live/other/current/src"), None);
    }
}
