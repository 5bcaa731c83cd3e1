//! Before a switch: the needs of the modules that are about to change are met in each environment, and the modules can
//! be imported from where they will be.
//!
//! ```text
//! probe     metadata of each changed module, on a scratch copy, unless it is known by its key
//! variant   where the entry's files as they lie do not do: made in the entry, which no reader sees yet
//! add       new requirements, by one call of the installer: it adds, and removes nothing
//! import    each, in the environment's own Python, with the candidate's paths in place of the current ones
//! ```
//!
//! A failure here leaves the current generation as it is. Requirements that were added stay: they do no harm.

use std::{
    collections::{BTreeMap, BTreeSet},
    io::ErrorKind,
    path::PathBuf,
};

use modstore_core::{
    events::Doing,
    model::{DistributionName, ModuleName},
    program::ProgramError,
};

use super::{
    locked::{IMPORT_LIMIT, LockedEnvironment},
    prepare_error::{NotPrepared, PrepareError},
    projects::{BoundProject, ReadProject, projects_of},
    stand_in::StandIn,
    variants::{import_paths, make_variant},
};
use crate::{
    build::{ModuleTree, ProbedProject, ProjectMetadata, needed_by_several, required},
    run::{ImportProbe, ImportProbeError, ImportRequest, ImportResult, Install, SharedImports},
    workspace::Workspace,
};

/// The outcome of preparing.
#[derive(Debug, Default)]
pub struct Preparation {
    /// Modules that must not be activated.
    pub not_prepared: BTreeMap<ModuleName, NotPrepared>,
    /// Environments in which no import could be tried.
    pub untried: Vec<(PathBuf, ImportProbeError)>,
}

/// Prepares every environment for the new versions of the `changed` modules. `all`: every module as it will be after the
/// switch.
pub fn prepare(
    workspace: Workspace<'_>,
    environments: &[LockedEnvironment],
    changed: &BTreeSet<ModuleName>,
    all: &BTreeMap<ModuleName, ModuleTree>,
) -> Preparation {
    let mut done = Preparation::default();
    let mut preparing: Vec<Preparing<'_>> =
        environments.iter().map(|environment| Preparing::of(workspace, environment, all)).collect();
    for each in &mut preparing {
        each.probe(changed, &mut done);
    }
    for each in &preparing {
        each.add_requirements(&mut done);
    }
    // A module that stays as it is may make another one fail that was written for the new one.
    loop {
        let before = done.not_prepared.len();
        preparing.iter().for_each(|each| each.try_imports(&mut done));
        if done.not_prepared.len() == before {
            break;
        }
    }
    try_again(&preparing, &mut done);
    done
}

/// Prepares every environment for these modules, and tries no import. For a rollback, which nothing should
/// block.
pub fn prepare_without_import(
    workspace: Workspace<'_>,
    environments: &[LockedEnvironment],
    all: &BTreeMap<ModuleName, ModuleTree>,
) -> Preparation {
    let mut done = Preparation::default();
    let changed = all.keys().cloned().collect();
    for environment in environments {
        Preparing::of(workspace, environment, all).probe(&changed, &mut done);
    }
    done
}

/// Tries each failed import once more, alone: it may have failed because of a new module that failed too, and succeed
/// beside that one's current version.
fn try_again(preparing: &[Preparing<'_>], done: &mut Preparation) {
    let is_import = |it: &NotPrepared| matches!(*it.source, PrepareError::Import(_));
    let failed = done.not_prepared.iter().filter(|(_, it)| is_import(it));
    let failed: Vec<ModuleName> = failed.map(|(module, _)| module.clone()).collect();
    if failed.len() < 2 {
        return;
    }
    for module in failed {
        let Some(why) = done.not_prepared.remove(&module) else { continue };
        let others: BTreeSet<ModuleName> = done.not_prepared.keys().cloned().collect();
        preparing.iter().for_each(|each| each.try_imports(done));
        if done.not_prepared.len() > others.len() {
            done.not_prepared.retain(|module, _| others.contains(module));
            done.not_prepared.insert(module, why);
        }
    }
}

/// An environment, and what is known of the modules that are about to change in it.
struct Preparing<'a> {
    workspace: Workspace<'a>,
    environment: &'a LockedEnvironment,
    all: &'a BTreeMap<ModuleName, ModuleTree>,
    projects: BTreeMap<&'a ModuleName, BoundProject>,
}

