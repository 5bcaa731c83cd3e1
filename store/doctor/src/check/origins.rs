//! Whether a distribution that Python finds is the one that is meant.

use std::path::{Path, PathBuf};

use modstore_core::findings::{Severity, codes};
use modstore_python::{Drift, PointerKind, quoted, site_file};

use super::{
    paths::{DANGLING_PATH, DIFFERENT_PATHS, is_within},
    records::NOT_AS_RECORDED,
    view::{EditableView, EnvironmentView, OfEditable, OfEnvironment, Step},
};
use crate::{
    catalog::{StoreStandIns, is_project_of},
    finding::{Choice, Code, Details as _, Finding, Fix},
    hosts::{HostHome, cached_above, host_of},
};

codes! { pub(super) CODES of Code:
    /// installed from another place than its source says
    OTHER_SOURCE = "D03", Warning, Fix::Install;
    /// a path leads into the cache of another home
    OTHER_HOME = "D10", Warning, Fix::Install;
    /// a distribution that needs compiling is used from its source
    UNCOMPILED = "D11", Warning, Fix::Command;
    /// two stores have the environment in their lists
    TWO_STORES = "D24", Warning, Fix::Command;
}

pub(super) const CHECK: Step<OfEditable> = OfEditable::check(CODES, find).unless(&[DANGLING_PATH]);

/// A module that the store has installed; its other faults have findings of their own.
pub(super) const BOUND: Step<OfEnvironment> = OfEnvironment::check(CODES, bound).unless(&[
    DANGLING_PATH,
    DIFFERENT_PATHS,
    OTHER_SOURCE,
    NOT_AS_RECORDED,
]);

/// An environment that another store owns.
pub(super) const OWNER: Step<OfEnvironment> = OfEnvironment::check(CODES, two_stores);

/// Build backends whose projects cannot be used without being compiled.
const COMPILERS: [&str; 5] =
    ["maturin", "setuptools_rust", "scikit_build_core.build", "mesonpy", "py_build_cmake.build"];

fn find(view: &mut EditableView<'_>, found: &mut Vec<Finding>) {
    let homes = &view.catalog.homes;
    found.extend(view.catalog.store.as_ref().and_then(|store| in_entry(view, store)));
    found.extend(homes.iter().find_map(|home| not_as_set(view, home)));
    found.extend(homes.iter().find_map(|home| in_another_home(view, home)));
    found.extend(uncompiled(view));
}

/// An entry of the store, to which the path was resolved when it was installed.
fn in_entry(view: &EditableView<'_>, store: &StoreStandIns) -> Option<Finding> {
    let mut followed = view.editable.followed.iter();
    let pointer = followed.find(|pointer| store.is_in_entry(&pointer.target))?;
    let what = "it leads to an entry of the store itself, and the next update leaves it behind";
    let finding = view.finding(OTHER_SOURCE, &pointer.file, what).leading_to(&pointer.target);
    Some(match store.candidate(&view.editable.name) {
        Some(candidate) => finding.choose(Choice::One(candidate)),
        None => finding.not_fixed("the store has no stand-in for it; `modstore bind` makes one"),
    })
}

/// A module for which the settings of its host name another directory.
fn not_as_set(view: &EditableView<'_>, home: &HostHome) -> Option<Finding> {
    let editable = view.editable;
    let module = editable.module.as_ref()?;
    let (_, set) = home.sources.iter().find(|(name, _)| name == module)?;
    let mut followed = editable.followed.iter();
    let pointer = followed.find(|pointer| !is_within(&pointer.target, set))?;
    let what = format!(
        "the settings of its host name {}, and Python follows {}",
        set.display(),
        pointer.target.display()
    );
    let finding = view.finding(OTHER_SOURCE, &pointer.file, what).leading_to(&pointer.target);
    if set.is_dir() && is_project_of(set, &editable.name) {
        return Some(finding.choose(Choice::only(set, "from the settings of its host")));
    }
    Some(finding.not_fixed("its host has not fetched that yet"))
}

