//! The [`Task`]s of a fix: one for each distribution that should lead elsewhere. Pure.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};

use modstore_core::model::DistributionName;

use crate::{
    finding::{Candidate, Finding},
    inspected::Editable,
};

/// A distribution that should lead to this project.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Task {
    pub distribution: DistributionName,
    pub directory: PathBuf,
}

/// The tasks in this environment for these findings. There is none for a distribution with a file that cannot be parsed,
/// or that should lead to two places.
pub(crate) fn plan(prefix: &Path, findings: &[Finding], editables: &[Editable<'_>]) -> Vec<Task> {
    let mut wanted: BTreeMap<DistributionName, Option<PathBuf>> = BTreeMap::new();
    let here = findings.iter().filter(|it| it.about.environment.as_deref() == Some(prefix));
    for finding in here {
        let (Some(distribution), Some(Candidate { directory, .. })) =
            (&finding.about.distribution, &finding.about.candidate)
        else {
            continue;
        };
        let kept = wanted.entry(distribution.clone()).or_insert_with(|| Some(directory.clone()));
        if kept.as_ref() != Some(directory) {
            *kept = None;
        }
    }
    let is_parsed = |name: &DistributionName| {
        editables.iter().find(|it| it.name == *name).is_none_or(|it| it.unparsed.is_none())
    };
    let tasks = wanted.into_iter().filter(|(name, _)| is_parsed(name));
    tasks
        .filter_map(|(distribution, directory)| Some(Task { distribution, directory: directory? }))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::finding::{Choice, Code, Details as _, Fix};

    fn finding(distribution: &str, directory: &str) -> Finding {
        let code = Code::new("D00", "", modstore_core::findings::Severity::Broken, Fix::Install);
        Finding::new(code, "/venv/x.pth", "")
            .of(&distribution.parse().unwrap(), None)
            .choose(Choice::only(directory, ""))
            .with(|about| about.environment = Some("/venv".into()))
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