impl<'a> Preparing<'a> {
    const fn of(
        workspace: Workspace<'a>,
        environment: &'a LockedEnvironment,
        all: &'a BTreeMap<ModuleName, ModuleTree>,
    ) -> Self {
        Self { workspace, environment, all, projects: BTreeMap::new() }
    }

    fn fail(&self, done: &mut Preparation, module: &ModuleName, error: PrepareError) {
        let prefix = self.environment.registration.prefix.clone();
        let failed = NotPrepared { prefix, source: Box::new(error) };
        done.not_prepared.entry(module.clone()).or_insert(failed);
    }

    /// The modules of this environment that have not failed, with their projects.
    fn ready<'s>(
        &'s self,
        done: &'s Preparation,
    ) -> impl Iterator<Item = (&'a ModuleName, &'s ProbedProject)> {
        let projects = self.projects.iter().map(|(module, bound)| (*module, &bound.project));
        projects.filter(|(module, _)| !done.not_prepared.contains_key(*module))
    }

    /// Probes the changed modules that this environment binds, with those that they need, and makes their variants.
    fn probe(&mut self, changed: &BTreeSet<ModuleName>, done: &mut Preparation) {
        let registration = &self.environment.registration;
        let is_bound = |module: &ModuleName| {
            registration.binds(module) || registration.installed.contains_key(module)
        };
        let first = self.all.keys().filter(|module| {
            changed.contains(*module)
                && is_bound(module)
                && !done.not_prepared.contains_key(*module)
        });
        for (module, bound) in projects_of(self.workspace, self.environment, first, self.all) {
            match self.with_variant(module, bound) {
                Ok(bound) => self.projects.extend(bound.map(|bound| (module, bound))),
                Err(error) => self.fail(done, module, error),
            }
        }
        self.hold_back(done);
    }

    fn with_variant(
        &self,
        module: &ModuleName,
        bound: ReadProject,
    ) -> Result<Option<BoundProject>, PrepareError> {
        let (bound, tree) = (bound?, self.all.get(module));
        if let (Some(bound), Some(tree)) = (&bound, tree) {
            make_variant(self.workspace, self.environment, tree, &bound.project)?;
        }
        Ok(bound)
    }

    /// A module fails that needs one of which the environment has no version.
    fn hold_back(&self, done: &mut Preparation) {
        let installed = &self.environment.registration.installed;
        loop {
            let is_missing = |need: &&ModuleName| {
                done.not_prepared.contains_key(*need) && !installed.contains_key(*need)
            };
            let ready = self.projects.iter();
            let mut ready = ready.filter(|(module, _)| !done.not_prepared.contains_key(**module));
            let Some((module, needed)) = ready.find_map(|(module, bound)| {
                Some((*module, bound.needs.iter().find(is_missing)?.clone()))
            }) else {
                return;
            };
            self.fail(done, module, PrepareError::Needed { module: needed });
        }
    }

    /// Adds the new requirements of the modules: all at once, and one by one if that fails.
    fn add_requirements(&self, done: &mut Preparation) {
        let bound = self.bound();
        let wanted: Vec<(&ModuleName, Vec<String>)> = self
            .ready(done)
            .map(|(module, project)| {
                (module, self.new_requirements(module, &project.metadata, &bound))
            })
            .filter(|(_, requirements)| !requirements.is_empty())
            .collect();
        let all: BTreeSet<String> =
            wanted.iter().flat_map(|(_, requirements)| requirements).cloned().collect();
        if all.is_empty() || self.add(&all.into_iter().collect::<Vec<_>>()).is_ok() {
            return;
        }
        for (module, requirements) in wanted {
            if let Err(error) = self.add(&requirements) {
                self.fail(done, module, PrepareError::Requirements(error));
            }
        }
    }

    /// The distributions that modules provide: no installer is to look for these.
    fn bound(&self) -> BTreeSet<DistributionName> {
        let installed = self.environment.registration.installed.values();
        let probed = self.projects.values().map(|bound| &bound.project.metadata.distribution);
        installed.map(|installed| &installed.distribution).chain(probed).cloned().collect()
    }

    fn new_requirements(
        &self,
        module: &ModuleName,
        metadata: &ProjectMetadata,
        bound: &BTreeSet<DistributionName>,
    ) -> Vec<String> {
        let before = StandIn::read(self.workspace.store.layout, module)
            .filter(|_| self.environment.registration.installed.contains_key(module))
            .map(|stand_in| stand_in.requirements())
            .unwrap_or_default();
        let is_bound =
            |requirement: &str| required(requirement).is_some_and(|name| bound.contains(&name));
        let mut new = metadata.requirements();
        new.retain(|requirement| !before.contains(requirement) && !is_bound(requirement));
        new
    }

    fn add(&self, requirements: &[String]) -> Result<(), ProgramError> {
        let LockedEnvironment { registration, installer, lock } = self.environment;
        let store = self.workspace.store;
        let report = |doing: Doing<'_>| self.workspace.report(&registration.prefix, doing);
        report(Doing::Adding { requirements: requirements.len() });
        let what = Install {
            requirements,
            offline: store.offline,
            constraints: registration.constraints.as_deref(),
            lock: Some(lock),
            ..Install::default()
        };
        let none = || ProgramError::Start {
            program: "an installer".into(),
            source: ErrorKind::NotFound.into(),
        };
        let installer = installer.as_ref().ok_or_else(none)?;
        let on_line = |line: &str| report(Doing::Said(line));
        installer.install(&registration.python, &what, store.cancel, &on_line)
    }

    /// Imports each module that has not failed yet, with the paths of all of them.
    fn try_imports(&self, done: &mut Preparation) {
        let registration = &self.environment.registration;
        let store = self.workspace.store;
        let mut modules = Vec::new();
        let mut paths = Vec::new();
        let projects = self.ready(done).map(|(_, project)| &project.metadata);
        let distributions = needed_by_several(projects);
        let shared = SharedImports { distributions, ..SharedImports::default() };
        for (module, project) in self.ready(done) {
            let Some(tree) = self.all.get(module) else { continue };
            let imports = tree.imports(&project.metadata, |name| registration.has(name));
            if !imports.is_empty() {
                modules.push(ImportRequest { module: module.to_string(), imports });
            }
            let mut found =
                import_paths(self.workspace, self.environment, tree, &project.metadata).into_iter();
            // The first replaces the environment's own path of the module; the others come last.
            let own = StandIn::resolved_directory(store.layout, module);
            paths.extend(found.next().map(|path| (own, Some(path))));
            paths.extend(found.map(|path| (path.clone(), Some(path))));
        }
        if modules.is_empty() {
            return;
        }
        let of = modules.len();
        let importing =
            |done| self.workspace.report(&registration.prefix, Doing::Importing { done, of });
        importing(0);
        let probe = ImportProbe {
            python: &registration.python,
            modules: &modules,
            shared: &shared,
            paths: &paths,
            limit: IMPORT_LIMIT,
            scratch: self.workspace.staging.directory(),
        };
        match probe.run_watched(store.cancel, &importing) {
            Ok(results) => {
                for ImportResult { module, failure } in results {
                    if let (Some(failure), Ok(module)) = (failure, module.parse()) {
                        self.fail(done, &module, PrepareError::Import(failure));
                    }
                }
            }
            Err(error) if done.untried.iter().all(|(prefix, _)| *prefix != registration.prefix) => {
                done.untried.push((registration.prefix.clone(), error));
            }
            Err(_) => {}
        }
    }
}
