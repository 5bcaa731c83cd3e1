//! After a switch: each environment has the stand-ins of the current generation, and all of them lead somewhere.
//!
//! ```text
//! stand in   live/<module>/ written where the metadata changed; one barrier for all
//! remove     stand-ins of modules that are gone, by one call of the installer
//! own        the environment is marked as this store's, unless nothing is installed
//! install    those that are missing or whose metadata changed, by one call
//! check      every one is there, byte for byte, and leads to a directory
//! remember   in the registration, with the generation that all this was made for; then the temporary .pth file, which
//!            kept modules importable while they were installed again, is removed
//! ```
//!
//! Each step looks for itself whether there is anything to do. So the next call finishes one that was killed, starts
//! nothing where all is as it should be, and installs again what a user uninstalled.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::{Path, PathBuf},
    slice,
};

use modstore_core::{
    events::{Doing, Event},
    model::{DistributionName, Generation, ModuleName},
};

use super::{
    drift::Drift,
    locked::LockedEnvironment,
    owner,
    registration::{Installed, Registration},
    stand_in::{StandIn, point, site_file},
    sync_error::SyncError,
    temporary_pth,
    variants::make_variant,
};
use crate::{
    build::{ModuleTree, variant},
    run::{Install, quoted},
    workspace::Workspace,
};

/// The changes made in an environment.
#[derive(Debug, Default)]
pub struct SyncReport {
    /// Its directory.
    pub prefix: PathBuf,
    /// Modules whose stand-in was installed for the first time, or again because its metadata changed.
    pub installed: Vec<ModuleName>,
    /// Modules that were bound and missing, or not as they were installed, and were installed again.
    pub reinstalled: Vec<ModuleName>,
    /// Modules that are gone from the current generation, or not bound any more.
    pub removed: Vec<ModuleName>,
    /// Modules that are no Python project.
    pub skipped: Vec<ModuleName>,
    /// Modules without a stand-in of their current version, and why. What was installed of them before stays.
    pub failed: Vec<(ModuleName, SyncError)>,
}

/// What happens when the one call of the installer fails.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OnFailure {
    /// Nothing more: all modules of a switch are there, or the switch is taken back.
    Stop,
    /// Each module is tried alone, so that one failure does not affect the others.
    TryEach,
}

/// Brings an environment up to date: it has the stand-ins of `current`, all modules of `generation`.
///
/// # Errors
/// See [`SyncError`].
pub fn sync(
    workspace: Workspace<'_>,
    environment: &mut LockedEnvironment,
    generation: Option<Generation>,
    current: &BTreeMap<ModuleName, ModuleTree>,
    on_failure: OnFailure,
) -> Result<SyncReport, SyncError> {
    let prefix = environment.registration.prefix.clone();
    let report = SyncReport { prefix, ..SyncReport::default() };
    let (wanted, away) = (BTreeMap::new(), BTreeSet::new());
    let mut syncing = Syncing { workspace, on_failure, wanted, away, report };
    syncing.stand_in(environment, current)?;
    let done = syncing
        .remove(environment)
        .and_then(|()| syncing.install(environment))
        .and_then(|()| syncing.check(environment))
        .and_then(|()| syncing.remember(environment, generation));
    // Last of all: an interpreter that listed the site before the installer was done may still be about to read it.
    temporary_pth::remove(workspace.store.disk, &environment.registration)?;
    done.map(|()| syncing.report)
}

struct Syncing<'a> {
    workspace: Workspace<'a>,
    on_failure: OnFailure,
    /// The stand-ins that the environment should have.
    wanted: BTreeMap<ModuleName, Installed>,
    /// Modules that are linked to a directory which is not there now.
    away: BTreeSet<ModuleName>,
    report: SyncReport,
}

