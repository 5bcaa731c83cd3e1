//! [`promised`]: the importable names that a distribution itself promises. What merely lies beside a package is no part of
//! the distribution, though the import path reaches it.

use std::{
    collections::BTreeSet,
    path::{Path, PathBuf},
};

use modstore_python::{
    Pointer, PointerKind, Promise, is_beside, is_identifier, parts_of, small_text,
};

use super::editable::Editable;

/// The names that the distribution promises: those that its finder maps, those that its `top_level.txt` lists, and the
/// package or module of its own name. Of a directory that holds nothing but its packages, all of those. Empty, if nothing
/// says what it has, or if asking for its modules would build them.
pub(crate) fn promised(editable: &Editable<'_>) -> BTreeSet<String> {
    if editable.followed.iter().any(|pointer| pointer.how == PointerKind::Build) {
        return BTreeSet::new();
    }
    let mut names = mapped(editable);
    names.extend(editable.links().map(|(name, _)| name));
    let text = |name: &str| small_text(&editable.distribution?.directory.join(name));
    let top_level = text("top_level.txt");
    let promise = Promise {
        distribution: &editable.name,
        entry_modules: &editable.entry_modules().into_iter().collect(),
        top_level: top_level.as_deref(),
    };
    // A finder that is set up has everything; what `top_level.txt` has beside it are namespaces.
    if names.is_empty() || top_level.is_none() {
        let roots = roots(editable);
        names.extend(roots.iter().flat_map(|root| promise.below(root, is_own(editable, root))));
    }
    names.retain(|name| name.split('.').all(is_identifier));
    names
}

/// The names that its finder maps: of a namespace its parts, and tests only if there is nothing else.
fn mapped(editable: &Editable<'_>) -> BTreeSet<String> {
    let named = || editable.followed.iter().filter_map(|it| Some((it.name.as_deref()?, *it)));
    let is_split = |name: &str| {
        let below = format!("{name}.");
        named().any(|(other, _)| other.starts_with(&below))
    };
    let is_namespace = |pointer: &Pointer| {
        pointer.target.is_dir() && !pointer.target.join("__init__.py").is_file()
    };
    let parts = named().filter(|(name, it)| !(is_split(name) && is_namespace(it)));
    let parts: BTreeSet<&str> = parts.map(|(name, _)| name).collect();
    let own = editable.name.in_file_names();
    let is_test = |name: &str| {
        let top = name.split('.').next().unwrap_or_default();
        is_beside(top) && !top.eq_ignore_ascii_case(&own)
    };
    let has_more = parts.iter().any(|name| !is_test(name));
    let meant = parts.iter().filter(|name| !(has_more && is_test(name)));
    let expanded = |name: &str| -> Vec<String> {
        let places = named().filter(|(it, _)| *it == name);
        places.flat_map(|(_, it)| parts_of(name, &it.target)).collect()
    };
    meant.flat_map(|name| expanded(name)).collect()
}

/// The directories that it puts on the import path.
fn roots(editable: &Editable<'_>) -> Vec<PathBuf> {
    let on_path = |how: PointerKind| matches!(how, PointerKind::Pth | PointerKind::EggLink);
    let followed = editable.followed.iter().filter(|pointer| on_path(pointer.how));
    followed.map(|pointer| pointer.target.clone()).filter(|root| root.is_dir()).collect()
}

/// Whether nothing but packages of the distribution is meant to be in this directory.
fn is_own(editable: &Editable<'_>, root: &Path) -> bool {
    // The project's own directory has scripts and settings beside the package.
    let is_shared =
        ["pyproject.toml", "setup.py", "setup.cfg"].iter().any(|it| root.join(it).is_file());
    !is_shared && editable.project().is_some_and(|project| root.starts_with(&project.directory))
}
