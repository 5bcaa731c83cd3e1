//! The projects of modules that an environment binds, with the modules that meet their requirements on repositories.

use std::collections::{BTreeMap, BTreeSet};

use modstore_core::model::ModuleName;

use super::{
    locked::LockedEnvironment,
    overrides::{Overridden, Overrides, names_repositories},
};
use crate::{
    build::{ModuleTree, ProbeError, Probed, ProbedProject},
    workspace::Workspace,
};

/// A module's project, with the metadata that its stand-in has.
#[derive(Debug)]
pub(super) struct BoundProject {
    pub project: ProbedProject,
    /// The modules that meet its requirements on repositories.
    pub needs: BTreeSet<ModuleName>,
}

/// A module's project; `None` if it is no Python project.
pub(super) type ReadProject = Result<Option<BoundProject>, ProbeError>;

/// The projects of the modules `first`, and of all those among `all` that they need.
pub(super) fn projects_of<'m>(
    workspace: Workspace<'_>,
    environment: &LockedEnvironment,
    first: impl Iterator<Item = &'m ModuleName>,
    all: &'m BTreeMap<ModuleName, ModuleTree>,
) -> BTreeMap<&'m ModuleName, ReadProject> {
    let mut found: BTreeMap<&ModuleName, ReadProject> = BTreeMap::new();
    let mut open: Vec<&ModuleTree> = first.filter_map(|module| all.get(module)).collect();
    while !open.is_empty() {
        let probed = environment.prober(workspace).probe_all(&open);
        let overrides = overrides_for(workspace, environment, &probed, all);
        let mut needed = BTreeSet::new();
        for (module, probed) in probed {
            let bound = probed.map(|project| project.map(|it| overridden(&overrides, module, it)));
            needed.extend(bound.iter().flatten().flat_map(|it| it.needs.iter().cloned()));
            found.insert(module, bound);
        }
        let is_new = |tree: &&ModuleTree| !found.contains_key(&tree.module);
        open = needed.iter().filter_map(|module| all.get(module)).filter(is_new).collect();
    }
    found
}

/// Nothing is looked up where no requirement is on a repository.
fn overrides_for(
    workspace: Workspace<'_>,
    environment: &LockedEnvironment,
    probed: &BTreeMap<&ModuleName, Probed>,
    all: &BTreeMap<ModuleName, ModuleTree>,
) -> Overrides {
    let mut projects = probed.values().flatten().flatten();
    if projects.any(|project| names_repositories(&project.metadata)) {
        Overrides::of(workspace.store.layout, &environment.registration.tag, all)
    } else {
        Overrides::default()
    }
}

fn overridden(overrides: &Overrides, module: &ModuleName, project: ProbedProject) -> BoundProject {
    let Overridden { metadata, needs } = overrides.apply(module, &project.metadata);
    BoundProject { project: ProbedProject { metadata, ..project }, needs }
}
