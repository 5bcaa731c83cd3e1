//! [`Finder`]: the data that a build backend writes into the module that finds a project's packages when they are
//! imported.
//!
//! Known are those of setuptools, of the `editables` library (hatchling's and pdm's exact modes), of scikit-build-core and
//! of meson-python. Each holds its data as literals in one line; nothing else of it is looked at.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};

use super::{literals::Literal, pth::lexical};

/// The modules and directories that a finder leads to. Paths are absolute.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Finder {
    /// The build backend that writes such finders.
    pub backend: &'static str,
    /// Modules and packages by their import name, and the file or the directory each is in.
    pub modules: Vec<(String, PathBuf)>,
    /// Packages without a file of their own, and a directory that has parts of each.
    pub namespaces: Vec<(String, PathBuf)>,
    /// Directories that modules are looked for in.
    pub paths: Vec<PathBuf>,
    /// The directory of the build that is run when something is imported.
    pub builds: Option<PathBuf>,
    /// The program that builds, where it is named by its path.
    pub build_program: Option<PathBuf>,
}

/// A finder of a known kind whose data cannot be parsed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unclear {
    pub backend: &'static str,
}

impl Finder {
    /// Parses the text of a module in `site`; `None`, if it is no finder of a known kind.
    pub fn read(site: &Path, text: &str) -> Result<Option<Self>, Unclear> {
        type Read = fn(&Source<'_>) -> Option<Finder>;
        let kinds: [(&str, &str, Read); 5] = [
            ("class _EditableFinder", "setuptools", setuptools),
            ("from editables.redirector import", "editables", editables),
            ("class ScikitBuildRedirectingFinder", "scikit-build-core", scikit_build),
            ("class ScikitBuildInplaceFinder", "scikit-build-core", scikit_build),
            ("class MesonpyMetaFinder", "meson-python", meson),
        ];
        let Some((_, backend, read)) = kinds.iter().find(|(mark, ..)| text.contains(mark)) else {
            return Ok(None);
        };
        let found = read(&Source { site, text }).ok_or(Unclear { backend })?;
        Ok(Some(Self { backend, ..found }))
    }

    /// The modules without those that lie in the directory of a package that is among them.
    pub fn outermost(&self) -> Vec<(String, PathBuf)> {
        let package =
            |(name, path): &(String, PathBuf)| Some((name.clone(), package_directory(path)?));
        let packages: BTreeMap<String, PathBuf> = self.modules.iter().filter_map(package).collect();
        let is_within = |name: &str, path: &Path| {
            let above = name.rsplit_once('.').map(|(above, _)| above);
            let mut names = std::iter::successors(above, |name| Some(name.rsplit_once('.')?.0));
            names.any(|above| packages.get(above).is_some_and(|within| path.starts_with(within)))
        };
        let modules = self.modules.iter().filter(|(name, path)| !is_within(name, path));
        modules.cloned().collect()
    }
}

/// The directory of the package that is found at this path, if it is one.
pub(crate) fn package_directory(path: &Path) -> Option<PathBuf> {
    if path.file_name()? == "__init__.py" {
        return path.parent().map(Path::to_owned);
    }
    path.extension().is_none().then(|| path.to_owned())
}

struct Source<'a> {
    site: &'a Path,
    text: &'a str,
}

impl Source<'_> {
    fn path(&self, path: &str) -> PathBuf {
        lexical(self.site, Path::new(path))
    }

    /// The value assigned to this name: `MAPPING: dict[str, str] = {…}`, or without the type.
    fn assigned(&self, name: &str) -> Option<Literal> {
        let values = self.text.lines().filter_map(|line| {
            let rest = line.strip_prefix(name)?;
            let (kind, value) = rest.split_once('=')?;
            (kind.trim().is_empty() || kind.trim().starts_with(':')).then_some(value)
        });
        only(values).and_then(Literal::read)
    }

    /// The arguments of the calls of this function; the call stands in a line of its own.
    fn calls(&self, function: &str) -> impl Iterator<Item = Option<Vec<Literal>>> {
        let rests =
            self.text.lines().filter_map(move |line| line.trim_start().strip_prefix(function));
        rests.filter(|rest| rest.starts_with('(')).map(Literal::arguments)
    }

    fn modules(&self, literal: &Literal) -> Option<Vec<(String, PathBuf)>> {
        let pairs = literal.named()?.into_iter();
        pairs.map(|(name, path)| Some((name.to_owned(), self.path(path.text()?)))).collect()
    }
}

