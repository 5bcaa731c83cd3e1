//! The importable names of a project: found by its files and its entry points, without running any of it.
//!
//! A guess on the safe side: it names what is a package for sure, and leaves out what a project keeps beside its
//! packages (`tests`, `setup.py`, scripts). Modules of a namespace that no entry point names are not found.

use std::{
    collections::BTreeSet,
    path::{Path, PathBuf},
};

use modstore_core::model::DistributionName;

use super::limits::small_text;

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

/// How deep in namespaces packages are looked for.
const DEEPEST: usize = 4;

/// What a distribution says of the names by which it is imported.
pub struct Promise<'a> {
    /// Its name.
    pub distribution: &'a DistributionName,
    /// The modules that its entry points name.
    pub entry_modules: &'a BTreeSet<String>,
    /// The text of `top_level.txt`, which some build backends write.
    pub top_level: Option<&'a str>,
}

impl Promise<'_> {
    /// The names that the distribution promises of what is below `root`, which is on the import path. `is_own`: whether
    /// nothing but its packages is meant to be there, as in `src`.
    ///
    /// A namespace is no name of one distribution; its parts are. A module beside packages may be a script, which an import
    /// would run: only one that has the distribution's name, or that an entry point names, is promised.
    pub fn below(&self, root: &Path, is_own: bool) -> BTreeSet<String> {
        let listed: Option<Vec<&str>> = self
            .top_level
            .map(|text| text.lines().map(str::trim).filter(|line| is_identifier(line)).collect());
        let names = match &listed {
            Some(listed) => self.listed(root, listed),
            None => self.found(root, is_own),
        };
        let promised = names.into_iter().flat_map(|name| {
            let path = root.join(name.replace('.', "/"));
            parts_of(&name, &path)
        });
        promised.filter(|name| name.split('.').all(is_identifier)).collect()
    }

    /// Of the names that the build wrote: without a module that was not compiled, as an optional one is when there is no
    /// compiler, and without tests, which several distributions may bring under one name.
    fn listed(&self, root: &Path, listed: &[&str]) -> BTreeSet<String> {
        let is_there = |name: &str| exists(root, name);
        let is_missing = |name: &str| name.starts_with('_') && !is_there(name);
        let meant = listed.iter().filter(|name| !BESIDE.contains(name) || self.is_own_name(name));
        let mut names: BTreeSet<String> = meant.map(|name| (*name).to_owned()).collect();
        if names.iter().any(|name| !is_missing(name)) {
            names.retain(|name| !is_missing(name));
        }
        names
    }

    fn found(&self, root: &Path, is_own: bool) -> BTreeSet<String> {
        let below = children(root).filter_map(|path| name_of_any(&path).map(|name| (name, path)));
        let is_meant = |(name, path): &(String, PathBuf)| {
            let is_package = is_own && path.is_dir() && !BESIDE.contains(&name.as_str());
            is_package || self.is_own_name(name) || self.is_entry(name)
        };
        let mut names: BTreeSet<String> = below.filter(is_meant).map(|(name, _)| name).collect();
        // A part of a namespace is often named after it: acme-tool for acme.tool.
        let dotted = self.distribution.as_str().replace('-', ".");
        if dotted.contains('.') && is_package(&root.join(dotted.replace('.', "/"))) {
            names.insert(dotted);
        }
        names
    }

    fn is_own_name(&self, name: &str) -> bool {
        name.eq_ignore_ascii_case(&self.distribution.in_file_names())
    }

    fn is_entry(&self, name: &str) -> bool {
        self.entry_modules.iter().any(|module| module.split('.').next() == Some(name))
    }
}

/// The name of a package or module at `path`, or the names of the packages in it, if it is a namespace that has any.
pub fn parts_of(name: &str, path: &Path) -> Vec<String> {
    parts(path, name, DEEPEST)
}