fn in_another_home(view: &EditableView<'_>, home: &HostHome) -> Option<Finding> {
    let HostHome { cache, directory, .. } = home;
    let real = cache.canonicalize().unwrap_or_else(|_| cache.clone());
    let is_ours = |path: &Path| path.starts_with(cache) || path.starts_with(&real);
    let stray = |target: &Path| {
        let cached = cached_above(target)?;
        let (host, _) = host_of(cached)?;
        let root = cached.parent()?;
        let is_cache = *root == host.cache_in(root.parent()?);
        (is_cache && !is_ours(target)).then(|| root.to_owned())
    };
    let mut followed = view.editable.followed.iter();
    let (pointer, root) = followed.find_map(|pointer| Some((pointer, stray(&pointer.target)?)))?;
    let what = format!(
        "it leads into {}, the cache of another home than {}",
        root.display(),
        directory.display()
    );
    let finding = view.finding(OTHER_HOME, &pointer.file, what).leading_to(&pointer.target);
    let holders = view.catalog.search.holders(&view.editable.name).iter();
    let ours: Vec<PathBuf> = holders.filter(|path| is_ours(path)).cloned().collect();
    Some(match ours.as_slice() {
        [] => finding.not_fixed(format!("{} does not hold it", cache.display())),
        [only] => {
            let why = format!("the only directory in {} that holds it", cache.display());
            finding.choose(Choice::only(only, why))
        }
        _ => finding.choose(Choice::Several(ours)),
    })
}

fn uncompiled(view: &EditableView<'_>) -> Option<Finding> {
    let editable = view.editable;
    let pointer = editable.followed.first()?;
    cached_above(&pointer.target)?;
    let backend = &editable.project()?.backend;
    if !COMPILERS.contains(&backend.as_str()) {
        return None;
    }
    let is_built = editable.followed.iter().any(|pointer| pointer.how == PointerKind::Build)
        || editable.files.iter().flatten().any(|file| is_compiled(&file.path))
        || editable.followed.iter().any(|pointer| has_compiled(&pointer.target, 3));
    let finding = |what: String| view.finding(UNCOMPILED, &pointer.file, what);
    let finding = if is_built {
        finding(format!(
            "{backend} compiled it within a cache, where the next fetch deletes the compiled files"
        ))
    } else {
        finding(format!(
            "it has to be compiled by {backend}, and it is used from its source without that"
        ))
        .at(Severity::Broken)
    };
    let command = view.environment.reinstall_command(&editable.name);
    Some(
        finding
            .leading_to(&pointer.target)
            .command(command)
            .not_fixed("it has to come from an index"),
    )
}

fn is_compiled(path: &Path) -> bool {
    path.extension().is_some_and(|end| end == "so" || end == "pyd" || end == "dylib")
}

fn has_compiled(path: &Path, depth: usize) -> bool {
    if path.is_file() {
        return path.parent().is_some_and(|parent| has_compiled(parent, 1));
    }
    let Some(depth) = depth.checked_sub(1) else { return false };
    let children = std::fs::read_dir(path).into_iter().flatten().flatten();
    children
        .map(|child| child.path())
        .any(|child| is_compiled(&child) || (child.is_dir() && has_compiled(&child, depth)))
}

fn two_stores(view: &mut EnvironmentView<'_>, found: &mut Vec<Finding>) {
    let environment = view.environment;
    let (Some(home), Some(_)) = (&environment.other_store, &environment.registration) else {
        return;
    };
    let what = format!(
        "it follows the store in {}, and this store has it in its list too, but changes nothing there",
        home.display()
    );
    let python = quoted(environment.prefix().as_os_str());
    let finding = Finding::new(TWO_STORES, environment.prefix(), what);
    found.push(
        finding
            .leading_to(home)
            .command(format!("modstore unbind --python {python}"))
            .not_fixed("`modstore bind --take-over` is the other way, and you decide"),
    );
}

/// The modules that the store installed in an environment that follows it.
fn bound(view: &mut EnvironmentView<'_>, found: &mut Vec<Finding>) {
    let Some(registration) = &view.environment.registration else { return };
    let Some(store) = &view.catalog.store else { return };
    let home = store.layout.resolved_home();
    let drifted = Drift::of(&store.layout, registration).into_iter();
    found.extend(drifted.filter_map(|(module, drift)| {
        let (severity, what) = match drift {
            Drift::Uninstalled => (Severity::Broken, "was bound, and was uninstalled"),
            Drift::Changed => (Severity::Warning, "was bound, and something else is installed"),
            // The search for paths that lead nowhere finds it.
            Drift::Dangling(_) => return None,
        };
        let installed = registration.installed.get(&module)?;
        let (name, _) = site_file(&home, &module, installed);
        let path = registration.site.first()?.join(name);
        let finding = Finding::new(OTHER_SOURCE, path, format!("{module} {what}"))
            .at(severity)
            .of(&installed.distribution, Some(module.as_str()));
        Some(match store.candidate(&installed.distribution) {
            Some(candidate) => finding.choose(Choice::One(candidate)),
            None => finding.not_fixed("it is not in the store's current generation"),
        })
    }));
}