/// The only one, if there is one and no other.
fn only<T>(mut all: impl Iterator<Item = T>) -> Option<T> {
    let first = all.next()?;
    all.next().is_none().then_some(first)
}

fn setuptools(source: &Source<'_>) -> Option<Finder> {
    let modules = source.modules(&source.assigned("MAPPING")?)?;
    let mut namespaces = Vec::new();
    for (name, paths) in source.assigned("NAMESPACES")?.named()? {
        namespaces.extend(paths.texts()?.iter().map(|path| (name.to_owned(), source.path(path))));
    }
    // A module is written without the end of its file's name.
    let modules = modules.into_iter().map(|(name, path)| (name, with_suffix(path))).collect();
    Some(Finder { modules, namespaces, ..Finder::default() })
}

/// The path, or that of the Python file of this name when only that is there.
fn with_suffix(path: PathBuf) -> PathBuf {
    let mut file = path.clone().into_os_string();
    file.push(".py");
    let file = PathBuf::from(file);
    if !path.exists() && file.is_file() { file } else { path }
}

fn editables(source: &Source<'_>) -> Option<Finder> {
    let mut modules = Vec::new();
    for arguments in source.calls("F.map_module") {
        let arguments = arguments?;
        let [Literal::Text(name), Literal::Text(path)] = arguments.as_slice() else { return None };
        modules.push((name.clone(), source.path(path)));
    }
    Some(Finder { modules, ..Finder::default() })
}

fn scikit_build(source: &Source<'_>) -> Option<Finder> {
    if let Some(arguments) = source.calls("install_inplace").last() {
        let arguments = arguments?;
        let paths = arguments.get(1)?.texts()?.iter().map(|path| source.path(path)).collect();
        let builds = builds(source, &arguments);
        return Some(Finder { paths, builds, ..Finder::default() });
    }
    let arguments = source.calls("install").last()??;
    let modules = source.modules(arguments.first()?)?;
    Some(Finder { builds: builds(source, &arguments), modules, ..Finder::default() })
}

/// Of scikit-build-core's arguments, the path of the build before the first truth value, which says whether it is
/// run.
fn builds(source: &Source<'_>, arguments: &[Literal]) -> Option<PathBuf> {
    let at = arguments.iter().position(|argument| matches!(argument, Literal::Bool(_)))?;
    let path = arguments.get(at.checked_sub(1)?)?.text()?;
    (arguments.get(at)? == &Literal::Bool(true)).then(|| source.path(path))
}

