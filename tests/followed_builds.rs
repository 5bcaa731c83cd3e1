//! Modules whose own backend installs more than a path: finders, compiled files, code that the build writes.
//!
//! Each is built once by its real backend, bound, and must follow two switches and a sweep. What cannot be followed is
//! refused by the name of its backend.

use modstore_testbed::{Backend, Project, Python, PythonTools, Ran, Repo, TestHome, Venv};

struct World {
    home: TestHome,
    tools: PythonTools,
    python: Python,
}

impl World {
    fn new() -> Option<Self> {
        let tools = PythonTools::find()?;
        let python = Python::any()?;
        let mut home = TestHome::new(env!("CARGO_BIN_EXE_modstore"));
        tools.lead(&mut home);
        // Root may write byte code even into read-only directories, and `verify` would report that.
        home.env("PYTHONDONTWRITEBYTECODE", "1");
        Some(Self { home, tools, python })
    }

    fn add(&self, name: &str, files: &[(String, String)]) -> Repo {
        let repo = Repo::create(&self.home.scratch(), name);
        commit(&repo, files);
        self.home.run(&["add", &format!("git+{}", repo.url_file())]).ok();
        repo
    }

    fn bind(&self) -> (Venv<'_>, Ran) {
        let venv = Venv::create(&self.home, &self.tools, &self.python, "venv");
        let ran = self.home.run(&["bind", "--python", &venv.python_text()]);
        (venv, ran)
    }
}

fn commit(repo: &Repo, files: &[(String, String)]) {
    let files: Vec<(&str, &str)> =
        files.iter().map(|(path, text)| (path.as_str(), text.as_str())).collect();
    repo.write(&files);
}

#[test]
fn modules_with_finders_follow_every_switch_and_outlive_the_sweep() {
    let Some(world) = World::new() else { return };
    let backends = [Backend::SetuptoolsFlat, Backend::HatchlingExact, Backend::ScikitBuildCore];
    let projects: Vec<Project> = backends
        .into_iter()
        .enumerate()
        .map(|(number, backend)| Project::new(&format!("mod-{number}"), backend))
        .collect();
    let repos: Vec<Repo> = projects
        .iter()
        .map(|project| world.add(&project.name, &project.with_code("VALUE = 1").files()))
        .collect();
    let (venv, bound) = world.bind();
    bound.ok();
    let code = "import mod_0, mod_1, mod_2, mod_2._core; print(mod_0.VALUE, mod_1.VALUE, mod_2.VALUE, mod_2._core.answer())";
    assert_eq!(venv.says(code), "1 1 1 42");
    for value in [2, 3] {
        for (project, repo) in projects.iter().zip(&repos) {
            commit(repo, &project.with_code(&format!("VALUE = {value}")).files());
        }
        world.home.run(&["update"]).ok();
        world.home.run(&["gc", "--keep", "1", "--older-than", "0s"]).ok();
        assert_eq!(venv.says(code), format!("{value} {value} {value} 42"));
    }
    for (name, text) in venv.pth_files().iter().filter(|(name, _)| name.contains("mod")) {
        assert!(!text.contains("import ") && !text.contains("entries"), "{name}: {text}");
    }
    world.home.run(&["verify"]).ok();
}

#[test]
fn packages_with_other_names_than_their_directories_are_imported_by_their_names() {
    let Some(world) = World::new() else { return };
    let mut project = Project::new("mod-a", Backend::SetuptoolsFlat);
    project.settings = "[tool.setuptools]\npackages = [\"mod_a\", \"renamed\", \"ns.part\"]\npy-modules = [\"single\"]\n\
         package-dir = { \"renamed\" = \"other\", \"ns.part\" = \"lib/part\" }\n"
        .into();
    let files = |value: u32| {
        let mut files = project.files();
        for path in ["other/__init__.py", "lib/part/__init__.py", "single.py"] {
            files.push((path.into(), format!("VALUE = {value}\n")));
        }
        files
    };
    let repo = world.add("mod-a", &files(1));
    let (venv, bound) = world.bind();
    bound.ok();
    let code = "import renamed, ns.part, single; print(renamed.VALUE, ns.part.VALUE, single.VALUE)";
    assert_eq!(venv.says(code), "1 1 1");
    commit(&repo, &files(2));
    world.home.run(&["update"]).ok();
    assert_eq!(venv.says(code), "2 2 2");
    let others =
        "import importlib.util as u; print([u.find_spec(n) for n in ['other', 'lib', 'tests']])";
    assert_eq!(venv.says(others), "[None, None, None]", "nothing but what was mapped");
}

