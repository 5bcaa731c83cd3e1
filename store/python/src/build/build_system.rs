//! [`BuildSystem`]: how a project says that it is built.

use std::collections::BTreeSet;

use toml_edit::{Item, Table};

/// The backend of a project that names none (PEP 517).
const LEGACY: &str = "setuptools.build_meta:__legacy__";
/// What the build of a project needs that says nothing of it (PEP 518).
const DEFAULT_REQUIRES: &str = "setuptools >= 40.8.0";

/// The table `build-system` of a project. Projects with equal ones can be built in one environment.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct BuildSystem {
    /// The requirements of the build.
    pub requires: BTreeSet<String>,
    /// The module that has the hooks, and perhaps `:` and an object in it.
    pub backend: String,
}

impl BuildSystem {
    /// `None` where the backend lies in the project itself, or the table is not as PEP 518 has it.
    pub(super) fn read(settings: &Table) -> Option<Self> {
        let Some(table) = settings.get("build-system") else {
            return Some(Self {
                requires: BTreeSet::from([DEFAULT_REQUIRES.to_owned()]),
                backend: LEGACY.to_owned(),
            });
        };
        if table.get("backend-path").is_some() {
            return None;
        }
        let requires = table.get("requires").and_then(Item::as_array)?;
        let requires: Option<BTreeSet<String>> =
            requires.iter().map(|text| Some(text.as_str()?.trim().to_owned())).collect();
        let backend = table.get("build-backend").map_or(Some(LEGACY), Item::as_str)?;
        Some(Self { requires: requires?, backend: backend.to_owned() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use toml_edit::Document;

    fn read(text: &str) -> Option<BuildSystem> {
        BuildSystem::read(Document::parse(text).unwrap().as_table())
    }

    #[test]
    fn projects_with_the_same_requirements_in_any_order_have_one_build_system() {
        let one = read("[build-system]\nrequires = ['a', ' b']\nbuild-backend = 'x'\n");
        let other = read("[build-system]\nbuild-backend = 'x'\nrequires = ['b', 'a']\n");
        assert!(one.is_some() && one == other, "{one:?} {other:?}");
        let more = read("[build-system]\nrequires = ['a', 'b']\nbuild-backend = 'y'\n");
        assert_ne!(one, more);
    }

    #[test]
    fn a_project_that_names_no_backend_is_built_as_before_there_were_any() {
        let none = read("").unwrap();
        assert_eq!(none, read("[project]\nname = 'x'\n").unwrap());
        assert_eq!((none.backend.as_str(), none.requires.len()), (LEGACY, 1));
        assert_eq!(read("[build-system]\nrequires = ['a']\n").unwrap().backend, LEGACY);
    }

    #[test]
    fn a_backend_of_the_projects_own_and_a_table_that_is_none_are_not_shared() {
        for text in [
            "[build-system]\nrequires = []\nbuild-backend = 'own'\nbackend-path = ['.']\n",
            "[build-system]\nbuild-backend = 'x'\n",
            "[build-system]\nrequires = 'x'\n",
            "[build-system]\nrequires = [1]\n",
            "[build-system]\nrequires = []\nbuild-backend = 1\n",
            "build-system = 1\n",
        ] {
            assert_eq!(read(text), None, "{text}");
        }
    }
}
