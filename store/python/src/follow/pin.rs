//! The import path of one generation: the directories that an environment gets from its modules through the switch,
//! with the switch taken out.
//!
//! A process that has these paths in place of those through `current` sees one version of every module for its whole
//! life, and so do its children. It has to hold a lease, or a sweep may delete the generation.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};

use modstore_core::{
    disk::Layout,
    model::{Binding, Generation, ModuleName},
};

use super::registration::Registration;
use crate::build::{ModuleTree, known_metadata, variant};

/// The directories that the modules of `generation` put on the import path of an environment, by module. `modules`
/// gives the bindings of the generation, if the environment was last synced to another one.
pub fn pinned(
    layout: &Layout,
    registration: &Registration,
    generation: Generation,
    modules: impl FnOnce() -> Option<BTreeMap<ModuleName, Binding>>,
) -> BTreeMap<ModuleName, Vec<PathBuf>> {
    let directory = layout.generation(generation);
    let bound = registration.installed.iter();
    if registration.is_synced_to(Some(generation)) {
        let paths = bound.map(|(module, installed)| {
            let through = |path: &PathBuf| through(&directory, module, path);
            (module.clone(), installed.paths.iter().filter_map(through).collect())
        });
        return paths.collect();
    }
    let modules = modules().unwrap_or_default();
    let paths = bound.filter_map(|(module, _)| {
        let binding = modules.get(module.as_str())?;
        let tree = ModuleTree::of(layout, module, binding, &BTreeMap::new())?;
        let metadata = known_metadata(layout, &tree, &registration.tag)?;
        let target = directory.join(module.as_str());
        let variant = variant::place(&target, &registration.tag);
        let paths = if variant.is_dir() {
            vec![variant]
        } else {
            metadata.paths.iter().map(|path| target.join(path)).collect()
        };
        Some((module.clone(), paths))
    });
    paths.collect()
}

/// A path `live/<module>/current/…` or `live/<module>/<tag>`, as it is in a generation.
fn through(generation: &Path, module: &ModuleName, path: &Path) -> Option<PathBuf> {
    let below = path.strip_prefix(Path::new("live").join(module.as_str())).ok()?;
    let target = generation.join(module.as_str());
    match below.strip_prefix("current") {
        Ok(root) => Some(target.join(root).components().collect()),
        Err(_) => Some(variant::place(&target, below.to_str()?)),
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
