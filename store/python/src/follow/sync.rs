//! After a switch: each environment has the stand-ins of what is shown, and all of them lead somewhere.
//!
//! ```text
//! stand in   live/<module>/ written where the metadata of what is shown is another; one barrier for all
//! remove     stand-ins of modules that are shown no more, by one call of the installer
//! install    those that are missing or whose metadata is another, by one call
//! check      every one is there, byte for byte, and leads to a directory
//! remember   in the registration, with the generation that all this was made for; then the bridge, which kept
//!            modules importable while they were installed again, is taken away
//! ```
//!
//! Each step looks for itself whether there is anything to do, so that one that was killed is finished by the next
//! to come here, and one that finds all as it should be starts nothing. The same heals what somebody uninstalled.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};

use modstore_core::{
    disk::{DiskError, StagingError},
    events::Doing,
    model::{DistributionName, Generation, ModuleName},
    program::ProgramError,
};

use super::{
    locked::{Held, Lost, lost},
    prepare::{NotReady, make_variant},
    registration::{Installed, Registration, RegistrationError},
    stand_in::{StandIn, point, site_file},
    temporary_pth,
};
use crate::{
    build::{ProbeError, Subject, variant},
    ground::Ground,
    run::Install,
};

/// What was done in an environment.
#[derive(Debug, Default)]
pub struct Settled {
    /// Its directory.
    pub prefix: PathBuf,
    /// Modules whose stand-in was installed for the first time, or again because its metadata is another.
    pub installed: Vec<ModuleName>,
    /// Modules that were bound and not there any more, or not as they were.
    pub healed: Vec<ModuleName>,
    /// Modules that are shown no more.
    pub removed: Vec<ModuleName>,
    /// Modules that are no Python project.
    pub skipped: Vec<ModuleName>,
    /// Modules that have no stand-in of what is shown, and why. What was installed of them before stays.
    pub failed: Vec<(ModuleName, SettleError)>,
}

/// An environment does not have what is shown. What was done until then stays.
#[derive(Debug, thiserror::Error)]
pub enum SettleError {
    /// Nothing is known of a module's project.
    #[error("{module}: its metadata is not known")]
    Probe {
        /// The module.
        module: ModuleName,
        /// Why not.
        source: Box<ProbeError>,
    },
    /// A module's variant for this Python could not be made.
    #[error("{module}: what it puts on the import path is not there")]
    Variant {
        /// The module.
        module: ModuleName,
        /// Why not.
        source: Box<NotReady>,
    },
    /// Two modules are the same distribution, and an environment has one of each.
    #[error(
        "{first} and {second} are both the distribution {distribution}, of which an environment has one"
    )]
    Twice {
        /// The distribution.
        distribution: DistributionName,
        /// A module that is it.
        first: ModuleName,
        /// Another one.
        second: ModuleName,
    },
    /// There is nothing to install with.
    #[error("there is neither uv nor a pip in the environment")]
    NoInstaller,
    /// The installer failed.
    #[error("cannot install {}", listed(modules))]
    Install {
        /// What was to be installed or removed.
        modules: Vec<ModuleName>,
        /// Why not.
        source: ProgramError,
    },
    /// The installer said that it was done, and it is not.
    #[error("{module} is not in the environment as it was installed")]
    NotThere {
        /// The module.
        module: ModuleName,
    },
    /// What was installed leads nowhere.
    #[error("{module} leads to {}, which is not there", path.display())]
    Dangling {
        /// The module.
        module: ModuleName,
        /// Where it leads.
        path: PathBuf,
    },
    /// The disk.
    #[error(transparent)]
    Disk(#[from] DiskError),
    /// The home cannot be written to.
    #[error(transparent)]
    Staging(StagingError),
    /// What is known of the environment could not be written.
    #[error(transparent)]
    Registration(#[from] RegistrationError),
}

fn listed(modules: &[ModuleName]) -> String {
    modules.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
}

/// What is done when the one call of the installer fails.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OnFailure {
    /// Nothing more: all modules of a switch are there, or the switch is taken back.
    Stop,
    /// Each module is tried alone, so that one keeps none of the others from being there.
    TryEach,
}

/// Makes an environment have the stand-ins of `shown`, all modules of `generation`.
///
/// # Errors
/// See [`SettleError`].
pub fn settle(
    ground: Ground<'_>,
    held: &mut Held,
    generation: Option<Generation>,
    shown: &BTreeMap<ModuleName, Subject>,
    on_failure: OnFailure,
) -> Result<Settled, SettleError> {
    let (wanted, settled) = (BTreeMap::new(), Settled::default());
    let mut settling = Settling { ground, on_failure, wanted, settled };
    settling.settled.prefix.clone_from(&held.registration.prefix);
    settling.stand_in(held, shown)?;
    let done = settling
        .remove(held)
        .and_then(|()| settling.install(held))
        .and_then(|()| settling.check(held))
        .and_then(|()| settling.remember(held, generation));
    // Last of all: who has listed the site before the installer was done may still be about to read it.
    temporary_pth::take_away(ground.disk, &held.registration)?;
    done.map(|()| settling.settled)
}

