//! The importable names of a project: found by its files and its entry points, without running any of it.
//!
//! A guess on the safe side: it names what is a package for sure, and leaves out what a project keeps beside its
//! packages (`tests`, `setup.py`). Parts of a namespace that no entry point names are not found.

use std::{collections::BTreeSet, path::Path};

/// Names in a project's own directory that are not meant to be imported. Running `setup.py` is no test.
const BESIDE: [&str; 22] = [
    "benchmark",
    "benchmarks",
    "build",
    "conftest",
    "dist",
    "doc",
    "docs",
    "example",
    "examples",
    "fabfile",
    "hatch_build",
    "manage",
    "noxfile",
    "pdm_build",
    "scripts",
    "setup",
    "tasks",
    "test",
    "testing",
    "tests",
    "tools",
    "versioneer",
];

/// The packages and modules directly below `root`, which is on the import path. Sorted.
pub fn names_below(root: &Path) -> BTreeSet<String> {
    let is_project =
        ["pyproject.toml", "setup.py", "setup.cfg"].iter().any(|file| root.join(file).is_file());
    let children = std::fs::read_dir(root).into_iter().flatten().flatten();
    let names = children.filter_map(|child| name_of(&child.path()));
    names.filter(|name| !(is_project && BESIDE.contains(&name.as_str()))).collect()
}

/// The name by which this file or directory is imported.
fn name_of(path: &Path) -> Option<String> {
    let name = path.file_name()?.to_str()?;
    let name = match name.strip_suffix(".py") {
        Some(module) => module,
        None if path.join("__init__.py").is_file() => name,
        None => return None,
    };
    is_identifier(name).then(|| name.to_owned())
}

/// The modules that entry points name, as `entry_points.txt` has them.
pub(crate) fn named_by(entry_points: &str) -> BTreeSet<String> {
    let values = entry_points.lines().filter_map(|line| line.split_once('='));
    let modules =
        values.map(|(_, value)| value.split([':', '[']).next().unwrap_or_default().trim());
    modules.filter(|module| module.split('.').all(is_identifier)).map(str::to_owned).collect()
}

/// Whether it can be imported by this name. Python allows more letters; a name that has them is not tried.
pub fn is_identifier(name: &str) -> bool {
    let mut chars = name.chars();
    chars.next().is_some_and(|first| first.is_ascii_alphabetic() || first == '_')
        && chars.all(|c| c.is_ascii_alphanumeric() || c == '_')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn packages_are_found_and_what_lies_beside_them_is_not() {
        let place = tempfile::tempdir().unwrap();
        let file = |path: &str| {
            let path = place.path().join(path);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, "").unwrap();
        };
        for path in ["pkg/__init__.py", "tests/__init__.py", "data/x.txt", "one.py", "a-b.py"] {
            file(path);
        }
        let names = || names_below(place.path()).into_iter().collect::<Vec<_>>();
        assert_eq!(names(), ["one", "pkg", "tests"]);
        for path in ["setup.py", "conftest.py"] {
            file(path);
        }
        assert_eq!(names(), ["one", "pkg"], "the directory of a project");
    }

    #[test]
    fn entry_points_name_modules_whatever_they_say_of_them() {
        let text = "[console_scripts]\nrun = a.b:main\n\n[g]\nx=c\ny = d : e [extra]\n# = no-name\nz = 1.2";
        assert_eq!(named_by(text).into_iter().collect::<Vec<_>>(), ["a.b", "c", "d"]);
    }
}
