//! What is wrong with a module's state: the directories that the links of its tree lead to, and the note beside them.
//!
//! Changes nothing. What the module itself has written is its own, so no content is judged.

use std::{
    collections::BTreeSet,
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
};

use super::{
    settle::{Shipped, shipped, source_of},
    state::{StateFault, directory_of, first_fault, read_seeded},
};
use crate::{
    disk::Layout,
    model::{Kept, ModuleName, TreeFile},
};

/// What is wrong with the state of a module that keeps these paths, by path: the outermost of each chain of directories.
pub(crate) fn state_faults(
    layout: &Layout,
    module: &ModuleName,
    kept: &Kept,
) -> Vec<(PathBuf, StateFault)> {
    let state = layout.state(module);
    let needed: BTreeSet<&Path> = kept.paths.iter().map(directory_of).collect();
    let mut found = BTreeSet::new();
    for directory in needed {
        found.extend(first_fault(&layout.states(), &state.join(directory)));
    }
    let note = note_fault(layout, module, kept).map(|path| (path, StateFault::Note));
    found.into_iter().chain(note).collect()
}

/// Where the note is that does not say what upstream ships, although upstream ships something: it was written with the
/// newest generation.
fn note_fault(layout: &Layout, module: &ModuleName, kept: &Kept) -> Option<PathBuf> {
    let (_, source, part) = source_of(layout, kept)?;
    let shipped = shipped(&source, &part, &kept.paths);
    let path = layout.seeded(module);
    let may_read = path.symlink_metadata().is_ok_and(|it| it.permissions().mode() & 0o400 != 0);
    let noted = read_seeded(layout, module).filter(|_| may_read).unwrap_or_default();
    let is_noted = |it: &Shipped<'_>| {
        let noted = noted.find(it.path.as_ref());
        let wanted = TreeFile { path: it.path.clone(), ..it.file.clone() };
        noted.is_some_and(|(_, noted)| *noted == wanted)
    };
    (!shipped.iter().all(is_noted)).then_some(path)
}
