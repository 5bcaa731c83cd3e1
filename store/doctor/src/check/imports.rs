//! Each distribution imported in the environment's own Python, if the user wants that: an import runs code.
//!
//! The exception goes into the finding that explains it, or into one of its own.

use std::{collections::BTreeSet, time::Duration};

use modstore_core::{
    findings::{Severity, codes},
    model::{DeclaredProbe, DistributionName, causes},
    program::own_directory,
};
use modstore_python::{
    Distribution, Exception, ImportProbe, ImportRequest, ImportResult, SharedImports, is_identifier,
};

use super::{
    contents::imports as imports_of,
    finders::NOT_LOADED,
    interpreter::WRONG_INTERPRETER,
    origins::UNCOMPILED,
    paths::DANGLING_PATH,
    records::NOT_AS_RECORDED,
    requirements::UNMET_REQUIREMENT,
    view::{Effort, EnvironmentView, OfEnvironment, Step},
};
use crate::{
    finding::{Code, Details as _, Finding, Fix},
    inspected::{Editable, promised},
};

codes! { pub(super) CODES of Code:
    /// the import fails although its paths are right
    FAILED_IMPORT = "D19", Broken, Fix::Nothing;
}

pub(super) const CHECK: Step<OfEnvironment> = OfEnvironment::check(CODES, find);

/// The codes that explain why an import fails, whatever the exception. An unmet requirement explains only its own.
const EXPLANATIONS: [Code; 5] =
    [DANGLING_PATH, NOT_AS_RECORDED, NOT_LOADED, UNCOMPILED, WRONG_INTERPRETER];

/// How long the import of one distribution may take.
const LIMIT: Duration = Duration::from_secs(30);

fn find(view: &mut EnvironmentView<'_>, found: &mut Vec<Finding>) {
    let environment = view.environment;
    if view.effort != Effort::Import || !environment.can_run() || !environment.may_run() {
        return;
    }
    let incomplete = incomplete(view, found);
    match import_all(view, &incomplete) {
        Ok(results) => {
            for (name, _) in &incomplete {
                let result = results.iter().find(|it| it.module == name.as_str());
                let exception = result.and_then(|it| it.failure.clone());
                let is_it = |finding: &&mut Finding| {
                    finding.code == NOT_AS_RECORDED
                        && finding.about.distribution.as_ref() == Some(name)
                };
                if let (Some(finding), Some(_)) = (found.iter_mut().find(is_it), &exception) {
                    finding.severity = Severity::Broken;
                    finding.about.exception = exception;
                }
            }
            for editable in view.editables {
                let result = results.iter().find(|it| it.module == editable.name.as_str());
                if let Some(exception) = result.and_then(|it| it.failure.clone()) {
                    add(editable, exception, found);
                }
            }
        }
        Err(why) => view.not_run = Some(why),
    }
}

/// The distributions that lie here and lack a file, with what they are imported by.
fn incomplete(
    view: &EnvironmentView<'_>,
    found: &[Finding],
) -> Vec<(DistributionName, BTreeSet<String>)> {
    let distributions = view.environment.scans.iter().flat_map(|scan| &scan.distributions);
    let lacks = |it: &&Distribution| {
        let is_elsewhere = view.editables.iter().any(|editable| editable.name == it.name);
        let is_found = |finding: &Finding| {
            finding.code == NOT_AS_RECORDED
                && finding.severity == Severity::Warning
                && finding.about.distribution.as_ref() == Some(&it.name)
        };
        !is_elsewhere && found.iter().any(is_found)
    };
    let named = distributions.filter(lacks).map(|it| (it.name.clone(), imports_of(it)));
    named.filter(|(_, imports)| !imports.is_empty()).collect()
}

