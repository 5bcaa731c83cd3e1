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
    overrides::is_on_repository,
    owner,
    projects::projects_of,
    registration::{Installed, Registration, RegistrationError},
    stand_in::{StandIn, point, site_file},
    sync_error::SyncError,
    temporary_pth,
    variants::make_variant,
};
use crate::{
    build::{ModuleTree, ProbedProject, ProjectMetadata, required, variant},
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
    let (wanted, away, lost) = (BTreeMap::new(), BTreeSet::new(), BTreeSet::new());
    let mut syncing = Syncing { workspace, on_failure, wanted, away, lost, report };
    syncing.stand_in(environment, current)?;
    let is_new =
        Registration::find(workspace.store.layout, &environment.registration.prefix)?.is_none();
    if is_new && !syncing.wanted.is_empty() {
        syncing.announce(environment)?;
    }
    let done = syncing
        .remove(environment)
        .and_then(|()| syncing.install(environment))
        .and_then(|()| syncing.check(environment))
        .and_then(|()| syncing.remember(environment, generation));
    // Last of all: an interpreter that listed the site before the installer was done may still be about to read it.
    let removed = temporary_pth::remove(workspace.store.disk, &environment.registration);
    if done.is_err() {
        syncing.remember_what_is_there(environment)?;
    }
    let has_failed = done.is_err() || !syncing.report.failed.is_empty();
    if is_new && has_failed && environment.registration.installed.is_empty() {
        environment.registration.forget(workspace.store.disk, workspace.store.layout)?;
    }
    done.and(removed.map_err(Into::into)).map(|()| syncing.report)
}

