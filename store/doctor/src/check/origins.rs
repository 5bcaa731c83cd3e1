//! D03, D10 and D11: whether a distribution that can be found is the one that is meant.

use std::path::{Path, PathBuf};

use modstore_python::{Drift, How, quoted, site_file};

use super::pointers::{chosen, is_within};
use crate::{
    cache::{Choice, cached_above},
    catalog::{Shared, Stock, is_project_of},
    code::{Code, Severity},
    finding::{Candidate, Finding},
    inspected::{Editable, Patient},
};

/// Build backends whose projects cannot be used without being compiled.
const COMPILERS: [&str; 5] =
    ["maturin", "setuptools_rust", "scikit_build_core.build", "mesonpy", "py_build_cmake.build"];

/// Looks whether a distribution is from where it should be.
pub(crate) fn origins(patient: &Patient, editable: &Editable<'_>, shared: &Shared) -> Vec<Finding> {
    if editable.dangling().is_some() {
        return Vec::new();
    }
    let found = [
        shared.store.as_ref().and_then(|store| in_entry(editable, store)),
        not_as_set(editable, shared),
        shared.home.as_ref().and_then(|home| in_another_home(editable, shared, home)),
        uncompiled(patient, editable),
    ];
    found.into_iter().flatten().collect()
}

/// D03 of an entry of the store, to which the path was resolved when it was installed.
fn in_entry(editable: &Editable<'_>, store: &Stock) -> Option<Finding> {
    let pointer = editable.followed.iter().find(|pointer| store.is_in_entry(&pointer.target))?;
    let what = "it leads to an entry of the store itself, and the next update leaves it behind";
    let finding = Finding::new(Code::D03, &pointer.file, what).leading_to(&pointer.target);
    Some(match store.stand_in(&editable.name) {
        Some((module, directory)) => {
            let why = format!("what the store has as its module {module}");
            chosen(finding, Choice::One(Candidate { directory, why, others: Vec::new() }))
        }
        None => finding.not_mended("the store has no stand-in for it; `modstore bind` makes one"),
    })
}

/// D03 of a module whose host is set to have it from elsewhere.
fn not_as_set(editable: &Editable<'_>, shared: &Shared) -> Option<Finding> {
    let module = editable.module.as_ref()?;
    let (_, wished) = shared.wishes.iter().find(|(name, _)| name == module)?;
    let stray = |target: &Path| !is_within(target, wished);
    let pointer = editable.followed.iter().find(|pointer| stray(&pointer.target))?;
    let what = format!(
        "its host is set to have it from {}, and Python follows {}",
        wished.display(),
        pointer.target.display()
    );
    let finding = Finding::new(Code::D03, &pointer.file, what).leading_to(&pointer.target);
    Some(match wished.is_dir() && is_project_of(wished, &editable.name) {
        true => {
            let (directory, why) = (wished.clone(), "what its host is set to".into());
            chosen(finding, Choice::One(Candidate { directory, why, others: Vec::new() }))
        }
        false => finding.not_mended("its host has not fetched that yet"),
    })
}

/// D03 of what the store has installed in an environment that it looks after.
pub(crate) fn bound(patient: &Patient, shared: &Shared) -> Vec<Finding> {
    let (Some(registration), Some(store)) = (&patient.registration, &shared.store) else {
        return Vec::new();
    };
    let home = store.layout.home();
    let home = home.canonicalize().unwrap_or_else(|_| home.to_owned());
    let told = Drift::of(&store.layout, registration).into_iter().filter_map(|(module, how)| {
        let installed = registration.installed.get(&module)?;
        let (name, _) = site_file(&home, &module, installed);
        let path = registration.site.first()?.join(name);
        let (severity, what) = match how {
            Drift::Uninstalled => {
                (Severity::Broken, format!("{module} was bound, and somebody has uninstalled it"))
            }
            Drift::Changed => {
                (Severity::Warning, format!("{module} was bound, and something else is installed"))
            }
            // It is told as what leads nowhere.
            Drift::Dangling(_) => return None,
        };
        let finding = Finding::new(Code::D03, path, what).at(severity);
        let finding = finding.of(&installed.distribution, Some(module.as_str()));
        Some(match store.stand_in(&installed.distribution) {
            Some((module, directory)) => {
                let why = format!("what the store has as its module {module}");
                chosen(finding, Choice::One(Candidate { directory, why, others: Vec::new() }))
            }
            None => finding.not_mended("the store does not show it"),
        })
    });
    told.collect()
}

/// D10.
fn in_another_home(editable: &Editable<'_>, shared: &Shared, home: &Path) -> Option<Finding> {
    let cache = home.join("cache");
    let real = cache.canonicalize().unwrap_or_else(|_| cache.clone());
    let is_ours = |path: &Path| path.starts_with(&cache) || path.starts_with(&real);
    let stray = |target: &Path| {
        let root = cached_above(target)?.parent()?;
        let is_cache = root.file_name().is_some_and(|name| name == "cache");
        (is_cache && !is_ours(target)).then(|| root.to_owned())
    };
    let (pointer, root) =
        editable.followed.iter().find_map(|pointer| Some((pointer, stray(&pointer.target)?)))?;
    let what = format!(
        "it leads into {}, the cache of another home than {}",
        root.display(),
        home.display()
    );
    let finding = Finding::new(Code::D10, &pointer.file, what).leading_to(&pointer.target);
    let ours: Vec<PathBuf> = shared
        .search
        .holders(&editable.name)
        .iter()
        .filter(|path| is_ours(path))
        .cloned()
        .collect();
    Some(match ours.as_slice() {
        [] => finding.not_mended(format!("{} does not hold it", cache.display())),
        [only] => {
            let why = format!("the only directory in {} that holds it", cache.display());
            chosen(finding, Choice::One(Candidate { directory: only.clone(), why, others: vec![] }))
        }
        _ => chosen(finding, Choice::Several(ours)),
    })
}

/// D11.
fn uncompiled(patient: &Patient, editable: &Editable<'_>) -> Option<Finding> {
    let pointer = editable.followed.first()?;
    cached_above(&pointer.target)?;
    let project = editable.project()?;
    if !COMPILERS.contains(&project.backend.as_str()) {
        return None;
    }
    let is_built = editable.followed.iter().any(|pointer| pointer.how == How::Build)
        || editable.files.iter().flatten().any(|file| is_compiled(&file.path))
        || editable.followed.iter().any(|pointer| has_compiled(&pointer.target, 3));
    let backend = &project.backend;
    let (severity, what) = match is_built {
        true => (
            Severity::Warning,
            format!(
                "{backend} has compiled it within a cache, where the next fetch takes the compiled files away"
            ),
        ),
        false => (
            Severity::Broken,
            format!(
                "it has to be compiled by {backend}, and it is used from its source without that"
            ),
        ),
    };
    let (python, name) = (quoted(patient.executable().as_os_str()), &editable.name);
    let command = format!("uv pip install --python {python} --reinstall-package {name} {name}");
    let finding = Finding::new(Code::D11, &pointer.file, what).at(severity);
    let finding = finding.leading_to(&pointer.target).mended_by(command);
    Some(finding.not_mended("it has to come from an index"))
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
