//! Whether a distribution's requirements are installed, and whether its project is still the installed one.
//!
//! Requirements are those that were installed with it and those that its project declares now: an update of the code
//! alone brings new ones, and no installer. A requirement that cannot be parsed is reported and not judged.

use std::collections::BTreeMap;

use modstore_core::{
    findings::{Severity, codes},
    model::DistributionName,
};
use modstore_python::quoted;
use toml_edit::{Document, Item, Table, TableLike};

use super::{
    paths::DANGLING_PATH,
    view::{EditableView, OfEditable, Step},
};
use crate::{
    finding::{Choice, Code, Details as _, Finding, Fix},
    inspected::{Editable, MarkerEnvironment, Requirement, admits_python, is_same_version},
};

codes! { pub(super) CODES of Code:
    /// a requirement is not met, or the project has changed since it was installed
    UNMET_REQUIREMENT = "D09", Broken, Fix::Install;
}

pub(super) const CHECK: Step<OfEditable> = OfEditable::check(CODES, find).unless(&[DANGLING_PATH]);

/// The project's own file, as far as it declares these.
#[derive(Debug, Default)]
struct Declared {
    version: Option<String>,
    dependencies: Vec<String>,
    entry_points: Vec<(String, String)>,
}

fn find(view: &mut EditableView<'_>, found: &mut Vec<Finding>) {
    let editable = view.editable;
    let Some(distribution) = editable.distribution else { return };
    let Some(python) = view.environment.python else { return };
    // Without its project there is nothing to compare.
    if editable.dangling().is_some() {
        return;
    }
    let metadata = distribution.metadata().ok().flatten();
    let declared = declared_by(editable);
    let mut requirements: Vec<String> =
        metadata.iter().flat_map(|it| it.requires.clone()).collect();
    requirements.extend(declared.iter().flat_map(|it| it.dependencies.clone()));
    let here = MarkerEnvironment { python, implementation: "CPython".into(), machine: machine() };
    let mut unmet: BTreeMap<DistributionName, Finding> = BTreeMap::new();
    for text in requirements {
        match Requirement::parse(&text) {
            None => {
                let why = format!("{} needs {text:?}, which is not understood", editable.name);
                view.unparsed.push((distribution.directory.clone(), why));
            }
            Some(needed) if needed.applies(&here) == Some(true) => {
                unmet.extend(not_met(view, &needed).map(|finding| (needed.name.clone(), finding)));
            }
            Some(_) => {}
        }
    }
    found.extend(unmet.into_values());
    let requires = metadata.as_ref().and_then(|it| it.requires_python.as_deref());
    let other = requires.filter(|requires| admits_python(requires, python) == Some(false));
    found.extend(other.map(|requires| {
        let (major, minor, _) = python;
        let what = format!("it is for Python {requires}, and the environment has {major}.{minor}");
        let finding = view.finding(UNMET_REQUIREMENT, &distribution.directory, what);
        finding.not_fixed("the environment has another Python")
    }));
    found.extend(declared.and_then(|declared| changed(view, &declared)));
}

fn not_met(view: &EditableView<'_>, needed: &Requirement) -> Option<Finding> {
    let mut installed = view.environment.scans.iter().flat_map(|scan| &scan.distributions);
    let found = installed.find(|it| it.name == needed.name);
    let text = needed.without_marker();
    let (severity, what) = match found.map(|found| found.version.as_deref()) {
        None => (Severity::Broken, format!("it needs {text}, which is not installed")),
        Some(Some(version)) if needed.admits(version) == Some(false) => {
            (Severity::Warning, format!("it needs {text}, and {version} is installed"))
        }
        Some(_) => return None,
    };
    let python = quoted(view.environment.executable().as_os_str());
    let command = format!("uv pip install --python {python} {}", quoted(text.as_ref()));
    let path = &view.editable.distribution?.directory;
    let finding = view.finding(UNMET_REQUIREMENT, path, what).at(severity).command(command);
    Some(finding.with(|about| about.requirement = Some(text.to_owned())))
}

fn changed(view: &EditableView<'_>, declared: &Declared) -> Option<Finding> {
    let editable = view.editable;
    let distribution = editable.distribution?;
    let installed = distribution.version.as_deref()?;
    let missing = declared.entry_points.iter().find(|(group, name)| {
        !editable.entry_points.iter().any(|entry| entry.group == *group && entry.name == *name)
    });
    let what = match (&declared.version, missing) {
        (Some(now), _) if !is_same_version(now, installed) => {
            format!("its project is at version {now}, and {installed} is installed")
        }
        (_, Some((group, name))) => {
            format!("its project has the entry point {name} of {group}, which is not installed")
        }
        _ => return None,
    };
    let recorded = editable.recorded.clone().filter(|recorded| recorded.is_dir());
    let directory = recorded.or_else(|| Some(editable.project()?.directory.clone()))?;
    let finding = view.finding(UNMET_REQUIREMENT, &distribution.directory, what);
    Some(finding.at(Severity::Warning).choose(Choice::only(directory, "its own project")))
}

/// The declarations of the project that a distribution leads to.
fn declared_by(editable: &Editable<'_>) -> Option<Declared> {
    let document = Document::parse(editable.project()?.settings.as_str()).ok()?;
    let project = document.get("project").and_then(Item::as_table)?;
    let texts = |item: &Item| {
        let array = item.as_array()?.iter();
        Some(array.filter_map(|value| value.as_str().map(str::to_owned)).collect())
    };
    let keys = |group: &str, table: Option<&dyn TableLike>| {
        let keys = table.into_iter().flat_map(|table| table.iter().map(|(key, _)| key.to_owned()));
        keys.map(|key| (group.to_owned(), key)).collect::<Vec<_>>()
    };
    let mut entry_points = keys("console_scripts", table_at(project, "scripts"));
    for (group, table) in table_at(project, "entry-points").into_iter().flat_map(TableLike::iter) {
        entry_points.extend(keys(group, table.as_table_like()));
    }
    Some(Declared {
        version: project.get("version").and_then(Item::as_str).map(str::to_owned),
        dependencies: project.get("dependencies").and_then(texts).unwrap_or_default(),
        entry_points,
    })
}

fn table_at<'t>(table: &'t Table, key: &str) -> Option<&'t dyn TableLike> {
    table.get(key)?.as_table_like()
}

/// The name of the machine, as Python's `platform.machine` gives it.
fn machine() -> String {
    rustix::system::uname().machine().to_string_lossy().into_owned()
}
