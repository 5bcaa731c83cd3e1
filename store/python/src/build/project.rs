//! [`Project`]: a module as a Python project, by its files, and which of them its metadata depends on.
//!
//! Building a project to learn its metadata starts an installer and takes a second. A change of code alone must
//! not: so the files that metadata can depend on get a key, and what was learnt is kept by it. For a project that
//! declares its metadata in `pyproject.toml`, and whose build runs no code of its own, these are the files beside
//! its packages and the names of its packages; for any other, all files count.
//!
//! Reads `pyproject.toml` and `setup.cfg` only. Runs nothing.

use std::collections::BTreeSet;

use gix::bstr::ByteSlice as _;
use modstore_core::model::{ContentHash, DistributionName, Manifest, TreeFile};
use toml_edit::{Document, Item, Table};

use super::{build_system::BuildSystem, project_metadata::required};

/// What the key of a project is made in. A change of how projects are probed changes it.
const CONTEXT: &str = "modstore 2026 python project v2";

/// Build backends that run no code of the project's, unless it says so.
const PLAIN: [&str; 6] = [
    "hatchling.build",
    "flit_core.buildapi",
    "pdm.backend",
    "poetry.core.masonry.api",
    "uv_build",
    "setuptools.build_meta",
];

/// The requirements of those for any build.
const NO_PLUGINS: [&str; 8] = [
    "hatchling",
    "flit-core",
    "pdm-backend",
    "poetry-core",
    "uv-build",
    "setuptools",
    "wheel",
    "editables",
];

/// Settings that make one of them run code of the project's, or compile.
const HOOKS: [&[&str]; 10] = [
    &["build-system", "backend-path"],
    &["tool", "hatch", "build", "hooks"],
    &["tool", "hatch", "build", "targets", "wheel", "hooks"],
    &["tool", "hatch", "metadata", "hooks"],
    &["tool", "pdm", "build", "custom-hook"],
    &["tool", "pdm", "build", "run-setuptools"],
    &["tool", "poetry", "build"],
    &["tool", "setuptools", "ext-modules"],
    &["tool", "setuptools", "cmdclass"],
    &["tool", "setuptools", "dynamic"],
];

/// A Python project, as its files say.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Project {
    /// Its name, where that is written.
    pub name: Option<DistributionName>,
    /// Its build backend, for people.
    pub backend: String,
    /// How it is built, where projects of several modules can be built in one way.
    pub(crate) build: Option<BuildSystem>,
    inputs: Inputs,
}

/// The files that metadata can depend on.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Inputs {
    All,
    /// Those beside the packages, and these.
    Some(BTreeSet<String>),
}

impl Project {
    /// The project with these files, or `None` when it is no Python project. `read` gives the text of a file of its
    /// directory.
    pub fn read(read: impl Fn(&str) -> Option<String>) -> Option<Self> {
        let settings = read("pyproject.toml");
        let has_setup = read("setup.py").is_some();
        let document = settings.as_deref().and_then(|text| Document::parse(text).ok());
        let is_project = document.as_ref().is_some_and(|document| {
            ["project", "build-system"].iter().any(|key| document.get(key).is_some())
                || at(document.as_table(), &["tool", "poetry"]).is_some()
        });
        if !is_project
            && !has_setup
            && read("setup.cfg").is_none_or(|text| !text.contains("[metadata]"))
        {
            return None;
        }
        let empty = Table::new();
        let table = document.as_ref().map_or(&empty, |document| document.as_table());
        let backend = text_at(table, &["build-system", "build-backend"]);
        let backend = backend.unwrap_or("setuptools.build_meta").to_owned();
        let inputs = if has_setup { Inputs::All } else { inputs(table, &backend) };
        let name = text_at(table, &["project", "name"])
            .or_else(|| text_at(table, &["tool", "poetry", "name"]))
            .map(str::to_owned)
            .or_else(|| name_in_setup_cfg(&read("setup.cfg")?));
        let build = BuildSystem::read(table);
        Some(Self { name: name.and_then(|name| name.parse().ok()), backend, build, inputs })
    }

    /// Whether a build may read files beside the project's own directory, in the tree that it is a part of.
    pub fn counts_all(&self) -> bool {
        self.inputs == Inputs::All
    }

    /// The files out of its own directory that it names.
    pub fn outside(&self) -> impl Iterator<Item = &str> {
        let named = match &self.inputs {
            Inputs::All => None,
            Inputs::Some(named) => Some(named),
        };
        named.into_iter().flatten().map(String::as_str).filter(|path| path.starts_with("../"))
    }

