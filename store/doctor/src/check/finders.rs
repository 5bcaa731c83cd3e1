//! Whether Python would load what the distribution promises, asked of the environment's own finders.
//!
//! Files may all be right and another file win: a directory that an uninstall left behind, a second copy, another
//! distribution. The finding names the file that wins. Nothing is imported.

use std::path::{Path, PathBuf};

use modstore_core::{
    findings::{Severity, codes},
    model::DistributionName,
};
use modstore_python::{
    Distribution, ModulePlace, Pointer, PointerKind, RecordedFile, quoted, small_bytes,
};

use super::view::{EditableView, OfEditable, Step};
use crate::{
    finding::{Choice, Code, Details as _, Finding, Fix, aside, name_of},
    inspected::{is_byte_code, promised},
};

codes! { pub(super) CODES of Code:
    /// Python would load another file than the distribution's, or finds none
    NOT_LOADED = "D20", Broken, Fix::Install;
}

pub(super) const CHECK: Step<OfEditable> = OfEditable::check(CODES, find);

/// A mark at the start of a text file that is no text. Python takes it as a part of the path before 3.11.10, 3.12.4 and
/// 3.13.
const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";

/// How deep a directory is looked into for anything but byte code.
const DEEPEST: usize = 20;

fn find(view: &mut EditableView<'_>, found: &mut Vec<Finding>) {
    // What is broken already says why Python finds something else. Without pointers there is nothing to compare with.
    let is_explained = found.iter().any(|finding| finding.severity == Severity::Broken);
    if is_explained || view.editable.followed.is_empty() || view.asked.answer().is_none() {
        return;
    }
    found.extend(promised(view.editable).iter().find_map(|name| not_loaded(view, name)));
}

fn not_loaded(view: &EditableView<'_>, name: &str) -> Option<Finding> {
    match view.asked.place(name)? {
        ModulePlace::Builtin => None,
        ModulePlace::Nowhere => Some(hidden(view, name).unwrap_or_else(|| not_found(view, name))),
        ModulePlace::Failed(exception) => {
            let what = format!("asked for {name}, a finder of this Python raised {exception}");
            Some(reinstalled(view, view.finding(NOT_LOADED, pointing(view), what)))
        }
        ModulePlace::File(file) => {
            let is_own = view.editable.followed.iter().any(|it| leads_to(it, file));
            (!is_own).then(|| shadowed(view, name, file))
        }
        ModulePlace::Namespace(parts) => {
            let is_own =
                |part: &PathBuf| view.editable.followed.iter().any(|it| leads_to(it, part));
            // A finder adds a part that is no directory: what it maps within is asked for by its own name.
            if parts.iter().any(|part| part.is_relative()) {
                return None;
            }
            let other = parts.first()?;
            (!parts.iter().any(is_own)).then(|| shadowed(view, name, other))
        }
    }
}

/// A part of a package that is not found because Python takes the package itself from elsewhere.
fn hidden(view: &EditableView<'_>, name: &str) -> Option<Finding> {
    let (parent, _) = name.rsplit_once('.')?;
    let is_own = |path: &Path| view.editable.followed.iter().any(|it| leads_to(it, path));
    match view.asked.place(parent)? {
        ModulePlace::File(file) if !is_own(file) => Some(shadowed(view, parent, file)),
        ModulePlace::Nowhere => hidden(view, parent),
        _ => None,
    }
}

/// Whether Python, led by this, finds that file or directory.
fn leads_to(pointer: &Pointer, found: &Path) -> bool {
    let real = |path: &Path| path.canonicalize().unwrap_or_else(|_| path.to_owned());
    let target = &pointer.target;
    let is_below = |target: &Path, found: &Path| {
        found.starts_with(target)
            || target.file_name().is_some_and(|name| name == "__init__.py")
                && target.parent().is_some_and(|package| found.starts_with(package))
            // A module that is named without the end of its file's name.
            || found.parent() == target.parent()
                && found.file_name().zip(target.file_name()).is_some_and(|(file, stem)| {
                    file.to_string_lossy().starts_with(&format!("{}.", stem.to_string_lossy()))
                })
    };
    is_below(target, found) || is_below(&real(target), &real(found))
}

fn not_found(view: &EditableView<'_>, name: &str) -> Finding {
    let file = pointing(view);
    let has_mark = |pointer: &&&Pointer| {
        pointer.how == PointerKind::Pth
            && small_bytes(&pointer.file).is_some_and(|text| text.starts_with(BYTE_ORDER_MARK))
    };
    let what = match view.editable.followed.iter().find(has_mark) {
        Some(pointer) => format!(
            "{} begins with a byte order mark, which this Python takes as a part of the path, so it does not find {name}",
            name_of(&pointer.file)
        ),
        None => match of_another_python(view, name) {
            Some(module) => format!(
                "this Python does not find {name}: {} was compiled for another one",
                module.display()
            ),
            None => format!("this Python does not find {name}, which {} leads to", name_of(&file)),
        },
    };
    reinstalled(view, view.finding(NOT_LOADED, file, what))
}

