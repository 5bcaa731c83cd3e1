//! Whether a distribution's requirements are installed, and whether its project is still the installed one.
//!
//! Requirements are those that were installed with it and those that its project declares now: an update of the code
//! alone brings new ones, and no installer. A requirement that cannot be parsed is reported and not judged.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};

use modstore_core::{
    findings::{Severity, codes},
    model::DistributionName,
};
use modstore_python::{Distribution, ModuleSearch, PointerKind, RecordedFile};
use toml_edit::{Document, Item, Table, TableLike};

use super::{
    paths::DANGLING_PATH,
    view::{EditableView, OfEditable, Step},
};
use crate::{
    finding::{Choice, Code, Details as _, Finding, Fix},
    inspected::{
        Asked, Editable, InspectedEnvironment, MarkerEnvironment, Requirement, admits_python,
        is_same_version,
    },
    wanted::{Together, Wanted, source_of, with_needed},
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
    /// Group, name and object.
    entry_points: Vec<(String, String, String)>,
}

fn find(view: &mut EditableView<'_>, found: &mut Vec<Finding>) {
    let editable = view.editable;
    let Some(distribution) = own(view) else { return };
    let Some(here) = marker_environment(view.environment, view.asked) else { return };
    // Without its project there is nothing to compare.
    if editable.dangling().is_some() {
        return;
    }
    let metadata = distribution.metadata().ok().flatten();
    let declared = declared_by(editable);
    let mut requirements: Vec<String> =
        metadata.iter().flat_map(|it| it.requires.clone()).collect();
    // An address that a build backend computes is in the metadata, as it was computed.
    let is_computed = |text: &String| text.contains("{root:") || text.contains("${");
    let of_project = declared.iter().flat_map(|it| it.dependencies.clone());
    requirements.extend(of_project.filter(|text| !is_computed(text)));
    let mut unmet: BTreeMap<DistributionName, Finding> = BTreeMap::new();
    for text in requirements {
        match Requirement::parse(&text) {
            None => {
                let why = format!("{} needs {text:?}, which is not understood", editable.name);
                view.unparsed.push((distribution.directory.clone(), why));
            }
            Some(needed) if needed.applies(&here) == Some(true) => {
                let finding = not_met(view, &needed, &here);
                unmet.extend(finding.map(|finding| (needed.name.clone(), finding)));
            }
            Some(_) => {}
        }
    }
    found.extend(unmet.into_values());
    let requires = metadata.as_ref().and_then(|it| it.requires_python.as_deref());
    let other = requires.filter(|requires| admits_python(requires, here.python) == Some(false));
    found.extend(other.map(|requires| {
        let (major, minor, _) = here.python;
        let what = format!("it is for Python {requires}, and the environment has {major}.{minor}");
        let finding = view.finding(UNMET_REQUIREMENT, &distribution.directory, what);
        finding.not_fixed("the environment has another Python")
    }));
    found.extend(declared.and_then(|declared| changed(view, &declared)));
}

/// The metadata of the distribution itself: in the environment, or, by an `.egg-link`, beside its code.
fn own<'v>(view: &EditableView<'v>) -> Option<&'v Distribution> {
    let beside = || view.installed.iter().find(|it| it.name == view.editable.name);
    view.editable.distribution.or_else(beside)
}

fn not_met(
    view: &EditableView<'_>,
    needed: &Requirement,
    here: &MarkerEnvironment,
) -> Option<Finding> {
    let installed = view.installed;
    let all: Vec<&Distribution> = installed.iter().filter(|it| it.name == needed.name).collect();
    let text = needed.without_marker();
    let path = &own(view)?.directory;
    let Some(first) = all.first() else {
        // Without the interpreter's answer, what lies below a virtual environment is not seen.
        if view.asked.answer().is_none() && sees_more(view.environment) {
            return None;
        }
        let what = format!("it needs {text}, which is not installed");
        return Some(missing(view, needed, here, view.finding(UNMET_REQUIREMENT, path, what)));
    };
    let admits = |it: &&Distribution| match it.known_version() {
        Some(version) => needed.admits(&version) != Some(false),
        None => true,
    };
    match all.iter().copied().find(admits) {
        Some(met) if is_emptied(met) => {
            let what = format!("it needs {text}, which is installed, and all its files are gone");
            let finding = missing(view, needed, here, view.finding(UNMET_REQUIREMENT, path, what));
            Some(finding.with(|about| about.is_reinstalled = true))
        }
        Some(_) => None,
        None => {
            let version = &first.known_version().unwrap_or_default();
            let what = format!("it needs {text}, and {version} is installed");
            let others = who_needs(installed, view, needed, version, here);
            let finding = |what| view.finding(UNMET_REQUIREMENT, path, what).at(Severity::Warning);
            Some(if others.is_empty() {
                missing(view, needed, here, finding(what))
            } else {
                let what = format!("{what}, as {} needs it", others.join(" and "));
                finding(what).not_fixed("another version would break what works; a version that pleases both has to be released, or one of them left out")
            })
        }
    }
}

/// Whether all code of an installed distribution is gone: another one that had the same files was uninstalled.
fn is_emptied(distribution: &Distribution) -> bool {
    let Ok(Some(files)) = distribution.record() else { return false };
    let is_code = |file: &&RecordedFile| {
        let is_own = file.path.starts_with(&distribution.directory);
        let end = file.path.extension().and_then(|end| end.to_str()).unwrap_or_default();
        !is_own && ["py", "so", "pyd", "pth"].contains(&end)
    };
    let mut code = files.iter().filter(is_code).peekable();
    // Code may be there as byte code alone.
    let is_there = |path: &Path| path.exists() || path.with_extension("pyc").exists();
    code.peek().is_some() && !code.any(|file| is_there(&file.path))
}

