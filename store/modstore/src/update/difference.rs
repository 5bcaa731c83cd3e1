//! What differs between two generations, down to the files. Reads only.

use std::collections::{BTreeMap, BTreeSet};

use super::report::{Difference, FileChanges};
use crate::{
    disk::{Layout, read_manifest},
    model::{Binding, Manifest, ModuleName},
};

/// The modules that differ between `from` and `to`, by name.
pub(crate) fn difference(
    layout: &Layout,
    from: &BTreeMap<ModuleName, Binding>,
    to: &BTreeMap<ModuleName, Binding>,
) -> Vec<Difference> {
    let names: BTreeSet<&ModuleName> = from.keys().chain(to.keys()).collect();
    let differing = names.into_iter().filter(|name| from.get(*name) != to.get(*name));
    differing
        .map(|module| {
            let (from, to) = (from.get(module), to.get(module));
            let files = changes(layout, from, to);
            Difference { module: module.clone(), from: from.cloned(), to: to.cloned(), files }
        })
        .collect()
}

fn changes(layout: &Layout, from: Option<&Binding>, to: Option<&Binding>) -> Option<FileChanges> {
    let manifest = |binding: Option<&Binding>| match binding {
        None => Some(Manifest::default()),
        Some(binding) => read_manifest(layout, binding.digest()?),
    };
    let (from, to) = (manifest(from)?, manifest(to)?);
    let mut changes = FileChanges::default();
    for file in to.files() {
        match from.find(file.path.as_ref()) {
            None => changes.added.push(file.path.to_string()),
            Some((_, before)) if before != file => changes.changed.push(file.path.to_string()),
            Some(_) => {}
        }
    }
    let gone = from.files().iter().filter(|file| to.find(file.path.as_ref()).is_none());
    changes.removed = gone.map(|file| file.path.to_string()).collect();
    Some(changes)
}
