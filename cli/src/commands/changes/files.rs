//! How many files of a module differ from its previous version.

use std::collections::HashMap;

use modstore::{Store, Updated};
use modstore_core::model::{Binding, Bound, ContentHash, FileKind, Manifest};

/// How many of the module's files were added, changed or removed. Nothing if a side has no list of its files.
pub(super) fn changed(store: &Store, updated: &Updated) -> Option<usize> {
    let before = match &updated.from {
        None => Manifest::default(),
        Some(binding) => manifest(store, binding)?,
    };
    let after = manifest(store, &updated.to)?;
    let before = files(&before, updated.from.as_ref().map_or("", part));
    let after = files(&after, part(&updated.to));
    let same = after.iter().filter(|(path, file)| before.get(*path) == Some(*file)).count();
    let common = after.keys().filter(|path| before.contains_key(*path)).count();
    Some(before.len() + after.len() - common - same)
}

fn manifest(store: &Store, binding: &Binding) -> Option<Manifest> {
    store.manifest(binding.digest()?)
}

/// The part of its entry that the module is.
fn part(binding: &Binding) -> &str {
    match &binding.bound {
        Bound::Entry { subdirectory: Some(part), .. } => part.as_str(),
        Bound::Entry { subdirectory: None, .. } | Bound::Linked { .. } | Bound::Built(_) => "",
    }
}

/// The files below `part`, by their path in it.
fn files<'m>(manifest: &'m Manifest, part: &str) -> HashMap<&'m [u8], (FileKind, ContentHash)> {
    let prefix = if part.is_empty() { 0 } else { part.len() + 1 };
    let files = manifest.below(part.into()).iter();
    files.filter_map(|file| Some((file.path.get(prefix..)?, (file.kind, file.content)))).collect()
}
