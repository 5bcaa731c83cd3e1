//! The first start of a host with modules of Python that are not there: fetched, installed and importable. By modstore in one
//! call of `activate`; by Amplifier's own code, if an environment with it is named; and as that code does it, step for step.
//!
//! Amplifier is no package of a registry. `--amplifier PYTHON` names the interpreter of an environment that has its
//! `amplifier_foundation`. Its `ModuleActivator` then runs as it is, in a new environment that also sees that one.
//! Step for step means `git clone --depth 1`, then `uv pip install -e`, one module after the other, as its code
//! waits for each.
//!
//! Limits: made-up modules without requirements, from servers on this machine; no bundles and no start of a session.

use std::{
    fs,
    io::Write as _,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use modstore_testbed::{Backend, HttpServer, Project, Python, PythonTools, Repo, TestHome, Venv};

use crate::{
    contender::empty,
    local::{Local, Samples, milliseconds, timed},
    measure::sync,
    report::{Table, number},
};

/// As many as Amplifier's default install has.
const MODULES: usize = 28;

/// Amplifier's own code, given the modules. It must have found all of them.
const ACTIVATE: &str = "
import asyncio, json, sys
from pathlib import Path
from amplifier_foundation.modules.activator import ModuleActivator
modules = json.load(sys.stdin)['modules']
activator = ModuleActivator(cache_dir=Path(sys.argv[1]), strict=True)
found = asyncio.run(activator.activate_all(modules))
activator.finalize()
sys.exit(len(found) != len(modules))
";

/// The modules, their server, and an installer.
struct World {
    home: TestHome,
    tools: PythonTools,
    python: Python,
    server: HttpServer,
    names: Vec<String>,
    /// The site of an environment with Amplifier.
    amplifier: Option<PathBuf>,
}

/// Each way by turns, into a new environment and an empty cache.
pub(crate) fn cold(local: &Local<'_>, amplifier: Option<&Path>) -> Result<String, String> {
    let world = World::new(local, amplifier)?;
    let mut samples = Samples::new();
    for round in 0..=local.rounds.min(5) {
        for name in ["activate", "steps", "amplifier"] {
            if name == "amplifier" && world.amplifier.is_none() {
                continue;
            }
            let venv = world.venv(&format!("{name}-{round}"))?;
            sync(&world.home.scratch())?;
            let wall = timed(|| match name {
                "activate" => world.activate(&venv, round),
                "steps" => world.step_for_step(&venv, round),
                _ => world.amplifier(&venv, round),
            })?;
            world.has_all(&venv)?;
            // The first round fills uv's cache of build requirements for all.
            if round > 0 {
                samples.entry(name.to_owned()).or_default().push(wall);
            }
        }
        // The next one may not find it beside itself.
        empty(&world.store(round))?;
    }
    Ok(table(&samples))
}

fn table(samples: &Samples) -> String {
    let mut table = Table::new(
        1,
        &["what", "ms, median [min..max]", "`activate` ÷ this, median of pairs", "aim"],
    );
    let of = |name: &str| samples.get(name).cloned().unwrap_or_default();
    for (name, what, aim) in [
        ("activate", "`modstore activate --python`: fetched, bound, imported, durable", ""),
        ("amplifier", "Amplifier's own `ModuleActivator`", "≤ 0.35"),
        ("steps", "as its code does it: clone, `uv pip install -e`, one by one", "≤ 0.35"),
    ] {
        let pairs = of("activate").into_iter().zip(of(name));
        let mut ratios: Vec<f64> = pairs.map(|(ours, theirs)| ours / theirs).collect();
        ratios.sort_by(f64::total_cmp);
        let middle = ratios.get(ratios.len() / 2).copied();
        let wall = if middle.is_some() {
            milliseconds(samples, name)
        } else {
            "not there: `--amplifier PYTHON`".to_owned()
        };
        table.row(vec![what.to_owned(), wall, number(middle, 2), aim.to_owned()]);
    }
    format!("{MODULES} modules (hatchling), nothing there.\n\n{table}")
}

impl World {
    fn new(local: &Local<'_>, amplifier: Option<&Path>) -> Result<Self, String> {
        let missing = "uv, wheels and Python are not there; tests/setup.sh fetches them";
        let tools = PythonTools::find().ok_or(missing)?;
        let python = match amplifier {
            // Its code is for one version of Python, and the environments must have that.
            Some(amplifier) => Python { version: (3, 0), executable: amplifier.to_owned() },
            None => Python::any().ok_or(missing)?,
        };
        let mut home = TestHome::new(local.modstore);
        tools.lead(&mut home);
        let root = home.scratch().join("served");
        fs::create_dir_all(&root).map_err(|error| error.to_string())?;
        let names: Vec<String> = (0..MODULES).map(|it| format!("bench-mod-{it:02}")).collect();
        for name in &names {
            let files = Project::new(name, Backend::Hatchling).files();
            let files: Vec<(&str, &str)> =
                files.iter().map(|(path, text)| (path.as_str(), text.as_str())).collect();
            Repo::create(&root, name).write(&files);
        }
        let server = HttpServer::start(&root);
        let amplifier = amplifier.map(|python| site_of(&home, python)).transpose()?;
        Ok(Self { home, tools, python, server, names, amplifier })
    }

    /// A new environment, which also sees the one with Amplifier.
    fn venv(&self, name: &str) -> Result<Venv<'_>, String> {
        let venv = Venv::create(&self.home, &self.tools, &self.python, name);
        if let Some(site) = &self.amplifier {
            let text = format!("{}\n", site.display());
            let path = venv.site().join("beside.pth");
            fs::write(path, text).map_err(|error| error.to_string())?;
        }
        Ok(venv)
    }

    /// The sources, in the form of both but for the key of a name.
    fn sources(&self, key: &str) -> String {
        let source = |name: &String| {
            format!("{{\"{key}\":\"{name}\",\"source\":\"git+{}@main\"}}", self.server.url(name))
        };
        let sources: Vec<String> = self.names.iter().map(source).collect();
        format!("{{\"modules\":[{}]}}", sources.join(","))
    }

    fn store(&self, round: usize) -> PathBuf {
        self.home.scratch().join(format!("store-{round}"))
    }

    fn activate(&self, venv: &Venv<'_>, round: usize) -> Result<(), String> {
        let (store, python) = (self.store(round), venv.python_text());
        let store = store.to_str().ok_or("a path is no text")?;
        let words = ["--home", store, "--json", "activate", "--python", &python];
        self.given(self.home.command(&words), "name")
    }

    fn amplifier(&self, venv: &Venv<'_>, round: usize) -> Result<(), String> {
        let cache = self.home.scratch().join(format!("cache-{round}"));
        let cache = cache.to_str().ok_or("a path is no text")?;
        self.given(self.home.command_of(&venv.python(), &["-c", ACTIVATE, cache]), "module")
    }

    fn step_for_step(&self, venv: &Venv<'_>, round: usize) -> Result<(), String> {
        let cache = self.home.scratch().join(format!("clones-{round}"));
        for name in &self.names {
            let clone = cache.join(name);
            let to = clone.to_str().ok_or("a path is no text")?;
            let url = self.server.url(name);
            let words = ["clone", "--depth", "1", "--branch", "main", &url, to];
            ended("git", self.home.command_of(Path::new("git"), &words))?;
            venv.uv_pip("install", &["-e", to, "--quiet", "--no-sources"]).ok();
        }
        Ok(())
    }

    /// Runs a program that reads the sources.
    fn given(&self, mut command: Command, key: &str) -> Result<(), String> {
        command.stdin(Stdio::piped()).stdout(Stdio::null());
        let mut child = command.spawn().map_err(|error| error.to_string())?;
        let mut stdin = child.stdin.take().ok_or("it has no standard input")?;
        stdin.write_all(self.sources(key).as_bytes()).map_err(|error| error.to_string())?;
        drop(stdin);
        let status = child.wait().map_err(|error| error.to_string())?;
        if status.success() { Ok(()) } else { Err(format!("it ended with {status}")) }
    }

    /// Whether an environment has every module.
    fn has_all(&self, venv: &Venv<'_>) -> Result<(), String> {
        let packages: Vec<String> = self.names.iter().map(|name| name.replace('-', "_")).collect();
        let code = format!(
            "import importlib; print(len([importlib.import_module(name) for name in {packages:?}]))"
        );
        let said = venv.says(&code);
        let has_all = said == MODULES.to_string();
        if has_all { Ok(()) } else { Err(format!("an environment has {said} modules")) }
    }
}

/// The site of the environment of this Python, which must have Amplifier.
fn site_of(home: &TestHome, python: &Path) -> Result<PathBuf, String> {
    let code = "import sysconfig, amplifier_foundation; print(sysconfig.get_path('purelib'))";
    let ran = home.command_of(python, &["-c", code]).output().map_err(|error| error.to_string())?;
    let site = PathBuf::from(String::from_utf8_lossy(&ran.stdout).trim());
    let why = || String::from_utf8_lossy(&ran.stderr).trim().to_owned();
    if ran.status.success() { Ok(site) } else { Err(format!("{}: {}", python.display(), why())) }
}

fn ended(name: &str, mut command: Command) -> Result<(), String> {
    let ran = command.stdout(Stdio::null()).output().map_err(|error| error.to_string())?;
    let why = || String::from_utf8_lossy(&ran.stderr).trim().to_owned();
    if ran.status.success() { Ok(()) } else { Err(format!("{name}: {}", why())) }
}