/// The installed distributions that need the installed version of this, and would not have the wanted one's.
fn who_needs(
    installed: &[Distribution],
    view: &EditableView<'_>,
    needed: &Requirement,
    version: &str,
    here: &MarkerEnvironment,
) -> Vec<String> {
    let needs = |it: &Distribution| {
        let requires = it.metadata().ok().flatten()?.requires;
        let all = requires.iter().filter_map(|text| Requirement::parse(text));
        let mut same =
            all.filter(|other| other.name == needed.name && other.applies(here) == Some(true));
        same.find(|other| other.constraint().is_some() && other.admits(version) == Some(true))
            .map(|other| format!("{} ({})", it.name, other.without_marker()))
    };
    installed.iter().filter(|it| it.name != view.editable.name).filter_map(needs).collect()
}

/// The finding, with what `--fix` installs, and from where.
fn missing(
    view: &EditableView<'_>,
    needed: &Requirement,
    here: &MarkerEnvironment,
    finding: Finding,
) -> Finding {
    let finding = finding.with(|about| about.required = Some(needed.name.clone()));
    let project = view.editable.project().map(|it| (&*it.directory, &*it.settings));
    let mut projects = Vec::new();
    let mut texts = Vec::new();
    match source_of(view.catalog, project, &needed.name, here) {
        Wanted::Directory(directory) => projects.push(directory),
        Wanted::Address(address) => texts.push(format!("{} @ {address}", needed.name)),
        Wanted::Unknown(why) => return finding.not_fixed(why),
        Wanted::Index => texts.push(needed.without_marker().to_owned()),
    }
    // Its own metadata would exclude the version that it needs now.
    let own = renewed(view, needed, here);
    projects.extend(own.iter().cloned());
    match with_needed(view.catalog, projects, view.installed, here) {
        Err(why) => finding.not_fixed(why),
        Ok(Together { projects, addresses }) => finding.with(|about| {
            texts.extend(addresses);
            about.requirements = texts;
            about.required_projects = projects;
        }),
    }
}

/// The project itself, where its installed metadata needs another version than the project does now.
fn renewed(
    view: &EditableView<'_>,
    needed: &Requirement,
    here: &MarkerEnvironment,
) -> Option<PathBuf> {
    let requires = own(view)?.metadata().ok().flatten()?.requires;
    let mut same = requires.iter().filter_map(|text| Requirement::parse(text));
    let installed = view.installed.iter().filter(|it| it.name == needed.name);
    let versions: Vec<String> = installed.filter_map(Distribution::known_version).collect();
    let is_old = same.any(|it| {
        let is_met = || versions.iter().any(|version| it.admits(version) == Some(true));
        it.name == needed.name
            && it.applies(here) == Some(true)
            && it.constraint().is_some()
            && is_met()
    });
    is_old.then(|| view.editable.source_directory()).flatten()
}

/// The markers' values in an environment.
fn marker_environment(
    environment: &InspectedEnvironment,
    asked: &Asked,
) -> Option<MarkerEnvironment> {
    let answer = asked.answer();
    let by_answer = |answer: &ModuleSearch| {
        let mut parts = answer.version.split('.').map(str::parse);
        Some((parts.next()?.ok()?, parts.next()?.ok()?, parts.next().and_then(Result::ok)))
    };
    let python = answer.and_then(by_answer).or(environment.python)?;
    let answered = answer.map(|answer| answer.markers.clone()).unwrap_or_default();
    Some(MarkerEnvironment { python, machine: machine(), answered })
}

/// Whether Python may see distributions that files do not show.
fn sees_more(environment: &InspectedEnvironment) -> bool {
    // An archive on the import path may hold some.
    let mut pointers = environment.scans.iter().flat_map(|scan| &scan.pointers);
    environment.sees_more() || pointers.any(|it| it.how == PointerKind::Pth && it.target.is_file())
}

fn changed(view: &EditableView<'_>, declared: &Declared) -> Option<Finding> {
    let editable = view.editable;
    let distribution = editable.distribution?;
    let installed = distribution.version.as_deref()?;
    let is_installed = |group: &str, name: &str, object: &str| {
        let plain = |object: &str| object.replace(' ', "");
        let mut all = editable.entry_points.iter();
        all.any(|it| it.group == group && it.name == name && plain(&it.object) == plain(object))
    };
    let mut declared_points = declared.entry_points.iter();
    let missing = declared_points.find(|(group, name, object)| !is_installed(group, name, object));
    let what = match (&declared.version, missing) {
        (Some(now), _) if !is_same_version(now, installed) => {
            format!("its project is at version {now}, and {installed} is installed")
        }
        (_, Some((group, name, object))) => {
            format!(
                "its project has the entry point {name} of {group} as {object}, which is not installed"
            )
        }
        _ => return None,
    };
    let directory = editable.source_directory()?;
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
    let points = |group: &str, table: Option<&dyn TableLike>| {
        let all = table.into_iter().flat_map(TableLike::iter);
        let point = |(name, object): (&str, &Item)| {
            Some((group.to_owned(), name.to_owned(), object.as_str()?.to_owned()))
        };
        all.filter_map(point).collect::<Vec<_>>()
    };
    let mut entry_points = points("console_scripts", table_at(project, "scripts"));
    entry_points.extend(points("gui_scripts", table_at(project, "gui-scripts")));
    for (group, table) in table_at(project, "entry-points").into_iter().flat_map(TableLike::iter) {
        entry_points.extend(points(group, table.as_table_like()));
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
