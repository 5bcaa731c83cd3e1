//! [`Doctor`]: the whole of it in order: find the environments, look, mend if that is wanted, and look again.

use std::{
    collections::BTreeSet,
    error::Error,
    ffi::OsStr,
    path::{Path, PathBuf},
    time::{Duration, SystemTime},
};

use super::{
    caches::cached_above,
    candidates::Search,
    discover::{self, Found},
    finding::Finding,
    findings::{self, Looking},
    mend::{self, ByHand, HandError, Task},
    patient::{Editable, Patient},
    report::{Examined, Mended, Report, Trial},
    settings::wishes,
    shared::{Shared, Stock},
};
use crate::{
    acquire::Cancel,
    disk::{Disk, Layout, Lock, LockError, Patience},
    environment::{Doing, PythonError, Registration, quoted},
    model::causes,
};

/// Who looks, and what that may use.
pub struct Doctor<'a> {
    /// Through which environments are changed.
    pub disk: Disk,
    /// The store's home, whether or not there is a store.
    pub home: Option<PathBuf>,
    /// Whether installers are to stay off the network.
    pub offline: bool,
    /// So long others who work on an environment are waited for.
    pub lock_limit: Duration,
    /// The wish to stop.
    pub cancel: &'a Cancel,
    /// Hears what is done in the environment of this directory.
    pub told: &'a dyn Fn(&Path, Doing<'_>),
}

/// What is to be looked at, and how.
#[derive(Debug, Clone, Default)]
pub struct Request {
    /// Interpreters, environments or names; all that are known, when there is none.
    pub python: Vec<PathBuf>,
    /// Read files only, and start nothing.
    pub quick: bool,
    /// Mend.
    pub fix: bool,
}

/// Nothing was looked at, or not to the end.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DoctorError {
    /// There is no such environment. Nothing was changed.
    #[error(transparent)]
    Python(#[from] PythonError),
    /// Nothing is known that could be looked at. Nothing was changed.
    #[error("no environment was found")]
    Nothing,
    /// Somebody wished to stop. What was mended until then stays.
    #[error("interrupted")]
    Cancelled,
}

impl std::fmt::Debug for Doctor<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Doctor").field("home", &self.home).finish_non_exhaustive()
    }
}

/// What was seen at one moment.
#[derive(Default)]
struct Seen {
    patients: Vec<Patient>,
    roots: Vec<PathBuf>,
    findings: Vec<Finding>,
    unclear: Vec<(PathBuf, String)>,
    untried: Vec<Option<String>>,
    editables: Vec<usize>,
    /// By environment, what an installer would have to add.
    unmet: Vec<(PathBuf, String)>,
}

