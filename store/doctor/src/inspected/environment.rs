//! [`InspectedEnvironment`]: an environment as a doctor sees it, read by files alone.

use std::path::{Path, PathBuf};

use modstore_core::program::is_executable;
use modstore_python::{Installer, PythonVersion, Registration, Scan, quoted};

use super::{discover::Found, editable::Editable};

/// An environment.
#[derive(Debug)]
pub(crate) struct InspectedEnvironment {
    pub found: Found,
    pub registration: Option<Registration>,
    pub scans: Vec<Scan>,
    /// Site directories that cannot be read, and why.
    pub unread: Vec<(PathBuf, String)>,
    pub installer: Option<Installer>,
    pub python: Option<PythonVersion>,
}

impl InspectedEnvironment {
    /// Reads an environment.
    pub(crate) fn read(found: Found, registrations: &[Registration]) -> Self {
        let prefix = &found.paths.prefix;
        let registration = registrations.iter().find(|known| known.prefix == *prefix).cloned();
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
        Self { found, registration, scans, unread, installer, python }
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
        self.scans.iter().flat_map(|scan| Editable::all_in(scan, registration)).collect()
    }

    /// The command that inspects this environment because a user names it.
    pub(crate) fn doctor_command(&self) -> String {
        format!("modstore doctor --python {}", quoted(self.prefix().as_os_str()))
    }
}
