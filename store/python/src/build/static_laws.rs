//! What is read of a project without its backend is what the backend itself says: real backends, real uv, many projects.
//!
//! A sample of all combinations; `MODSTORE_ROUNDS=all` is every one of them.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::{Path, PathBuf},
};

use modstore_core::{
    Cancel,
    disk::{Disk, Layout},
    model::{Binding, Bound, ContentHash, RecordedSource},
};
use modstore_testbed::{Python, PythonTools, Random};

use super::{
    editable_layout::EditableLayout, module_tree::ModuleTree, project_metadata::ProjectMetadata,
    static_project::read_static,
};
use crate::{
    read::EntryPoint,
    run::{Install, Installer},
};

/// Requirement, backend, and settings for requirements at addresses.
const BACKENDS: [(&str, &str, &str); 6] = [
    ("hatchling", "hatchling.build", "[tool.hatch.metadata]\nallow-direct-references = true\n"),
    ("setuptools>=61", "setuptools.build_meta", ""),
    ("flit_core >=3.2,<5", "flit_core.buildapi", ""),
    ("poetry-core>=2", "poetry.core.masonry.api", ""),
    ("pdm-backend", "pdm.backend", ""),
    ("uv_build>=0.8", "uv_build", ""),
];

/// Files beside `pyproject.toml`, and settings for one backend, or for all when it is `""`.
const SHAPES: [(&[&str], &str, &str); 26] = [
    (&["src/my_mod/__init__.py"], "", ""),
    (&["my_mod/__init__.py"], "", ""),
    (&["my_mod/__init__.py", "my_mod/deep/__init__.py", "tests/test_it.py", "drop.py"], "", ""),
    (&["src/my_mod/__init__.py", "src/my_mod/data/x.txt", "tests/__init__.py"], "", ""),
    (&["src/my_mod/__init__.py", "src/other/__init__.py", "src/single.py"], "", ""),
    (&["my_mod/__init__.py", "other/__init__.py"], "", ""),
    (&["my_mod/__init__.py", "my_mod/data/x.txt"], "", ""),
    (&["my_mod/__init__.py", "src/my_mod/__init__.py"], "", ""),
    (&["my_mod.py"], "", ""),
    (&["src/my_mod.py"], "", ""),
    (&["src/my_mod/part.py"], "", ""),
    (&["src/space/my_mod/__init__.py"], "", ""),
    (&["src/my_mod/__init__.py", ".gitignore=src/"], "", ""),
    (&["src/my_mod/__init__.py", ".gitignore=*.py[cod]\n__pycache__/\n/build/"], "", ""),
    (&["lib/my_mod/__init__.py"], "", ""),
    (
        &["src/a/__init__.py", "src/b/__init__.py"],
        "hatchling",
        "[tool.hatch.build.targets.wheel]\npackages = ['src/a', 'src/b']\n",
    ),
    (
        &["lib/deep/a/__init__.py"],
        "hatchling",
        "[tool.hatch.build.targets.wheel]\npackages = ['lib/deep/a']\n",
    ),
    (
        &["a/__init__.py", "b/c/__init__.py"],
        "hatchling",
        "[tool.hatch.build.targets.wheel]\npackages = ['a', 'b/c']\n",
    ),
    (&["src/my_mod/__init__.py"], "hatchling", "[tool.hatch.build]\ndev-mode-exact = true\n"),
    (
        &["src/other/__init__.py"],
        "setuptools",
        "[tool.setuptools.packages.find]\nwhere = ['src']\n",
    ),
    (
        &["src/other/__init__.py", "setup.cfg=[options]\npy_modules = x\n"],
        "setuptools",
        "[tool.setuptools.package-dir]\n'' = 'src'\n",
    ),
    (
        &["my_mod/__init__.py", "my_mod/p/__init__.py"],
        "setuptools",
        "[tool.setuptools]\npackages = ['my_mod']\n",
    ),
    (&["other/__init__.py"], "flit_core", "[tool.flit.module]\nname = 'other'\n"),
    (
        &["lib/other/__init__.py"],
        "poetry",
        "[tool.poetry]\npackages = [{ include = 'other', from = 'lib' }]\n",
    ),
    (
        &["other/__init__.py"],
        "uv_build",
        "[tool.uv.build-backend]\nmodule-name = 'other'\nmodule-root = ''\n",
    ),
    (&["src/my_mod/__init__.py"], "uv_build", "[tool.uv.build-backend]\nnamespace = true\n"),
];

