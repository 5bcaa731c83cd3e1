//! [`PurgePlan`]: what in a home is modstore's own, and what stays and why. Looks and changes nothing.

use std::path::{Path, PathBuf};

use modstore_core::in_json;
use serde::Serialize;

use crate::{
    disk::{DiskError, Layout, Staging, is_directory, is_random_name, names_in},
    model::{Digest, Generation, ModuleName},
    reclaim::{Leased, leases},
};

/// What a purge would take away.
#[derive(Debug, Default)]
#[non_exhaustive]
pub struct PurgePlan {
    /// Paths that go, in no order.
    pub remove: Vec<PathBuf>,
    /// Paths that stay, and why.
    pub stay: Vec<Stay>,
    /// Environments from which the store's modules are uninstalled before, by their directories.
    pub environments: Vec<PathBuf>,
    /// The leases that are held; nothing goes while there is one.
    pub leases: Vec<Leased>,
}

/// A path that stays.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema), schemars(rename = "KeptPath"))]
pub struct Stay {
    /// The path, below the home as it was given.
    #[serde(serialize_with = "in_json::path")]
    #[cfg_attr(feature = "schema", schemars(with = "String"))]
    pub path: PathBuf,
    /// Why it stays, in one clause.
    pub why: String,
}

impl Stay {
    pub(super) fn new(path: PathBuf, why: &str) -> Self {
        Self { path, why: why.to_owned() }
    }
}

/// Looks at the whole home. `declares`: whether `modules.toml` declares anything.
///
/// # Errors
/// When a directory of the store, or a lease, cannot be read.
pub(crate) fn plan(layout: &Layout, declares: bool) -> Result<PurgePlan, DiskError> {
    let mut plan = PurgePlan { leases: leases(layout)?, ..PurgePlan::default() };
    for name in names_in(layout.home())? {
        let path = layout.home().join(&name);
        match name.to_str().unwrap_or_default() {
            "current" if path.is_symlink() || path.is_file() => plan.remove.push(path),
            "journal" | "format.json" | "format.json.new" | "modules.lock" | "condemned"
            | "reserve" | "verified" | "allowed.json" => plan.remove.push(path),
            "modules.toml" if declares => {
                plan.stay.push(Stay::new(path, "it is what you have declared"));
            }
            "modules.toml" => plan.remove.push(path),
            Layout::IGNORED if layout.project().is_some() => {
                plan.stay
                    .push(Stay::new(path, "it keeps the rest out of the project's repository"));
            }
            "state" => {
                let why =
                    "it is what modules have written; `modstore remove --purge-state` deletes it";
                plan.stay.push(Stay::new(path, why));
            }
            "locks" => plan.stay.push(Stay::new(path, "lock files are never removed")),
            name if is_kept_aside(name) => plan.remove.push(path),
            name if Layout::DIRECTORIES.contains(&name)
                || ["quarantine", "environments", "probes"].contains(&name) =>
            {
                plan.look_into(&path, name)?;
            }
            _ => plan.stay.push(unknown(path)),
        }
    }
    if let Some(private) = layout.private().filter(|private| is_directory(private)) {
        if is_directory(&layout.environments()) {
            plan.look_into(&layout.environments(), "environments")?;
        }
        plan.remove.extend(Some(layout.allowed()).filter(|allowed| allowed.is_file()));
        plan.remove.extend(names_in(private)?.is_empty().then(|| private.to_owned()));
    }
    Ok(plan)
}

impl PurgePlan {
    /// The names in one of the store's directories; the directory goes with the last of them.
    fn look_into(&mut self, directory: &Path, kind: &str) -> Result<(), DiskError> {
        // A link to a directory elsewhere does not belong to the store, nor does anything that lies there.
        if !is_directory(directory) {
            self.stay.push(unknown(directory.to_owned()));
            return Ok(());
        }
        let names = names_in(directory)?;
        if names.is_empty() {
            self.remove.push(directory.to_owned());
        }
        for name in names {
            let path = directory.join(&name);
            let name = name.to_str().unwrap_or_default();
            if !is_ours(kind, name) {
                self.stay.push(unknown(path));
            } else if kind == "staging" && Staging::is_live(&path) {
                self.stay.push(Stay::new(path, "a process is working there"));
            } else {
                self.remove.push(path);
            }
        }
        Ok(())
    }
}

fn unknown(path: PathBuf) -> Stay {
    Stay::new(path, "it is not modstore's")
}

/// Names beside the journal and the marker that hold what was damaged.
fn is_kept_aside(name: &str) -> bool {
    let aside =
        ["journal.torn-", "journal.damaged-", "format.json.damaged-", "quarantine.damaged-"];
    let random = aside.iter().find_map(|prefix| name.strip_prefix(prefix));
    random.is_some_and(is_random)
}

/// Whether a name in the directory of this kind is one that modstore gives.
fn is_ours(kind: &str, name: &str) -> bool {
    let ends_randomly = || name.rsplit_once('-').is_some_and(|(_, random)| is_random(random));
    match kind {
        "generations" => name.parse::<Generation>().is_ok(),
        "entries" => name.parse::<Digest>().is_ok(),
        "manifests" => Layout::listed(name).is_some(),
        "mirrors" => name == "host.git" || is_mirror(name),
        "staging" => is_random(name.strip_suffix(".lock").unwrap_or(name)),
        "trash" => is_random(name),
        "leases" | "quarantine" => ends_randomly(),
        "live" => name.parse::<ModuleName>().is_ok(),
        "environments" => name.strip_suffix(".json").is_some_and(is_random),
        "probes" => name.get(..64).is_some_and(|key| key.parse::<Digest>().is_ok()),
        _ => false,
    }
}

fn is_random(name: &str) -> bool {
    is_random_name(name.as_ref())
}

/// `<32 hex>.git`, or what was left of making one.
fn is_mirror(name: &str) -> bool {
    let Some((hash, rest)) = name.split_once('.') else { return false };
    let is_hash = hash.len() == 32 && hash.bytes().all(|byte| byte.is_ascii_hexdigit());
    is_hash && (rest == "git" || is_random(rest))
}
