//! Mending by the environment's installer: one call for everything that is to lead elsewhere, and one for what is not
//! installed at all.

use std::path::PathBuf;

use modstore_core::{Cancel, program::ProgramError};
use modstore_python::{Install, Installer};

use super::plan::Task;
use crate::inspected::Patient;

/// Installs the projects of all tasks, without what they need.
///
/// # Errors
/// Some of it may have been installed: installers are not atomic.
pub(crate) fn reinstall(
    patient: &Patient,
    installer: &Installer,
    tasks: &[Task],
    offline: bool,
    cancel: &Cancel,
    told: &dyn Fn(&str),
) -> Result<(), ProgramError> {
    let editables: Vec<PathBuf> = tasks.iter().map(|task| task.directory.clone()).collect();
    let what = Install { editables: &editables, no_deps: true, offline, ..Install::default() };
    installer.install(patient.executable(), &what, cancel, told)
}

/// Installs what is needed and is not there.
///
/// # Errors
/// As there.
pub(crate) fn requirements(
    patient: &Patient,
    installer: &Installer,
    requirements: &[String],
    offline: bool,
    cancel: &Cancel,
    told: &dyn Fn(&str),
) -> Result<(), ProgramError> {
    let constraints = patient.registration.as_ref().and_then(|it| it.constraints.as_deref());
    let what = Install { requirements, offline, constraints, ..Install::default() };
    installer.install(patient.executable(), &what, cancel, told)
}
