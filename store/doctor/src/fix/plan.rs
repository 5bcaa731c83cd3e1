//! What would be done about findings: one [`Task`] for each distribution that is to lead elsewhere. Pure.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};

use modstore_core::model::DistributionName;

use crate::{
    finding::{Candidate, Finding},
    inspected::Editable,
};

/// A distribution that is to lead to this project.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Task {
    pub distribution: DistributionName,
    pub directory: PathBuf,
}

/// What is to be done in this environment about these findings. A distribution of which anything is not understood is
/// left alone, and so is one that would have to lead to two paths.
pub(crate) fn plan(prefix: &Path, findings: &[Finding], editables: &[Editable<'_>]) -> Vec<Task> {
    let mut wanted: BTreeMap<DistributionName, Option<PathBuf>> = BTreeMap::new();
    let here = findings.iter().filter(|it| it.environment.as_deref() == Some(prefix));
    for finding in here {
        let (Some(distribution), Some(Candidate { directory, .. })) =
            (&finding.distribution, &finding.candidate)
        else {
            continue;
        };
        let kept = wanted.entry(distribution.clone()).or_insert_with(|| Some(directory.clone()));
        if kept.as_ref() != Some(directory) {
            *kept = None;
        }
    }
    let is_understood = |name: &DistributionName| {
        editables.iter().find(|it| it.name == *name).is_none_or(|it| it.unclear.is_none())
    };
    let tasks = wanted.into_iter().filter(|(name, _)| is_understood(name));
    tasks
        .filter_map(|(distribution, directory)| Some(Task { distribution, directory: directory? }))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::code::Code;

    fn finding(distribution: &str, directory: &str) -> Finding {
        let candidate =
            Candidate { directory: directory.into(), why: String::new(), others: vec![] };
        let finding = Finding::new(Code::D01, "/venv/x.pth", "");
        let finding = finding.of(&distribution.parse().unwrap(), None);
        Finding { candidate: Some(candidate), environment: Some("/venv".into()), ..finding }
    }

    #[test]
    fn one_distribution_is_led_to_one_place_or_left_alone() {
        let findings =
            [finding("a", "/x"), finding("a", "/x"), finding("b", "/x"), finding("b", "/y")];
        let planned = plan(Path::new("/venv"), &findings, &[]);
        assert_eq!(planned.len(), 1);
        assert_eq!(
            (planned[0].distribution.as_str(), planned[0].directory.to_str()),
            ("a", Some("/x"))
        );
        assert_eq!(plan(Path::new("/other"), &findings, &[]), []);
    }
}