#[test]
fn code_that_a_build_writes_into_a_package_can_be_imported() {
    let Some(world) = World::new() else { return };
    // `__init__.py` imports what only the build makes: in a package of setuptools-scm, and by a hook of hatch's.
    let mut scm = Project::new("mod-scm", Backend::Setuptools);
    scm.code = "from mod_scm._version import version as VERSION\n".into();
    scm.settings = "[tool.setuptools_scm]\nversion_file = \"src/mod_scm/_version.py\"\n".into();
    let mut hook = Project::new("mod-hook", Backend::HatchlingFlat);
    hook.code = "from mod_hook._made import MADE\n".into();
    hook.settings = "[tool.hatch.build.hooks.custom]\n".into();
    let files = |value: u32| {
        let code = |project: &Project| {
            project.with_code(&format!("{}VALUE = {value}", project.code)).files()
        };
        let mut of_scm = code(&scm);
        of_scm[0].1 = of_scm[0]
            .1
            .replace(
                "requires = [\"setuptools\"]",
                "requires = [\"setuptools\", \"setuptools-scm\"]",
            )
            .replace("version = \"1.0\"\n", "dynamic = [\"version\"]\n");
        let mut of_hook = code(&hook);
        of_hook.push((
            "hatch_build.py".into(),
            "import os\nfrom hatchling.builders.hooks.plugin.interface import BuildHookInterface\n\n\n\
             class Hook(BuildHookInterface):\n    def initialize(self, version, build_data):\n        \
             with open(os.path.join(self.root, 'mod_hook', '_made.py'), 'w') as file:\n            \
             file.write('MADE = 42\\n')\n"
                .into(),
        ));
        (of_scm, of_hook)
    };
    let (of_scm, of_hook) = files(1);
    let repos = [world.add("mod-scm", &of_scm), world.add("mod-hook", &of_hook)];
    let (venv, bound) = world.bind();
    bound.ok();
    let code = "import mod_scm, mod_hook; print(mod_scm.VERSION, mod_scm.VALUE, mod_hook.MADE, mod_hook.VALUE)";
    assert_eq!(venv.says(code), "0.0.0+modstore 1 42 1");
    let (of_scm, of_hook) = files(2);
    commit(&repos[0], &of_scm);
    commit(&repos[1], &of_hook);
    world.home.run(&["update"]).ok();
    assert_eq!(venv.says(code), "0.0.0+modstore 2 42 2");
    // It is no part of the tree that the digest is of.
    world.home.run(&["verify"]).ok();
}

#[test]
fn a_backend_that_cannot_be_followed_is_named_with_the_reason() {
    let Some(world) = World::new() else { return };
    // A backend of its own, whose `.pth` runs code.
    let backend = "import zipfile, os\n\n\
         def get_requires_for_build_editable(s=None):\n    return []\n\n\
         def build_editable(directory, s=None, m=None):\n    name = 'mod_odd-1.0-py3-none-any.whl'\n    \
         files = {'odd.pth': 'import os; os.odd = 1\\n', 'mod_odd-1.0.dist-info/METADATA': 'Metadata-Version: 2.1\\nName: mod-odd\\nVersion: 1.0\\n',\n             \
         'mod_odd-1.0.dist-info/WHEEL': 'Wheel-Version: 1.0\\nGenerator: odd\\nRoot-Is-Purelib: true\\nTag: py3-none-any\\n'}\n    \
         files['mod_odd-1.0.dist-info/RECORD'] = ''.join(n + ',,\\n' for n in files)\n    \
         with zipfile.ZipFile(os.path.join(directory, name), 'w') as z:\n        \
         for n, t in files.items():\n            z.writestr(n, t)\n    return name\n";
    let pyproject = "[build-system]\nrequires = []\nbuild-backend = \"odd\"\nbackend-path = [\".\"]\n\n[project]\nname = \"mod-odd\"\nversion = \"1.0\"\n";
    world.add(
        "mod-odd",
        &[("pyproject.toml".into(), pyproject.into()), ("odd.py".into(), backend.into())],
    );
    let (_, bound) = world.bind();
    bound
        .fails(1)
        .says("its build backend odd")
        .says("odd.pth runs code at the start of each interpreter");
}
