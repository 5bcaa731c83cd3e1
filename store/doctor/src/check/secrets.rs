//! Whether a file holds a password or token. The finding does not print it.

use std::path::Path;

use modstore_core::{findings::codes, model::Source};
use modstore_python::quoted;

use super::view::{CachedView, MachineView, OfCached, OfMachine, Step};
use crate::{
    cache::{source_of, without_secret},
    finding::{Code, Details as _, Finding, Fix, name_of},
};

codes! { pub(super) CODES of Code:
    /// a file contains a secret
    SECRET = "D15", Warning, Fix::Command;
}

pub(super) const CACHED: Step<OfCached> = OfCached::check(CODES, in_cache);
pub(super) const INSTALLED: Step<OfMachine> = OfMachine::check(CODES, in_environments);

fn in_cache(view: &mut CachedView<'_>, found: &mut Vec<Finding>) {
    let cached = view.cached;
    let recorded = cached.record.as_ref().and_then(|record| record.address.as_deref());
    if recorded.is_some_and(has_secret) {
        found.push(secret(&cached.directory.join(cached.host.record_name())));
    }
    if let Some(checkout) = &cached.checkout
        && let Some(url) = checkout.remote().filter(|url| has_secret(url))
    {
        let directory = quoted(cached.directory.as_os_str());
        let command = without_secret(&url).map(|url| {
            format!("git -C {directory} remote set-url origin {}", quoted(url.as_ref()))
        });
        found.push(secret(&checkout.config()).with(|about| about.command = command));
    }
}

/// The addresses that installers recorded.
fn in_environments(view: &mut MachineView<'_>, found: &mut Vec<Finding>) {
    for environment in view.environments {
        let installed = environment.scans.iter().flat_map(|scan| &scan.distributions);
        let with_secret = installed.filter(|distribution| {
            distribution.direct_url.as_ref().is_some_and(|direct_url| has_secret(&direct_url.url))
        });
        found.extend(with_secret.map(|distribution| {
            secret(&distribution.directory.join("direct_url.json"))
                .of(&distribution.name, None)
                .with(|about| about.environment = Some(environment.prefix().to_owned()))
        }));
    }
}

fn secret(file: &Path) -> Finding {
    let what = format!("{} holds a password or token in an address", name_of(file));
    let finding = Finding::new(SECRET, file, what);
    finding.not_fixed("without it its host may not be allowed to fetch any more")
}

fn has_secret(address: &str) -> bool {
    source_of(address).as_ref().is_some_and(Source::has_secret)
}
