//! Twenty-eight Python modules of several backends bound to a new environment, against `uv pip install -e` of the same; and
//! the imports of four changed modules, against those of one.
//!
//! Real uv and real build backends, from `target/tools`, and no network. Ratios are of the two times of one round. The modules
//! declare their metadata; then the same with one more requirement of their builds, so that the backends have to be asked.
//! Limits: pure Python modules, and nothing else is installed for them.

use std::fs;
use std::path::PathBuf;
use std::time::Instant;

use modstore_testbed::{Backend, Project, Python, PythonTools, Repo, TestHome, Venv};

use crate::local::{Local, Samples, milliseconds};
use crate::measure::sync;
use crate::report::{Table, number};

const MODULES: usize = 28;
const BACKENDS: [Backend; 7] = [
    Backend::Hatchling,
    Backend::Flit,
    Backend::UvBuild,
    Backend::Setuptools,
    Backend::Poetry,
    Backend::Pdm,
    Backend::HatchlingFlat,
];
/// So many of them change in an update, or one.
const CHANGED: usize = 4;

/// What is measured, what it is compared with, and the aim.
const ROWS: [(&str, &str, &str); 8] = [
    ("uv", "`uv pip install -e` of the 28 in one call", "uv"),
    ("cold", "`modstore bind`, nothing known (aim: ≤ 1.2)", "uv"),
    ("asked uv", "`uv pip install -e`, backends asked", "asked uv"),
    ("asked", "`modstore bind`, backends asked (aim: ≤ 1.2)", "asked uv"),
    ("known", "`modstore bind`, metadata known (aim: ≤ 3,000 ms)", "uv"),
    ("idle", "`modstore bind` with nothing to do (aim: ≤ 50 ms)", "uv"),
    ("one", "`modstore update`, one module changed", "one"),
    ("four", "`modstore update`, four modules changed (aim: ≤ 1.3)", "one"),
];

struct World {
    home: TestHome,
    tools: PythonTools,
    python: Python,
    repos: Vec<(Project, Repo)>,
    /// Whether their backends have to be asked.
    asked: bool,
}

impl Local<'_> {
    /// The table.
    pub(crate) fn bind(&self) -> Result<String, String> {
        let missing = "uv, wheels and Python are not there; tests/setup.sh fetches them";
        let mut samples = Samples::new();
        self.bind_asked(&World::new(self, true).ok_or(missing)?, &mut samples)?;
        let world = World::new(self, false).ok_or(missing)?;
        let editables = world.editables();
        for round in 0..=self.rounds {
            let mut take = |name: &str, work: &dyn Fn()| -> Result<(), String> {
                sync(world.home.path())?;
                let start = Instant::now();
                work();
                let wall = start.elapsed().as_secs_f64();
                if round > 0 {
                    samples.entry(name.to_owned()).or_default().push(wall);
                }
                Ok(())
            };
            let theirs = world.venv(&format!("uv-{round}"));
            take("uv", &|| drop(theirs.uv_pip("install", &editables).ok()))?;
            for name in ["cold", "known"] {
                if name == "cold" {
                    world.forget()?;
                }
                let venv = world.venv(&format!("{name}-{round}"));
                let bind = ["bind", "--python", &venv.python_text()];
                take(name, &|| drop(world.home.run(&bind).ok()))?;
                world.all_say(&[&theirs, &venv])?;
                if name == "known" {
                    take("idle", &|| drop(world.home.run(&bind).ok()))?;
                }
                world.home.run(&["unbind", "--python", &venv.python_text()]).ok();
            }
            let venv = world.venv(&format!("gate-{round}"));
            venv.uv_pip("install", &["-q", "setuptools", "packaging", "tomlkit"]).ok();
            world.home.run(&["bind", "--python", &venv.python_text()]).ok();
            for (name, changed) in [("one", 1), ("four", CHANGED)] {
                world.commit(&format!("{name} {round}"), changed);
                take(name, &|| drop(world.home.run(&["update"]).ok()))?;
            }
            world.home.run(&["unbind", "--python", &venv.python_text()]).ok();
        }
        Ok(table(&samples))
    }

    /// The same modules bound to a new environment when their backends have to be asked, and installed by uv.
    fn bind_asked(&self, world: &World, samples: &mut Samples) -> Result<(), String> {
        let editables = world.editables();
        for round in 0..=self.rounds {
            world.forget()?;
            let theirs = world.venv(&format!("uv-{round}"));
            let ours = world.venv(&format!("asked-{round}"));
            let bind = ["bind", "--python", &ours.python_text()];
            let uv = || drop(theirs.uv_pip("install", &editables).ok());
            let modstore = || drop(world.home.run(&bind).ok());
            let both: [(&str, &dyn Fn()); 2] = [("asked uv", &uv), ("asked", &modstore)];
            for (name, work) in both {
                sync(world.home.path())?;
                let start = Instant::now();
                work();
                if round > 0 {
                    let wall = start.elapsed().as_secs_f64();
                    samples.entry(name.to_owned()).or_default().push(wall);
                }
            }
            world.all_say(&[&theirs, &ours])?;
            world.home.run(&["unbind", "--python", &ours.python_text()]).ok();
        }
        Ok(())
    }
}

