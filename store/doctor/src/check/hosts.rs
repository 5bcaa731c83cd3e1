//! D13, D15, D17, and D12 as a host remembers it: what is written beside a cache, in environments and in the store.
//!
//! Hosts whose files are known: Amplifier's registry of bundles and its memory of installs.

use std::{
    path::{Path, PathBuf},
    time::UNIX_EPOCH,
};

use modstore_core::disk::{Layout, Lock, names_in};
use modstore_python::{quoted, small_bytes};
use serde::Deserialize;

use super::{
    caches::{has_secret, secret},
    pointers::name_of,
};
use crate::{
    catalog::Shared,
    code::{Code, Severity},
    finding::Finding,
    inspected::Patient,
};

#[derive(Deserialize)]
struct Registry {
    #[serde(default)]
    bundles: std::collections::BTreeMap<String, Bundle>,
}

#[derive(Deserialize)]
struct Bundle {
    local_path: Option<PathBuf>,
}

#[derive(Deserialize)]
struct Installs {
    python: PathBuf,
    python_mtime: f64,
}

/// Looks at what hosts, installers and the store have written down.
pub(crate) fn hosts(roots: &[PathBuf], patients: &[Patient], shared: &Shared) -> Vec<Finding> {
    let mut found = Vec::new();
    for root in roots {
        found.extend(registry(root));
        found.extend(installs(root, patients));
    }
    found.extend(patients.iter().flat_map(addresses));
    found.extend(shared.store.iter().flat_map(|store| leases(&store.layout)));
    found
}

/// The directories that a registry beside this cache names.
pub(crate) fn registered(root: &Path) -> Vec<(String, PathBuf)> {
    let read = || {
        let text = small_bytes(&root.parent()?.join("registry.json"))?;
        serde_json::from_slice::<Registry>(&text).ok()
    };
    let bundles = read().into_iter().flat_map(|registry| registry.bundles);
    bundles.filter_map(|(name, bundle)| Some((name, bundle.local_path?))).collect()
}

/// D13.
fn registry(root: &Path) -> Vec<Finding> {
    let path = root.parent().unwrap_or(root).join("registry.json");
    let gone =
        registered(root).into_iter().filter(|(_, path)| path.is_absolute() && !path.exists());
    let told = gone.map(|(name, directory)| {
        let what = format!("{name} is said to be in {}, which is not there", directory.display());
        let finding = Finding::new(Code::D13, &path, what).leading_to(&directory);
        let command = format!("amplifier bundle update {}", quoted(name.as_ref()));
        finding.mended_by(command).not_mended("a registry is its host's")
    });
    told.collect()
}

/// D12 as the host remembers it.
fn installs(root: &Path, patients: &[Patient]) -> Option<Finding> {
    let path = root.join("install-state.json");
    let known: Installs = serde_json::from_slice(&small_bytes(&path)?).ok()?;
    patients.iter().find(|patient| {
        known.python.parent().is_some_and(|bin| bin == patient.prefix().join("bin"))
    })?;
    let modified = known.python.symlink_metadata().and_then(|meta| meta.modified());
    let now = modified.ok().and_then(|time| time.duration_since(UNIX_EPOCH).ok());
    // A host writes seconds as a fraction, which keeps about a microsecond.
    let is_same = now.is_some_and(|now| (now.as_secs_f64() - known.python_mtime).abs() < 0.001);
    if is_same {
        return None;
    }
    let what = format!(
        "{} was exchanged since its host has written down what it installed, and the host will install all of it again",
        name_of(&known.python)
    );
    let finding = Finding::new(Code::D12, path, what).leading_to(&known.python);
    Some(finding.at(Severity::Note).not_mended("its host does that by itself"))
}

/// D15 in what installers have written.
fn addresses(patient: &Patient) -> Vec<Finding> {
    let installed = patient.scans.iter().flat_map(|scan| &scan.distributions);
    let told = installed.filter_map(|distribution| {
        let url = &distribution.direct_url.as_ref()?.url;
        has_secret(url).then(|| {
            let finding = secret(&distribution.directory.join("direct_url.json"), None);
            let finding = finding.of(&distribution.name, None);
            Finding { environment: Some(patient.prefix().to_owned()), ..finding }
        })
    });
    told.collect()
}

/// D17 in the store.
fn leases(layout: &Layout) -> Vec<Finding> {
    let names = names_in(&layout.leases()).unwrap_or_default();
    let paths = names.into_iter().map(|name| layout.leases().join(name));
    let dead = paths.filter(|path| matches!(Lock::try_share(path), Ok(Some(_))));
    let told = dead.map(|path| {
        let what = format!("the process that took the lease {} is no more", name_of(&path));
        let finding = Finding::new(Code::D17, path, what).at(Severity::Note);
        finding.mended_by("modstore gc").not_mended("the next sweep takes it away")
    });
    told.collect()
}