fn meson(source: &Source<'_>) -> Option<Finder> {
    // The call goes over many lines.
    let (_, rest) = source.text.rsplit_once("finder = MesonpyMetaFinder")?;
    let (arguments, _) = rest.split_once("\n    )\n")?;
    let arguments = Literal::arguments(&format!("{arguments})"))?;
    let build = source.path(arguments.get(2)?.text()?);
    let command = arguments.get(3).and_then(Literal::texts);
    let program = command.and_then(|words| words.first().map(PathBuf::from));
    let build_program = program.filter(|program| program.is_absolute());
    Some(Finder { builds: Some(build), build_program, ..Finder::default() })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<Option<Finder>, Unclear> {
        Finder::read(Path::new("/site"), text)
    }

    fn modules(all: &[(&str, &str)]) -> Vec<(String, PathBuf)> {
        all.iter().map(|(name, path)| ((*name).to_owned(), PathBuf::from(path))).collect()
    }

    /// The lines with data, as setuptools 84.2 writes them.
    const SETUPTOOLS: &str = "\
from __future__ import annotations
import sys

MAPPING: dict[str, str] = {'my_flat': '/p/flat/my_flat', 'renamed': '/p/flat/other_dir'}
NAMESPACES: dict[str, list[str]] = {'ns': ['/p/flat/ns']}
PATH_PLACEHOLDER = '__editable__.my_flat-1.0.finder' + \".__path_hook__\"


class _EditableFinder:  # MetaPathFinder
    @classmethod
    def find_spec(cls, fullname: str, path=None, target=None) -> ModuleSpec | None:  # type: ignore
        if fullname in MAPPING:
            pkg_path = MAPPING[fullname]
";

    #[test]
    fn setuptools_finder_says_where_its_packages_are() {
        // Before version 70 without types.
        let old = SETUPTOOLS.replace(": dict[str, str]", "").replace(": dict[str, list[str]]", "");
        for text in [SETUPTOOLS, &old] {
            let finder = read(text).unwrap().unwrap();
            assert_eq!(finder.backend, "setuptools");
            let expected = [("my_flat", "/p/flat/my_flat"), ("renamed", "/p/flat/other_dir")];
            assert_eq!(finder.modules, modules(&expected));
            assert_eq!(finder.namespaces, modules(&[("ns", "/p/flat/ns")]));
        }
    }

    #[test]
    fn a_single_module_of_setuptools_is_its_file() {
        let place = tempfile::tempdir().unwrap();
        let file = place.path().join("one.py");
        std::fs::write(&file, "").unwrap();
        let module = place.path().join("one");
        let text = SETUPTOOLS.replace("/p/flat/my_flat", module.to_str().unwrap());
        assert_eq!(read(&text).unwrap().unwrap().modules[0].1, file);
        std::fs::remove_file(&file).unwrap();
        assert_eq!(read(&text).unwrap().unwrap().modules[0].1, module, "as it is written");
    }

    #[test]
    fn hatchlings_exact_mode_says_where_its_modules_are() {
        let text = "from editables.redirector import RedirectingFinder as F\nF.install()\nF.map_module('my_exact', '/p/exact/src/my_exact/__init__.py')";
        let finder = read(text).unwrap().unwrap();
        assert_eq!(finder.modules, modules(&[("my_exact", "/p/exact/src/my_exact/__init__.py")]));
    }

    const SCIKIT: &str = "class ScikitBuildRedirectingFinder:\n    pass\nclass ScikitBuildInplaceFinder:\n    pass\n\n\ndef install(\n    known_source_files: dict[str, str],\n) -> None:\n    pass\n\n\n";

    #[test]
    fn scikit_builds_finder_says_where_its_files_are_and_whether_it_builds() {
        let sources = [("m", "/p/src/m/__init__.py"), ("m.two", "/p/src/m/two.py")];
        let written =
            "{'m': '/p/src/m/__init__.py', 'm.two': '/p/src/m/two.py'}, {'m._core': 'm/_core.so'}";
        // Version 1.1; the same for a `.start` file; version 0.5.
        for call in [
            format!(
                "install({written}, {{'m': ['/p/src/m', 'm']}}, ['m'], None, False, True, [], [], '')\n"
            ),
            format!(
                "def entrypoint() -> None:\n    install({written}, {{}}, ['m'], None, False, True, [], [], '')\n"
            ),
            format!("install({written}, None, False, True, [], [])\n"),
        ] {
            let finder = read(&format!("{SCIKIT}{call}")).unwrap().unwrap();
            assert_eq!(finder.modules, modules(&sources), "{call}");
            assert_eq!(finder.builds, None);
        }
        let building = format!("{SCIKIT}install({written}, '/p/build', True, True, [], [])\n");
        assert_eq!(read(&building).unwrap().unwrap().builds, Some("/p/build".into()));
        let inplace =
            format!("{SCIKIT}install_inplace(['m'], ['/p/src'], '/p', False, True, [])\n");
        assert_eq!(read(&inplace).unwrap().unwrap().paths, [PathBuf::from("/p/src")]);
    }

    #[test]
    fn meson_pythons_loader_says_where_it_builds() {
        let text = "class MesonpyMetaFinder:\n    pass\n\ndef init():\n    finder = MesonpyMetaFinder(\n        'my-meson',\n        {'my_meson'},\n        '/p/meson/build/cp312',\n        ['/bin/ninja'],\n        False,\n    )\n    sys.meta_path.insert(0, finder)\n";
        assert_eq!(read(text).unwrap().unwrap().builds, Some("/p/meson/build/cp312".into()));
    }

    #[test]
    fn what_is_no_finder_is_none_and_a_finder_that_computes_is_not_guessed() {
        assert_eq!(read("import sys\nMAPPING = {}\n"), Ok(None));
        for text in [
            SETUPTOOLS.replace("'/p/flat/my_flat'", "str(HERE / 'my_flat')"),
            SETUPTOOLS.replace("NAMESPACES", "OTHER"),
            format!("{SETUPTOOLS}\nMAPPING = {{}}\n"),
        ] {
            assert_eq!(read(&text), Err(Unclear { backend: "setuptools" }), "{text}");
        }
        let called =
            "from editables.redirector import RedirectingFinder as F\nF.map_module(name, path)\n";
        assert_eq!(read(called), Err(Unclear { backend: "editables" }));
        assert_eq!(read(SCIKIT), Err(Unclear { backend: "scikit-build-core" }));
    }
}