    /// The key of this project among `files`, whose paths are below its directory, and of what it depends on beside
    /// that: the files that it names [outside](Self::outside), or all others of the tree if [all
    /// count](Self::counts_all).
    pub fn key(&self, files: &[(&str, &TreeFile)], beside: &[(&str, &TreeFile)]) -> ContentHash {
        let mut hasher = blake3::Hasher::new_derive_key(CONTEXT);
        for (path, file) in files {
            match self.counts(path) {
                Counts::Content => {
                    hasher.update(path.as_bytes()).update(b"\0").update(file.content.as_bytes());
                }
                Counts::Name => {
                    hasher.update(path.as_bytes()).update(b"\0\0");
                }
                Counts::Not => {}
            }
        }
        for (path, file) in beside {
            hasher.update(b"beside\0").update(path.as_bytes());
            hasher.update(b"\0").update(file.content.as_bytes());
        }
        ContentHash::from_bytes(hasher.finalize().into())
    }

    fn counts(&self, path: &str) -> Counts {
        let Inputs::Some(named) = &self.inputs else { return Counts::Content };
        let is_python = path.ends_with(".py");
        let depth = path.matches('/').count();
        let is_package =
            path.ends_with("/__init__.py") && depth <= 1 + usize::from(path.starts_with("src/"));
        let is_module = is_python && depth == usize::from(path.starts_with("src/"));
        if named.contains(path) || (depth == 0 && !is_python) {
            Counts::Content
        } else if is_package || is_module {
            Counts::Name
        } else {
            Counts::Not
        }
    }
}

/// The part of a file that metadata can depend on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Counts {
    Content,
    Name,
    Not,
}

/// The files of `manifest` below `subdirectory`, by their path below it.
pub(crate) fn files_below<'m>(
    manifest: &'m Manifest,
    subdirectory: Option<&str>,
) -> Vec<(&'m str, &'m TreeFile)> {
    let prefix = subdirectory.map(|below| format!("{below}/")).unwrap_or_default();
    let files = manifest.files().iter();
    files
        .filter_map(|file| Some((file.path.to_str().ok()?.strip_prefix(&*prefix)?, file)))
        .collect()
}

fn inputs(table: &Table, backend: &str) -> Inputs {
    let runs_code = HOOKS.iter().any(|path| at(table, path).is_some());
    if !PLAIN.contains(&backend) || runs_code || has_plugin(table) {
        return Inputs::All;
    }
    let mut named = BTreeSet::new();
    let readme =
        at(table, &["project", "readme"]).or_else(|| at(table, &["tool", "poetry", "readme"]));
    let file = readme.and_then(|item| item.as_str().or_else(|| item.get("file")?.as_str()));
    named.extend(file.map(str::to_owned));
    let dynamic: Vec<&str> = at(table, &["project", "dynamic"])
        .and_then(Item::as_array)
        .map(|array| array.iter().filter_map(|value| value.as_str()).collect())
        .unwrap_or_default();
    let is_declared = at(table, &["project", "name"]).or(at(table, &["tool", "poetry", "name"]));
    match (backend, dynamic.as_slice()) {
        _ if is_declared.is_none() && backend != "flit_core.buildapi" => Inputs::All,
        (_, []) => Inputs::Some(named),
        ("hatchling.build", ["version"]) => {
            match text_at(table, &["tool", "hatch", "version", "path"]) {
                Some(path) if at(table, &["tool", "hatch", "version", "source"]).is_none() => {
                    named.insert(path.to_owned());
                    Inputs::Some(named)
                }
                _ => Inputs::All,
            }
        }
        ("flit_core.buildapi", dynamic)
            if dynamic.iter().all(|field| matches!(*field, "version" | "description")) =>
        {
            let name = text_at(table, &["tool", "flit", "module", "name"])
                .or_else(|| text_at(table, &["project", "name"]))
                .unwrap_or_default()
                .replace('-', "_");
            let forms = ["", "src/"].into_iter().flat_map(|below| {
                [format!("{below}{name}/__init__.py"), format!("{below}{name}.py")]
            });
            named.extend(forms);
            Inputs::Some(named)
        }
        _ => Inputs::All,
    }
}

/// Whether a build needs anything that could take part in it, as plugins do that nothing else of the project names.
fn has_plugin(table: &Table) -> bool {
    let requires = at(table, &["build-system", "requires"]).and_then(Item::as_array);
    let mut names = requires.into_iter().flatten().map(|text| required(text.as_str()?));
    names.any(|name| name.is_none_or(|name| !NO_PLUGINS.contains(&name.as_str())))
}

pub(super) fn at<'t>(table: &'t Table, path: &[&str]) -> Option<&'t Item> {
    let (first, rest) = path.split_first()?;
    rest.iter().try_fold(table.get(first)?, |item, key| item.get(key))
}

pub(super) fn text_at<'t>(table: &'t Table, path: &[&str]) -> Option<&'t str> {
    at(table, path)?.as_str()
}

