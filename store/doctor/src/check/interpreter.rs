//! D12: whether the interpreter can be run, and is the one for which things were installed.

use std::path::Path;

use modstore_core::Cancel;
use modstore_python::{Interpreter, quoted};

use super::pointers::name_of;
use crate::{
    code::{Code, Severity},
    finding::Finding,
    inspected::Patient,
};

/// Looks at an environment's interpreter; starts it, unless only files are to be read.
pub(crate) fn interpreter(patient: &Patient, start: Option<&Cancel>) -> Vec<Finding> {
    let mut found = Vec::new();
    let executable = patient.executable();
    if let Some(what) = cannot_run(patient).or_else(|| does_not_answer(patient, start?)) {
        let finding = Finding::new(Code::D12, executable, what).mended_by(renewal(patient));
        found.push(finding.not_mended("an interpreter is not this program's to install"));
    }
    found.extend(left_behind(patient));
    found
}

fn cannot_run(patient: &Patient) -> Option<String> {
    let executable = patient.executable();
    if patient.can_run() {
        return None;
    }
    let name = name_of(executable);
    Some(match (std::fs::read_link(executable), executable.metadata()) {
        (Ok(to), Err(_)) => format!("{name} is a link to {}, which is not there", to.display()),
        (_, Ok(_)) => format!("{name} may not be run"),
        (_, Err(error)) => format!("{name} cannot be run: {error}"),
    })
}

fn does_not_answer(patient: &Patient, cancel: &Cancel) -> Option<String> {
    let error = match Interpreter::query(patient.executable(), cancel) {
        Err(error) => error,
        Ok(told) => {
            let (major, minor, _) = patient.python?;
            let is_same = told.version.starts_with(&format!("{major}.{minor}."));
            let what = format!(
                "it is Python {} now, and the environment was made for {major}.{minor}",
                told.version
            );
            return (!is_same).then_some(what);
        }
    };
    let mut causes = vec![error.to_string()];
    let mut source = std::error::Error::source(&error);
    while let Some(error) = source {
        causes.extend(error.to_string().lines().last().map(str::to_owned));
        source = error.source();
    }
    Some(causes.join(": "))
}

/// Distributions of a Python that the environment had before.
fn left_behind(patient: &Patient) -> Option<Finding> {
    let lib = patient.prefix().join("lib");
    let sites = &patient.found.paths.site;
    let has_editables = |site: &Path| {
        std::fs::read_dir(site)
            .into_iter()
            .flatten()
            .flatten()
            .any(|child| child.path().join("direct_url.json").is_file())
    };
    let mut others =
        std::fs::read_dir(lib).into_iter().flatten().flatten().map(|child| child.path());
    let old = others.find(|path| {
        let site = path.join("site-packages");
        let is_python =
            path.file_name().is_some_and(|name| name.to_string_lossy().starts_with("python"));
        is_python && !path.is_symlink() && !sites.contains(&site) && has_editables(&site)
    })?;
    let what = format!(
        "what was installed for {} is not seen by the Python that is there now",
        name_of(&old)
    );
    let finding = Finding::new(Code::D12, old, what).at(Severity::Warning);
    Some(
        finding
            .mended_by(renewal(patient))
            .not_mended("what was installed has to be installed again"),
    )
}

/// What makes the environment anew.
fn renewal(patient: &Patient) -> String {
    if let Some(tool) = &patient.found.tool {
        return format!("uv tool install --force {}", quoted(tool.as_ref()));
    }
    let version = patient.python.map(|(major, minor, _)| format!(" --python {major}.{minor}"));
    let prefix = quoted(patient.prefix().as_os_str());
    format!("uv venv --allow-existing{} {prefix}", version.unwrap_or_default())
}
