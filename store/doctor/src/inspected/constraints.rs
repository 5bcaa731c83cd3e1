//! [`Constraint`]: what a distribution of an environment needs and has, which no installation may take from it.
//!
//! All of them together are given to the installer: no version is installed that breaks one of them; where that leaves
//! none, the installer says so and changes nothing.

use std::path::Path;

use modstore_core::model::DistributionName;
use modstore_python::Scan;

use super::requirement::Requirement;

/// A requirement of a distribution that is met as it is.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Constraint {
    /// As a line of a file of constraints, with its marker: the installer knows which markers hold.
    pub line: String,
    /// The distribution that needs it, and the one that is needed; nothing for a file of the environment's own.
    between: Option<(DistributionName, DistributionName)>,
}

impl Constraint {
    /// Those of an environment, by their lines: a file of its own, and what is in its site directories, in Python's order.
    pub(super) fn all(own: Option<&Path>, scans: &[&Scan]) -> Vec<Self> {
        let file = own
            .map(|own| Self { line: format!("-c {}", own.display()), between: None })
            .into_iter();
        let of_each = scans.iter().flat_map(|scan| &scan.distributions).flat_map(|it| {
            let requires = it.metadata().ok().flatten().map(|metadata| metadata.requires);
            let parsed = requires.unwrap_or_default();
            let parsed = parsed.iter().filter_map(|text| Requirement::parse(text));
            let met = parsed.filter(|needed| is_met(scans, needed)).filter_map(|needed| {
                let between = Some((it.name.clone(), needed.name.clone()));
                Some(Self { line: needed.constraint()?, between })
            });
            met.collect::<Vec<Self>>()
        });
        let mut all: Vec<Self> = file.chain(of_each).collect();
        all.sort();
        all.dedup();
        all
    }

    /// Whether it is one of these: a distribution, and what that needs.
    pub(crate) fn is_between(&self, pairs: &[(DistributionName, DistributionName)]) -> bool {
        self.between.as_ref().is_some_and(|between| pairs.contains(between))
    }
}

/// Whether the version that Python sees meets it. One that is not met as it is constrains nothing.
fn is_met(scans: &[&Scan], needed: &Requirement) -> bool {
    let versions_in = |scan: &&Scan| {
        let all = scan.distributions.iter().filter(|it| it.name == needed.name);
        all.filter_map(|it| it.version.clone()).collect::<Vec<String>>()
    };
    // What the environment itself has comes before what is below it.
    let mut sites = scans.iter().map(versions_in);
    let seen = sites.find(|versions| !versions.is_empty()).unwrap_or_default();
    seen.iter().any(|version| needed.admits(version) == Some(true))
}
