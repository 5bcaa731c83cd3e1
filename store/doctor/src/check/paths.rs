//! Whether the paths that Python follows lead anywhere, and to the same place as the paths that tools show.

use std::{ffi::OsStr, path::Path};

use modstore_core::findings::codes;
use modstore_python::{Finder, PointerKind, quoted, small_text};
use toml_edit::Document;

use super::view::{EditableView, OfEditable, Step};
use crate::{
    catalog::{is_project_of, project_above},
    finding::{Choice, Code, Details as _, Finding, Fix, name_of},
    inspected::{Constraint, leads_somewhere},
};

codes! { pub(super) CODES of Code:
    /// a path that Python follows does not exist
    DANGLING_PATH = "D01", Broken, Fix::Install;
    /// Python and the tools follow different paths
    DIFFERENT_PATHS = "D02", Warning, Fix::Install;
}

pub(super) const CHECK: Step<OfEditable> = OfEditable::check(CODES, find);

fn find(view: &mut EditableView<'_>, found: &mut Vec<Finding>) {
    found.extend(dangling(view).or_else(|| different(view)));
}

fn dangling(view: &EditableView<'_>) -> Option<Finding> {
    if let Some(finding) = unbuildable(view) {
        return Some(finding);
    }
    let editable = view.editable;
    let Some(pointer) = editable.dangling() else { return dangling_link(view) };
    let target = &pointer.target;
    let left = if target.exists() {
        ", which has only byte code that a deletion left"
    } else {
        ", which does not exist"
    };
    let what = format!("{} leads to {}{left}", name_of(&pointer.file), target.display());
    let gone = editable.recorded.as_ref().filter(|recorded| !recorded.exists());
    let choice = view.catalog.choose(editable, gone.unwrap_or(target));
    Some(view.finding(DANGLING_PATH, &pointer.file, what).leading_to(target).choose(choice))
}

/// A finder of meson-python, which builds at each import, and cannot: its build is gone, or the program that builds. That lies
/// in a directory of the installer's which is removed, unless the project was installed without isolation; so another
/// installation by `--fix` would end the same way.
fn unbuildable(view: &EditableView<'_>) -> Option<Finding> {
    let editable = view.editable;
    let pointer = editable.followed.iter().find(|it| it.how == PointerKind::Build)?;
    let finder = Finder::read(&editable.scan.site, &small_text(&pointer.file)?).ok()??;
    if finder.backend != "meson-python" {
        return None;
    }
    let file = name_of(&pointer.file);
    let program = finder.build_program.filter(|program| !program.exists());
    let (what, target) = match program {
        _ if !pointer.target.exists() => {
            let target = &pointer.target;
            (format!("{file} leads to {}, which does not exist", target.display()), target.clone())
        }
        Some(program) => {
            let what = format!(
                "{file} builds at each import with {}, which does not exist: an installer has removed it",
                program.display()
            );
            (what, program)
        }
        None => return None,
    };
    let finding = view.finding(DANGLING_PATH, &pointer.file, what).leading_to(&target);
    let finding = finding.not_fixed("what it builds with has to be installed in the environment");
    let gone = editable.recorded.clone().unwrap_or_else(|| target.clone());
    let directory =
        editable.source_directory().or_else(|| match view.catalog.choose(editable, &gone) {
            Choice::One(candidate) => Some(candidate.directory),
            _ => None,
        });
    Some(match directory {
        Some(directory) => {
            // A build that was made at another place cannot be gone on with.
            let old = pointer.target.strip_prefix(&gone).ok().filter(|_| !gone.exists());
            let old = old.map(|build| directory.join(build)).filter(|build| build.is_dir());
            let remove = old.map(|build| format!("rm -r {} && ", quoted(build.as_os_str())));
            let install = built_in_place(view, &directory);
            finding.command(remove.unwrap_or_default() + &install)
        }
        None => finding,
    })
}

