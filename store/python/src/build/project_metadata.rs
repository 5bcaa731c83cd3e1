//! [`ProjectMetadata`]: the result of building a Python project once: the metadata that installers record, and the
//! directories and modules that it puts on the import path.
//!
//! Values only. `probe` builds the project; `stand_in` installs the result.

use std::{
    collections::{BTreeMap, BTreeSet},
    ffi::OsStr,
    path::{Path, PathBuf},
};

use modstore_core::model::DistributionName;
use serde::{Deserialize, Serialize};

use crate::read::{EntryPoint, Metadata};

/// The result of building a Python project once.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProjectMetadata {
    /// The distribution.
    pub distribution: DistributionName,
    /// Its version, as its own backend wrote it.
    pub version: String,
    /// The text of `METADATA`.
    pub metadata: String,
    /// The text of `entry_points.txt`.
    pub entry_points: Option<String>,
    /// The directories below the project that go on the import path; `""` is the project's own.
    pub paths: Vec<String>,
    /// Modules and packages that are put on the import path one by one, by the name by which they are imported, and
    /// where they lie below the project.
    pub mapped: BTreeMap<String, String>,
    /// Files that the build made, compiled or written, by their path on the import path.
    pub compiled: BTreeSet<String>,
    /// The names that can be imported.
    pub imports: BTreeSet<String>,
}

impl ProjectMetadata {
    /// Its requirements, as written in its metadata.
    #[must_use]
    pub fn requirements(&self) -> Vec<String> {
        Metadata::read(&self.metadata).requires
    }

    /// The names that an import is tried of where these distributions are installed. An entry point for a program that is
    /// not there may import what only that program brings, and one for an extra what only that brings.
    #[must_use]
    pub fn imports_with(
        &self,
        is_installed: impl Fn(&DistributionName) -> bool,
    ) -> BTreeSet<String> {
        let points = EntryPoint::all(self.entry_points.as_deref().unwrap_or_default());
        let (tried, left): (Vec<_>, Vec<_>) =
            points.into_iter().partition(|point| point.is_for(&is_installed));
        let modules = |points: &[EntryPoint]| -> BTreeSet<String> {
            points.iter().filter_map(EntryPoint::module).map(str::to_owned).collect()
        };
        let mut left = modules(&left);
        let tried = modules(&tried);
        left.retain(|name| !tried.contains(name) && name.contains('.'));
        self.imports.difference(&left).cloned().collect()
    }

    /// Whether the files of the entry as they lie do not do: some are made by the build, or mapped.
    #[must_use]
    pub fn needs_variant(&self) -> bool {
        !self.compiled.is_empty() || !self.mapped.is_empty()
    }

    /// The place on the import path of `path`, which is mapped to `name`. A single module keeps the end of its name.
    pub fn place_of(name: &str, path: &str) -> PathBuf {
        let place: PathBuf = name.split('.').collect();
        let end = Path::new(path).extension().and_then(OsStr::to_str);
        match end.filter(|end| ["py", "so", "pyd"].contains(end)) {
            Some(end) => place.with_extension(end),
            None => place,
        }
    }

    /// The digest of everything that an installer records, 16 hex digits. A stand-in is installed again when it changes.
    #[must_use]
    pub fn digest(&self) -> String {
        let per_python = self.needs_variant();
        let paths: &[String] = if per_python { &[] } else { &self.paths };
        let recorded = (
            &self.distribution,
            &self.version,
            &self.metadata,
            &self.entry_points,
            paths,
            per_python,
        );
        let bytes =
            serde_json::to_vec(&recorded).expect("texts and numbers can be written as JSON");
        blake3::hash(&bytes).to_hex().as_str().chars().take(16).collect()
    }
}

/// The distributions that at least two of these need, without extras.
#[must_use]
pub fn needed_by_several<'m>(
    projects: impl Iterator<Item = &'m ProjectMetadata>,
) -> BTreeSet<DistributionName> {
    let (mut once, mut more) = (BTreeSet::new(), BTreeSet::new());
    for metadata in projects {
        let all = metadata.requirements();
        let plain = all.iter().filter(|text| !text.contains("extra"));
        let names: BTreeSet<_> = plain.filter_map(|text| required(text)).collect();
        more.extend(names.iter().filter(|name| once.contains(*name)).cloned());
        once.extend(names);
    }
    more
}

/// The name of the distribution that a requirement is for.
pub(crate) fn required(requirement: &str) -> Option<DistributionName> {
    let is_name = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-');
    let end = requirement.find(|c| !is_name(c)).unwrap_or(requirement.len());
    requirement.get(..end)?.parse().ok()
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    pub(crate) fn facts() -> ProjectMetadata {
        ProjectMetadata {
            distribution: "my-module".parse().unwrap(),
            version: "1.0".into(),
            metadata: "Metadata-Version: 2.4\nName: my-module\nVersion: 1.0\nRequires-Dist: six>=1 ; python_version > '3'\nRequires-Dist: a_b[c]\n\nRequires-Dist: not this\n".into(),
            entry_points: None,
            paths: vec!["src".into()],
            mapped: BTreeMap::new(),
            compiled: BTreeSet::new(),
            imports: BTreeSet::from(["my_module".into()]),
        }
    }

    #[test]
    fn requirements_stand_in_the_head_of_the_metadata() {
        let facts = facts();
        let requirements = facts.requirements();
        assert_eq!(requirements, ["six>=1 ; python_version > '3'", "a_b[c]"]);
        let names: Vec<_> = requirements.iter().map(|text| required(text).unwrap()).collect();
        assert_eq!(names, ["six".parse().unwrap(), "a-b".parse().unwrap()]);
        assert_eq!(required("git+https://example.com/x"), Some("git".parse().unwrap()));
        assert_eq!(required(""), None);
    }

    #[test]
    fn a_mapped_module_keeps_the_end_of_its_file_and_a_directory_has_none() {
        for (name, path, place) in [
            ("one", "lib/one.py", "one.py"),
            ("a.b", "b.cpython-312.so", "a/b.so"),
            ("pkg", "src/my.pkg", "pkg"),
            ("ns.part", "ns/part", "ns/part"),
        ] {
            assert_eq!(ProjectMetadata::place_of(name, path), Path::new(place), "{path}");
        }
    }

    #[test]
    fn only_what_an_installer_records_counts_for_the_digest() {
        let one = facts();
        let code = ProjectMetadata { imports: BTreeSet::from(["other".into()]), ..facts() };
        assert_eq!(one.digest(), code.digest());
        for other in [
            ProjectMetadata { version: "1.1".into(), ..facts() },
            ProjectMetadata { metadata: "Name: my-module\n".into(), ..facts() },
            ProjectMetadata { entry_points: Some(String::new()), ..facts() },
            ProjectMetadata { paths: vec![String::new()], ..facts() },
            ProjectMetadata { compiled: BTreeSet::from(["a.so".into()]), ..facts() },
        ] {
            assert_ne!(one.digest(), other.digest(), "{other:?}");
        }
        let recompiled =
            |file: &str| ProjectMetadata { compiled: BTreeSet::from([file.into()]), ..facts() };
        assert_eq!(recompiled("a.so").digest(), recompiled("b.so").digest());
    }
}
