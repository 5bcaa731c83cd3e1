//! Whether the directories exist that the registry of a host names.

use modstore_core::findings::codes;

use super::view::{MachineView, OfMachine, Step};
use crate::{
    finding::{Code, Details as _, Finding, Fix},
    hosts::HOSTS,
};

codes! { pub(super) CODES of Code:
    /// a registry names a directory that does not exist
    DANGLING_ENTRY = "D13", Warning, Fix::Command;
}

pub(super) const CHECK: Step<OfMachine> = OfMachine::check(CODES, find);

fn find(view: &mut MachineView<'_>, found: &mut Vec<Finding>) {
    let named = view.roots.iter().flat_map(|root| HOSTS.map(|host| host.registered(root)));
    let gone = named.flatten().filter(|it| it.directory.is_absolute() && !it.directory.exists());
    found.extend(gone.map(|it| {
        let what =
            format!("{} should be in {}, which does not exist", it.name, it.directory.display());
        Finding::new(DANGLING_ENTRY, &it.file, what)
            .leading_to(&it.directory)
            .command(it.command)
            .not_fixed("a registry is its host's")
    }));
}
