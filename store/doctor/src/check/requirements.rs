//! D09: whether what a distribution needs is installed, and whether its project is still what was installed of it.
//!
//! Looked at are the requirements that were installed with it and those that its project declares now: an update of the
//! code alone brings new ones, and no installer. A requirement that is not understood is told and not judged.

use std::collections::BTreeMap;

use modstore_core::model::DistributionName;
use modstore_python::quoted;
use toml_edit::{Document, Item, Table};

use crate::{
    code::{Code, Severity},
    finding::{Candidate, Finding},
    inspected::{Editable, Patient, Requirement, Surroundings, admits_python, is_same_version},
};

/// What is not met, for an installer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Unmet {
    pub finding: Finding,
    pub requirement: Option<String>,
}

/// What the project's own file says, as far as that is written in it.
#[derive(Debug, Default)]
struct Declared {
    version: Option<String>,
    dependencies: Vec<String>,
    entry_points: Vec<(String, String)>,
}

/// Looks at what a distribution needs. `told` hears of requirements that are not understood.
pub(crate) fn requirements(
    patient: &Patient,
    editable: &Editable<'_>,
    told: &mut dyn FnMut(String),
) -> Vec<Unmet> {
    let (Some(distribution), Some(python)) = (editable.distribution, patient.python) else {
        return Vec::new();
    };
    if editable.dangling().is_some() {
        return Vec::new();
    }
    let metadata = distribution.metadata().ok().flatten();
    let declared = declared_by(editable);
    let mut wishes: Vec<String> = metadata.iter().flat_map(|it| it.requires.clone()).collect();
    wishes.extend(declared.iter().flat_map(|it| it.dependencies.clone()));
    let surroundings =
        Surroundings { python, implementation: "CPython".into(), machine: machine() };
    let mut unmet: BTreeMap<DistributionName, Unmet> = BTreeMap::new();
    for wish in wishes {
        match Requirement::parse(&wish) {
            None => told(format!("{} needs {wish:?}, which is not understood", editable.name)),
            Some(requirement) if requirement.applies(&surroundings) == Some(true) => {
                if let Some(found) = not_met(patient, editable, &requirement) {
                    unmet.insert(requirement.name.clone(), found);
                }
            }
            Some(_) => {}
        }
    }
    let requires = metadata.as_ref().and_then(|it| it.requires_python.as_deref());
    let is_other = requires.filter(|requires| admits_python(requires, python) == Some(false));
    let wrong_python = is_other.map(|requires| {
        let what = format!(
            "it is for Python {requires}, and the environment has {}.{}",
            python.0, python.1
        );
        let finding = Finding::new(Code::D09, &distribution.directory, what);
        let finding = finding.not_mended("the environment has another Python");
        Unmet { finding, requirement: None }
    });
    let changed = declared.and_then(|declared| changed(editable, &declared));
    unmet.into_values().chain(wrong_python).chain(changed).collect()
}

fn not_met(patient: &Patient, editable: &Editable<'_>, needed: &Requirement) -> Option<Unmet> {
    let mut installed = patient.scans.iter().flat_map(|scan| &scan.distributions);
    let found = installed.find(|it| it.name == needed.name);
    let wish = needed.without_marker();
    let (severity, what) = match found.map(|found| found.version.as_deref()) {
        None => (Severity::Broken, format!("it needs {wish}, which is not installed")),
        Some(Some(version)) if needed.admits(version) == Some(false) => {
            (Severity::Warning, format!("it needs {wish}, and {version} is installed"))
        }
        Some(_) => return None,
    };
    let python = quoted(patient.executable().as_os_str());
    let command = format!("uv pip install --python {python} {}", quoted(wish.as_ref()));
    let path = &editable.distribution?.directory;
    let finding = Finding::new(Code::D09, path, what).at(severity).mended_by(command);
    Some(Unmet { finding, requirement: Some(wish.to_owned()) })
}

fn changed(editable: &Editable<'_>, declared: &Declared) -> Option<Unmet> {
    let distribution = editable.distribution?;
    let was = distribution.version.as_deref()?;
    let missing = declared.entry_points.iter().find(|(group, name)| {
        !editable.entry_points.iter().any(|entry| entry.group == *group && entry.name == *name)
    });
    let what = match (&declared.version, missing) {
        (Some(now), _) if !is_same_version(now, was) => {
            format!("its project is at version {now}, and {was} was installed of it")
        }
        (_, Some((group, name))) => {
            format!("its project has the entry point {name} of {group}, which was not installed")
        }
        _ => return None,
    };
    let finding = Finding::new(Code::D09, &distribution.directory, what).at(Severity::Warning);
    let recorded = editable.recorded.clone().filter(|recorded| recorded.is_dir());
    let directory = recorded.or_else(|| Some(editable.project()?.directory.clone()))?;
    let candidate = Candidate { directory, why: "its own project".into(), others: Vec::new() };
    Some(Unmet { finding: Finding { candidate: Some(candidate), ..finding }, requirement: None })
}

/// What the project says that a distribution leads to.
fn declared_by(editable: &Editable<'_>) -> Option<Declared> {
    let document = Document::parse(editable.project()?.settings.as_str()).ok()?;
    let project = document.get("project").and_then(Item::as_table)?;
    let texts = |item: &Item| {
        let array = item.as_array()?.iter();
        Some(array.filter_map(|value| value.as_str().map(str::to_owned)).collect())
    };
    let keys = |group: &str, table: Option<&dyn toml_edit::TableLike>| {
        let keys = table.into_iter().flat_map(|table| table.iter().map(|(key, _)| key.to_owned()));
        keys.map(|key| (group.to_owned(), key)).collect::<Vec<_>>()
    };
    let mut entry_points = keys("console_scripts", table_at(project, "scripts"));
    for (group, table) in table_at(project, "entry-points").into_iter().flat_map(|all| all.iter()) {
        entry_points.extend(keys(group, table.as_table_like()));
    }
    Some(Declared {
        version: project.get("version").and_then(Item::as_str).map(str::to_owned),
        dependencies: project.get("dependencies").and_then(texts).unwrap_or_default(),
        entry_points,
    })
}

fn table_at<'t>(table: &'t Table, key: &str) -> Option<&'t dyn toml_edit::TableLike> {
    table.get(key)?.as_table_like()
}

/// What the machine calls itself, as Python's `platform.machine` does.
fn machine() -> String {
    rustix::system::uname().machine().to_string_lossy().into_owned()
}
