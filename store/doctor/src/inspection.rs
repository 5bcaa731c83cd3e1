//! [`Look`]: everything that can be seen at one moment, read and, unless it must be quick, tried.

use std::{
    collections::BTreeSet,
    ffi::OsStr,
    path::{Path, PathBuf},
    time::SystemTime,
};

use modstore_core::Cancel;
use modstore_python::{Registration, quoted};

use crate::{
    cache::{Search, cached_above},
    catalog::{Shared, Stock},
    check::{self, Looking},
    finding::Finding,
    fix,
    hosts::wishes,
    inspected::{Editable, Found, Patient},
    ownership::foreign,
    report::{Examined, Report},
};

/// How one looks.
pub(super) struct Look<'a> {
    /// Read files only, and start nothing.
    pub(super) quick: bool,
    /// Whether these are all environments that anybody knows of.
    pub(super) is_everywhere: bool,
    /// The wish to stop.
    pub(super) cancel: &'a Cancel,
}

/// What was seen at one moment.
#[derive(Default)]
pub(super) struct Seen {
    pub(super) patients: Vec<Patient>,
    pub(super) findings: Vec<Finding>,
    /// By environment, what an installer would have to add.
    pub(super) unmet: Vec<(PathBuf, String)>,
    roots: Vec<PathBuf>,
    unclear: Vec<(PathBuf, String)>,
    untried: Vec<Option<String>>,
    editables: Vec<usize>,
}

