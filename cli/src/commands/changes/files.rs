//! How many files of a module differ from its previous version.

use std::collections::HashMap;

use modstore::{Store, Updated};
use modstore_core::model::{Binding, ContentHash, FileKind, TreeFile};

/// How many of the module's files were added, changed or removed. Nothing if a side has no list of its files.
pub(super) fn changed(store: &Store, updated: &Updated) -> Option<usize> {
    let before = match &updated.from {
        None => HashMap::new(),
        Some(binding) => files(store, binding)?,
    };
    let after = files(store, &updated.to)?;
    let same = after.iter().filter(|(path, file)| before.get(*path) == Some(*file)).count();
    let common = after.keys().filter(|path| before.contains_key(*path)).count();
    Some(before.len() + after.len() - common - same)
}

/// The files of a module, by their path in it.
fn files(store: &Store, binding: &Binding) -> Option<HashMap<Vec<u8>, (FileKind, ContentHash)>> {
    let of = |file: TreeFile| (Vec::from(file.path), (file.kind, file.content));
    Some(store.files(binding)?.into_iter().map(of).collect())
}
