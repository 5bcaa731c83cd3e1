//! A machine with environments and a cache, and the doctor run on it.

use std::{
    fs,
    path::{Path, PathBuf},
};

use modstore_testbed::{Backend, Project, Python, PythonTools, Ran, Running, TestHome, Venv};
use serde_json::Value;

/// What the four modules of the reports are called, and the digits of their two spellings, `https` and `ssh`.
pub(crate) const MODULES: [(&str, &str, &str); 4] = [
    ("provider-openai", "e2c4b8c10222ed8c", "f62df101b02f7b3e"),
    ("provider-gemini", "06d1437d03d6b064", "055b52ecbb4ac482"),
    ("provider-anthropic", "5181591dcf06d076", "290ff7b699138a0b"),
    ("provider-github-copilot", "ed66ecbd21ea6054", "9df0a2570f3b5eb6"),
];

pub(crate) struct World {
    pub(crate) home: TestHome,
    pub(crate) tools: PythonTools,
    pub(crate) python: Python,
}

/// A distribution of the reports.
pub(crate) fn distribution(module: &str) -> String {
    format!("amplifier-module-{module}")
}

pub(crate) fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

impl World {
    pub(crate) fn new() -> Option<Self> {
        let (tools, python) = (PythonTools::find()?, Python::any()?);
        let mut home = TestHome::new(env!("CARGO_BIN_EXE_modstore"));
        tools.lead(&mut home);
        Some(Self { home, tools, python })
    }

    /// The Python below an environment, which sees the user's own directory, and that directory, which need not be there.
    pub(crate) fn user_site(&self, venv: &Venv<'_>) -> Option<(PathBuf, PathBuf)> {
        // By its real place: a virtual environment does not look there.
        let base = PathBuf::from(venv.says("import sys; print(sys._base_executable)"));
        let site =
            "import site, sys; print(site.getusersitepackages() if site.ENABLE_USER_SITE else '')";
        let ran = Running::start(self.home.command_of(&base, &["-c", site])).wait().ok();
        let site = PathBuf::from(ran.stdout.trim());
        if site.as_os_str().is_empty() {
            modstore_testbed::skip_loudly("this Python does not look into the user's directory");
            return None;
        }
        Some((base, site))
    }

    pub(crate) fn venv(&self, name: &str) -> Venv<'_> {
        Venv::create(&self.home, &self.tools, &self.python, name)
    }

    /// The root of the cache, in no host's home.
    pub(crate) fn cache(&self) -> PathBuf {
        self.home.scratch().join("cache")
    }

    /// Puts a project into the cache, as a host that clones it would.
    pub(crate) fn cached(&self, project: &Project, hash: &str, address: &str) -> PathBuf {
        let directory = self.cache().join(format!("{}-{hash}", project.name));
        project.write_to(&directory);
        let meta = serde_json::json!({"git_url": address, "ref": "main"});
        fs::write(directory.join(".amplifier_cache_meta.json"), meta.to_string()).unwrap();
        directory
    }

    /// Installs a project out of the cache and renames its directory there, as an update does that finds it under its
    /// other spelling. Gives the directory that is gone, and the one that is there.
    pub(crate) fn stranded(&self, venv: &Venv<'_>, project: &Project) -> (PathBuf, PathBuf) {
        let address = format!("https://h.example/{}", project.name);
        let old = self.cached(project, MODULES[0].1, &address);
        install(venv, &[&old]);
        let new = old.with_file_name(format!("{}-{}", project.name, MODULES[0].2));
        fs::rename(&old, &new).unwrap();
        (old, new)
    }

    /// Runs the doctor on one environment, with `--json`.
    pub(crate) fn doctor(&self, venv: &Venv<'_>, more: &[&str]) -> (Ran, Value) {
        self.json(&[&["doctor", "--python", text(venv.prefix())], more].concat())
    }

    pub(crate) fn json(&self, arguments: &[&str]) -> (Ran, Value) {
        let ran = self.home.run(&[&["--json"], arguments].concat());
        let value = ran.json();
        assert_valid(&value);
        (ran, value)
    }

    /// The same where there is neither uv nor anything else to be found.
    pub(crate) fn doctor_without_uv(&self, venv: &Venv<'_>, more: &[&str]) -> (Ran, Value) {
        let prefix = text(venv.prefix());
        let arguments = [&["--json", "doctor", "--python", prefix], more].concat();
        let mut command = self.home.command(&arguments);
        let empty = self.home.scratch().join("empty");
        fs::create_dir_all(&empty).unwrap();
        command.env("PATH", empty).env_remove("UV");
        let ran = Running::start(command).wait();
        let value = ran.json();
        assert_valid(&value);
        (ran, value)
    }
}

fn assert_valid(value: &Value) {
    let schema: Value = serde_json::from_str(include_str!("../../docs/json.schema.json")).unwrap();
    let validator = jsonschema::validator_for(&schema).unwrap();
    let errors: Vec<String> = validator.iter_errors(value).map(|e| e.to_string()).collect();
    assert!(errors.is_empty(), "{value:#}\ndoes not match: {errors:#?}");
}

/// The findings with this code.
pub(crate) fn with_code<'v>(value: &'v Value, code: &str) -> Vec<&'v Value> {
    value["findings"].as_array().unwrap().iter().filter(|it| it["code"] == code).collect()
}

/// The only finding with this code.
#[track_caller]
pub(crate) fn only<'v>(value: &'v Value, code: &str) -> &'v Value {
    let found = with_code(value, code);
    assert_eq!(found.len(), 1, "{code} once\n{value:#}");
    found[0]
}

/// The codes that were found, each once.
pub(crate) fn codes(value: &Value) -> Vec<&str> {
    let findings = value["findings"].as_array().unwrap().iter();
    let mut codes: Vec<&str> = findings.map(|it| it["code"].as_str().unwrap()).collect();
    codes.sort_unstable();
    codes.dedup();
    codes
}

/// Installs projects where they lie.
pub(crate) fn install(venv: &Venv<'_>, directories: &[&Path]) {
    let mut arguments = vec!["-q", "--no-deps"];
    for directory in directories {
        arguments.extend(["-e", text(directory)]);
    }
    venv.uv_pip("install", &arguments).ok();
}

/// What importing gives: the version, or the exception.
pub(crate) fn import(venv: &Venv<'_>, package: &str) -> String {
    venv.says(&format!(
        "try:\n import {package}; print({package}.mount())\nexcept BaseException as e: print(repr(e))"
    ))
}

/// Whether every file of the distribution is as its RECORD says, as Python reads it.
pub(crate) fn assert_recorded(venv: &Venv<'_>, distribution: &str) {
    let code = format!(
        "import importlib.metadata as m, hashlib, base64\n\
         for f in m.distribution({distribution:?}).files:\n\
         \x20   if f.suffix == '.pyc': continue\n\
         \x20   b = f.read_binary()\n\
         \x20   if f.hash:\n\
         \x20       h = base64.urlsafe_b64encode(hashlib.sha256(b).digest()).rstrip(b'=').decode()\n\
         \x20       assert (h, len(b)) == (f.hash.value, f.size), f\n\
         print('as recorded')"
    );
    assert_eq!(venv.says(&code), "as recorded");
}

/// A hatchling module of the reports.
pub(crate) fn module(name: &str) -> Project {
    Project::new(&distribution(name), Backend::Hatchling)
}