/// What else stands in `[project]`, and after it.
const DECLARED: [(&str, &str); 12] = [
    ("", ""),
    (
        "dependencies = ['six>=1.0 ; python_version>=\"3.9\"', 'Iniconfig [a,b] >= 2,<3', 'x-y']\n",
        "",
    ),
    (
        "dependencies = ['z @ git+https://example.com/z@main ; sys_platform == \"linux\"', 'six']\n",
        "",
    ),
    (
        "requires-python = '>=3.9'\nreadme = 'README.md'\nlicense = 'MIT'\nkeywords = ['a', 'b c']\n",
        "",
    ),
    (
        "license = { text = 'MIT License' }\nauthors = [{ name = 'Ann O', email = 'a@example.com' }, { name = 'Bo' }]\nmaintainers = [{ email = 'c@example.com' }]\n",
        "",
    ),
    (
        "",
        "[project.optional-dependencies]\ndev = ['six ; python_version < \"4\" or os_name == \"nt\"', 'iniconfig']\nbig-one = ['x[y]']\n",
    ),
    (
        "",
        "[project.scripts]\nrun-it = 'my_mod:main'\n[project.gui-scripts]\ngui = 'my_mod.gui:main.go'\n[project.entry-points.'host.modules']\nmy-mod = 'my_mod:mount'\n[project.entry-points.pytest11]\nfix = 'my_mod.plugin:x'\n",
    ),
    (
        "classifiers = ['Programming Language :: Python :: 3']\n",
        "[project.urls]\nHome = 'https://example.com'\n'Bug Tracker' = 'https://example.com/b'\n",
    ),
    ("dynamic = ['readme']\n", ""),
    ("dependencies = ['six == 1.*', 'a~=1.0', 'b!=2; extra == \"x\"']\n", ""),
    ("dependencies = ['not a requirement']\n", ""),
    ("readme = 'missing.md'\n", ""),
];

const VERSIONS: [&str; 5] = ["1.0", "0.3.1", "2.0.0rc1", "1.0+local.1", "1.0-beta"];

#[derive(Debug)]
struct Case {
    backend: usize,
    shape: usize,
    declared: usize,
    version: usize,
}

impl Case {
    /// Writes it; the paths of its files and what they hold.
    fn write_to(&self, directory: &Path) -> BTreeMap<PathBuf, ContentHash> {
        let (requires, backend, addresses) = BACKENDS[self.backend];
        let (files, _, settings) = SHAPES[self.shape];
        let (project, after) = DECLARED[self.declared];
        let addresses = if project.contains("git+") { addresses } else { "" };
        let pyproject = format!(
            "[build-system]\nrequires = ['{requires}']\nbuild-backend = '{backend}'\n[project]\nname = 'my-mod'\nversion = '{}'\ndescription = 'A module'\n{project}{after}{settings}{addresses}",
            VERSIONS[self.version]
        );
        let mut written =
            vec![("pyproject.toml", pyproject.as_str()), ("README.md", "# My module\n")];
        written
            .extend(files.iter().map(|file| file.split_once('=').unwrap_or((file, "VALUE = 1\n"))));
        let disk = Disk::default();
        let write = |(path, text): (&str, &str)| {
            let at = directory.join(path);
            disk.ensure_dir(at.parent().unwrap()).unwrap();
            disk.create_file(&at, text.as_bytes()).unwrap();
            (path.into(), ContentHash::of(text.as_bytes()))
        };
        written.into_iter().map(write).collect()
    }
}

/// All combinations that make sense, or some of them. Each shape and each declaration is there with each backend.
fn cases() -> Vec<Case> {
    let mut random = Random::of(15);
    let mut all = Vec::new();
    for (backend, (requires, ..)) in BACKENDS.iter().enumerate() {
        for (shape, (_, of, _)) in SHAPES.iter().enumerate() {
            if of.is_empty() || requires.starts_with(of) {
                let declared = random.below(2) * random.below(8);
                all.push(Case { backend, shape, declared, version: random.below(4) });
            }
        }
        let own = if BACKENDS[backend].0 == "uv_build>=0.8" { 0 } else { random.below(2) };
        for declared in 0..DECLARED.len() {
            let version = random.below(VERSIONS.len());
            all.push(Case { backend, shape: own, declared, version });
        }
    }
    if std::env::var("MODSTORE_ROUNDS").is_err() {
        // A prime, so that every backend, shape and declaration is met.
        all = all
            .into_iter()
            .enumerate()
            .filter(|(at, _)| at % 5 == 0)
            .map(|(_, case)| case)
            .collect();
    }
    all
}

/// The same metadata in the same words, as installers and Python understand it.
#[derive(Debug, PartialEq, Eq)]
struct Understood {
    fields: BTreeSet<(String, String)>,
    body: String,
    entry_points: BTreeSet<(String, String, String)>,
    rest: ProjectMetadata,
}

