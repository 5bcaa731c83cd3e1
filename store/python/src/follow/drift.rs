//! [`Drift`]: how an environment differs from what was installed in it, as far as a quick look tells.

use std::{collections::BTreeMap, io::ErrorKind, path::PathBuf};

use modstore_core::{
    disk::{Layout, SMALL_FILE, read_regular},
    model::ModuleName,
};

use super::{
    overrides::{Overrides, names_repositories},
    registration::{Installed, Registration},
    stand_in::site_file,
};
use crate::build::{ModuleTree, known_metadata};

/// How a bound module differs from what was installed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Drift {
    /// It was uninstalled: by `uv tool upgrade`, `uv sync` or a user.
    Uninstalled,
    /// Something else was installed, or the installed file was edited.
    Changed,
    /// It leads nowhere.
    Dangling(PathBuf),
}

impl Drift {
    /// The bound modules that differ from what was installed, quickly: one file read and one path resolved for each.
    #[must_use]
    pub fn of(layout: &Layout, registration: &Registration) -> Vec<(ModuleName, Self)> {
        let home = layout.resolved_home();
        let of = |module: &ModuleName, installed: &Installed| {
            let (name, text) = site_file(&home, module, installed);
            let file = registration.site.first()?.join(name);
            match read_regular(&file, SMALL_FILE) {
                Err(error) if error.kind() == ErrorKind::NotFound => Some(Self::Uninstalled),
                Ok(found) if found == text.as_bytes() => {
                    let mut targets = installed.paths.iter().map(|path| home.join(path));
                    targets.find(|target| !target.is_dir()).map(Self::Dangling)
                }
                Err(_) | Ok(_) => Some(Self::Changed),
            }
        };
        let installed = registration.installed.iter();
        installed
            .filter_map(|(module, installed)| Some((module.clone(), of(module, installed)?)))
            .collect()
    }
}

/// Whether the metadata of one of these linked modules is not the installed one, or is not known for the directory as
/// it is now. `all` gives every module of the store, for requirements on their repositories.
#[must_use]
pub fn has_stale_metadata<'s>(
    layout: &Layout,
    registration: &Registration,
    mut linked: impl Iterator<Item = &'s ModuleTree>,
    all: impl Fn() -> BTreeMap<ModuleName, ModuleTree>,
) -> bool {
    linked.any(|tree| {
        let Some(installed) = registration.installed.get(&tree.module) else { return false };
        let Some(metadata) = known_metadata(layout, tree, &registration.tag) else { return true };
        let mut is_same = metadata.digest() == installed.metadata;
        if !is_same && names_repositories(&metadata) {
            let overrides = Overrides::of(layout, &registration.tag, &all());
            let as_bound = overrides.apply(&tree.module, &metadata).metadata;
            is_same = as_bound.digest() == installed.metadata;
        }
        !is_same
    })
}