fn parts(directory: &Path, name: &str, depth: usize) -> Vec<String> {
    let is_shared = is_sharing(directory);
    let is_namespace = directory.is_dir() && (is_shared || !is_package(directory));
    let Some(depth) = depth.checked_sub(1).filter(|_| is_namespace) else {
        return vec![name.to_owned()];
    };
    let below: Vec<(String, PathBuf)> = children(directory)
        .filter_map(|child| Some((name_of_any(&child)?, child)))
        .filter(|(part, _)| !BESIDE.contains(&part.as_str()) && part != "__init__")
        .collect();
    let named = |part: &str| format!("{name}.{part}");
    let directories = below.iter().filter(|(_, child)| child.is_dir());
    let packages: Vec<String> = directories
        .flat_map(|(part, child)| {
            let found = parts(child, &named(part), depth);
            // A directory without any package in it may be data.
            if found == [named(part)] && !is_package(child) { Vec::new() } else { found }
        })
        .collect();
    match packages.is_empty() {
        true if is_shared && !below.is_empty() => {
            below.iter().filter(|(_, child)| child.is_file()).map(|(part, _)| named(part)).collect()
        }
        true => vec![name.to_owned()],
        false => packages,
    }
}

/// Whether a package's own code shares its name with other distributions (pkgutil, pkg_resources).
fn is_sharing(directory: &Path) -> bool {
    let text = small_text(&directory.join("__init__.py")).unwrap_or_default();
    text.contains("extend_path") || text.contains("declare_namespace")
}

fn children(directory: &Path) -> impl Iterator<Item = PathBuf> {
    std::fs::read_dir(directory).into_iter().flatten().flatten().map(|child| child.path())
}

fn is_package(directory: &Path) -> bool {
    directory.join("__init__.py").is_file()
}

/// Whether there is anything in the directory that Python could import by this name.
fn exists(root: &Path, name: &str) -> bool {
    let start = format!("{name}.");
    root.join(name).is_dir()
        || children(root).any(|child| {
            child.file_name().is_some_and(|file| file.to_string_lossy().starts_with(&start))
        })
}

/// The name by which this module, package, or directory of modules would be imported.
fn name_of_any(path: &Path) -> Option<String> {
    let name = path.file_name()?.to_str()?;
    let is_directory = || name != "__pycache__" && path.is_dir();
    let name = name.strip_suffix(".py").or_else(|| is_directory().then_some(name))?;
    is_identifier(name).then(|| name.to_owned())
}

/// Whether a name is one of those that projects give to what lies beside their packages: several distributions may bring
/// `tests`, and none of them is broken by that.
pub fn is_beside(name: &str) -> bool {
    BESIDE.contains(&name)
}

/// The packages and modules directly below `root`, which is on the import path. Sorted.
pub(crate) fn names_below(root: &Path) -> BTreeSet<String> {
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
        None if is_package(path) => name,
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
    fn what_a_distribution_promises_is_its_packages_and_no_script_no_test_and_no_namespace() {
        let place = tempfile::tempdir().unwrap();
        for path in [
            "one/__init__.py",
            "tests/__init__.py",
            "drop_database.py",
            "acme/tool/__init__.py",
            "acme/tests/__init__.py",
            "acme/deep/er/__init__.py",
            "modules/alone.py",
            "entry.py",
            "__pycache__/x.pyc",
            "acme/data/x.txt",
            "_fast.cpython-312.so",
        ] {
            let path = place.path().join(path);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, "").unwrap();
        }
        let entries = ["entry".to_owned()].into();
        let promised = |name: &str, top_level: Option<&str>, is_own| {
            let distribution = &name.parse().unwrap();
            let promise = Promise { distribution, entry_modules: &entries, top_level };
            promise.below(place.path(), is_own).into_iter().collect::<Vec<_>>().join(" ")
        };
        assert_eq!(
            promised("thing", None, true),
            "acme.deep.er acme.tool entry modules one",
            "a directory of its packages"
        );
        assert_eq!(
            promised("Drop_Database", None, true),
            "acme.deep.er acme.tool drop_database entry modules one"
        );
        assert_eq!(promised("One", None, false), "entry one", "its own directory");
        assert_eq!(promised("acme-tool", None, false), "acme.tool entry");
        assert_eq!(
            promised("thing", Some("acme\none\ntests\n_gone\n_fast\n"), false),
            "_fast acme.deep.er acme.tool one"
        );
        assert_eq!(promised("tests", Some("tests\n"), false), "tests");
        assert_eq!(promised("thing", Some("_gone\n"), false), "_gone", "it is all there was");
    }

    #[test]
    fn entry_points_name_modules_whatever_they_say_of_them() {
        let text = "[console_scripts]\nrun = a.b:main\n\n[g]\nx=c\ny = d : e [extra]\n# = no-name\nz = 1.2";
        assert_eq!(named_by(text).into_iter().collect::<Vec<_>>(), ["a.b", "c", "d"]);
    }
}