impl Doctor<'_> {
    /// Looks, and mends if that is wanted.
    ///
    /// # Errors
    /// See [`DoctorError`]. What is wrong is no error, nor is what cannot be mended.
    pub fn run(&self, request: &Request) -> Result<Report, DoctorError> {
        let (store, registrations, trouble) = self.store();
        let stock = || store.clone().and_then(|home| Stock::of(&home));
        let found = self.environments(request, &registrations)?;
        let look = || self.look(request, &found, &registrations, stock());
        let first = look()?;
        let mut report = Report { store: trouble, ..Report::default() };
        if !request.fix {
            first.tell(&mut report);
            return Ok(report);
        }
        let (mut done, mut changed) = (Vec::new(), false);
        for patient in &first.patients {
            changed |= self.mend(patient, &first.findings, &mut done, &mut report.trials);
        }
        let mut last = if changed { look()? } else { first.again() };
        if self.add(&last, &mut done, &mut report.trials) {
            last = look()?;
        }
        report.mended = mended(&first.findings, &last.findings, &done);
        last.tell(&mut report);
        Ok(report)
    }

    /// The store, the environments that it looks after, and why that cannot be told.
    fn store(&self) -> (Option<PathBuf>, Vec<Registration>, Option<String>) {
        let Some(home) = self.home.clone() else { return (None, Vec::new(), None) };
        let layout = Layout::new(&home);
        if !layout.format().is_file() {
            return (None, Vec::new(), None);
        }
        match Registration::all(&layout) {
            Ok(registrations) => (Some(home), registrations, None),
            Err(error) => (Some(home), Vec::new(), Some(causes(&error).join(": "))),
        }
    }

    fn environments(
        &self,
        request: &Request,
        registrations: &[Registration],
    ) -> Result<Vec<Found>, DoctorError> {
        if !request.python.is_empty() {
            let each = request.python.iter();
            let found: Result<Vec<Found>, PythonError> =
                each.map(|python| discover::given(python, self.cancel)).collect();
            return Ok(found?);
        }
        let working = std::env::current_dir().ok();
        let found = discover::all(registrations, |name| std::env::var_os(name), working.as_deref());
        match found.is_empty() && host_home().is_none() {
            true => Err(DoctorError::Nothing),
            false => Ok(found),
        }
    }

    fn look(
        &self,
        request: &Request,
        found: &[Found],
        registrations: &[Registration],
        store: Option<Stock>,
    ) -> Result<Seen, DoctorError> {
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
            used.extend(places(&editables));
            seen.editables.push(editables.len());
            self.examine(request, patient, &editables, &shared, &mut seen);
            if self.cancel.is_cancelled() {
                return Err(DoctorError::Cancelled);
            }
        }
        used.extend(
            seen.roots.iter().flat_map(|root| findings::registered(root)).map(|(_, path)| path),
        );
        let looking = Looking {
            shared: &shared,
            is_full: !request.quick,
            now: SystemTime::now(),
            // Of environments that were not looked at nobody knows what they use.
            used: request.python.is_empty().then_some(&*used),
        };
        seen.findings.extend(findings::caches(&seen.roots, &looking));
        seen.findings.extend(findings::hosts(&seen.roots, &patients, &shared));
        seen.patients = patients;
        Ok(seen)
    }

    /// Looks at one environment.
    fn examine(
        &self,
        request: &Request,
        patient: &Patient,
        editables: &[Editable<'_>],
        shared: &Shared,
        seen: &mut Seen,
    ) {
        let start = (!request.quick).then_some(self.cancel);
        let mut found = findings::interpreter(patient, start);
        found.extend(findings::remains(patient));
        for editable in editables {
            let mut about = findings::pointers(editable, shared);
            // What is recorded of something that leads to two places is right for one of them.
            if about.is_empty() || editable.unclear.is_some() {
                about.extend(findings::records(patient, editable, shared));
            }
            about.extend(findings::origins(patient, editable, shared));
            let directory =
                editable.distribution.map(|it| it.directory.clone()).unwrap_or_default();
            let mut told = |what| seen.unclear.push((directory.clone(), what));
            for unmet in findings::requirements(patient, editable, &mut told) {
                about.push(unmet.finding);
                seen.unmet.extend(unmet.requirement.map(|it| (patient.prefix().to_owned(), it)));
            }
            let of = |finding: Finding| finding.of(&editable.name, editable.module.as_deref());
            found.extend(about.into_iter().map(of));
        }
        for bound in findings::bound(patient, shared) {
            if !found.iter().any(|it| it.distribution == bound.distribution && it.is_about_paths())
            {
                found.push(bound);
            }
        }
        let untried = match request.quick || !patient.can_run() {
            true => None,
            false => findings::imports(patient, editables, &mut found, self.cancel).err(),
        };
        for finding in &mut found {
            finding.environment = Some(patient.prefix().to_owned());
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
        let is_told = |path: &PathBuf| seen.findings.iter().any(|finding| finding.path == *path);
        let troubles = patient.scans.iter().flat_map(|scan| &scan.troubles);
        let troubles = troubles.map(|trouble| (trouble.file.clone(), trouble.what.clone()));
        let troubles: Vec<_> = troubles
            .chain(patient.unread.iter().cloned())
            .filter(|(path, _)| !is_told(path))
            .collect();
        seen.unclear.extend(troubles);
    }

    /// Mends what leads elsewhere than it should in one environment. Gives whether anything was tried.
    fn mend(
        &self,
        patient: &Patient,
        findings: &[Finding],
        done: &mut Vec<(PathBuf, String, String)>,
        trials: &mut Vec<Trial>,
    ) -> bool {
        let editables = patient.editables();
        let tasks = mend::plan(patient.prefix(), findings, &editables);
        if tasks.is_empty() || self.cancel.is_cancelled() {
            return false;
        }
        let prefix = patient.prefix().to_owned();
        let _held = match self.hold(patient) {
            Ok(held) => held,
            Err(error) => {
                let is_busy = matches!(error, LockError::Busy { .. });
                trials.push(trial(&prefix, &tasks, "lock", &error, is_busy));
                return false;
            }
        };
        let note = |tasks: &[Task], how: &str, done: &mut Vec<(PathBuf, String, String)>| {
            let each = tasks
                .iter()
                .map(|it| (prefix.clone(), it.distribution.to_string(), how.to_owned()));
            done.extend(each);
        };
        let is_edited =
            |task: &Task| editables.iter().any(|it| it.name == task.distribution && it.is_edited());
        let (mut by_hand, by_installer): (Vec<Task>, Vec<Task>) =
            tasks.into_iter().partition(is_edited);
        match patient.installer.as_ref().filter(|_| patient.can_run() && !by_installer.is_empty()) {
            None => by_hand.extend(by_installer),
            Some(installer) => {
                let how = installer.to_string();
                (self.told)(&prefix, Doing::Installing { modules: by_installer.len() });
                let said = |line: &str| (self.told)(&prefix, Doing::Said(line));
                let (offline, cancel) = (self.offline, self.cancel);
                match mend::reinstall(patient, installer, &by_installer, offline, cancel, &said) {
                    Ok(()) => note(&by_installer, &how, done),
                    Err(error) => {
                        trials.push(trial(&prefix, &by_installer, &how, &error, false));
                        by_hand.extend(by_installer);
                    }
                }
            }
        }
        if self.cancel.is_cancelled() {
            return true;
        }
        // An installer that has failed may have changed something.
        let now = Patient::look_at(patient.found.clone(), patient.registration.as_slice());
        let editables = now.editables();
        for task in by_hand {
            match self.by_hand(&now, &editables, &task) {
                Ok(()) => note(std::slice::from_ref(&task), "hand", done),
                Err(error) => {
                    let is_busy = matches!(error, HandError::Lock(LockError::Busy { .. }));
                    trials.push(trial(&prefix, &[task], "hand", &error, is_busy));
                }
            }
        }
        true
    }

    fn by_hand(
        &self,
        patient: &Patient,
        editables: &[Editable<'_>],
        task: &Task,
    ) -> Result<(), HandError> {
        let Some(editable) = editables.iter().find(|it| it.name == task.distribution) else {
            return Err(HandError::NotUnderstood(
                "it is not installed, and there is no installer".into(),
            ));
        };
        let planned = ByHand::plan(editable, task)?;
        if planned.is_done() {
            let what =
                "its files are as they should be; what was installed of it needs an installer";
            return Err(HandError::NotUnderstood(what.into()));
        }
        planned.carry_out(&self.disk, patient.prefix(), self.patience())
    }

    /// The lock of an environment that the store looks after.
    fn hold(&self, patient: &Patient) -> Result<Option<Lock>, LockError> {
        let (Some(registration), Some(home)) = (&patient.registration, &self.home) else {
            return Ok(None);
        };
        let path = Layout::new(home).lock(&format!("environment-{}", registration.name()));
        Lock::take(&path, "modstore doctor", self.patience()).map(Some)
    }

    const fn patience(&self) -> Patience<'_> {
        Patience { limit: self.lock_limit, stop: &|| false, told: &|_| {} }
    }

    /// Adds what is needed and not there. Gives whether anything was tried.
    fn add(
        &self,
        seen: &Seen,
        done: &mut Vec<(PathBuf, String, String)>,
        trials: &mut Vec<Trial>,
    ) -> bool {
        let mut has_tried = false;
        for patient in &seen.patients {
            let prefix = patient.prefix();
            let mut wanted: Vec<String> = seen
                .unmet
                .iter()
                .filter(|(environment, _)| environment == prefix)
                .map(|(_, requirement)| requirement.clone())
                .collect();
            wanted.sort();
            wanted.dedup();
            let Some(installer) = &patient.installer else { continue };
            if wanted.is_empty() || !patient.can_run() || self.cancel.is_cancelled() {
                continue;
            }
            has_tried = true;
            let how = installer.to_string();
            (self.told)(prefix, Doing::Adding { requirements: wanted.len() });
            let said = |line: &str| (self.told)(prefix, Doing::Said(line));
            let (offline, cancel) = (self.offline, self.cancel);
            let added = mend::requirements(patient, installer, &wanted, offline, cancel, &said);
            match added {
                Ok(()) => done.push((prefix.to_owned(), String::new(), how)),
                Err(error) => trials.push(Trial {
                    distributions: wanted,
                    ..trial(prefix, &[], &how, &error, false)
                }),
            }
        }
        has_tried
    }
}

impl Seen {
    /// The same, when nothing was changed.
    fn again(&self) -> Self {
        let patients = self.patients.iter().map(|patient| {
            Patient::look_at(patient.found.clone(), patient.registration.as_slice())
        });
        Self {
            patients: patients.collect(),
            roots: self.roots.clone(),
            findings: self.findings.clone(),
            unclear: self.unclear.clone(),
            untried: self.untried.clone(),
            editables: self.editables.clone(),
            unmet: self.unmet.clone(),
        }
    }

    fn tell(self, report: &mut Report) {
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
}

/// Where a host keeps its cache, if there is such a directory.
fn host_home() -> Option<PathBuf> {
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
fn places(editables: &[Editable<'_>]) -> Vec<PathBuf> {
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
            Some(installer.shown(patient.executable(), &arguments))
        }
        None => {
            let prefix = quoted(patient.prefix().as_os_str());
            Some(format!("modstore doctor --python {prefix} --fix"))
        }
    }
}

/// What was wrong and is not any more, and by what.
fn mended(
    before: &[Finding],
    after: &[Finding],
    done: &[(PathBuf, String, String)],
) -> Vec<Mended> {
    let gone = before.iter().filter(|finding| !after.iter().any(|it| it.is_same(finding)));
    let how = |finding: &Finding| {
        let environment = finding.environment.as_ref()?;
        let name = finding.distribution.as_ref().map(ToString::to_string);
        let here = || done.iter().filter(|(prefix, ..)| prefix == environment);
        let own = here().find(|(_, distribution, _)| Some(distribution) == name.as_ref());
        own.or_else(|| here().next()).map(|(_, _, how)| how.clone())
    };
    let mended =
        gone.filter_map(|finding| Some(Mended { how: how(finding)?, finding: finding.clone() }));
    mended.collect()
}

fn trial(prefix: &Path, tasks: &[Task], how: &str, error: &dyn Error, is_busy: bool) -> Trial {
    Trial {
        environment: prefix.to_owned(),
        distributions: tasks.iter().map(|task| task.distribution.to_string()).collect(),
        how: how.to_owned(),
        causes: causes(error),
        is_busy,
    }
}
