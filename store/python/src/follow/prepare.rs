//! Before a switch: what the modules that are about to change need of each environment is there, and they can be
//! imported from where they will be.
//!
//! ```text
//! probe     metadata of each changed module, on a scratch copy, unless it is known by its key
//! variant   where the entry's files as they lie do not do: made in the entry, which nobody sees yet
//! add       what they need and did not need before, by one call of the installer: it adds, and takes nothing away
//! import    each, in the environment's own Python, with the candidate's paths in place of those that are shown
//! ```
//!
//! Whatever fails here leaves what is shown as it is. Requirements that were added stay: they do no harm.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::{Path, PathBuf},
};

use modstore_core::{
    disk::DiskError,
    events::Doing,
    model::{DistributionName, ModuleName},
    program::ProgramError,
};

use super::{
    locked::{Held, IMPORT_LIMIT, live_prefix},
    stand_in::StandIn,
};
use crate::{
    build::{
        Facts, Probe, ProbeError, Subject, required,
        variant::{self, Variant},
    },
    ground::Ground,
    run::{Exception, ImportProbe, ImportProbeError, Imported, Install, Probed},
};

/// Why a module cannot be shown to an environment.
#[derive(Debug, thiserror::Error)]
pub enum NotReady {
    /// Nothing is known of its project.
    #[error(transparent)]
    Probe(#[from] ProbeError),
    /// Its variant for the environment's Python could not be made.
    #[error("what it puts on the import path cannot be made for this Python")]
    Variant(#[source] DiskError),
    /// Its byte code could not be compiled.
    #[error("its byte code cannot be compiled")]
    Compile(#[source] ProgramError),
    /// What it needs could not be added.
    #[error("what it needs cannot be added to the environment")]
    Requirements(#[source] ProgramError),
    /// It cannot be imported.
    #[error("it cannot be imported")]
    Import(#[source] Exception),
}

/// A module that cannot be shown to an environment.
#[derive(Debug, thiserror::Error)]
#[error("it is not ready for the environment {}", prefix.display())]
pub struct Unready {
    /// The environment's directory.
    pub prefix: PathBuf,
    /// Why.
    pub source: Box<NotReady>,
}

/// What came of making ready.
#[derive(Debug, Default)]
pub struct Readiness {
    /// Modules that must not be shown.
    pub unready: BTreeMap<ModuleName, Unready>,
    /// Environments that could not be asked: what is shown is not tried in them.
    pub untried: Vec<(PathBuf, ImportProbeError)>,
}

/// An environment and what is known of the modules that are about to change in it.
struct Getting<'a> {
    ground: Ground<'a>,
    held: &'a Held,
    probes: BTreeMap<&'a ModuleName, Probe>,
}

/// Makes every environment ready for what is about to be shown of these modules.
pub fn ready(
    ground: Ground<'_>,
    environments: &[Held],
    changed: &BTreeMap<ModuleName, Subject>,
) -> Readiness {
    let mut readiness = Readiness::default();
    let mut getting: Vec<Getting<'_>> =
        environments.iter().map(|held| Getting { ground, held, probes: BTreeMap::new() }).collect();
    for each in &mut getting {
        each.equip(changed, &mut readiness);
    }
    for each in &mut getting {
        each.add_requirements(&mut readiness);
    }
    // A module that stays as it is may make another one fail that was written for the new one.
    loop {
        let before = readiness.unready.len();
        getting.iter().for_each(|each| each.try_imports(changed, &mut readiness));
        if readiness.unready.len() == before {
            break;
        }
    }
    try_again(&getting, changed, &mut readiness);
    readiness
}

/// Tries what could not be imported once more, one by one: it may have failed for a new module that failed too, and do
/// beside the old one.
fn try_again(
    getting: &[Getting<'_>],
    changed: &BTreeMap<ModuleName, Subject>,
    readiness: &mut Readiness,
) {
    let is_import = |unready: &Unready| matches!(*unready.source, NotReady::Import(_));
    let failed = readiness.unready.iter().filter(|(_, unready)| is_import(unready));
    let failed: Vec<ModuleName> = failed.map(|(module, _)| module.clone()).collect();
    if failed.len() < 2 {
        return;
    }
    for module in failed {
        let Some(why) = readiness.unready.remove(&module) else { continue };
        let others: BTreeSet<ModuleName> = readiness.unready.keys().cloned().collect();
        getting.iter().for_each(|each| each.try_imports(changed, readiness));
        if readiness.unready.len() > others.len() {
            readiness.unready.retain(|module, _| others.contains(module));
            readiness.unready.insert(module, why);
        }
    }
}

/// Makes what is shown of these modules be there for each environment, and tries no import. For a way back, which
/// nothing should block.
pub fn equip(
    ground: Ground<'_>,
    environments: &[Held],
    changed: &BTreeMap<ModuleName, Subject>,
) -> Readiness {
    let mut readiness = Readiness::default();
    for held in environments {
        Getting { ground, held, probes: BTreeMap::new() }.equip(changed, &mut readiness);
    }
    readiness
}

impl<'a> Getting<'a> {
    fn refuse(&self, readiness: &mut Readiness, module: &ModuleName, source: NotReady) {
        let prefix = self.held.registration.prefix.clone();
        let source = Box::new(source);
        readiness.unready.entry(module.clone()).or_insert(Unready { prefix, source });
    }

    /// Probes the modules that this environment binds, and makes their variants.
    fn equip(&mut self, changed: &'a BTreeMap<ModuleName, Subject>, readiness: &mut Readiness) {
        for (module, subject) in changed {
            if !self.held.registration.binds(module) || readiness.unready.contains_key(module) {
                continue;
            }
            match self.equip_one(subject) {
                Ok(Some(probe)) => drop(self.probes.insert(module, probe)),
                Ok(None) => {}
                Err(error) => self.refuse(readiness, module, error),
            }
        }
    }

    fn equip_one(&self, subject: &Subject) -> Result<Option<Probe>, NotReady> {
        let probe = self.held.prober(self.ground).probe(subject)?;
        if let Some(probe) = &probe {
            make_variant(self.ground, self.held, subject, probe)?;
        }
        Ok(probe)
    }

    /// Adds what the modules need and did not need before: all at once, and one by one if that fails.
    fn add_requirements(&mut self, readiness: &mut Readiness) {
        let bound = self.bound();
        let wanted: Vec<(&ModuleName, Vec<String>)> = self
            .probes
            .iter()
            .filter(|(module, _)| !readiness.unready.contains_key(**module))
            .map(|(module, probe)| (*module, self.new_requirements(module, &probe.facts, &bound)))
            .filter(|(_, requirements)| !requirements.is_empty())
            .collect();
        let all: BTreeSet<String> =
            wanted.iter().flat_map(|(_, requirements)| requirements).cloned().collect();
        if all.is_empty() || self.add(&all.into_iter().collect::<Vec<_>>()).is_ok() {
            return;
        }
        for (module, requirements) in wanted {
            if let Err(error) = self.add(&requirements) {
                self.refuse(readiness, module, NotReady::Requirements(error));
            }
        }
    }

    /// The distributions that modules provide: no installer is to look for these.
    fn bound(&self) -> BTreeSet<DistributionName> {
        let installed = self.held.registration.installed.values();
        let installed = installed.map(|installed| installed.distribution.clone());
        let probed = self.probes.values().map(|probe| probe.facts.distribution.clone());
        installed.chain(probed).collect()
    }

    fn new_requirements(
        &self,
        module: &ModuleName,
        facts: &Facts,
        bound: &BTreeSet<DistributionName>,
    ) -> Vec<String> {
        let before = StandIn::read(self.ground.layout, module)
            .filter(|_| self.held.registration.installed.contains_key(module));
        let before = before.as_ref().map(StandIn::requirements).unwrap_or_default();
        let is_bound =
            |requirement: &str| required(requirement).is_some_and(|name| bound.contains(&name));
        let mut new = facts.requirements();
        new.retain(|requirement| !before.contains(requirement) && !is_bound(requirement));
        new
    }

    fn add(&self, requirements: &[String]) -> Result<(), ProgramError> {
        let Held { registration, installer, .. } = self.held;
        let told = |doing: Doing<'_>| (self.ground.told)(&registration.prefix, doing);
        told(Doing::Adding { requirements: requirements.len() });
        let what = Install {
            requirements,
            offline: self.ground.offline,
            constraints: registration.constraints.as_deref(),
            ..Install::default()
        };
        let none = || ProgramError::Start {
            program: "an installer".into(),
            source: std::io::ErrorKind::NotFound.into(),
        };
        let installer = installer.as_ref().ok_or_else(none)?;
        let said = |line: &str| told(Doing::Said(line));
        installer.install(&registration.python, &what, self.ground.cancel, &said)
    }

    /// Imports each module that is not refused yet, with the paths of all of them.
    fn try_imports(&self, changed: &BTreeMap<ModuleName, Subject>, readiness: &mut Readiness) {
        let registration = &self.held.registration;
        let (mut modules, mut paths) = (Vec::new(), Vec::new());
        let tried = self.probes.iter();
        for (module, probe) in tried.filter(|(module, _)| !readiness.unready.contains_key(**module))
        {
            let Some(subject) = changed.get(*module) else { continue };
            let imports = probe.facts.imports.clone();
            modules.push(Imported { module: module.to_string(), imports });
            let live = live_prefix(self.ground.layout, module);
            let found = import_paths(self.ground, self.held, subject, &probe.facts);
            for (number, path) in found.into_iter().enumerate() {
                // The first takes the place of what the environment has; the others have none, and come last.
                let prefix = if number == 0 { live.clone() } else { path.clone() };
                paths.push((prefix, Some(path)));
            }
        }
        if modules.is_empty() {
            return;
        }
        (self.ground.told)(&registration.prefix, Doing::Importing { modules: modules.len() });
        let probe = ImportProbe {
            python: &registration.python,
            modules: &modules,
            paths: &paths,
            limit: IMPORT_LIMIT,
            scratch: self.ground.staging.directory(),
        };
        match probe.run(self.ground.cancel) {
            Ok(probed) => {
                for Probed { module, failure } in probed {
                    if let (Some(failure), Ok(module)) = (failure, module.parse()) {
                        self.refuse(readiness, &module, NotReady::Import(failure));
                    }
                }
            }
            Err(error) => {
                if readiness.untried.iter().all(|(prefix, _)| *prefix != registration.prefix) {
                    readiness.untried.push((registration.prefix.clone(), error));
                }
            }
        }
    }
}

/// What a module will put on the import path of an environment: where its files are now.
pub(crate) fn import_paths(
    ground: Ground<'_>,
    held: &Held,
    subject: &Subject,
    facts: &Facts,
) -> Vec<PathBuf> {
    let directory = subject.directory();
    let tag = &held.registration.tag;
    match wants_variant(ground, held, subject, facts) {
        true => vec![variant::place(&directory, tag)],
        false => facts.paths.iter().map(|path| joined(&directory, path)).collect(),
    }
}

fn joined(directory: &Path, path: &str) -> PathBuf {
    if path.is_empty() { directory.to_owned() } else { directory.join(path) }
}

/// Whether the environment is given a variant of this module.
fn wants_variant(ground: Ground<'_>, held: &Held, subject: &Subject, facts: &Facts) -> bool {
    let live = StandIn::directory(ground.layout, &subject.module);
    let has_link = live.join(&held.registration.tag).symlink_metadata().is_ok();
    let compiles = held.registration.compile && !subject.is_linked();
    facts.needs_variant() || has_link || compiles
}

/// Makes the variant of a module for an environment, if it wants one and there is none.
pub(crate) fn make_variant(
    ground: Ground<'_>,
    held: &Held,
    subject: &Subject,
    Probe { facts, compiled }: &Probe,
) -> Result<(), NotReady> {
    let (directory, tag) = (subject.directory(), &held.registration.tag);
    if !wants_variant(ground, held, subject, facts) || variant::place(&directory, tag).is_dir() {
        return Ok(());
    }
    let disk = ground.disk;
    let making = ground.staging.fresh();
    let variant = Variant { directory: &directory, facts, compiled };
    let made = variant.make(disk, &making).map_err(NotReady::Variant)?;
    if held.registration.compile {
        let shown = live_prefix(ground.layout, &subject.module).join(tag);
        variant::compile(&held.registration.python, &making, &shown, ground.cancel)
            .map_err(NotReady::Compile)?;
    }
    made.seal(disk).map_err(NotReady::Variant)?;
    disk.sync_tree(&making, ground.barrier).map_err(NotReady::Variant)?;
    variant::install(disk, &directory, tag, &making).map_err(NotReady::Variant)
}
