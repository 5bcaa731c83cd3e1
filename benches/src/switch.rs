//! Twenty Python modules in one environment: a new version of each is shown, against installing them again.
//!
//! Real uv and real build backends, from `target/tools`, and no network. What the modules are fetched from are local
//! repositories, for everybody.
//! Limits: one environment, pure Python modules, everything in memory; modstore's contents are durable at its end.

use std::fs;
use std::path::PathBuf;
use std::time::Instant;

use modstore_testbed::{Backend, Project, Python, PythonTools, Repo, TestHome, Venv};

use crate::local::{Local, Samples, middle, milliseconds};
use crate::measure::sync;
use crate::report::{Table, number};

const MODULES: usize = 20;

/// What is compared; the first is what ratios are to.
const ROWS: [(&str, &str); 5] = [
    (
        "reinstall",
        "`uv pip install --reinstall -e` of the 20, their files changed in place already",
    ),
    ("uv git", "`uv pip install --reinstall git+file://…` of the 20, as uv does without editables"),
    ("rollback", "`modstore rollback`: all 20 switched, the environment looked at"),
    ("update", "`modstore update`: 20 fetched, imported, durable, switched, looked at"),
    ("idle", "`modstore update` with nothing changed"),
];

/// Twenty modules, their repositories, and an environment for each contender.
struct World {
    home: TestHome,
    tools: PythonTools,
    python: Python,
    repos: Vec<(Project, Repo)>,
}

impl Local<'_> {
    /// The table.
    pub(crate) fn switch(&self) -> Result<String, String> {
        let missing = "uv, wheels and Python are not there; tests/setup.sh fetches them";
        let world = World::new(self).ok_or(missing)?;
        let [ours, editable, plain] = ["ours", "editable", "plain"]
            .map(|name| Venv::create(&world.home, &world.tools, &world.python, name));
        world.home.run(&["bind", "--python", &ours.python_text()]).ok();
        let copies = world.copies();
        let mut samples = Samples::new();
        for round in 0..=self.rounds {
            world.commit(round);
            let directories = copies.iter().map(|copy| copy.to_string_lossy().into_owned());
            world.write(&copies, round);
            let editables = directories.flat_map(|it| ["-e".to_owned(), it]);
            let editables = with(&["-q", "--no-deps", "--reinstall"], editables);
            let git = world.repos.iter().map(|(_, repo)| format!("git+{}", repo.url_file()));
            let git = with(&["-q", "--no-deps", "--reinstall", "--refresh"], git);
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
            take("reinstall", &|| drop(editable.uv_pip("install", &editables).ok()))?;
            take("uv git", &|| drop(plain.uv_pip("install", &git).ok()))?;
            take("update", &|| drop(world.home.run(&["update"]).ok()))?;
            world.all_say(&[&ours, &editable, &plain], round)?;
            take("idle", &|| drop(world.home.run(&["update"]).ok()))?;
            if round > 0 {
                take("rollback", &|| drop(world.home.run(&["rollback"]).ok()))?;
                world.all_say(&[&ours], round - 1)?;
                world.home.run(&["update"]).ok();
            }
        }
        let least = middle(&samples, "reinstall");
        let mut table =
            Table::new(1, &["what", "ms, median [min..max]", "× reinstalling editables"]);
        for (name, what) in ROWS {
            let shown = milliseconds(&samples, name);
            let times = middle(&samples, name).zip(least).map(|(ours, theirs)| ours / theirs);
            table.row(vec![what.to_owned(), shown, number(times, 4)]);
        }
        Ok(format!("After each, the code of every module is asked for its version.\n\n{table}"))
    }
}

fn with(options: &[&str], rest: impl Iterator<Item = String>) -> Vec<String> {
    options.iter().map(|option| (*option).to_owned()).chain(rest).collect()
}

impl World {
    fn new(local: &Local<'_>) -> Option<Self> {
        let (tools, python) = (PythonTools::find()?, Python::any()?);
        let mut home = TestHome::new(local.modstore);
        tools.lead(&mut home);
        let repos = (0..MODULES).map(|number| {
            let name = format!("mod-{number:02}");
            let repo = Repo::create(&home.scratch(), &name);
            (Project::new(&name, Backend::Hatchling), repo)
        });
        let world = Self { repos: repos.collect(), home, tools, python };
        world.commit(0);
        for (project, repo) in &world.repos {
            let source = format!("git+{}", repo.url_file());
            world.home.run(&["add", "--no-update", &source, "--name", &project.name]).ok();
        }
        world.home.run(&["update"]).ok();
        Some(world)
    }

    fn version(project: &Project, round: usize) -> Project {
        project.with_code(&format!("VALUE = {round}"))
    }

    /// A commit in each repository.
    fn commit(&self, round: usize) {
        for (project, repo) in &self.repos {
            let files = Self::version(project, round).files();
            let files: Vec<(&str, &str)> =
                files.iter().map(|(path, text)| (path.as_str(), text.as_str())).collect();
            repo.write(&files);
        }
    }

    /// A directory for each module, for whoever installs directories.
    fn copies(&self) -> Vec<PathBuf> {
        let place = self.home.scratch().join("copies");
        self.repos.iter().map(|(project, _)| place.join(&project.name)).collect()
    }

    fn write(&self, copies: &[PathBuf], round: usize) {
        for ((project, _), copy) in self.repos.iter().zip(copies) {
            let _ = fs::create_dir_all(copy);
            Self::version(project, round).write_to(copy);
        }
    }

    /// Whether every environment runs the code of this round.
    fn all_say(&self, venvs: &[&Venv<'_>], round: usize) -> Result<(), String> {
        let packages: Vec<String> =
            self.repos.iter().map(|(project, _)| project.package()).collect();
        let code = format!(
            "import importlib; print({{importlib.import_module(name).VALUE for name in {packages:?}}})"
        );
        let wrong = venvs.iter().map(|venv| venv.says(&code));
        let mut wrong = wrong.filter(|said| *said != format!("{{{round}}}"));
        wrong.next().map_or(Ok(()), |said| Err(format!("round {round}: it says {said}")))
    }
}
