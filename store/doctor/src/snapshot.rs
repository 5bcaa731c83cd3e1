//! [`Snapshot`]: everything that can be found at one moment.

use std::{
    collections::BTreeSet,
    ffi::OsStr,
    path::{Path, PathBuf},
    time::SystemTime,
};

use modstore_core::{Cancel, findings::Severity};
use modstore_python::{Registration, quoted};

use crate::{
    cache::{Cached, Search},
    catalog::{Catalog, StoreStandIns},
    check::{
        self,
        view::{CacheView, CachedView, EditableView, Effort, EnvironmentView, MachineView, run},
    },
    finding::{Candidate, Finding},
    fix,
    hosts::{HOSTS, HostHome, cached_above, host_of},
    inspected::{Asked, Editable, Found, InspectedEnvironment, SiteKind},
    ownership::foreign,
    report::{Examined, Report, UnparsedFile},
};

/// How much is inspected.
pub(crate) struct Scope<'a> {
    pub(crate) effort: Effort,
    /// Whether these are all known environments.
    pub(crate) is_everywhere: bool,
    /// The wish to stop.
    pub(crate) cancel: &'a Cancel,
}

/// Everything that was found at one moment.
#[derive(Default)]
pub(crate) struct Snapshot {
    pub(crate) environments: Vec<InspectedEnvironment>,
    pub(crate) findings: Vec<Finding>,
    roots: Vec<PathBuf>,
    unparsed: Vec<(PathBuf, String)>,
    /// For each environment, why nothing was imported.
    not_run: Vec<Option<String>>,
    /// For each environment, how many of its distributions lie elsewhere.
    editables: Vec<usize>,
}

impl Scope<'_> {
    /// Inspects these environments and the caches they lead into. `None`, if the user stopped it.
    pub(crate) fn snapshot(
        &self,
        found: &[Found],
        registrations: &[Registration],
        store: Option<StoreStandIns>,
    ) -> Option<Snapshot> {
        let layout = store.as_ref().map(|store| &store.layout);
        let read = |found: &Found| {
            let read = InspectedEnvironment::read(found.clone(), registrations, layout);
            match self.effort {
                Effort::Quick => read,
                Effort::Full | Effort::Import => read.with_others(self.cancel),
            }
        };
        let environments: Vec<InspectedEnvironment> = found.iter().map(read).collect();
        let homes = HostHome::all();
        let roots = roots(&environments, &homes);
        let catalog = Catalog { search: Search::new(roots.clone()), store, homes };
        // What follows another store gets nothing of this one.
        let of_others =
            Catalog { search: Search::new(roots.clone()), store: None, homes: HostHome::all() };
        let mut snapshot = Snapshot { roots, ..Snapshot::default() };
        let mut used = Vec::new();
        for environment in &environments {
            let editables = environment.editables();
            used.extend(targets(&editables));
            snapshot.editables.push(editables.len());
            let catalog = if environment.other_store.is_some() { &of_others } else { &catalog };
            self.check_environment(environment, &editables, catalog, &mut snapshot);
            if self.cancel.is_cancelled() {
                return None;
            }
        }
        self.check_caches(used, &mut snapshot);
        let Snapshot { roots, findings, .. } = &mut snapshot;
        let environments_view = &environments;
        let mut view = MachineView {
            roots,
            environments: environments_view,
            catalog: &catalog,
            effort: self.effort,
        };
        run(&check::MACHINE, &mut view, findings);
        snapshot.environments = environments;
        Some(snapshot)
    }

    fn check_environment(
        &self,
        environment: &InspectedEnvironment,
        editables: &[Editable<'_>],
        catalog: &Catalog,
        snapshot: &mut Snapshot,
    ) {
        let mut found = Vec::new();
        let asked = match self.effort {
            Effort::Quick => Asked::Not,
            Effort::Full | Effort::Import => Asked::of(environment, editables, self.cancel),
        };
        let mut view = EnvironmentView {
            environment,
            asked: &asked,
            editables,
            catalog,
            effort: self.effort,
            cancel: self.cancel,
            not_run: None,
        };
        run(&check::ENVIRONMENT, &mut view, &mut found);
        let installed = asked.visible(environment);
        for editable in editables {
            let mut own = Vec::new();
            let unparsed = &mut snapshot.unparsed;
            let mut view = EditableView {
                environment,
                asked: &asked,
                installed: &installed,
                editable,
                catalog,
                unparsed,
            };
            run(&check::EDITABLE, &mut view, &mut own);
            found.extend(own);
        }
        run(&check::ENVIRONMENT_AT_LAST, &mut view, &mut found);
        snapshot.not_run.push(view.not_run);
        for finding in &mut found {
            finding.about.environment = Some(environment.prefix().to_owned());
            restrict(environment, editables, finding);
            if finding.about.command.is_none() {
                finding.about.command = command(environment, finding);
            }
        }
        found.sort_by(|a, b| {
            let key = |it: &Finding| (it.severity, it.code, it.about.distribution.clone());
            key(a).cmp(&key(b))
        });
        snapshot.findings.extend(found);
        let unparsed = snapshot.unparsed_in(environment);
        snapshot.unparsed.extend(unparsed);
    }

    /// Checks the caches, of whose directories environments use these paths.
    fn check_caches(&self, mut used: Vec<PathBuf>, snapshot: &mut Snapshot) {
        let Snapshot { roots, findings, .. } = snapshot;
        let registered =
            roots.iter().flat_map(|root| HOSTS.map(|host| host.registered(root))).flatten();
        used.extend(registered.map(|registered| registered.directory));
        for root in &*roots {
            let all = Cached::all_in(root);
            let mut view = CacheView { root, cached: &all };
            run(&check::CACHE, &mut view, findings);
            for cached in &all {
                let mut own = Vec::new();
                // Environments that were not inspected may use it too.
                let used = self.is_everywhere.then_some(&*used);
                let now = SystemTime::now();
                let mut view = CachedView { cached, effort: self.effort, now, used };
                run(&check::CACHED, &mut view, &mut own);
                findings.extend(own);
            }
            run(&check::CACHE_AT_LAST, &mut view, findings);
        }
    }
}

