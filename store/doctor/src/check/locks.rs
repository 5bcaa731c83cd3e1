//! Locks of git and leases of the store whose process no longer exists.

use modstore_core::{
    disk::{Lock, names_in},
    findings::{Severity, codes},
};
use modstore_python::quoted;

use super::view::{CachedView, MachineView, OfCached, OfMachine, Step};
use crate::finding::{Code, Details as _, Finding, Fix, name_of};

codes! { pub(super) CODES of Code:
    /// a lock or lease of a process that no longer exists
    STALE_LOCK = "D17", Warning, Fix::Command;
}

pub(super) const GIT: Step<OfCached> = OfCached::check(CODES, of_git);
pub(super) const LEASES: Step<OfMachine> = OfMachine::check(CODES, leases);

fn of_git(view: &mut CachedView<'_>, found: &mut Vec<Finding>) {
    let left = view.cached.checkout.iter().flat_map(|checkout| checkout.left_locks(view.now));
    found.extend(left.map(|(path, why)| {
        let what = format!("{} blocks git here, and {why}", name_of(&path));
        let command = format!("rm {}", quoted(path.as_os_str()));
        let finding = Finding::new(STALE_LOCK, path, what).command(command);
        finding.not_fixed("a lock in a cache is its host's")
    }));
}

fn leases(view: &mut MachineView<'_>, found: &mut Vec<Finding>) {
    let Some(store) = &view.catalog.store else { return };
    let directory = store.layout.leases();
    let names = names_in(&directory).unwrap_or_default();
    let paths = names.into_iter().map(|name| directory.join(name));
    let stale = paths.filter(|path| matches!(Lock::try_share(path), Ok(Some(_))));
    found.extend(stale.map(|path| {
        let what = format!("the process that took the lease {} no longer exists", name_of(&path));
        let finding = Finding::new(STALE_LOCK, path, what).at(Severity::Note);
        finding.command("modstore gc").not_fixed("the next sweep removes it")
    }));
}