impl Look<'_> {
    /// Looks at these environments and the caches they lead into. Nothing, when somebody wished to stop.
    pub(super) fn at(
        &self,
        found: &[Found],
        registrations: &[Registration],
        store: Option<Stock>,
    ) -> Option<Seen> {
        let look_at = |found: &Found| Patient::look_at(found.clone(), registrations);
        let patients: Vec<Patient> = found.iter().map(look_at).collect();
        let home = host_home();
        let roots = roots(&patients, home.as_deref());
        let wishes = home.as_deref().map(wishes).unwrap_or_default();
        let shared = Shared { search: Search::new(roots.clone()), store, home, wishes };
        let mut seen = Seen { roots, ..Seen::default() };
        let mut used = Vec::new();
        for patient in &patients {
            let editables = patient.editables();
            used.extend(paths(&editables));
            seen.editables.push(editables.len());
            self.examine(patient, &editables, &shared, &mut seen);
            if self.cancel.is_cancelled() {
                return None;
            }
        }
        used.extend(
            seen.roots.iter().flat_map(|root| check::registered(root)).map(|(_, path)| path),
        );
        let looking = Looking {
            shared: &shared,
            is_full: !self.quick,
            now: SystemTime::now(),
            // Of environments that were not looked at nobody knows what they use.
            used: self.is_everywhere.then_some(&*used),
        };
        seen.findings.extend(check::caches(&seen.roots, &looking));
        seen.findings.extend(check::hosts(&seen.roots, &patients, &shared));
        seen.patients = patients;
        Some(seen)
    }

    /// Looks at one environment.
    fn examine(
        &self,
        patient: &Patient,
        editables: &[Editable<'_>],
        shared: &Shared,
        seen: &mut Seen,
    ) {
        let start = (!self.quick && patient.may_run()).then_some(self.cancel);
        let mut found = check::interpreter(patient, start);
        found.extend(check::remains(patient));
        for editable in editables {
            found.extend(about(patient, editable, shared, seen));
        }
        for bound in check::bound(patient, shared) {
            if !found.iter().any(|it| it.distribution == bound.distribution && it.is_about_paths())
            {
                found.push(bound);
            }
        }
        let untried = self.try_imports(patient, editables, &mut found);
        for finding in &mut found {
            finding.environment = Some(patient.prefix().to_owned());
            keep_off(patient, editables, finding);
            if finding.fix.is_none() {
                finding.fix = command(patient, finding);
            }
        }
        found.sort_by(|a, b| {
            let key = |f: &Finding| (f.severity, f.code, f.distribution.clone());
            key(a).cmp(&key(b))
        });
        seen.findings.extend(found);
        seen.untried.push(untried);
        let unclear = seen.unclear_in(patient);
        seen.unclear.extend(unclear);
    }

    /// Imports all that lies elsewhere. Gives why nothing was, if something could have been expected to be.
    fn try_imports(
        &self,
        patient: &Patient,
        editables: &[Editable<'_>],
        found: &mut Vec<Finding>,
    ) -> Option<String> {
        match &patient.found.unasked {
            _ if self.quick || !patient.can_run() => None,
            Some(unasked) => Some(format!("{unasked}; `{}` runs it", named(patient))),
            None => check::imports(patient, editables, found, self.cancel).err(),
        }
    }
}

/// Lets alone what nobody has asked for, and what is not ours to write.
fn keep_off(patient: &Patient, editables: &[Editable<'_>], finding: &mut Finding) {
    if let Some(unasked) = &patient.found.unasked {
        // Other commands would start its interpreter.
        finding.unmended = Some(unasked.to_string());
        finding.fix = Some(format!("{} --fix", named(patient)));
        return;
    }
    let Some(candidate) = &finding.candidate else { return };
    if let Some(foreign) = foreign(&candidate.directory) {
        finding.unmended = Some(format!("to install it runs its code, and {foreign}"));
        finding.fix = patient.installer.as_ref().and_then(|_| command(patient, finding));
        finding.candidate = None;
        return;
    }
    let editable = editables.iter().find(|it| Some(&it.name) == finding.distribution.as_ref());
    if let Some(why) = fix::in_the_way(patient, editable) {
        (finding.candidate, finding.unmended) = (None, Some(why));
    }
}

/// The command that looks at this environment because a person says so.
fn named(patient: &Patient) -> String {
    format!("modstore doctor --python {}", quoted(patient.prefix().as_os_str()))
}

/// What is wrong with one distribution.
fn about(
    patient: &Patient,
    editable: &Editable<'_>,
    shared: &Shared,
    seen: &mut Seen,
) -> impl Iterator<Item = Finding> {
    let mut about = check::pointers(editable, shared);
    // What is recorded of something that leads to two paths is right for one of them.
    if about.is_empty() || editable.unclear.is_some() {
        about.extend(check::records(patient, editable, shared));
    }
    about.extend(check::origins(patient, editable, shared));
    let directory = editable.distribution.map(|it| it.directory.clone()).unwrap_or_default();
    let mut told = |what| seen.unclear.push((directory.clone(), what));
    for unmet in check::requirements(patient, editable, &mut told) {
        about.push(unmet.finding);
        seen.unmet.extend(unmet.requirement.map(|it| (patient.prefix().to_owned(), it)));
    }
    about.into_iter().map(|finding| finding.of(&editable.name, editable.module.as_deref()))
}

impl Seen {
    /// Puts it into a report.
    pub(super) fn tell(self, report: &mut Report) {
        let untried = self.untried.into_iter().chain(std::iter::repeat(None));
        let counted = self.patients.iter().zip(self.editables).zip(untried);
        let examined = counted.map(|((patient, editables), untried)| Examined {
            prefix: patient.prefix().to_owned(),
            python: patient.executable().to_owned(),
            tool: patient.found.tool.clone(),
            installer: patient.installer.as_ref().map(ToString::to_string),
            distributions: patient.scans.iter().map(|scan| scan.distributions.len()).sum(),
            editables,
            untried,
        });
        report.environments = examined.collect();
        report.caches = self.roots;
        report.findings = self.findings;
        report.unclear = self.unclear;
    }

    /// What of an environment was not understood, but for what a finding tells of.
    fn unclear_in(&self, patient: &Patient) -> Vec<(PathBuf, String)> {
        let is_told = |path: &PathBuf| self.findings.iter().any(|finding| finding.path == *path);
        let troubles = patient.scans.iter().flat_map(|scan| &scan.troubles);
        let troubles = troubles.map(|trouble| (trouble.file.clone(), trouble.what.clone()));
        let all = troubles.chain(patient.unread.iter().cloned());
        all.filter(|(path, _)| !is_told(path)).collect()
    }
}

/// Where a host keeps its cache, if there is such a directory.
pub(super) fn host_home() -> Option<PathBuf> {
    let named = std::env::var_os("AMPLIFIER_HOME").map(PathBuf::from);
    let home = std::env::var_os("HOME").map(|home| PathBuf::from(home).join(".amplifier"));
    let home = named.filter(|path| path.is_absolute()).or(home)?;
    home.join("cache").is_dir().then_some(home)
}

/// The caches that anything leads into, and that of the host's home.
fn roots(patients: &[Patient], home: Option<&Path>) -> Vec<PathBuf> {
    let mut roots = BTreeSet::new();
    roots.extend(home.map(|home| home.join("cache")));
    let pointers = patients.iter().flat_map(|it| &it.scans).flat_map(|scan| &scan.pointers);
    for cached in pointers.filter_map(|pointer| cached_above(&pointer.target)) {
        let Some(root) = cached.parent() else { continue };
        let is_skills = root.file_name().is_some_and(|name| name == "skills")
            && root.parent().is_some_and(|above| above.ends_with("cache"));
        let root = if is_skills { root.parent().unwrap_or(root) } else { root };
        if root.is_dir() {
            roots.insert(root.to_owned());
        }
    }
    roots.into_iter().collect()
}

/// Everything that distributions lead to.
fn paths(editables: &[Editable<'_>]) -> Vec<PathBuf> {
    let followed = editables.iter().flat_map(|it| &it.followed).map(|it| it.target.clone());
    let recorded = editables.iter().filter_map(|it| it.recorded.clone());
    let real = |path: PathBuf| path.canonicalize().unwrap_or(path);
    followed.chain(recorded).flat_map(|path| [path.clone(), real(path)]).collect()
}

/// What a person types to have a distribution lead to where it should.
fn command(patient: &Patient, finding: &Finding) -> Option<String> {
    let directory = &finding.candidate.as_ref()?.directory;
    match patient.installer.as_ref().filter(|_| patient.can_run()) {
        Some(installer) => {
            let arguments = [OsStr::new("--no-deps"), "-e".as_ref(), directory.as_os_str()];
            Some(installer.install_command(patient.executable(), &arguments))
        }
        None => Some(format!("{} --fix", named(patient))),
    }
}