impl Understood {
    fn of(metadata: &ProjectMetadata) -> Self {
        let (head, body) = metadata.metadata.split_once("\n\n").unwrap_or((&metadata.metadata, ""));
        // What is compared decides what is installed; each backend writes people and licences in its own way.
        let compared = ["name", "version", "summary", "keywords", "project-url", "requires-python"];
        let requirements = ["requires-dist", "provides-extra", "description-content-type"];
        let fields = head.lines().filter_map(|line| line.split_once(':'));
        let fields = fields.map(|(field, value)| (field.to_ascii_lowercase(), plain(field, value)));
        let fields = fields.filter(|(field, _)| {
            compared.contains(&field.as_str()) || requirements.contains(&field.as_str())
        });
        let points = EntryPoint::all(metadata.entry_points.as_deref().unwrap_or_default());
        let rest =
            ProjectMetadata { metadata: String::new(), entry_points: None, ..metadata.clone() };
        Self {
            fields: fields.collect(),
            body: body.trim().to_owned(),
            entry_points: points.into_iter().map(|it| (it.group, it.name, it.object)).collect(),
            rest,
        }
    }
}

/// A value without what does not count: spaces, kinds of quotes, brackets around markers, the order of specifiers.
fn plain(field: &str, value: &str) -> String {
    let value: String =
        value.chars().filter(|c| !c.is_whitespace() && !"()".contains(*c)).collect();
    if field != "Requires-Dist" {
        // A content type may name the character set and the variant.
        return value.split(';').next().unwrap_or_default().to_owned();
    }
    // uv writes the version with its patch; some write the extra first.
    let value = value.replace('"', "'").replace("python_full_version", "python_version");
    let (what, marker) = value.split_once(';').unwrap_or((&value, ""));
    let mut marker: Vec<&str> = marker.split("and").collect();
    marker.sort_unstable();
    let is_name = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
    let end = what.find(']').map_or_else(|| what.find(|c| !is_name(c)), |end| Some(end + 1));
    let (name, rest) = what.split_at(end.unwrap_or(what.len()));
    let mut rest: Vec<&str> =
        if rest.contains('@') { vec![rest] } else { rest.split(',').collect() };
    rest.sort_unstable();
    format!("{}{};{}", name.to_ascii_lowercase(), rest.join(","), marker.join("and"))
}

#[test]
fn what_is_read_without_a_backend_is_what_the_backend_says() {
    let (Some(tools), Some(python)) = (PythonTools::find(), Python::any()) else { return };
    let place = tempfile::tempdir().unwrap();
    let place = place.path().canonicalize().unwrap();
    let installer = Installer::Uv(tools.uv().to_owned());
    let (mut certain, mut faults) = (BTreeMap::<usize, usize>::new(), Vec::new());
    for (number, case) in cases().into_iter().enumerate() {
        let at = place.join(number.to_string());
        let (directory, target) = (at.join("project"), at.join("target"));
        let before = case.write_to(&directory);
        let bound = Bound::Linked { path: directory.to_str().unwrap().into() };
        let binding = Binding { source: RecordedSource::unknown(), bound };
        let layout = Layout::new(&place);
        let tree =
            ModuleTree::of(&layout, &"m".parse().unwrap(), &binding, &BTreeMap::new()).unwrap();
        let Some((project, _)) = tree.project() else { panic!("{case:?} is no project") };
        let Some(read) = read_static(&tree, &project) else { continue };
        *certain.entry(case.backend).or_default() += 1;
        let what = Install {
            editables: std::slice::from_ref(&directory),
            no_deps: true,
            offline: true,
            target: Some(&target),
            variables: &[("UV_FIND_LINKS", tools.wheels().to_str().unwrap())],
            ..Install::default()
        };
        let built = installer.install(&python.executable, &what, &Cancel::new(), &|_| {});
        let said = built.map_err(|error| format!("{error:?}")).and_then(|()| {
            EditableLayout::read(&target, &directory, &before).map_err(|error| error.to_string())
        });
        match said {
            Ok(said) if Understood::of(&said.metadata) == Understood::of(&read) => {}
            Ok(said) => faults.push(format!(
                "{case:?}\nbackend: {:#?}\nread: {:#?}",
                Understood::of(&said.metadata),
                Understood::of(&read)
            )),
            Err(error) => {
                faults.push(format!("{case:?} is refused by its backend: {error}\n{read:?}"))
            }
        }
    }
    assert!(faults.is_empty(), "{}", faults.join("\n\n"));
    assert_eq!(
        certain.len(),
        BACKENDS.len(),
        "every backend has projects that are certain: {certain:?}"
    );
    eprintln!("certain: {certain:?}");
}
