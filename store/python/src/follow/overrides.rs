//! [`Overrides`]: requirements on a repository (`NAME @ git+URL`) that a module of the store meets.
//!
//! An installer that reads such a requirement copies the repository into the environment, where no update of the store
//! reaches it; and where the module is bound as well, no installer can satisfy both. So the metadata of a stand-in says
//! `NAME` in its place, and the module that is this distribution is bound with it.
//!
//! Of several modules that are the distribution, the one of the same repository is taken. One of another repository counts
//! too: an environment has one distribution of a name, and a fork or a linked directory was declared to be that one. A
//! requirement of a distribution that no module is stays as it was written. Markers are not evaluated here: a
//! requirement of an extra binds nothing, any other does.

use std::collections::{BTreeMap, BTreeSet};

use modstore_core::{
    disk::Layout,
    model::{DistributionName, ModuleName, Origin, Source},
};

use crate::build::{ModuleTree, ProjectMetadata, known_metadata};

/// The field of `METADATA` that has a requirement.
const FIELD: &str = "requires-dist";

/// The distributions that the modules of a store are.
#[derive(Debug, Default)]
pub(crate) struct Overrides {
    modules: BTreeMap<DistributionName, Vec<(ModuleName, Option<Origin>)>>,
}

/// A module's metadata as a stand-in has it.
#[derive(Debug)]
pub(crate) struct Overridden {
    pub metadata: ProjectMetadata,
    /// The modules that meet its requirements on repositories.
    pub needs: BTreeSet<ModuleName>,
}

/// A requirement on a repository, taken apart.
#[derive(Debug, PartialEq, Eq)]
struct OnRepository<'t> {
    distribution: DistributionName,
    /// The name and the extras, as written.
    name: &'t str,
    url: &'t str,
    /// With the `;` before it; empty if there is none.
    marker: &'t str,
}

/// Whether the metadata has a requirement on a repository.
pub(crate) fn names_repositories(metadata: &ProjectMetadata) -> bool {
    metadata.requirements().iter().any(|text| is_on_repository(text))
}

/// Whether a requirement is on a repository.
pub(crate) fn is_on_repository(requirement: &str) -> bool {
    OnRepository::parse(requirement).is_some()
}

impl Overrides {
    /// The distributions of these modules, as far as they are known for the Python of this tag.
    pub(crate) fn of(
        layout: &Layout,
        tag: &str,
        modules: &BTreeMap<ModuleName, ModuleTree>,
    ) -> Self {
        let mut found = Self::default();
        for (module, tree) in modules {
            let Some(name) = distribution_of(layout, tag, tree) else { continue };
            let origin = tree.origin.clone();
            found.modules.entry(name).or_default().push((module.clone(), origin));
        }
        found
    }

    /// The metadata of `module` as its stand-in has it.
    pub(crate) fn apply(&self, module: &ModuleName, metadata: &ProjectMetadata) -> Overridden {
        let mut needs = BTreeSet::new();
        let mut text = String::with_capacity(metadata.metadata.len());
        let mut is_head = true;
        for line in metadata.metadata.split_inclusive('\n') {
            is_head &= !line.trim_end().is_empty();
            let met = is_head.then(|| self.meet(module, line)).flatten();
            let Some((requirement, target)) = met else {
                text.push_str(line);
                continue;
            };
            text.push_str(&format!(
                "Requires-Dist: {}{}\n",
                requirement.name,
                requirement.marker()
            ));
            if *module != *target && !requirement.is_of_extra() {
                needs.insert(target.clone());
            }
        }
        Overridden { metadata: ProjectMetadata { metadata: text, ..metadata.clone() }, needs }
    }

    /// The requirement on a repository in this line of `METADATA`, and the module that meets it.
    fn meet<'t>(&self, of: &ModuleName, line: &'t str) -> Option<(OnRepository<'t>, &ModuleName)> {
        let (field, value) = line.split_once(':')?;
        let requirement =
            OnRepository::parse(value).filter(|_| field.eq_ignore_ascii_case(FIELD))?;
        let same = self.modules.get(&requirement.distribution)?;
        let origin = requirement.origin();
        let is_of_it =
            |(_, from): &&(ModuleName, Option<Origin>)| from.is_some() && *from == origin;
        let own = same.iter().find(|(module, _)| module == of);
        let (module, _) = own.or_else(|| same.iter().find(is_of_it)).or_else(|| same.first())?;
        Some((requirement, module))
    }
}

/// The distribution that a module is: as its project says, or as its backend said when it was asked.
fn distribution_of(layout: &Layout, tag: &str, tree: &ModuleTree) -> Option<DistributionName> {
    let (project, _) = tree.project()?;
    project.name.or_else(|| Some(known_metadata(layout, tree, tag)?.distribution))
}

