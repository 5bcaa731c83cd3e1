//! Whether a repository or a distribution is in the caches twice.

use std::collections::BTreeMap;

use modstore_core::{findings::codes, model::Origin};

use super::view::{CacheView, Effort, MachineView, OfCache, OfMachine, Step};
use crate::{
    cache::{Cached, without_secret},
    finding::{Code, Details as _, Finding, Fix, name_of},
    hosts::{HOSTS, cached_above},
};

codes! { pub(super) CODES of Code:
    /// one repository or one distribution is cached twice
    DUPLICATE = "D05", Warning, Fix::Nothing;
    /// a repository is cached a second time for skills
    SECOND_CLONE = "D18", Note, Fix::Nothing;
}

pub(super) const SPELLINGS: Step<OfCache> = OfCache::check(CODES, spellings);
pub(super) const SECOND_CLONES: Step<OfCache> = OfCache::check(CODES, second_clones);
pub(super) const REPOSITORIES: Step<OfMachine> = OfMachine::check(CODES, repositories);

/// Directories of one repository and ref, in different spellings.
fn spellings(view: &mut CacheView<'_>, found: &mut Vec<Finding>) {
    let mut by_source: BTreeMap<(Origin, Option<String>), Vec<&Cached>> = BTreeMap::new();
    for cached in view.cached {
        if let Some(origin) = cached.origin() {
            by_source.entry((origin, cached.reference())).or_default().push(cached);
        }
    }
    found.extend(by_source.into_iter().filter_map(|((origin, _), twins)| {
        let [first, .., last] = twins.as_slice() else { return None };
        let names: Vec<String> = twins.iter().map(|cached| name_of(&cached.directory)).collect();
        let spelled: Vec<String> =
            twins.iter().filter_map(|cached| without_secret(&cached.address()?)).collect();
        let what =
            format!("{origin} is cached {} times, spelled {}", twins.len(), spelled.join(", "));
        let why = format!("only its host knows which of {} it uses", names.join(" and "));
        let finding = Finding::new(DUPLICATE, &last.directory, what);
        Some(finding.leading_to(&first.directory).not_fixed(why))
    }));
}

/// Distributions that come from two repositories.
fn repositories(view: &mut MachineView<'_>, found: &mut Vec<Finding>) {
    if view.effort == Effort::Quick {
        return;
    }
    for (distribution, directories) in view.catalog.search.known() {
        let mut origins = BTreeMap::new();
        for directory in directories {
            let cached = cached_above(directory).and_then(Cached::at);
            if let Some(origin) = cached.and_then(|cached| cached.origin()) {
                origins.entry(origin).or_insert(directory);
            }
        }
        let mut each = origins.into_iter();
        let (Some((first, _)), Some((second, directory))) = (each.next(), each.next()) else {
            continue;
        };
        let what = format!("{distribution} is in two repositories, {first} and {second}");
        let finding = Finding::new(DUPLICATE, directory, what).of(distribution, None);
        found.push(finding.not_fixed("only its host knows which of them is meant"));
    }
}

fn second_clones(view: &mut CacheView<'_>, found: &mut Vec<Finding>) {
    for other in HOSTS.into_iter().flat_map(|host| host.other_caches(view.root)) {
        found.extend(Cached::all_in(&other.root).into_iter().filter_map(|clone| {
            let origin = clone.origin()?;
            let mut all = view.cached.iter();
            let twin = all.find(|cached| cached.origin().as_ref() == Some(&origin))?;
            let twin = &twin.directory;
            let what =
                format!("{origin} is cached for {} too, as {}", other.purpose, name_of(twin));
            let finding = Finding::new(SECOND_CLONE, &clone.directory, what).leading_to(twin);
            Some(finding.not_fixed("its host keeps it twice"))
        }));
    }
}