/// Takes back a fix that the user did not ask for, or that would write to files of others.
fn restrict(environment: &InspectedEnvironment, editables: &[Editable<'_>], finding: &mut Finding) {
    let about = &finding.about;
    if let Some(unasked) = &environment.found.unasked {
        // Any other command would start its interpreter.
        finding.about.not_fixed_because = Some(unasked.to_string());
        finding.about.command = Some(format!("{} --fix", environment.doctor_command()));
        return;
    }
    if let Some(kind) = site_of(environment, editables, finding) {
        return leave_to_others(environment, finding, &kind);
    }
    if let Some(foreign) = about.required_projects.iter().find_map(|it| foreign(it)) {
        let why = format!("to install it runs its code, and {foreign}");
        finding.about.command = fix::adding_command(environment, finding);
        finding.about.not_fixed_because = Some(why);
        finding.about.requirements.clear();
        finding.about.required_projects.clear();
        return;
    }
    let about = &finding.about;
    let Some(candidate) = &about.candidate else { return };
    if let Some(foreign) = foreign(&candidate.directory) {
        let why = format!("to install it runs its code, and {foreign}");
        finding.about.command =
            environment.installer.as_ref().and_then(|_| command(environment, finding));
        finding.about.not_fixed_because = Some(why);
        finding.about.candidate = None;
        return;
    }
    let editable = editables.iter().find(|it| Some(&it.name) == about.distribution.as_ref());
    if let Some(why) = fix::in_the_way(environment, editable) {
        finding.about.not_fixed_because = Some(why);
        finding.about.candidate = None;
    }
}

/// Whose the site directory is that a finding is about, if nothing is written to it.
fn site_of(
    environment: &InspectedEnvironment,
    editables: &[Editable<'_>],
    finding: &Finding,
) -> Option<SiteKind> {
    let own = |name| {
        let of_others = environment.others.iter().map(|other| &other.scan.site);
        let mut sites = of_others.chain(&environment.found.paths.site);
        let editable = editables.iter().find(|it| Some(&it.name) == name)?;
        sites.find(|site| **site == editable.scan.site)
    };
    let path = own(finding.about.distribution.as_ref()).unwrap_or(&finding.path);
    environment.others_of(path)
}

/// Leaves a fault to the owner of its directory. In the system's packages, and in the Python below, it is only a note.
fn leave_to_others(environment: &InspectedEnvironment, finding: &mut Finding, kind: &SiteKind) {
    let (why, mut command) = kind.advice(&finding.path, environment.executable());
    let python = quoted(environment.executable().as_os_str());
    let about = &mut finding.about;
    // To move one of your own files needs no installer.
    if *kind == SiteKind::User && check::is_of_start(finding.code) {
        command.clone_from(&about.command);
    }
    if let (SiteKind::User, Some(candidate)) = (kind, &about.candidate) {
        let directory = quoted(candidate.directory.as_os_str());
        command = Some(format!("{python} -m pip install --user --no-deps -e {directory}"));
    }
    about.candidate = None;
    about.requirements.clear();
    about.required_projects.clear();
    about.not_fixed_because = Some(why);
    about.command = command;
    // Where this Python does not start, it is broken, even if another user owns the file.
    let is_stopped = check::is_of_start(finding.code) && finding.severity == Severity::Broken;
    if kind.is_of_another() && !is_stopped {
        finding.severity = Severity::Note;
    }
}

/// The command that leads a distribution to where it should.
fn command(environment: &InspectedEnvironment, finding: &Finding) -> Option<String> {
    let Some(Candidate { directory, .. }) = &finding.about.candidate else {
        return fix::adding_command(environment, finding);
    };
    match environment.installer.as_ref().filter(|_| environment.can_run()) {
        Some(installer) => {
            let arguments = [OsStr::new("--no-deps"), "-e".as_ref(), directory.as_os_str()];
            Some(installer.install_command(environment.executable(), &arguments))
        }
        None => Some(format!("{} --fix", environment.doctor_command())),
    }
}

impl Snapshot {
    /// Reports it.
    pub(crate) fn into_report(self, report: &mut Report) {
        let counted = self.environments.iter().zip(self.editables).zip(self.not_run);
        let examined = counted.map(|((environment, editables), not_run)| Examined {
            prefix: environment.prefix().to_owned(),
            python: environment.executable().to_owned(),
            tool: environment.found.tool.clone(),
            installer: environment.installer.as_ref().map(ToString::to_string),
            distributions: environment.every_scan().map(|scan| scan.distributions.len()).sum(),
            editables,
            not_run,
        });
        report.environments = examined.collect();
        report.caches = self.roots;
        report.findings = self.findings;
        let unparsed = self.unparsed.into_iter();
        report.unparsed = unparsed.map(|(path, why)| UnparsedFile { path, why }).collect();
    }

    /// The files of an environment that could not be parsed, except those with a finding.
    fn unparsed_in(&self, environment: &InspectedEnvironment) -> Vec<(PathBuf, String)> {
        let has_finding = |path: &Path| self.findings.iter().any(|finding| finding.path == path);
        environment
            .scans
            .iter()
            .flat_map(|scan| &scan.unparsed)
            .map(|unparsed| (unparsed.file.clone(), unparsed.what.clone()))
            .chain(environment.unread.iter().cloned())
            .filter(|(path, _)| !has_finding(path))
            .collect()
    }
}

/// The caches that environments lead into, and those of hosts' homes.
fn roots(environments: &[InspectedEnvironment], homes: &[HostHome]) -> Vec<PathBuf> {
    let scans = environments.iter().flat_map(|environment| &environment.scans);
    let pointers = scans.flat_map(|scan| &scan.pointers);
    let of_pointers = pointers.filter_map(|pointer| {
        let cached = cached_above(&pointer.target)?;
        let (host, _) = host_of(cached)?;
        host.root_of(cached).filter(|root| root.is_dir())
    });
    let of_homes = homes.iter().map(|home| home.cache.as_path());
    let roots: BTreeSet<&Path> = of_homes.chain(of_pointers).collect();
    roots.into_iter().map(Path::to_owned).collect()
}

/// Every path that distributions lead to, as written and with its links resolved.
fn targets(editables: &[Editable<'_>]) -> Vec<PathBuf> {
    let followed = editables.iter().flat_map(|it| &it.followed).map(|it| it.target.clone());
    let recorded = editables.iter().filter_map(|it| it.recorded.clone());
    let real = |path: PathBuf| path.canonicalize().unwrap_or(path);
    followed.chain(recorded).flat_map(|path| [path.clone(), real(path)]).collect()
}