/// Imports all distributions that lie elsewhere, and these, or says why that is not possible.
fn import_all(
    view: &EnvironmentView<'_>,
    incomplete: &[(DistributionName, BTreeSet<String>)],
) -> Result<Vec<ImportResult>, String> {
    // What belongs to the system, or to the Python below, is imported by the doctor of that.
    let is_meant = |editable: &&Editable<'_>| {
        let kind = view.environment.others_of(&editable.scan.site);
        !kind.is_some_and(|kind| kind.is_of_another())
    };
    let meant = view.editables.iter().filter(is_meant);
    let mut modules: Vec<ImportRequest> = meant.filter_map(|it| request(it, view)).collect();
    modules.extend(incomplete.iter().map(|(name, imports)| ImportRequest {
        module: name.to_string(),
        imports: imports.clone(),
    }));
    if modules.is_empty() {
        return Ok(Vec::new());
    }
    let scratch = own_directory().map_err(|error| error.to_string())?;
    let probe = ImportProbe {
        python: view.environment.executable(),
        modules: &modules,
        shared: &SharedImports::default(),
        paths: &[],
        limit: LIMIT,
        scratch: scratch.path(),
    };
    probe.run(view.cancel).map_err(|error| {
        let causes: Vec<String> = causes(&error).into_iter().take(2).collect();
        causes.join(": ")
    })
}

/// Adds an exception to the finding that explains it, or as a finding of its own.
fn add(editable: &Editable<'_>, exception: Exception, found: &mut Vec<Finding>) {
    let explains = |finding: &&mut Finding| {
        finding.about.distribution.as_ref() == Some(&editable.name)
            && explains(finding, &exception, editable)
    };
    if let Some(finding) = found.iter_mut().find(explains) {
        finding.severity = Severity::Broken;
        finding.about.exception = Some(exception);
        return;
    }
    let pointing = editable.followed.first().map(|pointer| pointer.file.clone());
    let file = pointing.or_else(|| editable.distribution.map(|it| it.directory.clone()));
    let importing = exception.importing.as_deref().unwrap_or(editable.name.as_str());
    let what = format!("its paths are right, and importing {importing} fails: {exception}");
    let first_line = what.lines().next().unwrap_or_default();
    let finding = Finding::new(FAILED_IMPORT, file.unwrap_or_default(), first_line)
        .of(&editable.name, editable.module.as_deref())
        .not_fixed("its code, or one of its requirements, has to change");
    found.push(finding.with(|about| about.exception = Some(exception)));
}

/// Whether a finding says why the import failed.
fn explains(finding: &Finding, exception: &Exception, editable: &Editable<'_>) -> bool {
    if finding.code != UNMET_REQUIREMENT {
        return EXPLANATIONS.contains(&finding.code);
    }
    let Some(name) = exception.name.as_deref() else { return false };
    let top = top_of(name);
    let is_own = editable.imports().iter().any(|own| top_of(own) == top);
    let distribution: Option<DistributionName> = top.parse().ok();
    !is_own
        && distribution
            .is_some_and(|it| finding.what.contains(it.as_str()) || finding.what.contains(top))
}

fn top_of(name: &str) -> &str {
    name.split('.').next().unwrap_or_default()
}

/// The names of a distribution to be imported; `None`, if it promises none.
fn request(editable: &Editable<'_>, view: &EnvironmentView<'_>) -> Option<ImportRequest> {
    let module = editable.name.to_string();
    let store = view.catalog.store.as_ref();
    let probe = store.zip(editable.module.as_deref()).and_then(|(store, it)| store.probe(it));
    match probe {
        Some(DeclaredProbe::Nothing) => return None,
        Some(DeclaredProbe::Imports(names)) => {
            return Some(ImportRequest { module, imports: names.clone() });
        }
        None => {}
    }
    let mut imports = promised(editable);
    let distributions = || view.environment.scans.iter().flat_map(|scan| &scan.distributions);
    let is_installed = |name: &DistributionName| distributions().any(|it| it.name == *name);
    let read = editable.entry_points.iter().filter(|point| point.is_for(is_installed));
    imports.extend(read.filter_map(|point| point.module().map(str::to_owned)));
    imports.retain(|name| name.split('.').all(is_identifier));
    (!imports.is_empty()).then_some(ImportRequest { module, imports })
}