struct Settling<'a> {
    ground: Ground<'a>,
    on_failure: OnFailure,
    /// What the environment is to have.
    wanted: BTreeMap<ModuleName, Installed>,
    settled: Settled,
}

impl Settling<'_> {
    /// Writes the stand-ins of what is shown.
    fn stand_in(
        &mut self,
        held: &Held,
        shown: &BTreeMap<ModuleName, Subject>,
    ) -> Result<(), SettleError> {
        let Self { ground, .. } = *self;
        for (module, subject) in shown.iter().filter(|(module, _)| held.registration.binds(module))
        {
            match self.stand_in_for(held, subject) {
                Ok(Some(installed)) => drop(self.wanted.insert(module.clone(), installed)),
                Ok(None) => self.settled.skipped.push(module.clone()),
                Err(SettleError::Disk(error)) => return Err(error.into()),
                Err(error) => {
                    let before = held.registration.installed.get(module);
                    self.wanted.extend(before.map(|before| (module.clone(), before.clone())));
                    self.settled.failed.push((module.clone(), error));
                }
            }
        }
        // One barrier for all of them, whatever was written.
        let live = ground.layout.live();
        if self.wanted != held.registration.installed && live.is_dir() {
            ground.disk.sync_tree(&live, ground.barrier)?;
        }
        Ok(())
    }

    /// The stand-in of a module, written; `None` for what is no Python project.
    fn stand_in_for(
        &self,
        held: &Held,
        subject: &Subject,
    ) -> Result<Option<Installed>, SettleError> {
        let Ground { disk, layout, staging, .. } = self.ground;
        let (module, tag) = (&subject.module, &held.registration.tag);
        let probed = held.prober(self.ground).probe(subject);
        let Some(probe) = probed.map_err(|error| SettleError::Probe {
            module: module.clone(),
            source: Box::new(error),
        })?
        else {
            return Ok(None);
        };
        self.is_alone(module, &probe.facts.distribution)?;
        make_variant(self.ground, held, subject, &probe).map_err(|error| SettleError::Variant {
            module: module.clone(),
            source: Box::new(error),
        })?;
        let stand_in = StandIn::of(module, &probe.facts);
        let fresh = || staging.fresh();
        stand_in.write(disk, layout, &fresh)?;
        if variant::place(&subject.directory(), tag).is_dir() {
            let link = StandIn::directory(layout, module).join(tag);
            point(disk, &link, &variant::link_text(tag), &fresh)?;
        }
        Ok(Some(stand_in.installed(layout, tag)))
    }

    /// Whether no module before it is the same distribution.
    fn is_alone(
        &self,
        module: &ModuleName,
        distribution: &DistributionName,
    ) -> Result<(), SettleError> {
        let same = self.wanted.iter().find(|(_, other)| other.distribution == *distribution);
        same.map_or(Ok(()), |(first, _)| {
            let (first, second, distribution) =
                (first.clone(), module.clone(), distribution.clone());
            Err(SettleError::Twice { distribution, first, second })
        })
    }

    /// Takes away what is shown no more.
    fn remove(&mut self, held: &Held) -> Result<(), SettleError> {
        let before = &held.registration.installed;
        let is_wanted = |name: &DistributionName| {
            self.wanted.values().any(|wanted| wanted.distribution == *name)
        };
        let gone: BTreeMap<&ModuleName, &Installed> =
            before.iter().filter(|(_, installed)| !is_wanted(&installed.distribution)).collect();
        let here: Vec<DistributionName> = gone
            .iter()
            .filter(|(module, installed)| self.is_there(held, module, installed))
            .map(|(_, installed)| installed.distribution.clone())
            .collect();
        let modules: Vec<ModuleName> = gone.keys().map(|module| (*module).clone()).collect();
        if !here.is_empty() {
            let installer = held.installer.as_ref().ok_or(SettleError::NoInstaller)?;
            installer
                .uninstall(&held.registration.python, &here, self.ground.cancel)
                .map_err(|source| SettleError::Install { modules: modules.clone(), source })?;
        }
        self.settled.removed = modules;
        Ok(())
    }

    /// Whether a stand-in of ours is in the environment, whichever version of it.
    fn is_there(&self, held: &Held, module: &ModuleName, installed: &Installed) -> bool {
        let (name, _) = site_file(self.ground.layout.home(), module, installed);
        held.registration.site.first().is_some_and(|site| site.join(name).is_file())
    }

    /// Installs what is missing or was made for other metadata.
    fn install(&mut self, held: &mut Held) -> Result<(), SettleError> {
        let before = std::mem::replace(&mut held.registration.installed, self.wanted.clone());
        let lost = lost(self.ground.layout, &held.registration);
        let (mut modules, mut needs_all) = (Vec::new(), false);
        for (module, how) in lost.into_iter().filter(|(_, how)| !matches!(how, Lost::Dangling(_))) {
            let was = before.get(&module);
            let is_new = was.is_none();
            // One that was there and is gone may have taken what it needs along.
            needs_all |= is_new || how == Lost::Gone;
            match was == self.wanted.get(&module) {
                true => self.settled.healed.push(module.clone()),
                false => self.settled.installed.push(module.clone()),
            }
            modules.push(module);
        }
        match self.call(held, &modules, needs_all) {
            Err(_) if self.on_failure == OnFailure::TryEach && modules.len() > 1 => {
                self.try_each(held, &before, &modules);
                Ok(())
            }
            Err(error) => {
                held.registration.installed = before;
                Err(error)
            }
            Ok(()) => Ok(()),
        }
    }

    /// Installs each module by a call of its own.
    fn try_each(
        &mut self,
        held: &mut Held,
        before: &BTreeMap<ModuleName, Installed>,
        modules: &[ModuleName],
    ) {
        for module in modules {
            let Err(error) = self.call(held, std::slice::from_ref(module), true) else { continue };
            self.settled.failed.push((module.clone(), error));
            self.settled.installed.retain(|installed| installed != module);
            self.settled.healed.retain(|healed| healed != module);
            let installed = &mut held.registration.installed;
            match before.get(module) {
                Some(before) => drop(installed.insert(module.clone(), before.clone())),
                None => drop(installed.remove(module)),
            }
        }
    }

    fn call(
        &self,
        held: &Held,
        modules: &[ModuleName],
        needs_all: bool,
    ) -> Result<(), SettleError> {
        if modules.is_empty() {
            return Ok(());
        }
        let Ground { disk, layout, offline, cancel, told, .. } = self.ground;
        let installer = held.installer.as_ref().ok_or(SettleError::NoInstaller)?;
        let prefix = &held.registration.prefix;
        told(prefix, Doing::Installing { modules: modules.len() });
        let directory = |module| {
            let directory = StandIn::directory(layout, module);
            directory.canonicalize().unwrap_or(directory)
        };
        let editables: Vec<PathBuf> = modules.iter().map(directory).collect();
        let what = Install {
            editables: &editables,
            no_deps: !needs_all,
            // Stand-ins need nothing to be built, and what they need was added before.
            offline: offline || !needs_all,
            constraints: held.registration.constraints.as_deref(),
            ..Install::default()
        };
        let home = layout.resolved_home();
        let bridged =
            held.registration.installed.iter().filter(|(module, _)| modules.contains(module));
        temporary_pth::put_up(disk, &home, &held.registration, bridged)?;
        let said = |line: &str| told(prefix, Doing::Said(line));
        installer
            .install(&held.registration.python, &what, cancel, &said)
            .map_err(|source| SettleError::Install { modules: modules.to_vec(), source })
    }

    /// Looks whether every stand-in is there and leads somewhere, but for those that are told to have failed.
    fn check(&self, held: &Held) -> Result<(), SettleError> {
        let has_failed =
            |module: &ModuleName| self.settled.failed.iter().any(|(failed, _)| failed == module);
        let mut lost = lost(self.ground.layout, &held.registration).into_iter();
        match lost.find(|(module, _)| !has_failed(module)) {
            None => Ok(()),
            Some((module, Lost::Dangling(path))) => Err(SettleError::Dangling { module, path }),
            Some((module, _)) => Err(SettleError::NotThere { module }),
        }
    }

    fn remember(&self, held: &mut Held, generation: Option<Generation>) -> Result<(), SettleError> {
        let Ground { disk, layout, staging, .. } = self.ground;
        let registration = &mut held.registration;
        registration.settled = generation.map(Generation::number);
        registration.missing_since = None;
        if Registration::find(layout, &registration.prefix)?.as_ref() == Some(registration) {
            return Ok(());
        }
        Ok(registration.write(disk, layout, &staging.fresh())?)
    }
}

/// What a person types so that `uv tool upgrade` keeps the stand-ins: the tool's name, and a directory for each.
#[must_use]
pub fn with_editables(tool: &str, directories: &[PathBuf]) -> String {
    let quoted = |path: &Path| crate::run::quoted(path.as_os_str());
    let options: Vec<String> =
        directories.iter().map(|path| format!(" --with-editable {}", quoted(path))).collect();
    format!("uv tool install {tool}{}", options.concat())
}