/// A compiled module of this name that this Python passes over, because its file's name ends for another one.
fn of_another_python(view: &EditableView<'_>, name: &str) -> Option<PathBuf> {
    let path = name.replace('.', "/");
    let places = view.editable.followed.iter().map(|pointer| match &pointer.name {
        Some(mapped) if mapped == name => pointer.target.clone(),
        _ => pointer.target.join(&path),
    });
    let compiled = |place: PathBuf| {
        let start = format!("{}.", name_of(&place));
        let children = std::fs::read_dir(place.parent()?).ok()?.flatten();
        let mut paths = children.map(|child| child.path());
        paths.find(|path| {
            name_of(path).starts_with(&start) && path.extension().is_some_and(|end| end == "so")
        })
    };
    places.filter_map(compiled).next()
}

/// Another file wins.
fn shadowed(view: &EditableView<'_>, name: &str, winner: &Path) -> Finding {
    let file = pointing(view);
    let what = format!(
        "`import {name}` takes {}, and not what {} leads to",
        winner.display(),
        name_of(&file)
    );
    let finding = view.finding(NOT_LOADED, winner, what).leading_to(winner);
    let mut scans = view.environment.scans.iter();
    let Some(site) = scans.find_map(|scan| winner.starts_with(&scan.site).then_some(&scan.site))
    else {
        return outside(view, name, winner, finding);
    };
    // The directory or the file directly in the site directory.
    let below = winner.strip_prefix(site).ok().and_then(|below| below.components().next());
    let left = below.map_or_else(|| winner.to_owned(), |first| site.join(first));
    match owner(view, &left) {
        Some(owner) => {
            let why = format!("{owner} has installed it, and both have a {name}");
            given_way(view, finding, &owner, why)
        }
        None => finding
            .not_fixed(
                "no distribution has recorded it, so whose it is has to be decided by a person",
            )
            .command(out_of_sight(&left)),
    }
}

/// The command that removes what holds byte code alone, and moves aside what may be the only copy of something.
fn out_of_sight(left: &Path) -> String {
    if holds_byte_code_alone(left, DEEPEST) {
        return format!("rm -r {}", quoted(left.as_os_str()));
    }
    format!("mv {} {}", quoted(left.as_os_str()), quoted(aside(left).as_os_str()))
}

fn holds_byte_code_alone(path: &Path, depth: usize) -> bool {
    let Ok(children) = std::fs::read_dir(path) else { return is_byte_code(path) };
    let Some(depth) = depth.checked_sub(1) else { return false };
    !path.is_symlink() && children.flatten().all(|it| holds_byte_code_alone(&it.path(), depth))
}

/// The finding, with the command that uninstalls the other distribution, unless that is needed.
fn given_way(
    view: &EditableView<'_>,
    finding: Finding,
    other: &DistributionName,
    why: String,
) -> Finding {
    match view.environment.needing(other) {
        Some(needing) => finding.not_fixed(format!("{why}; {} needs {other}", needing.name)),
        None => finding.not_fixed(why).command(view.environment.uninstall_command(other)),
    }
}

/// A file that wins from outside the environment: of another editable install, or of the Python below.
fn outside(view: &EditableView<'_>, name: &str, winner: &Path, finding: Finding) -> Finding {
    let pointers = view.environment.every_scan().flat_map(|scan| &scan.pointers);
    let mut leading =
        pointers.filter(|it| it.how != PointerKind::DirectUrl && leads_to(it, winner));
    let other =
        leading.find_map(|it| it.distribution.as_ref()).filter(|it| **it != view.editable.name);
    match (other, owner(view, winner)) {
        (Some(other), _) => {
            let why = format!("{other} leads to it, and both have a {name}");
            given_way(view, finding, other, why)
        }
        (None, Some(owner)) => finding.not_fixed(format!(
            "{owner} has installed it outside the environment, and both have a {name}"
        )),
        (None, None) => finding.not_fixed("it lies outside the environment"),
    }
}

/// The distribution that has recorded a file at or below this path.
fn owner(view: &EditableView<'_>, path: &Path) -> Option<DistributionName> {
    let mut all = view.installed.iter();
    let has = |files: Vec<RecordedFile>| files.iter().any(|file| file.path.starts_with(path));
    let is_owner = |it: &&Distribution| it.record().ok().flatten().is_some_and(has);
    all.find(is_owner).map(|owner| owner.name.clone())
}

/// The finding, with its own project as the directory to be installed again.
fn reinstalled(view: &EditableView<'_>, finding: Finding) -> Finding {
    let editable = view.editable;
    if editable.is_as_installed() && !editable.has_changed_since() {
        return finding.not_fixed(
            "it is as it was installed, and another installation of this project would end the same way",
        );
    }
    match editable.source_directory() {
        Some(directory) => finding.choose(Choice::only(directory, "where it was installed from")),
        None => finding.not_fixed("nothing says where its project is"),
    }
}

/// The first file that leads to it.
fn pointing(view: &EditableView<'_>) -> PathBuf {
    view.editable.followed.first().map(|pointer| pointer.file.clone()).unwrap_or_default()
}
