//! [`Requirements`]: what is missing in an environment, added by one call of its installer; and the constraints that keep
//! what works there working.

use std::{io::Write as _, path::PathBuf};

use modstore_core::disk::{DiskError, Verb};
use tempfile::NamedTempFile;

use crate::{
    finding::Finding,
    inspected::{InspectedEnvironment, Requirement},
};

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
                let needed = about.requirement.as_deref().and_then(Requirement::parse);
                wanted.again.extend(needed.map(|needed| needed.name.to_string()));
            }
            wanted.texts.extend(about.requirement.clone());
            wanted.projects.extend(about.requirement_from.clone());
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

/// A file of constraints: those of the environment itself, and what each installed distribution needs. No version is
/// installed that breaks one of them; where that leaves none, the installer says so and changes nothing.
pub(super) fn constraints(environment: &InspectedEnvironment) -> Result<NamedTempFile, DiskError> {
    let own = environment.registration.as_ref().and_then(|it| it.constraints.as_ref());
    let mut lines = Vec::new();
    if let Some(own) = own {
        lines.push(format!("-c {}", own.display()));
    }
    let distributions = environment.scans.iter().flat_map(|scan| &scan.distributions);
    let metadata = distributions.filter_map(|it| it.metadata().ok().flatten());
    for text in metadata.flat_map(|metadata| metadata.requires) {
        // One that is not met as it is constrains nothing. The installer knows which markers hold.
        let needed = Requirement::parse(&text).filter(|it| is_met(environment, it));
        lines.extend(needed.and_then(|needed| needed.constraint()));
    }
    lines.sort();
    lines.dedup();
    let failed = |error| DiskError::new(Verb::CreateFile, std::env::temp_dir(), error);
    let mut file = NamedTempFile::new().map_err(failed)?;
    file.write_all((lines.join("\n") + "\n").as_bytes()).map_err(failed)?;
    Ok(file)
}

fn is_met(environment: &InspectedEnvironment, needed: &Requirement) -> bool {
    let distributions = environment.scans.iter().flat_map(|scan| &scan.distributions);
    let mut versions =
        distributions.filter(|it| it.name == needed.name).filter_map(|it| it.version.as_ref());
    versions.any(|version| needed.admits(version) == Some(true))
}
