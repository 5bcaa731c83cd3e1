//! Whether the files that an installer recorded are there, and as recorded.
//!
//! Only of distributions whose code lies elsewhere, which have few files. Of those that lie in the environment as a whole,
//! `contents` looks whether the code is there.

use std::path::Path;

use modstore_core::findings::{Severity, codes};
use modstore_python::{Distribution, PythonVersion, RecordedFile, quoted};

use super::{
    paths::{DANGLING_PATH, DIFFERENT_PATHS},
    view::{EditableView, EnvironmentView, OfEditable, OfEnvironment, Step},
};
use crate::{
    finding::{Choice, Code, Details as _, Finding, Fix, name_of},
    inspected::{is_byte_code, is_changed},
};

codes! { pub(super) CODES of Code:
    /// files recorded at installation are missing or changed
    NOT_AS_RECORDED = "D04", Broken, Fix::Install;
    /// metadata of another version was left beside that of the installed one
    LEFT_METADATA = "D22", Warning, Fix::Command;
}

/// A path that leads nowhere is worse, and of two different paths the record has one.
pub(super) const RECORDED: Step<OfEditable> =
    OfEditable::check(CODES, recorded).unless(&[DANGLING_PATH, DIFFERENT_PATHS]);
pub(super) const UNPARSED: Step<OfEditable> = OfEditable::check(CODES, unparsed);
pub(super) const REMAINS: Step<OfEnvironment> = OfEnvironment::check(CODES, remains);
pub(super) const DUPLICATES: Step<OfEnvironment> = OfEnvironment::check(CODES, duplicates);

/// From these patch versions on, and from Python 3.13 on, Python passes over hidden `.pth` files.
const HIDING: [(u32, u32); 5] = [(8, 19), (9, 19), (10, 14), (11, 8), (12, 2)];

fn unparsed(view: &mut EditableView<'_>, found: &mut Vec<Finding>) {
    let Some((file, why)) = &view.editable.unparsed else { return };
    let what = format!("{} is not understood: {why}", name_of(file));
    let finding = view.finding(NOT_AS_RECORDED, file, what).at(Severity::Warning);
    found.push(finding.not_fixed("a file that is not understood is left as it is"));
}

fn recorded(view: &mut EditableView<'_>, found: &mut Vec<Finding>) {
    let editable = view.editable;
    // What it records is not known then.
    if editable.unparsed.is_some() {
        return;
    }
    let lost = if editable.followed.is_empty() { lost(view) } else { passed_over(view) };
    let Some(finding) = lost.or_else(|| changed(view)) else { return };
    let choice = match editable.source_directory() {
        Some(directory) => Choice::only(directory, "where it was installed from"),
        None => {
            let gone = editable.recorded.clone().unwrap_or_default();
            view.catalog.choose(editable, &gone)
        }
    };
    found.push(finding.choose(choice));
}

/// A file that led to its code and is gone. A distribution whose record is whole, and has no such file, has no code that
/// anything could lead to: a bundle of data, or of entry points alone.
fn lost(view: &EditableView<'_>) -> Option<Finding> {
    let path = view.editable.recorded_pths().find(|path| !path.exists())?;
    let what = format!("{} is missing, and nothing else leads to its code", name_of(path));
    Some(view.finding(NOT_AS_RECORDED, path, what))
}

fn passed_over(view: &EditableView<'_>) -> Option<Finding> {
    let pointer = view.editable.followed.iter().find(|pointer| pointer.is_hidden)?;
    let is_passed_over = view.environment.python.is_none_or(hides);
    let what = format!("{} is hidden, and Python passes over it", name_of(&pointer.file));
    is_passed_over.then(|| view.finding(NOT_AS_RECORDED, &pointer.file, what))
}

/// Whether a Python passes over hidden `.pth` files.
fn hides((_, minor, patch): PythonVersion) -> bool {
    match HIDING.iter().find(|(line, _)| *line == minor) {
        Some((_, first)) => patch.is_none_or(|patch| patch >= *first),
        None => minor > 12,
    }
}

fn changed(view: &EditableView<'_>) -> Option<Finding> {
    let editable = view.editable;
    let distribution = editable.distribution?;
    let warning = |path: &Path, what: String| {
        Some(view.finding(NOT_AS_RECORDED, path, what).at(Severity::Warning))
    };
    let Some(files) = &editable.files else {
        // An `.egg-info` has none.
        let has_record = distribution.directory.extension().is_some_and(|it| it == "dist-info");
        let what = "it has no RECORD, without which no installer uninstalls it".to_owned();
        return has_record.then(|| warning(&distribution.directory, what))?;
    };
    let is_gone = |file: &&RecordedFile| !is_byte_code(&file.path) && !file.path.exists();
    if let Some(gone) = files.iter().find(is_gone) {
        let what = format!("{} was installed, and is missing", name_of(&gone.path));
        return warning(&gone.path, what);
    }
    let pointing = editable.pointing_files();
    let changed = files.iter().find(|file| pointing.contains(&file.path) && is_changed(file))?;
    warning(&changed.path, format!("{} is not as RECORD has it", name_of(&changed.path)))
}

/// Directories of distributions without the file that makes them one.
fn remains(view: &mut EnvironmentView<'_>, found: &mut Vec<Finding>) {
    let infos = view.environment.scans.iter().flat_map(|scan| &scan.distributions);
    let torn = infos.filter(|info| {
        let is_info = info.directory.extension().is_some_and(|it| it == "dist-info");
        is_info && !info.directory.join("METADATA").exists()
    });
    found.extend(torn.map(|info| {
        let directory = &info.directory;
        let what = "it has no METADATA: its installation or its removal was cut off";
        Finding::new(NOT_AS_RECORDED, directory, what)
            .at(Severity::Warning)
            .of(&info.name, None)
            .not_fixed("its remaining files are not known")
            .command(format!("rm -r {}", quoted(directory.as_os_str())))
    }));
}

/// Metadata that an upgrade which was cut off left beside the new one. Tools may believe either of them.
fn duplicates(view: &mut EnvironmentView<'_>, found: &mut Vec<Finding>) {
    found.extend(view.environment.superseded().into_iter().map(|(left, real)| {
        let version =
            |it: &Distribution| it.version.clone().unwrap_or_else(|| "of no version".into());
        let what = format!(
            "metadata of {} {} was left beside that of {}, whose files are there",
            left.name,
            version(left),
            version(real),
        );
        Finding::new(LEFT_METADATA, &left.directory, what)
            .of(&left.name, None)
            .not_fixed("what left it there is not known")
            .command(format!("rm -r {}", quoted(left.directory.as_os_str())))
    }));
}
