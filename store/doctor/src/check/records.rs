//! D04: whether what an installer recorded is there, and as it was recorded.
//!
//! Only of distributions whose code lies elsewhere, which have few files: a distribution that is all in the environment
//! would have to be read as a whole.

use std::path::{Path, PathBuf};

use modstore_python::RecordedFile;

use super::pointers::{chosen, name_of, unclear};
use crate::{
    cache::Choice,
    catalog::Shared,
    code::{Code, Severity},
    finding::{Candidate, Finding},
    inspected::{Editable, Patient, is_byte_code, is_changed},
};

/// From this version on Python passes over hidden `.pth` files.
const HIDES: (u32, u32, Option<u32>) = (3, 12, Some(4));

/// Looks at what was recorded of a distribution. Nothing is said of one that leads nowhere, which is worse.
pub(crate) fn records(patient: &Patient, editable: &Editable<'_>, shared: &Shared) -> Vec<Finding> {
    if let Some((file, why)) = &editable.unclear {
        return vec![unclear(file, why)];
    }
    if editable.dangling().is_some() {
        return Vec::new();
    }
    let lost = if editable.followed.is_empty() {
        leads_nowhere(editable)
    } else {
        passed_over(patient, editable)
    };
    let found = lost.or_else(|| not_as_recorded(editable));
    let Some(finding) = found else { return Vec::new() };
    let project = editable.recorded.clone().filter(|recorded| recorded.is_dir());
    let followed = || editable.project().map(|project| project.directory.clone());
    let choice = match project.or_else(followed) {
        Some(directory) => {
            let why = "where it was installed from".into();
            Choice::One(Candidate { directory, why, others: Vec::new() })
        }
        None => {
            let gone = editable.recorded.clone().unwrap_or_default();
            shared.candidate(editable, &gone)
        }
    };
    vec![chosen(finding, choice)]
}

fn leads_nowhere(editable: &Editable<'_>) -> Option<Finding> {
    let distribution = editable.distribution?;
    let gone = editable.recorded_pths().find(|path| !path.exists());
    Some(match gone {
        Some(path) => {
            let what =
                format!("{} is not there, and nothing else leads to its code", name_of(path));
            Finding::new(Code::D04, path, what)
        }
        None => {
            let what = "it is installed, and nothing leads to its code";
            Finding::new(Code::D04, &distribution.directory, what)
        }
    })
}

fn passed_over(patient: &Patient, editable: &Editable<'_>) -> Option<Finding> {
    let pointer = editable.followed.iter().find(|pointer| pointer.is_hidden)?;
    let is_passed_over = patient.python.is_none_or(|python| python >= HIDES);
    let what = format!("{} is hidden, and Python passes over it", name_of(&pointer.file));
    is_passed_over.then(|| Finding::new(Code::D04, &pointer.file, what))
}

fn not_as_recorded(editable: &Editable<'_>) -> Option<Finding> {
    let distribution = editable.distribution?;
    let warning =
        |path: &Path, what: String| Some(Finding::new(Code::D04, path, what).at(Severity::Warning));
    let Some(files) = &editable.files else {
        // An `.egg-info` has none.
        let has_records = distribution.directory.extension().is_some_and(|it| it == "dist-info");
        let what = "it has no RECORD, without which no installer takes it away".to_owned();
        return has_records.then(|| warning(&distribution.directory, what))?;
    };
    let pointing = editable.pointing_files();
    let is_gone = |file: &&RecordedFile| !is_byte_code(&file.path) && !file.path.exists();
    if let Some(gone) = files.iter().find(is_gone) {
        return warning(
            &gone.path,
            format!("{} was installed, and is not there", name_of(&gone.path)),
        );
    }
    let changed = files.iter().find(|file| pointing.contains(&file.path) && is_changed(file))?;
    let what = format!("{} is not as RECORD has it", name_of(&changed.path));
    warning(&changed.path, what)
}

/// Directories that tell of a distribution and have lost what makes them do so.
pub(crate) fn remains(patient: &Patient) -> Vec<Finding> {
    let infos = patient.scans.iter().flat_map(|scan| &scan.distributions);
    let torn = infos.filter(|info| {
        let is_info = info.directory.extension().is_some_and(|it| it == "dist-info");
        is_info && !info.directory.join("METADATA").exists()
    });
    let told = torn.map(|info| {
        let directory: &PathBuf = &info.directory;
        let what = "it has no METADATA: its installation or its removal was cut off";
        let finding = Finding::new(Code::D04, directory, what).at(Severity::Warning);
        let finding = finding.of(&info.name, None).not_mended("what is left of it is not known");
        finding.mended_by(format!("rm -r {}", modstore_python::quoted(directory.as_os_str())))
    });
    told.collect()
}