/// The commands that install a project with what it builds with beside it.
fn built_in_place(view: &EditableView<'_>, directory: &Path) -> String {
    let environment = view.environment;
    let settings = small_text(&directory.join("pyproject.toml")).unwrap_or_default();
    let settings = settings.parse::<Document<String>>().ok();
    let requires =
        settings.as_ref().and_then(|it| it.get("build-system")?.get("requires")?.as_array());
    let requires = requires.into_iter().flatten().filter_map(|it| it.as_str());
    let requires: Vec<&OsStr> = requires.chain(["ninja"]).map(OsStr::new).collect();
    let constraints: Vec<&Constraint> = environment.constraints().iter().collect();
    format!(
        "{} && {}",
        environment.adding_command(&constraints, &requires),
        environment.editable_command(&["--no-build-isolation"], directory)
    )
}

/// A link in the place of its code leads nowhere.
fn dangling_link(view: &EditableView<'_>) -> Option<Finding> {
    let editable = view.editable;
    let mut links = editable.links().map(|(_, name)| editable.scan.site.join(name));
    let link = links.find(|link| !leads_somewhere(link))?;
    let target = link.read_link().ok()?;
    let what = format!("{} leads to {}, which does not exist", name_of(&link), target.display());
    let gone = editable.recorded.clone().filter(|recorded| !recorded.exists());
    let gone = gone.unwrap_or_else(|| target.clone());
    let choice = view.catalog.choose(editable, &gone);
    let now = match &choice {
        Choice::One(found) => target.strip_prefix(&gone).ok().map(|it| found.directory.join(it)),
        _ => None,
    };
    let finding = view.finding(DANGLING_PATH, &link, what).leading_to(&target).choose(choice);
    // An installer that uninstalls what was recorded would go through the link, and delete the code.
    let now = now.filter(|now| now.exists());
    Some(match now {
        Some(now) => {
            let [now, link] = [&now, &link].map(|path| quoted(path.as_os_str()));
            finding
                .not_fixed("an installer might delete what a link leads to")
                .command(format!("ln -sfn {now} {link}"))
        }
        None => finding,
    })
}

fn different(view: &EditableView<'_>) -> Option<Finding> {
    let editable = view.editable;
    let recorded = editable.recorded.as_ref()?;
    let mut followed = editable.followed.iter();
    let pointer = followed.find(|pointer| !is_within(&pointer.target, recorded))?;
    // A project may take packages from beside it: then the files that lead there are those that were installed.
    if recorded.exists() && !is_link(recorded) && editable.is_as_installed() {
        return None;
    }
    let file = editable.direct_url_file()?;
    let finding =
        |what: String| view.finding(DIFFERENT_PATHS, &file, what).leading_to(&pointer.target);
    let paths = format!(
        "tools show {}, and Python follows {}",
        recorded.display(),
        pointer.target.display()
    );
    if !recorded.exists() {
        let finding = finding(format!("{paths}; the first does not exist"));
        return Some(match project_above(&pointer.target, &editable.name) {
            Some(directory) => finding.choose(Choice::only(directory, "where Python finds it")),
            None => finding.not_fixed("the project that Python finds does not say its name"),
        });
    }
    // A link that was switched: the installer recorded the link, and Python follows the directory behind it.
    if is_link(recorded) && is_project_of(recorded, &editable.name) {
        let finding = finding(format!("{paths}, which the installed link led to once"));
        return Some(finding.choose(Choice::only(recorded, "where the link leads now")));
    }
    Some(finding(paths).not_fixed("both exist, and nothing says which of them is meant"))
}

/// Whether a link is on the way to this path, or at its end.
fn is_link(path: &Path) -> bool {
    path.canonicalize().is_ok_and(|real| real != *path)
}

/// Whether a path is that directory or in it, as written or with its links resolved.
pub(super) fn is_within(path: &Path, directory: &Path) -> bool {
    path.starts_with(directory)
        || match (path.canonicalize(), directory.canonicalize()) {
            (Ok(path), Ok(directory)) => path.starts_with(directory),
            _ => false,
        }
}
