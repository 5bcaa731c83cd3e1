//! D01 and D02: whether what Python follows leads anywhere, and to the same place as what tools show.

use std::path::Path;

use crate::{
    cache::Choice,
    catalog::{Shared, is_project_of, project_above},
    code::{Code, Severity},
    finding::{Candidate, Finding},
    inspected::Editable,
};

/// Looks at where a distribution leads.
pub(crate) fn pointers(editable: &Editable<'_>, shared: &Shared) -> Vec<Finding> {
    if let Some(pointer) = editable.dangling() {
        let file = name_of(&pointer.file);
        let target = &pointer.target;
        let left = if target.exists() {
            ", which is only what a deletion has left"
        } else {
            ", which is not there"
        };
        let what = format!("{file} leads to {}{left}", target.display());
        let finding = Finding::new(Code::D01, &pointer.file, what).leading_to(target);
        let gone = editable.recorded.as_ref().filter(|recorded| !recorded.exists());
        return vec![chosen(finding, shared.candidate(editable, gone.unwrap_or(target)))];
    }
    let Some(recorded) = &editable.recorded else { return Vec::new() };
    let strays = editable.followed.iter().find(|pointer| !is_within(&pointer.target, recorded));
    let (Some(pointer), Some(file)) = (strays, editable.direct_url_file()) else {
        return Vec::new();
    };
    let followed = project_above(&pointer.target, &editable.name);
    let finding = |what: String| Finding::new(Code::D02, &file, what).leading_to(&pointer.target);
    let shown = format!(
        "tools show {}, and Python follows {}",
        recorded.display(),
        pointer.target.display()
    );
    let candidate = |directory: &Path, why: &str| {
        let candidate =
            Candidate { directory: directory.to_owned(), why: why.into(), others: vec![] };
        Choice::One(candidate)
    };
    if !recorded.exists() {
        let what = format!("{shown}; what is shown is not there");
        return vec![match followed {
            Some(directory) => {
                chosen(finding(what), candidate(&directory, "where Python finds it"))
            }
            None => finding(what).not_mended("the project that Python finds does not say its name"),
        }];
    }
    // A link that was swapped: the installer wrote down the link, and Python follows what it led to then.
    let is_link = recorded.canonicalize().is_ok_and(|real| real != *recorded);
    if is_link && is_project_of(recorded, &editable.name) {
        let what = format!("{shown}, which the link that was installed led to once");
        return vec![chosen(finding(what), candidate(recorded, "what the link leads to now"))];
    }
    vec![finding(shown).not_mended("both are there, and nothing says which of them is meant")]
}

/// The finding with the directory that was chosen, or why none was.
pub(super) fn chosen(finding: Finding, choice: Choice) -> Finding {
    match choice {
        Choice::One(candidate) => Finding { candidate: Some(candidate), ..finding },
        Choice::Several(all) => {
            let all: Vec<String> = all.iter().map(|path| path.display().to_string()).collect();
            let why = format!("it is in {}, and nothing says which is meant", all.join(" and in "));
            finding.not_mended(why)
        }
        Choice::None => finding.not_mended("no directory that is known holds it"),
    }
}

/// Whether a path is that directory or in it, as written or as it is.
pub(super) fn is_within(path: &Path, directory: &Path) -> bool {
    path.starts_with(directory)
        || match (path.canonicalize(), directory.canonicalize()) {
            (Ok(path), Ok(directory)) => path.starts_with(directory),
            _ => false,
        }
}

/// The last part of a path, for people.
pub(super) fn name_of(path: &Path) -> String {
    path.file_name().unwrap_or(path.as_os_str()).to_string_lossy().into_owned()
}

/// A warning about a file of the distribution's own that is not understood.
pub(super) fn unclear(file: &Path, why: &str) -> Finding {
    let what = format!("{} is not understood: {why}", name_of(file));
    let finding = Finding::new(Code::D04, file, what).at(Severity::Warning);
    finding.not_mended("what is not understood is left as it is")
}