impl<'t> OnRepository<'t> {
    /// `NAME[EXTRA] @ git+URL ; MARKER`; nothing for any other requirement.
    fn parse(text: &'t str) -> Option<Self> {
        let (name, rest) = text.trim().split_once('@')?;
        let name = name.trim_end();
        let (bare, extras) = name.split_at(name.find('[').unwrap_or(name.len()));
        let distribution: DistributionName = bare.trim_end().parse().ok()?;
        if !(extras.is_empty() || extras.ends_with(']')) {
            return None;
        }
        let rest = rest.trim_start();
        let end = rest.find(char::is_whitespace).unwrap_or(rest.len());
        let (url, marker) = rest.split_at(end);
        url.starts_with("git+").then(|| Self { distribution, name, url, marker: marker.trim() })
    }

    /// The repository, whichever commit and part of it the address names.
    fn origin(&self) -> Option<Origin> {
        let (address, _) = self.url.split_once('#').unwrap_or((self.url, ""));
        Source::parse(address, "/".as_ref(), None).ok()?.origin()
    }

    fn marker(&self) -> String {
        if self.marker.is_empty() { String::new() } else { format!(" {}", self.marker) }
    }

    /// Whether it is one of an extra, which may not be installed.
    fn is_of_extra(&self) -> bool {
        let mut words = self.marker.split(|c: char| !c.is_ascii_alphanumeric() && c != '_');
        words.any(|word| word == "extra")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::build::facts;

    fn overrides(modules: &[(&str, &str, Option<&str>)]) -> Overrides {
        let mut found = Overrides::default();
        for (distribution, module, source) in modules {
            let origin = source
                .and_then(|source| Source::parse(source, "/".as_ref(), None).unwrap().origin());
            let same = found.modules.entry(distribution.parse().unwrap()).or_default();
            same.push((module.parse().unwrap(), origin));
        }
        found
    }

    /// What the stand-in of module `mod` says in place of this requirement, and the modules that it needs.
    fn said(overrides: &Overrides, requirement: &str) -> (String, Vec<String>) {
        let metadata =
            format!("Name: m\nRequires-Dist: {requirement}\n\nRequires-Dist: {requirement}\n");
        let metadata = ProjectMetadata { metadata, ..facts() };
        let Overridden { metadata, needs } = overrides.apply(&"mod".parse().unwrap(), &metadata);
        let tail = format!("\n\nRequires-Dist: {requirement}\n");
        assert!(metadata.metadata.ends_with(&tail), "the text of a readme stays: {metadata:?}");
        let requirements = metadata.requirements();
        assert_eq!(requirements.len(), 1);
        (requirements.concat(), needs.iter().map(ToString::to_string).collect())
    }

    #[test]
    fn a_requirement_on_a_repository_is_met_by_the_module_that_is_its_distribution() {
        let one = overrides(&[("my-x", "x", Some("git+https://h/o/x"))]);
        for (written, meant) in [
            ("my-x @ git+https://h/o/x", "my-x"),
            ("My_X@ git+ssh://git@h/o/x.git@v1.2#subdirectory=a&egg=my-x", "My_X"),
            (
                "my-x[gui, a] @ git+https://h/o/x@main ; python_version > '3'",
                "my-x[gui, a] ; python_version > '3'",
            ),
            ("my.x @ git+https://elsewhere/fork", "my.x"),
        ] {
            assert_eq!(said(&one, written), (meant.into(), vec!["x".into()]), "{written}");
        }
    }

    #[test]
    fn any_other_requirement_stays_as_it_was_written() {
        let one = overrides(&[("my-x", "x", Some("git+https://h/o/x"))]);
        for written in [
            "my-x>=1",
            "my-x",
            "my-x @ https://h/my_x-1.0-py3-none-any.whl",
            "my-x @ file:///tmp/x",
            "other @ git+https://h/o/x",
            "other @ git+https://h/o/x#egg=my-x",
            "my-x ; platform_node == '@ git+https://h/o/x'",
        ] {
            assert_eq!(said(&one, written), (written.into(), Vec::new()), "{written}");
        }
    }

    #[test]
    fn of_two_modules_the_one_of_the_same_repository_is_taken_and_the_own_one_first() {
        let here = Some("git+https://h/o/x");
        let two = overrides(&[("x", "a", Some("git+https://h/o/fork")), ("x", "b", here)]);
        let needs = |all: &Overrides, written: &str| said(all, written).1;
        assert_eq!(needs(&two, "x @ git+https://h/o/x.git@v1"), ["b"]);
        assert_eq!(needs(&two, "x @ git+https://h/o/y"), ["a"]);
        let linked = overrides(&[("x", "a", None)]);
        assert_eq!(needs(&linked, "x @ git+https://h/o/y"), ["a"]);
        let own = overrides(&[("x", "a", here), ("x", "mod", here)]);
        assert_eq!(said(&own, "x[all] @ git+https://h/o/x"), ("x[all]".into(), Vec::new()));
    }

    #[test]
    fn a_requirement_of_an_extra_binds_nothing() {
        let one = overrides(&[("x", "x", None)]);
        let (text, needs) = said(&one, "x @ git+https://h/x ; extra == 'dev'");
        assert_eq!((&*text, needs.len()), ("x ; extra == 'dev'", 0));
        assert_eq!(said(&one, "x @ git+https://h/x ; extras_x == ''").1, ["x"]);
    }
}