struct Syncing<'a> {
    workspace: Workspace<'a>,
    on_failure: OnFailure,
    /// The stand-ins that the environment should have.
    wanted: BTreeMap<ModuleName, Installed>,
    /// Modules that are linked to a directory which is not there now.
    away: BTreeSet<ModuleName>,
    /// Modules with a requirement on a repository that a module of the store met until now.
    lost: BTreeSet<ModuleName>,
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
        let first = current.keys().filter(|module| registration.binds(module));
        let mut needs = BTreeMap::new();
        for (module, bound) in projects_of(self.workspace, environment, first, current) {
            let Some(tree) = current.get(module) else { continue };
            if self.is_away(registration, tree) {
                continue;
            }
            let probe =
                |error| SyncError::Probe { module: module.clone(), source: Box::new(error) };
            let stand_in = match bound.map_err(probe) {
                Ok(None) => {
                    self.report.skipped.push(module.clone());
                    continue;
                }
                Ok(Some(bound)) => {
                    needs.insert(module, bound.needs);
                    self.stand_in_for(environment, tree, &bound.project)
                }
                Err(error) => Err(error),
            };
            match stand_in {
                Ok(installed) => drop(self.wanted.insert(module.clone(), installed)),
                Err(SyncError::Disk(error)) => return Err(error.into()),
                Err(error) => self.keep_as_it_was(registration, module, error),
            }
        }
        self.hold_back(registration, &needs);
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

    /// A module whose stand-in cannot be made keeps what was installed of it.
    fn keep_as_it_was(&mut self, before: &Registration, module: &ModuleName, error: SyncError) {
        self.wanted.remove(module);
        let before = before.installed.get(module);
        self.wanted.extend(before.map(|before| (module.clone(), before.clone())));
        self.report.failed.push((module.clone(), error));
    }

    /// A module fails that needs one of which there is no version.
    fn hold_back(
        &mut self,
        before: &Registration,
        needs: &BTreeMap<&ModuleName, BTreeSet<ModuleName>>,
    ) {
        loop {
            let mut needs = needs.iter().filter(|(module, _)| !self.has_failed(module));
            let is_missing = |need: &&ModuleName| !self.wanted.contains_key(*need);
            let Some((module, needed)) =
                needs.find_map(|(module, needs)| Some((*module, needs.iter().find(is_missing)?)))
            else {
                return;
            };
            let error = SyncError::Needed { module: module.clone(), needed: needed.clone() };
            self.keep_as_it_was(before, module, error);
        }
    }

    fn has_failed(&self, module: &ModuleName) -> bool {
        self.report.failed.iter().any(|(failed, _)| failed == module)
    }

    /// The stand-in of a module, written.
    fn stand_in_for(
        &mut self,
        environment: &LockedEnvironment,
        tree: &ModuleTree,
        project: &ProbedProject,
    ) -> Result<Installed, SyncError> {
        let Workspace { store, staging } = self.workspace;
        let module = &tree.module;
        self.is_alone(module, &project.metadata.distribution)?;
        make_variant(self.workspace, environment, tree, project).map_err(|error| {
            SyncError::Variant { module: module.clone(), source: Box::new(error) }
        })?;
        if loses_a_module(&project.metadata, StandIn::read(store.layout, module).as_ref()) {
            self.lost.insert(module.clone());
        }
        let stand_in = StandIn::of(module, &project.metadata);
        let fresh = || staging.fresh();
        stand_in.write(store.disk, store.layout, &fresh)?;
        let tag = &environment.registration.tag;
        if variant::place(&tree.directory(), tag).is_dir() {
            let link = StandIn::directory(store.layout, module).join(tag);
            point(store.disk, &link, &variant::link_text(tag), &fresh)?;
        }
        Ok(stand_in.installed(store.layout, tag))
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
        for (module, drift) in self.missing(environment) {
            let was = before.get(&module);
            // Whatever uninstalled it may have uninstalled its requirements too.
            let is_gone = drift == Drift::Uninstalled;
            with_requirements |= was.is_none() || is_gone || self.lost.contains(&module);
            if was == self.wanted.get(&module) {
                self.report.reinstalled.push(module.clone());
            } else {
                self.report.installed.push(module.clone());
            }
            modules.push(module);
        }
        match self.call_installer(environment, &modules, with_requirements) {
            Err(error) if self.on_failure == OnFailure::Stop || error.is_of_no_installer() => {
                environment.registration.installed = before;
                Err(error)
            }
            Err(error) => {
                self.install_halves(environment, &modules, &mut BTreeSet::new(), error);
                self.put_back(environment, &modules);
                self.forget_failed(environment, &before);
                Ok(())
            }
            Ok(()) => Ok(()),
        }
    }

    /// The modules that are not as they are to be installed.
    fn missing(&self, environment: &LockedEnvironment) -> Vec<(ModuleName, Drift)> {
        let mut drift = Drift::of(self.workspace.store.layout, &environment.registration);
        drift.retain(|(_, drift)| !matches!(drift, Drift::Dangling(_)));
        drift
    }

    /// Installs what can be installed of these modules, of which one call for all failed with `error`: each half by a call
    /// of its own, down to those that fail alone. `done`: those for which a call succeeded.
    fn install_halves(
        &mut self,
        environment: &LockedEnvironment,
        modules: &[ModuleName],
        done: &mut BTreeSet<ModuleName>,
        error: SyncError,
    ) {
        if let [module] = modules {
            return self.report.failed.push((module.clone(), error));
        }
        let (first, second) = modules.split_at(modules.len() / 2);
        for half in [first, second] {
            let half: Vec<ModuleName> =
                half.iter().filter(|module| !done.contains(*module)).cloned().collect();
            let missing: Vec<ModuleName> =
                self.missing(environment).into_iter().map(|(module, _)| module).collect();
            let whole = self.with_needed(&half, &missing);
            match self.call_installer(environment, &whole, true) {
                Ok(()) => done.extend(whole),
                Err(error) => self.install_halves(environment, &half, done, error),
            }
        }
    }

    /// These modules, and those of the `missing` ones that they need by the name of their distribution.
    fn with_needed(&self, modules: &[ModuleName], missing: &[ModuleName]) -> Vec<ModuleName> {
        let mut all = modules.to_vec();
        let mut at = 0;
        while let Some(module) = all.get(at) {
            let stand_in = StandIn::read(self.workspace.store.layout, module);
            let requirements = stand_in.map(|it| it.requirements()).unwrap_or_default();
            let names: BTreeSet<DistributionName> =
                requirements.iter().filter_map(|text| required(text)).collect();
            let is_needed = |module: &&ModuleName| {
                let wanted = self.wanted.get(*module);
                wanted.is_some_and(|it| names.contains(&it.distribution)) && !all.contains(module)
            };
            let needed: Vec<ModuleName> = missing.iter().filter(is_needed).cloned().collect();
            all.extend(needed);
            at += 1;
        }
        all
    }

    /// Installs those again that a later call replaced: a requirement of something that is no module may be on the same
    /// repository.
    fn put_back(&mut self, environment: &LockedEnvironment, modules: &[ModuleName]) {
        let mut replaced = self.missing(environment);
        replaced.retain(|(module, _)| modules.contains(module) && !self.has_failed(module));
        for (module, _) in replaced {
            let done = self.call_installer(environment, slice::from_ref(&module), false);
            self.report.failed.extend(done.err().map(|error| (module, error)));
        }
    }

    /// Takes those that failed out of the report, and out of the registration unless they are in the environment: in the
    /// version `before`, or all the same.
    fn forget_failed(
        &mut self,
        environment: &mut LockedEnvironment,
        before: &BTreeMap<ModuleName, Installed>,
    ) {
        let missing = self.missing(environment);
        let failed: BTreeSet<ModuleName> =
            self.report.failed.iter().map(|(module, _)| module.clone()).collect();
        self.report.installed.retain(|module| !failed.contains(module));
        self.report.reinstalled.retain(|module| !failed.contains(module));
        let installed = &mut environment.registration.installed;
        for (module, _) in missing.iter().filter(|(module, _)| failed.contains(module)) {
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
        let named = modules.iter().filter_map(|module| registration.installed.get(module));
        let names: Vec<DistributionName> = named.map(|it| it.distribution.clone()).collect();
        let what = Install {
            editables: &editables,
            no_deps: !with_requirements,
            // Stand-ins need nothing to be built; without requirements, those were added before.
            built_in_place: &names,
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
    fn check(&mut self, environment: &mut LockedEnvironment) -> Result<(), SyncError> {
        let drift = Drift::of(self.workspace.store.layout, &environment.registration);
        for (module, drift) in drift {
            let is_away = matches!(drift, Drift::Dangling(_)) && self.away.contains(&module);
            if is_away || self.has_failed(&module) {
                continue;
            }
            let error = match drift {
                Drift::Dangling(path) => SyncError::Dangling { module: module.clone(), path },
                Drift::Uninstalled | Drift::Changed => {
                    SyncError::NotThere { module: module.clone() }
                }
            };
            if self.on_failure == OnFailure::Stop {
                return Err(error);
            }
            self.report.failed.push((module.clone(), error));
            self.forget_failed(environment, &BTreeMap::new());
        }
        Ok(())
    }

    /// Registers an environment before anything is installed in it, so that whatever ends this leaves nothing behind of which
    /// the store does not know.
    fn announce(&self, environment: &LockedEnvironment) -> Result<(), RegistrationError> {
        let Workspace { store, staging } = self.workspace;
        environment.registration.write(store.disk, store.layout, &staging.fresh())
    }

    /// After a failure: registers the stand-ins that are in the environment now.
    fn remember_what_is_there(&self, environment: &mut LockedEnvironment) -> Result<(), SyncError> {
        let Workspace { store, staging } = self.workspace;
        let registration = &mut environment.registration;
        let mut there = std::mem::replace(&mut registration.installed, self.wanted.clone());
        there.retain(|module, installed| self.is_there(registration, module, installed));
        let drift = Drift::of(store.layout, registration);
        let is_exact = |module: &ModuleName| drift.iter().all(|(it, _)| it != module);
        there.extend(self.wanted.clone().into_iter().filter(|(module, _)| is_exact(module)));
        registration.installed = there;
        registration.synced = None;
        Ok(registration.write(store.disk, store.layout, &staging.fresh())?)
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

/// Whether a module of the store met a requirement on a repository when the stand-in was written, and none does now.
fn loses_a_module(now: &ProjectMetadata, before: Option<&StandIn>) -> bool {
    let Some(before) = before.map(StandIn::requirements) else { return false };
    let names: BTreeSet<_> = before.iter().filter(|it| !is_on_repository(it)).collect();
    let mut lost = now.requirements().into_iter().filter(|text| is_on_repository(text));
    lost.any(|text| {
        names.iter().any(|name| required(name) == required(&text)) && !before.contains(&text)
    })
}

/// The command by which `uv tool upgrade` keeps the stand-ins: the tool's name, and a directory for each.
#[must_use]
pub fn tool_install_command(tool: &str, directories: &[PathBuf]) -> String {
    let option = |path: &PathBuf| format!(" --with-editable {}", quoted(Path::as_os_str(path)));
    format!("uv tool install {tool}{}", directories.iter().map(option).collect::<String>())
}
