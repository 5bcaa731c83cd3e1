//! Whether the paths that Python follows lead anywhere, and to the same place as the paths that tools show.

use std::path::Path;

use modstore_core::findings::codes;

use super::view::{EditableView, OfEditable, Step};
use crate::{
    catalog::{is_project_of, project_above},
    finding::{Choice, Code, Details as _, Finding, Fix, name_of},
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
    let editable = view.editable;
    let pointer = editable.dangling()?;
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
