//! D19, and the exception of whatever else is wrong: each distribution imported in the environment's own Python.

use std::{collections::BTreeSet, path::Path, time::Duration};

use modstore_core::{Cancel, model::DistributionName, program::own_directory};
use modstore_python::{Exception, ImportProbe, ImportRequest, is_identifier, names_below};

use crate::{
    code::{Code, Severity},
    finding::Finding,
    inspected::{Editable, Patient, leads_somewhere},
};

/// So long a distribution may take to be imported.
const LIMIT: Duration = Duration::from_secs(30);

/// Imports all that lies elsewhere, and says what came of it: in the findings that are there already for a
/// distribution, or in one of its own. Gives why nothing could be tried, if so.
pub(crate) fn imports(
    patient: &Patient,
    editables: &[Editable<'_>],
    findings: &mut Vec<Finding>,
    cancel: &Cancel,
) -> Result<(), String> {
    let modules: Vec<ImportRequest> = editables.iter().filter_map(wanted).collect();
    if modules.is_empty() {
        return Ok(());
    }
    let scratch = own_directory().map_err(|error| error.to_string())?;
    let probe = ImportProbe {
        python: patient.executable(),
        modules: &modules,
        paths: &[],
        limit: LIMIT,
        scratch: scratch.path(),
    };
    let probed = probe.run(cancel).map_err(|error| {
        let cause = std::error::Error::source(&error).map(|it| format!(": {it}"));
        format!("{error}{}", cause.unwrap_or_default())
    })?;
    for (editable, exception) in editables.iter().filter_map(|editable| {
        let of = |it: &&modstore_python::ImportResult| it.module == editable.name.as_str();
        Some((editable, probed.iter().find(of)?.failure.clone()?))
    }) {
        tell(editable, exception, findings);
    }
    Ok(())
}

/// Puts an exception where it belongs.
fn tell(editable: &Editable<'_>, exception: Exception, findings: &mut Vec<Finding>) {
    let is_why = |finding: &&mut Finding| {
        let is_of = finding.distribution.as_ref() == Some(&editable.name);
        is_of && explains(finding, &exception, editable)
    };
    if let Some(finding) = findings.iter_mut().find(is_why) {
        finding.severity = Severity::Broken;
        finding.exception = Some(exception);
        return;
    }
    let file = editable.followed.first().map(|pointer| pointer.file.clone());
    let file = file.or_else(|| editable.distribution.map(|it| it.directory.clone()));
    let importing = exception.importing.as_deref().unwrap_or(editable.name.as_str());
    let what = format!("its paths are right, and importing {importing} fails: {exception}");
    let what = what.lines().next().unwrap_or_default().to_owned();
    let finding = Finding::new(Code::D19, file.unwrap_or_default(), what);
    let finding = finding.of(&editable.name, editable.module.as_deref());
    let finding = finding.not_mended("its code, or something that it needs, has to change");
    findings.push(Finding { exception: Some(exception), ..finding });
}

/// Whether a finding tells why the import failed.
fn explains(finding: &Finding, exception: &Exception, editable: &Editable<'_>) -> bool {
    match finding.code {
        Code::D01 | Code::D04 | Code::D11 | Code::D12 => true,
        Code::D09 => exception.name.as_deref().is_some_and(|name| {
            let top = name.split('.').next().unwrap_or_default();
            let is_own = editable.imports().iter().any(|own| own.split('.').next() == Some(top));
            let distribution: Option<DistributionName> = top.parse().ok();
            !is_own
                && distribution.is_some_and(|it| {
                    finding.what.contains(it.as_str()) || finding.what.contains(top)
                })
        }),
        _ => false,
    }
}

/// What of a distribution is to be imported; `None`, if nothing is known to be.
fn wanted(editable: &Editable<'_>) -> Option<ImportRequest> {
    let mut imports: BTreeSet<String> = editable.imports().into_iter().collect();
    if imports.is_empty() {
        let roots = editable.followed.iter().map(|pointer| pointer.target.as_path());
        imports = roots.filter(|root| root.is_dir()).flat_map(names_below).collect();
    }
    if imports.is_empty() && !is_all_there(editable) {
        imports.insert(editable.name.in_file_names());
    }
    imports.retain(|name| name.split('.').all(is_identifier));
    (!imports.is_empty()).then(|| ImportRequest { module: editable.name.to_string(), imports })
}

fn is_all_there(editable: &Editable<'_>) -> bool {
    let targets: Vec<&Path> = editable.followed.iter().map(|it| it.target.as_path()).collect();
    !targets.is_empty() && targets.into_iter().all(leads_somewhere)
}
