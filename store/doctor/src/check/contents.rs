//! Whether the code of the other distributions is there: those that lie in the environment as a whole.
//!
//! Only names are compared with `RECORD`, one listing for each directory. What people leave out on purpose is no fault: byte
//! code, data, and directories of tests.
//!
//! Limits: a file whose content was changed is not found. Nothing is judged without a `RECORD`, which other programs than
//! installers of Python do not write.

use std::{
    collections::{BTreeSet, HashMap, HashSet},
    ffi::OsString,
    path::{Path, PathBuf},
};

use modstore_core::{findings::Severity, model::DistributionName};
use modstore_python::{Distribution, RecordedFile, is_identifier};

use super::{
    records::NOT_AS_RECORDED,
    requirements::UNMET_REQUIREMENT,
    view::{Effort, EnvironmentView, OfEnvironment, Step},
};
use crate::{
    finding::{Details as _, Finding, name_of},
    inspected::InspectedEnvironment,
};

pub(super) const CHECK: Step<OfEnvironment> = OfEnvironment::check(&[NOT_AS_RECORDED], find);

/// Directories that are left out of images to save space.
const SPARED: [&str; 6] = ["test", "tests", "testing", "example", "examples", "docs"];

/// The names in each directory, listed once.
#[derive(Default)]
struct Listings(HashMap<PathBuf, HashSet<OsString>>);

/// What is missing of a distribution.
enum Loss<'f> {
    /// All of its code.
    All(usize),
    /// A module or package that is imported by its own name.
    Top(&'f Path),
    /// Another file.
    File(&'f Path),
}

fn find(view: &mut EnvironmentView<'_>, found: &mut Vec<Finding>) {
    if view.effort == Effort::Quick {
        return;
    }
    let environment = view.environment;
    let elsewhere: BTreeSet<&DistributionName> =
        view.editables.iter().map(|editable| &editable.name).collect();
    let left: BTreeSet<&Path> =
        environment.superseded().iter().map(|(left, _)| left.directory.as_path()).collect();
    let mut listings = Listings::default();
    for distribution in environment.scans.iter().flat_map(|scan| &scan.distributions) {
        let is_judged = distribution.is_editable()
            || elsewhere.contains(&distribution.name)
            || left.contains(distribution.directory.as_path())
            || found.iter().any(|finding| is_about(finding, &distribution.name));
        if is_judged || view.cancel.is_cancelled() {
            continue;
        }
        let files = distribution.record().ok().flatten().unwrap_or_default();
        if let Some(loss) = listings.loss(distribution, &files) {
            found.push(told(environment, distribution, &loss));
        }
    }
}

/// Whether a finding is about the distribution, or says already that it is to be installed again.
fn is_about(finding: &Finding, name: &DistributionName) -> bool {
    let about = &finding.about;
    about.distribution.as_ref() == Some(name)
        || finding.code == UNMET_REQUIREMENT
            && about.is_reinstalled
            && about.required.as_ref() == Some(name)
}

impl Listings {
    fn has(&mut self, file: &Path) -> bool {
        let (Some(directory), Some(name)) = (file.parent(), file.file_name()) else { return false };
        if !self.0.contains_key(directory) {
            let children = std::fs::read_dir(directory).into_iter().flatten().flatten();
            let names = children.map(|child| child.file_name()).collect();
            self.0.insert(directory.to_owned(), names);
        }
        self.0.get(directory).is_some_and(|names| names.contains(name))
    }

    fn loss<'f>(
        &mut self,
        distribution: &Distribution,
        files: &'f [RecordedFile],
    ) -> Option<Loss<'f>> {
        let code: Vec<(&Path, &Path)> =
            files.iter().filter_map(|file| code(distribution, &file.path)).collect();
        // Code may be there as byte code alone.
        let is_missing =
            |(file, _): &&(&Path, &Path)| !self.has(file) && !self.has(&file.with_extension("pyc"));
        let missing: Vec<(&'f Path, &Path)> = code.iter().filter(is_missing).copied().collect();
        let (first, _) = missing.first()?;
        if missing.len() == code.len() {
            return Some(Loss::All(code.len()));
        }
        let top = missing.iter().find(|(_, below)| top(below).is_some());
        if let Some((file, _)) = top {
            return Some(Loss::Top(file));
        }
        // What conda leaves out it still has in its records.
        let is_whole = distribution.installer().ok().flatten().is_some_and(|it| it == "conda");
        (!is_whole).then_some(Loss::File(first))
    }
}

/// A file of code, with its path below the site directory.
fn code<'f>(distribution: &Distribution, file: &'f Path) -> Option<(&'f Path, &'f Path)> {
    let below = file.strip_prefix(distribution.directory.parent()?).ok()?;
    let is_code = file.extension().is_some_and(|it| it == "py" || it == "so");
    let parts = || below.parent().into_iter().flat_map(Path::components);
    let is_spared = parts().any(|part| {
        let name = part.as_os_str();
        SPARED.iter().any(|spared| name == *spared)
    });
    let is_own = file.starts_with(&distribution.directory);
    (is_code && !is_spared && !is_own).then_some((file, below))
}

/// The name by which this file is imported first: that of a package, or of a module beside all packages.
fn top(below: &Path) -> Option<String> {
    let mut parts = below.components().map(|part| part.as_os_str().to_str());
    let name = match (parts.next()??, parts.next(), parts.next()) {
        (module, None, None) => module.split('.').next()?,
        (package, Some(Some("__init__.py")), None) => package,
        _ => return None,
    };
    is_identifier(name).then(|| name.to_owned())
}

/// The names by which the distribution is imported.
pub(super) fn imports(distribution: &Distribution) -> BTreeSet<String> {
    let files = distribution.record().ok().flatten().unwrap_or_default();
    let tops = files.iter().filter_map(|file| top(code(distribution, &file.path)?.1));
    tops.collect()
}

fn told(
    environment: &InspectedEnvironment,
    distribution: &Distribution,
    loss: &Loss<'_>,
) -> Finding {
    let (path, what, severity) = match loss {
        Loss::All(all) => {
            let files = if *all == 1 { "file" } else { "files" };
            let what = format!("it is installed, and none of its {all} {files} of code is there");
            (distribution.directory.as_path(), what, Severity::Broken)
        }
        Loss::Top(file) => (*file, is_missing(distribution, file), Severity::Broken),
        Loss::File(file) => (*file, is_missing(distribution, file), Severity::Warning),
    };
    let finding = Finding::new(NOT_AS_RECORDED, path, what).at(severity);
    let finding = finding.of(&distribution.name, None);
    let again = |what: &str| environment.again_command(&[what.as_ref()]);
    match (&distribution.direct_url, &distribution.version) {
        (None, Some(version)) => {
            let requirement = format!("{}=={version}", distribution.name);
            let finding = finding.command(again(&requirement));
            finding.with(|about| {
                about.requirements.push(requirement);
                about.required = Some(distribution.name.clone());
                about.is_reinstalled = true;
            })
        }
        (Some(url), _) => {
            let there = url.path.as_ref().filter(|path| path.exists()).and_then(|it| it.to_str());
            let finding = finding.not_fixed("it was not installed from an index");
            match there {
                Some(path) => finding.command(again(path)),
                None => finding,
            }
        }
        (None, None) => finding.not_fixed("its version is not known"),
    }
}

fn is_missing(distribution: &Distribution, file: &Path) -> String {
    let below = distribution.directory.parent().and_then(|site| file.strip_prefix(site).ok());
    let shown = below.map_or_else(|| name_of(file), |below| below.display().to_string());
    format!("{shown} was installed, and is missing")
}