fn table(samples: &Samples) -> String {
    let head = ["what", "ms, median [min..max]", "× `uv pip install -e`, or one module"];
    let mut table = Table::new(1, &head);
    for (name, what, other) in ROWS {
        let of = |name: &str| samples.get(name).cloned().unwrap_or_default();
        let mut ratios: Vec<f64> =
            of(name).iter().zip(of(other)).map(|(ours, theirs)| ours / theirs).collect();
        ratios.sort_by(f64::total_cmp);
        let middle = ratios.get(ratios.len() / 2).copied();
        table.row(vec![what.to_owned(), milliseconds(samples, name), number(middle, 2)]);
    }
    format!("{MODULES} modules of {} backends.\n\n{table}", BACKENDS.len())
}

fn there(error: std::io::Error) -> std::io::Result<()> {
    if error.kind() == std::io::ErrorKind::NotFound { Ok(()) } else { Err(error) }
}

fn text(error: std::io::Error) -> String {
    error.to_string()
}

impl World {
    fn new(local: &Local<'_>, asked: bool) -> Option<Self> {
        let (tools, python) = (PythonTools::find()?, Python::any()?);
        let mut home = TestHome::new(local.modstore);
        tools.lead(&mut home);
        let repos = (0..MODULES).zip(BACKENDS.into_iter().cycle()).map(|(number, backend)| {
            let name = format!("mod-{number:02}");
            let repo = Repo::create(&home.scratch(), &name);
            let project = Project::new(&name, backend);
            // The first four need what takes its time to import.
            let heavy = ["setuptools", "packaging", "tomlkit"];
            (if number < CHANGED { project.needing(&heavy) } else { project }, repo)
        });
        let world = Self { repos: repos.collect(), home, tools, python, asked };
        world.commit("first", MODULES);
        for (project, repo) in &world.repos {
            let source = format!("git+{}", repo.url_file());
            world.home.run(&["add", "--no-update", &source, "--name", &project.name]).ok();
        }
        world.home.run(&["update"]).ok();
        Some(world)
    }

    /// A new environment. What the first four modules need is there before.
    fn venv(&self, name: &str) -> Venv<'_> {
        let venv = Venv::create(&self.home, &self.tools, &self.python, name);
        venv.uv_pip("install", &["-q", "setuptools", "packaging", "tomlkit"]).ok();
        venv
    }

    /// A commit in the first repositories.
    fn commit(&self, what: &str, count: usize) {
        for (number, (project, repo)) in self.repos.iter().enumerate().take(count) {
            let heavy = "import setuptools, tomlkit, packaging.version, setuptools.dist\n";
            let heavy = if number < CHANGED { heavy } else { "" };
            let files = self.files(&project.with_code(&format!("{heavy}VALUE = {what:?}")));
            let files: Vec<(&str, &str)> =
                files.iter().map(|(path, text)| (path.as_str(), text.as_str())).collect();
            repo.write(&files);
        }
    }

    /// A directory for each module, for whoever installs directories.
    fn copies(&self) -> Vec<PathBuf> {
        let place = self.home.scratch().join("copies");
        let copy = |(project, _): &(Project, Repo)| {
            let copy = place.join(&project.name);
            for (path, text) in self.files(project) {
                let path = copy.join(path);
                fs::create_dir_all(path.parent()?).ok()?;
                fs::write(path, text).ok()?;
            }
            Some(copy)
        };
        self.repos.iter().filter_map(copy).collect()
    }

    /// What uv is called with.
    fn editables(&self) -> Vec<String> {
        let copies = self.copies().into_iter();
        let directories = copies.flat_map(|it| ["-e".to_owned(), it.display().to_string()]);
        ["-q", "--no-deps"].into_iter().map(str::to_owned).chain(directories).collect()
    }

    /// The files of a project. A requirement of its build that could be a plugin makes its backend the only one who knows.
    fn files(&self, project: &Project) -> Vec<(String, String)> {
        let mut files = project.files();
        for (_, text) in files.iter_mut().filter(|(path, _)| self.asked && path == "pyproject.toml")
        {
            *text = text.replacen("\"]\nbuild-backend", "\", \"packaging\"]\nbuild-backend", 1);
        }
        files
    }

    /// Nothing is known of any project any more.
    fn forget(&self) -> Result<(), String> {
        fs::remove_dir_all(self.home.path().join("probes")).or_else(there).map_err(text)
    }

    /// Whether every environment has every module.
    fn all_say(&self, venvs: &[&Venv<'_>]) -> Result<(), String> {
        let packages: Vec<String> =
            self.repos.iter().map(|(project, _)| project.package()).collect();
        let code = format!(
            "import importlib; print(len([importlib.import_module(name) for name in {packages:?}]))"
        );
        let wrong = venvs.iter().map(|venv| venv.says(&code));
        let mut wrong = wrong.filter(|said| *said != MODULES.to_string());
        wrong.next().map_or(Ok(()), |said| Err(format!("an environment has {said} modules")))
    }
}
