//! [`promised`]: the importable names that a distribution itself promises. What merely lies beside a package is no part of
//! the distribution, though the import path reaches it.

use std::{
    collections::BTreeSet,
    path::{Path, PathBuf},
};

use modstore_python::{PointerKind, is_identifier, names_below, small_text};

use super::editable::Editable;

/// The names that the distribution promises: those that its finder maps, those that its `top_level.txt` lists, and the
/// package or module of its own name. Of a directory that holds nothing but its packages, all of them. Empty, if nothing
/// says what it has, or if asking for its modules would build them.
pub(crate) fn promised(editable: &Editable<'_>) -> BTreeSet<String> {
    if editable.followed.iter().any(|pointer| pointer.how == PointerKind::Build) {
        return BTreeSet::new();
    }
    let mapped = editable.followed.iter().filter_map(|pointer| pointer.name.clone());
    let mut names: BTreeSet<String> = mapped.collect();
    names.extend(editable.links().map(|(name, _)| name));
    let roots = roots(editable);
    match top_level(editable) {
        Some(listed) => names.extend(listed),
        None => names.extend(roots.iter().flat_map(|root| below(editable, root))),
    }
    names.retain(|name| name.split('.').all(is_identifier));
    names
}

/// The directories that it puts on the import path.
fn roots(editable: &Editable<'_>) -> Vec<PathBuf> {
    let on_path = |how: PointerKind| matches!(how, PointerKind::Pth | PointerKind::EggLink);
    let followed = editable.followed.iter().filter(|pointer| on_path(pointer.how));
    followed.map(|pointer| pointer.target.clone()).filter(|root| root.is_dir()).collect()
}

/// The names that setuptools wrote at the installation.
fn top_level(editable: &Editable<'_>) -> Option<Vec<String>> {
    let text = small_text(&editable.distribution?.directory.join("top_level.txt"))?;
    Some(text.lines().map(str::trim).filter(|line| !line.is_empty()).map(str::to_owned).collect())
}

/// Of a directory on the import path, what can only be the distribution's.
fn below(editable: &Editable<'_>, root: &Path) -> Vec<String> {
    let all = names_below(root);
    let is_shared =
        ["pyproject.toml", "setup.py", "setup.cfg"].iter().any(|it| root.join(it).is_file());
    let is_own = editable.project().is_some_and(|project| root.starts_with(&project.directory));
    if !is_shared && is_own {
        return all.into_iter().collect();
    }
    // The project's own directory has scripts and settings beside the package.
    let name = editable.name.in_file_names();
    let entries = editable.entry_modules();
    let is_promised = |it: &String| {
        it.eq_ignore_ascii_case(&name)
            || entries.iter().any(|module| module.split('.').next() == Some(it))
    };
    all.into_iter().filter(is_promised).collect()
}