fn name_in_setup_cfg(text: &str) -> Option<String> {
    let metadata = text.split("[metadata]").nth(1)?;
    let lines = metadata.lines().take_while(|line| !line.starts_with('['));
    let mut fields = lines.filter_map(|line| line.split_once('='));
    fields.find(|(key, _)| key.trim() == "name").map(|(_, name)| name.trim().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use modstore_core::model::FileKind;

    const STATIC: &str = "[build-system]\nbuild-backend='hatchling.build'\n[project]\nname='My.Module'\nversion='1'\nreadme='docs/READ.md'\n";

    fn project(pyproject: &str) -> Project {
        project_with(pyproject, &[]).unwrap()
    }

    fn project_with(pyproject: &str, others: &[&str]) -> Option<Project> {
        Project::read(|path| match path {
            "pyproject.toml" => Some(pyproject.to_owned()),
            path => others.contains(&path).then(|| "[metadata]\nname = From_Cfg\n".to_owned()),
        })
    }

    /// Whether a change of this file's content, and whether its coming, changes the key.
    fn counts(project: &Project, path: &str) -> (bool, bool) {
        let file = |text: &str| TreeFile {
            path: path.into(),
            kind: FileKind::File,
            size: 1,
            content: ContentHash::of(text.as_bytes()),
        };
        let key = |file: Option<&TreeFile>| {
            project.key(&file.map(|file| (path, file)).into_iter().collect::<Vec<_>>(), &[])
        };
        let (one, two) = (file("1"), file("2"));
        (key(Some(&one)) != key(Some(&two)), key(Some(&one)) != key(None))
    }

    #[test]
    fn a_change_of_code_changes_no_key_of_a_project_that_declares_its_metadata() {
        let project = project(STATIC);
        assert_eq!(project.name.as_ref().unwrap().as_str(), "my-module");
        for (path, expected) in [
            ("pyproject.toml", (true, true)),
            ("LICENSE", (true, true)),
            ("docs/READ.md", (true, true)),
            ("src/pkg/__init__.py", (false, true)),
            ("pkg/__init__.py", (false, true)),
            ("src/one.py", (false, true)),
            ("one.py", (false, true)),
            ("src/pkg/deep/__init__.py", (false, false)),
            ("src/pkg/code.py", (false, false)),
            ("tests/test_code.py", (false, false)),
            ("docs/other.md", (false, false)),
        ] {
            assert_eq!(counts(&project, path), expected, "{path}");
        }
    }

    #[test]
    fn every_file_counts_where_a_build_may_run_the_projects_own_code() {
        let with = |more: &str| project(&format!("{STATIC}{more}"));
        let dynamic = STATIC.replace("version='1'", "dynamic=['version']");
        for project in [
            with("[tool.hatch.build.hooks.custom]\n"),
            project(&STATIC.replace("hatchling.build", "maturin")),
            project(
                &STATIC.replace("build-b", "requires=['hatchling>=1', 'hatch-cython']\nbuild-b"),
            ),
            project(&dynamic),
            project(&format!("{dynamic}[tool.hatch.version]\nsource='vcs'\n")),
            project_with(STATIC, &["setup.py"]).unwrap(),
            project("[build-system]\nrequires=['setuptools']\n"),
        ] {
            assert_eq!(counts(&project, "src/pkg/code.py"), (true, true), "{project:?}");
        }
    }

    #[test]
    fn a_version_that_stands_in_one_file_makes_that_file_count() {
        let dynamic = STATIC.replace("version='1'", "dynamic=['version']");
        let hatch = project(&format!("{dynamic}[tool.hatch.version]\npath='src/pkg/about.py'\n"));
        assert_eq!(counts(&hatch, "src/pkg/about.py"), (true, true));
        assert_eq!(counts(&hatch, "src/pkg/code.py"), (false, false));
        let flit = project(
            "[build-system]\nbuild-backend='flit_core.buildapi'\n[project]\nname='my-pkg'\ndynamic=['version','description']\n",
        );
        assert_eq!(counts(&flit, "my_pkg/__init__.py"), (true, true));
        assert_eq!(counts(&flit, "my_pkg/code.py"), (false, false));
    }

    #[test]
    fn what_lies_outside_of_its_directory_counts_when_it_is_named() {
        let dynamic = STATIC.replace("version='1'", "dynamic=['version']");
        let hatch = project(&format!("{dynamic}[tool.hatch.version]\npath='../../VERSION'\n"));
        assert_eq!(hatch.outside().collect::<Vec<_>>(), ["../../VERSION"]);
        let file = |text: &str| TreeFile {
            path: "VERSION".into(),
            kind: FileKind::File,
            size: 1,
            content: ContentHash::of(text.as_bytes()),
        };
        let key = |text: &str| hatch.key(&[], &[("../../VERSION", &file(text))]);
        assert_ne!(key("1"), key("2"));
        assert_eq!(project(STATIC).outside().count(), 0);
    }

    #[test]
    fn what_is_no_python_project_is_none() {
        assert_eq!(project_with("[tool.ruff]\nline-length = 100\n", &[]), None);
        assert_eq!(Project::read(|_| None), None);
        let old = Project::read(|path| {
            (path == "setup.cfg")
                .then(|| "[metadata]\nname = Old_One\n[options]\nname=x".to_owned())
        });
        assert_eq!(old.unwrap().name.unwrap().as_str(), "old-one");
    }
}
