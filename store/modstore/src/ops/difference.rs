//! `diff`: two generations compared, down to the files. Reads only.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;

use crate::{
    Store,
    commit::JournalError,
    disk::{Layout, read_manifest},
    model::{Binding, Generation, Manifest, ModuleName},
};

/// What differs between two generations.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Difference {
    /// The module.
    pub module: ModuleName,
    /// What it was.
    pub from: Option<Binding>,
    /// What it is.
    pub to: Option<Binding>,
    /// Files that came, changed or went, when both sides are entries whose manifests are there.
    pub files: Option<FileChanges>,
}

/// Paths that differ between two entries.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema), schemars(rename = "FileDifferences"))]
pub struct FileChanges {
    /// Paths that only the second entry has.
    pub added: Vec<String>,
    /// Paths that both entries have, with different contents or kinds.
    pub changed: Vec<String>,
    /// Paths that only the first entry has.
    pub removed: Vec<String>,
}

/// The generations cannot be compared.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DifferenceError {
    /// The journal cannot be read.
    #[error("the store cannot be read")]
    Journal(#[from] JournalError),
    /// There is no generation of that number.
    #[error("there is no generation {0}")]
    NoGeneration(Generation),
}

impl Store {
    /// The modules that differ between two generations.
    ///
    /// # Errors
    /// When the journal cannot be read or has no such generation.
    pub fn difference(
        &self,
        from: Generation,
        to: Generation,
    ) -> Result<Vec<Difference>, DifferenceError> {
        let state = self.state()?;
        let modules =
            |wanted| state.modules_of(wanted).ok_or(DifferenceError::NoGeneration(wanted));
        Ok(difference(self.layout(), &modules(from)?, &modules(to)?))
    }
}

/// The modules that differ between `from` and `to`, by name.
fn difference(
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
