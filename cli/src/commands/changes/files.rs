//! How many files of a module differ from its previous version.

use modstore::{Store, Updated};

/// How many of the module's files were added, changed or removed. Nothing if a side has no list of its files.
pub(super) fn changed(store: &Store, updated: &Updated) -> Option<usize> {
    let before = match &updated.from {
        None => Vec::new(),
        Some(binding) => store.files(binding)?,
    };
    // Both are in the order of their paths.
    let (mut before, mut changed) = (before.into_iter().peekable(), 0);
    for file in store.files(&updated.to)? {
        while before.next_if(|old| old.path < file.path).is_some() {
            changed += 1;
        }
        let old = before.next_if(|old| old.path == file.path);
        let is_same = old.is_some_and(|old| (old.kind, old.content) == (file.kind, file.content));
        changed += usize::from(!is_same);
    }
    Some(changed + before.count())
}