impl Syncing<'_> {
    /// Writes the stand-ins of the current modules.
    fn stand_in(
        &mut self,
        environment: &LockedEnvironment,
        current: &BTreeMap<ModuleName, ModuleTree>,
    ) -> Result<(), SyncError> {
        let registration = &environment.registration;
        for (module, tree) in current.iter().filter(|(module, _)| registration.binds(module)) {
            if self.is_away(registration, tree) {
                continue;
            }
            match self.stand_in_for(environment, tree) {
                Ok(Some(installed)) => drop(self.wanted.insert(module.clone(), installed)),
                Ok(None) => self.report.skipped.push(module.clone()),
                Err(SyncError::Disk(error)) => return Err(error.into()),
                Err(error) => {
                    let before = registration.installed.get(module);
                    self.wanted.extend(before.map(|before| (module.clone(), before.clone())));
                    self.report.failed.push((module.clone(), error));
                }
            }
        }
        // One barrier for all of them, whichever were written.
        let store = self.workspace.store;
        let live = store.layout.live();
        if self.wanted != registration.installed && live.is_dir() {
            store.disk.sync_tree(&live, store.barrier)?;
        }
        Ok(())
    }

    /// Whether the module was bound and its linked directory is not there. It stays bound as it is: a volume may only not
    /// be mounted.
    fn is_away(&mut self, registration: &Registration, tree: &ModuleTree) -> bool {
        let Some(before) = registration.installed.get(&tree.module) else { return false };
        let directory = tree.directory();
        if !tree.is_linked() || directory.is_dir() {
            return false;
        }
        let (module, place) = (&tree.module, directory.display());
        let text = format!("{module} is linked to {place}, which is not there; it stays bound");
        self.workspace.store.events.happened(Event::Notice { text: &text });
        self.wanted.insert(module.clone(), before.clone());
        self.away.insert(module.clone());
        true
    }

    /// The stand-in of a module, written; `None` for a module that is no Python project.
    fn stand_in_for(
        &self,
        environment: &LockedEnvironment,
        tree: &ModuleTree,
    ) -> Result<Option<Installed>, SyncError> {
        let Workspace { store, staging } = self.workspace;
        let module = &tree.module;
        let project = environment.prober(self.workspace).probe(tree).map_err(|error| {
            SyncError::Probe { module: module.clone(), source: Box::new(error) }
        })?;
        let Some(project) = project else { return Ok(None) };
        self.is_alone(module, &project.metadata.distribution)?;
        make_variant(self.workspace, environment, tree, &project).map_err(|error| {
            SyncError::Variant { module: module.clone(), source: Box::new(error) }
        })?;
        let stand_in = StandIn::of(module, &project.metadata);
        let fresh = || staging.fresh();
        stand_in.write(store.disk, store.layout, &fresh)?;
        let tag = &environment.registration.tag;
        if variant::place(&tree.directory(), tag).is_dir() {
            let link = StandIn::directory(store.layout, module).join(tag);
            point(store.disk, &link, &variant::link_text(tag), &fresh)?;
        }
        Ok(Some(stand_in.installed(store.layout, tag)))
    }

    /// Fails if a module before it is the same distribution.
    fn is_alone(
        &self,
        module: &ModuleName,
        distribution: &DistributionName,
    ) -> Result<(), SyncError> {
        let same = self.wanted.iter().find(|(_, other)| other.distribution == *distribution);
        same.map_or(Ok(()), |(first, _)| {
            Err(SyncError::Twice {
                distribution: distribution.clone(),
                first: first.clone(),
                second: module.clone(),
            })
        })
    }

    /// Uninstalls the stand-ins that the environment should not have.
    fn remove(&mut self, environment: &LockedEnvironment) -> Result<(), SyncError> {
        let LockedEnvironment { registration, installer, lock } = environment;
        let is_wanted = |name: &DistributionName| {
            self.wanted.values().any(|wanted| wanted.distribution == *name)
        };
        let gone: BTreeMap<&ModuleName, &Installed> = registration
            .installed
            .iter()
            .filter(|(_, installed)| !is_wanted(&installed.distribution))
            .collect();
        let here: Vec<DistributionName> = gone
            .iter()
            .filter(|(module, installed)| self.is_there(registration, module, installed))
            .map(|(_, installed)| installed.distribution.clone())
            .collect();
        let modules: Vec<ModuleName> = gone.keys().map(|module| (*module).clone()).collect();
        if !here.is_empty() {
            installer
                .as_ref()
                .ok_or(SyncError::NoInstaller)?
                .uninstall(&registration.python, &here, lock, self.workspace.store.cancel)
                .map_err(|source| SyncError::Install { modules: modules.clone(), source })?;
        }
        self.report.removed = modules;
        Ok(())
    }

    /// Whether a stand-in of ours is in the environment, in whichever version; not one of another store.
    fn is_there(
        &self,
        registration: &Registration,
        module: &ModuleName,
        installed: &Installed,
    ) -> bool {
        let layout = self.workspace.store.layout;
        let (name, _) = site_file(layout.home(), module, installed);
        let file = registration.site.first().map(|site| site.join(name));
        file.is_some_and(|file| {
            file.is_file() && !owner::is_of_another(layout, registration, &file)
        })
    }

    /// Installs the stand-ins that are missing or were made for other metadata.
    fn install(&mut self, environment: &mut LockedEnvironment) -> Result<(), SyncError> {
        let before =
            std::mem::replace(&mut environment.registration.installed, self.wanted.clone());
        let mut modules = Vec::new();
        let mut with_requirements = false;
        for (module, drift) in Drift::of(self.workspace.store.layout, &environment.registration) {
            if matches!(drift, Drift::Dangling(_)) {
                continue;
            }
            let was = before.get(&module);
            // Whatever uninstalled it may have uninstalled its requirements too.
            with_requirements |= was.is_none() || drift == Drift::Uninstalled;
            if was == self.wanted.get(&module) {
                self.report.reinstalled.push(module.clone());
            } else {
                self.report.installed.push(module.clone());
            }
            modules.push(module);
        }
        match self.call_installer(environment, &modules, with_requirements) {
            Err(_) if self.on_failure == OnFailure::TryEach && modules.len() > 1 => {
                self.try_each(environment, &before, &modules);
                Ok(())
            }
            Err(error) => {
                environment.registration.installed = before;
                Err(error)
            }
            Ok(()) => Ok(()),
        }
    }

    /// Installs each module by a call of its own.
    fn try_each(
        &mut self,
        environment: &mut LockedEnvironment,
        before: &BTreeMap<ModuleName, Installed>,
        modules: &[ModuleName],
    ) {
        for module in modules {
            let Err(error) = self.call_installer(environment, slice::from_ref(module), true) else {
                continue;
            };
            self.report.failed.push((module.clone(), error));
            self.report.installed.retain(|installed| installed != module);
            self.report.reinstalled.retain(|reinstalled| reinstalled != module);
            let installed = &mut environment.registration.installed;
            match before.get(module) {
                Some(before) => drop(installed.insert(module.clone(), before.clone())),
                None => drop(installed.remove(module)),
            }
        }
    }

    fn call_installer(
        &self,
        environment: &LockedEnvironment,
        modules: &[ModuleName],
        with_requirements: bool,
    ) -> Result<(), SyncError> {
        if modules.is_empty() {
            return Ok(());
        }
        let LockedEnvironment { registration, installer, lock } = environment;
        let installer = installer.as_ref().ok_or(SyncError::NoInstaller)?;
        let store = self.workspace.store;
        let report = |doing: Doing<'_>| self.workspace.report(&registration.prefix, doing);
        report(Doing::Installing { modules: modules.len() });
        let directory = |module| StandIn::resolved_directory(store.layout, module);
        let editables: Vec<PathBuf> = modules.iter().map(directory).collect();
        let what = Install {
            editables: &editables,
            no_deps: !with_requirements,
            // Stand-ins need nothing to be built, and their requirements were added before.
            offline: store.offline || !with_requirements,
            constraints: registration.constraints.as_deref(),
            lock: Some(lock),
            ..Install::default()
        };
        let during = registration.installed.iter().filter(|(module, _)| modules.contains(module));
        let home = store.layout.resolved_home();
        owner::take(store.disk, store.layout, registration)?;
        temporary_pth::write(store.disk, &home, registration, during)?;
        let on_line = |line: &str| report(Doing::Said(line));
        installer
            .install(&registration.python, &what, store.cancel, &on_line)
            .map_err(|source| SyncError::Install { modules: modules.to_vec(), source })
    }

    /// Checks that every stand-in is there and leads somewhere, except those reported as failed.
    fn check(&self, environment: &LockedEnvironment) -> Result<(), SyncError> {
        let has_failed =
            |module: &ModuleName| self.report.failed.iter().any(|(failed, _)| failed == module);
        let drift = Drift::of(self.workspace.store.layout, &environment.registration);
        let is_away = |module: &ModuleName, drift: &Drift| {
            matches!(drift, Drift::Dangling(_)) && self.away.contains(module)
        };
        let mut drift = drift.into_iter();
        match drift.find(|(module, drift)| !has_failed(module) && !is_away(module, drift)) {
            None => Ok(()),
            Some((module, Drift::Dangling(path))) => Err(SyncError::Dangling { module, path }),
            Some((module, _)) => Err(SyncError::NotThere { module }),
        }
    }

    fn remember(
        &self,
        environment: &mut LockedEnvironment,
        generation: Option<Generation>,
    ) -> Result<(), SyncError> {
        let Workspace { store, staging } = self.workspace;
        let registration = &mut environment.registration;
        registration.synced = generation.map(Generation::number);
        registration.missing_since = None;
        if Registration::find(store.layout, &registration.prefix)?.as_ref() == Some(registration) {
            return Ok(());
        }
        Ok(registration.write(store.disk, store.layout, &staging.fresh())?)
    }
}

/// The command by which `uv tool upgrade` keeps the stand-ins: the tool's name, and a directory for each.
#[must_use]
pub fn tool_install_command(tool: &str, directories: &[PathBuf]) -> String {
    let option = |path: &PathBuf| format!(" --with-editable {}", quoted(Path::as_os_str(path)));
    format!("uv tool install {tool}{}", directories.iter().map(option).collect::<String>())
}
