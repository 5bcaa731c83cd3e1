//! [`InspectedEnvironment`]: an environment as a doctor sees it, read by files alone.

use std::{
    path::{Path, PathBuf},
    sync::OnceLock,
};

use modstore_core::{Cancel, disk::Layout, program::is_executable};
use modstore_python::{
    Distribution, Installer, Owner, PythonVersion, RecordedFile, Registration, Scan, quoted,
    small_text,
};

use super::{
    constraints::Constraint,
    discover::Found,
    editable::Editable,
    other_sites::{OtherSite, SiteKind, is_of_the_system, other_sites},
    recorded::is_changed,
};

/// The number of files of a distribution that are compared with its record.
const COMPARED: usize = 200;

/// An environment.
#[derive(Debug)]
pub(crate) struct InspectedEnvironment {
    pub found: Found,
    pub registration: Option<Registration>,
    /// The home of another store that it follows.
    pub other_store: Option<PathBuf>,
    pub scans: Vec<Scan>,
    /// Site directories of others that its Python sees; none, if it was not asked.
    pub others: Vec<OtherSite>,
    /// Site directories that cannot be read, and why.
    pub unread: Vec<(PathBuf, String)>,
    pub installer: Option<Installer>,
    pub python: Option<PythonVersion>,
    constraints: OnceLock<Vec<Constraint>>,
}

impl InspectedEnvironment {
    /// Reads an environment.
    pub(crate) fn read(
        found: Found,
        registrations: &[Registration],
        store: Option<&Layout>,
    ) -> Self {
        let prefix = &found.paths.prefix;
        let registration = registrations.iter().find(|known| known.prefix == *prefix).cloned();
        let other_store = store.and_then(|store| Owner::at(store, &found.paths).other());
        let mut scans = Vec::new();
        let mut unread = Vec::new();
        for site in &found.paths.site {
            match Scan::of(site) {
                Ok(scan) => scans.push(scan),
                Err(error) => unread.push((site.clone(), error.source.source.to_string())),
            }
        }
        let installer = Installer::find(&found.paths).filter(|_| found.unasked.is_none());
        let python = found.paths.python_version();
        let others = Vec::new();
        let constraints = OnceLock::new();
        Self {
            found,
            registration,
            other_store,
            scans,
            others,
            unread,
            installer,
            python,
            constraints,
        }
    }

    /// The same, with the site directories of others that its Python sees. A virtual environment that is closed has none.
    pub(crate) fn with_others(mut self, cancel: &Cancel) -> Self {
        if self.sees_more() && self.may_run() && self.can_run() {
            let is_virtual = self.prefix().join("pyvenv.cfg").is_file();
            let own = &self.found.paths.site;
            self.others = other_sites(self.executable(), own, is_virtual, cancel);
        }
        self
    }

    /// Whether Python sees more than the environment's own site directories: those of the Python below a virtual environment,
    /// and, without one, the user's.
    pub(crate) fn sees_more(&self) -> bool {
        let Some(settings) = small_text(&self.prefix().join("pyvenv.cfg")) else { return true };
        let mut fields = settings.lines().filter_map(|line| line.split_once('='));
        fields.any(|(key, value)| {
            key.trim() == "include-system-site-packages"
                && value.trim().eq_ignore_ascii_case("true")
        })
    }

    /// Whose this path is, if it is in a site directory that nothing is written to.
    pub(crate) fn others_of(&self, path: &Path) -> Option<SiteKind> {
        let other = self.others.iter().find(|other| path.starts_with(&other.scan.site));
        let is_systems = || {
            let mut own = self.found.paths.site.iter();
            own.any(|site| path.starts_with(site) && is_of_the_system(site))
        };
        other.map(|it| it.kind.clone()).or_else(|| is_systems().then_some(SiteKind::System))
    }

    pub(crate) fn prefix(&self) -> &Path {
        &self.found.paths.prefix
    }

    pub(crate) fn executable(&self) -> &Path {
        &self.found.paths.executable
    }

    /// Whether its interpreter can be started, as far as files tell.
    pub(crate) fn can_run(&self) -> bool {
        is_executable(self.executable())
    }

    /// Whether the user asked for it to be run.
    pub(crate) const fn may_run(&self) -> bool {
        self.found.unasked.is_none()
    }

    /// The distributions whose code lies elsewhere, by site and name.
    pub(crate) fn editables(&self) -> Vec<Editable<'_>> {
        let registration = self.registration.as_ref();
        let of = |scan| Editable::all_in(scan, registration);
        let mut all: Vec<Editable<'_>> = self.scans.iter().flat_map(of).collect();
        // Python takes what the environment itself has before what is below it.
        let is_own = |it: &Editable<'_>| {
            let mut own = self.scans.iter().flat_map(|scan| &scan.distributions);
            own.any(|distribution| distribution.name == it.name)
        };
        let others = self.others.iter().flat_map(|other| of(&other.scan));
        all.extend(others.filter(|it| !is_own(it)));
        all
    }

    /// What its own site directories hold, and those of others that its Python sees.
    pub(crate) fn every_scan(&self) -> impl Iterator<Item = &Scan> {
        self.scans.iter().chain(self.others.iter().map(|other| &other.scan))
    }

    /// The constraints that an installer is given: what its distributions need and have.
    pub(crate) fn constraints(&self) -> &[Constraint] {
        self.constraints.get_or_init(|| {
            let own = self.registration.as_ref().and_then(|it| it.constraints.as_deref());
            Constraint::all(own, &self.every_scan().collect::<Vec<_>>())
        })
    }

    /// Metadata that was left of another version, and the metadata of the version whose files are there.
    pub(crate) fn superseded(&self) -> Vec<(&Distribution, &Distribution)> {
        let mut found = Vec::new();
        for scan in &self.scans {
            for left in &scan.distributions {
                let is_twin =
                    |it: &&Distribution| it.name == left.name && it.directory != left.directory;
                let mut twins = scan.distributions.iter().filter(is_twin).peekable();
                if twins.peek().is_some()
                    && !is_as_recorded(left)
                    && let Some(real) = twins.find(|twin| is_as_recorded(twin))
                {
                    found.push((left, real));
                }
            }
        }
        found
    }

    /// The command that inspects this environment because a user names it.
    pub(crate) fn doctor_command(&self) -> String {
        format!("modstore doctor --python {}", quoted(self.prefix().as_os_str()))
    }
}

/// Whether the files of a distribution are those that were recorded at its installation.
fn is_as_recorded(distribution: &Distribution) -> bool {
    let Ok(Some(files)) = distribution.record() else { return false };
    let is_code = |file: &&RecordedFile| {
        file.hash.is_some() && !file.path.starts_with(&distribution.directory)
    };
    let mut code = files.iter().filter(is_code).take(COMPARED).peekable();
    code.peek().is_some() && code.all(|file| file.path.exists() && !is_changed(file))
}
