//! [`Requirements`]: what is missing in an environment, added by one call of its installer; and the constraints that keep
//! what works there working.

use std::{ffi::OsStr, io::Write as _, path::PathBuf};

use modstore_core::{
    disk::{DiskError, Verb},
    model::DistributionName,
};
use tempfile::NamedTempFile;

use crate::{
    finding::Finding,
    inspected::{Constraint, InspectedEnvironment},
};

/// A command with more constraints than that is nothing to type, and `modstore doctor --fix` makes the same call.
const MOST_TYPED: usize = 40;

/// The missing requirements of an environment.
#[derive(Debug, Default)]
pub(super) struct Requirements {
    /// As in the metadata of a distribution.
    pub texts: Vec<String>,
    /// The directories of projects, installed as they lie there.
    pub projects: Vec<PathBuf>,
    /// The names of those that are installed, and empty.
    pub again: Vec<String>,
}

impl Requirements {
    pub(super) fn of(environment: &InspectedEnvironment, findings: &[Finding]) -> Self {
        let mut wanted = Self::default();
        let abouts = findings.iter().map(|finding| &finding.about);
        for about in abouts.filter(|it| it.environment.as_deref() == Some(environment.prefix())) {
            if about.is_reinstalled {
                wanted.again.extend(about.required.as_ref().map(ToString::to_string));
            }
            wanted.texts.extend(about.requirements.iter().cloned());
            wanted.projects.extend(about.required_projects.iter().cloned());
        }
        for list in [&mut wanted.texts, &mut wanted.again] {
            list.sort();
            list.dedup();
        }
        wanted.projects.sort();
        wanted.projects.dedup();
        wanted
    }

    pub(super) fn is_empty(&self) -> bool {
        self.texts.is_empty() && self.projects.is_empty()
    }

    /// Each of them, for people.
    pub(super) fn all(&self) -> Vec<String> {
        let projects = self.projects.iter().map(|project| project.display().to_string());
        self.texts.iter().cloned().chain(projects).collect()
    }
}

/// A file of constraints: what the distributions of the environment need and have, but for what is asked for instead.
pub(super) fn constraints(
    environment: &InspectedEnvironment,
    findings: &[Finding],
) -> Result<NamedTempFile, DiskError> {
    let here =
        findings.iter().filter(|it| it.about.environment.as_deref() == Some(environment.prefix()));
    let exempt: Vec<_> = here.filter_map(between).collect();
    let mut lines: Vec<&str> = environment
        .constraints()
        .iter()
        .filter(|it| !it.is_between(&exempt))
        .map(|it| it.line.as_str())
        .collect();
    lines.dedup();
    let failed = |error| DiskError::new(Verb::CreateFile, std::env::temp_dir(), error);
    let mut file = NamedTempFile::new().map_err(failed)?;
    file.write_all((lines.join("\n") + "\n").as_bytes()).map_err(failed)?;
    Ok(file)
}

/// The distribution of a finding and what it needs: its project may need another version than it did when it was installed.
fn between(finding: &Finding) -> Option<(DistributionName, DistributionName)> {
    let about = &finding.about;
    let is_installed = !about.requirements.is_empty() || !about.required_projects.is_empty();
    let names = || Some((about.distribution.clone()?, about.required.clone()?));
    is_installed.then(names).flatten()
}

/// The command that installs the requirements of a finding as `--fix` does.
pub(crate) fn adding_command(
    environment: &InspectedEnvironment,
    finding: &Finding,
) -> Option<String> {
    let about = &finding.about;
    let flag = OsStr::new("-e");
    let projects = about.required_projects.iter().flat_map(|it| [flag, it.as_os_str()]);
    let texts = about.requirements.iter().map(OsStr::new);
    let mut what: Vec<&OsStr> = projects.chain(texts).collect();
    if what.is_empty() {
        return None;
    }
    let again = about.required.as_ref().filter(|_| about.is_reinstalled);
    let options = again.map(|name| environment.again_options(name)).unwrap_or_default();
    what.splice(0..0, options.iter().map(OsStr::new));
    let exempt: Vec<_> = between(finding).into_iter().collect();
    let constraints = environment.constraints().iter();
    let constraints: Vec<&Constraint> = constraints.filter(|it| !it.is_between(&exempt)).collect();
    let is_by_fix = about.not_fixed_because.is_none() && environment.installer.is_some();
    Some(if is_by_fix && constraints.len() > MOST_TYPED {
        format!("{} --fix", environment.doctor_command())
    } else {
        environment.adding_command(&constraints, &what)
    })
}
